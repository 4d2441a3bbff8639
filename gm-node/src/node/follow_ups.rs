//! The table of what follows from what: the only place where components of the node meet, and the
//! only one to read for the order in which they act. `follow_ups/newcomers.rs` has the rows about
//! newcomers.
//!
//! Rules of order, each stated again where it is kept:
//!
//! 1. **Stored before visible.** Results of the store are handled before anything else, and nothing
//!    of a draft is visible, here or elsewhere, before the store has it.
//! 2. **Merged before answered.** Follow-ups of received messages come before timers, so that a
//!    decision by time sees all that was received.
//! 3. **Depth first.** What an action causes happens before the next action, as if components had
//!    called each other.
//! 4. **Watchers last.** They see one difference for all that an input changed.

mod newcomers;

use gm_broadcast::{BroadcastCommand, BroadcastEvent, BroadcastRequest};
use gm_clock::NetId;
use gm_codec::BroadcastId;
use gm_data::{GroupName, Record};

use super::NodeMachine;
use super::action::Action;
use super::anti_entropy::NEWCOMER_PERIOD;
use super::dissemination::{OwnChange, answer_at_once};
use super::persistence::PendingBatch;
use super::sponsor;
use super::timers::NodeTimer;
use super::writes::CommittedDraft;
use crate::command::{NodeCommand, PendingAnswer};
use crate::event::NodeEvent;
use crate::groups::Effect;
use crate::store::{Store, StoreError};

impl<S: Store> NodeMachine<S> {
    /// A command of the owner.
    pub(super) fn on_command(&mut self, command: NodeCommand) {
        let cx = &mut self.cx;
        match command {
            NodeCommand::Write(write) => self.writes.on_write(cx, write, self.dissemination.open_waits()),
            NodeCommand::Forget(forget) => self.writes.on_forget(cx, forget, self.dissemination.open_waits()),
            NodeCommand::Purge { group, include_absent } => self.on_purge(&group, include_absent),
            NodeCommand::Watch { tag, group } => self.watchers.add(cx, tag, group),
            NodeCommand::AdvanceWatch { tag, cursor } => self.watchers.advance(cx, tag, *cursor),
            NodeCommand::Unwatch { tag } => self.watchers.remove(tag),
            NodeCommand::StoreReady => {}
            NodeCommand::Seeds(seeds) => {
                cx.command(BroadcastCommand::AddSeeds(seeds));
                self.run_actions();
                self.on_seeds();
            }
            NodeCommand::Keys(keyring) => cx.command(BroadcastCommand::SetKeys(keyring)),
            NodeCommand::EndWaits => self.dissemination.end_waits(cx),
            NodeCommand::Close => cx.command(BroadcastCommand::Close),
        }
    }

    /// Drops the records of forgotten members here and at all reachable members. Others are sent
    /// the evictions when they send such a record within the hour.
    fn on_purge(&mut self, group: &GroupName, include_absent: bool) {
        let cx = &mut self.cx;
        let evictions = cx.purgeable(group, include_absent);
        if cx.evict(group, &evictions) {
            cx.act(Action::WriteBack);
            cx.act(Action::Hasten(cx.config.timing.exchange_interval_active));
        }
        self.dissemination.broadcast_evictions(cx, group, &evictions);
    }

    /// The first input: the peers known before are dialed, and the stored memberships registered.
    pub(super) fn start(&mut self) {
        let cx = &mut self.cx;
        self.writes.start(cx);
        let old_peers = self.anti_entropy.old_peers().to_vec();
        if !old_peers.is_empty() {
            cx.command(BroadcastCommand::AddNodes(old_peers.clone()));
            old_peers.into_iter().for_each(|peer| cx.unlist_if_forgotten(peer));
        }
        for group in cx.own_groups() {
            self.registration.enroll(cx, &group);
        }
        self.anti_entropy.start(cx);
    }

    /// A result of the store.
    pub(super) fn on_batch_finished(&mut self, pending: PendingBatch, result: Result<(), StoreError>) {
        let cx = &mut self.cx;
        match (pending, result) {
            (PendingBatch::Identity, Ok(())) => {}
            (PendingBatch::Identity, Err(_)) => self.persistence.schedule_write_back(cx, true),
            // Rule 1: only now are the drafts committed, sent and answered.
            (PendingBatch::Own, Ok(())) => self.commit_finished(),
            (PendingBatch::Own, Err(error)) => {
                let drafts = self.writes.take_finished(cx);
                let retry_delay = self.persistence.retry_delay(cx);
                self.writes.reject(cx, drafts, &error, retry_delay);
            }
            (PendingBatch::Learned(batch), Ok(())) => self.persistence.on_learned_stored(cx, batch),
            (PendingBatch::Learned(batch), Err(_)) => self.persistence.on_learned_failed(cx, batch),
        }
    }

    /// Commits the drafts that the store has, or of which nothing has to be stored.
    fn commit_finished(&mut self) {
        for (group, draft) in self.writes.take_finished(&mut self.cx).into_groups() {
            let committed = self.writes.commit(&mut self.cx, &group, draft);
            self.run_actions();
            self.on_committed(&group, committed);
            self.run_actions();
        }
        self.writes.schedule_next(&mut self.cx);
    }

    /// A draft became the state of its group.
    fn on_committed(&mut self, group: &GroupName, committed: CommittedDraft) {
        let CommittedDraft { previous, own, changed, former_leave, own_evictions, forgotten, answers } =
            committed;
        for (record, answer) in forgotten {
            self.on_forgotten(group, record, answer);
        }
        for eviction in own_evictions {
            self.dissemination.announce_own_eviction(&mut self.cx, group, eviction);
        }
        self.run_actions();
        let cx = &mut self.cx;
        let Some(own) = own else { return cx.act(Action::ReleaseIfIdle(group.clone())) };
        if own.is_member() {
            // The group is hosted before the write is sent, since peers may answer at once.
            cx.start_membership(group);
            self.registration.enroll(cx, group);
        } else {
            self.registration.unenroll(group);
        }
        let (waiting, immediate): (Vec<PendingAnswer>, Vec<PendingAnswer>) =
            answers.into_iter().partition(|answer| answer.wait.count.needs_acks());
        immediate.into_iter().for_each(|answer| answer_at_once(cx, group, answer));
        if previous.is_none() && own.is_member() {
            // Dissemination treats a newcomer's write differently, so this comes before it.
            cx.newcomer_until = cx.now + NEWCOMER_PERIOD;
        }
        if changed || !waiting.is_empty() {
            let change = OwnChange { previous: previous.as_ref(), own: &own, former: former_leave, changed };
            self.dissemination.disseminate(cx, group, change, waiting);
            self.run_actions();
        }
        let cx = &mut self.cx;
        let was_member = previous.as_ref().is_some_and(Record::is_member);
        if !own.is_member() && (was_member || cx.is_leaving(group)) {
            if !cx.config.observe {
                cx.start_leaving(group);
                cx.act(Action::ReleaseIfLeft(group.clone()));
            }
        } else {
            cx.act(Action::ReleaseIfIdle(group.clone()));
        }
        self.run_actions();
        if changed {
            self.introductions.on_changed(&mut self.cx, group, &[own.member()], false);
            // A broadcast may be lost: exchanges spread the change to all others.
            let is_sponsored = sponsor::pending_sponsor(&self.cx, group).is_some();
            self.anti_entropy.on_own_change(&mut self.cx, group, previous.is_none(), is_sponsored);
        }
    }

    /// A member was forgotten by a write of this node.
    fn on_forgotten(&mut self, group: &GroupName, record: Record, answer: PendingAnswer) {
        let cx = &mut self.cx;
        cx.unlist_if_forgotten(record.member());
        self.dissemination.broadcast_forget(cx, group, record, answer);
        cx.act(Action::Hasten(cx.config.timing.exchange_interval_active));
    }

    /// A finding of the group table in a received message.
    pub(super) fn on_effect(&mut self, effect: Effect) {
        let cx = &mut self.cx;
        match effect {
            Effect::Exchange { from, path, body } => self.anti_entropy.on_message(cx, from, path, body),
            Effect::Merged { group, from, members, by, follows } => {
                self.on_merged((&group, from), &members, by, follows);
            }
            Effect::SenderBehind { group, from, path, members } => {
                self.anti_entropy.on_sender_behind(cx, &group, (from, path), &members);
            }
            Effect::IncrementGap { group, from, path, member, version } => {
                self.anti_entropy.on_increment_gap(cx, &group, (member, version), (from, path));
            }
            Effect::ForeignRecord { group, from, path, stamp } => {
                self.writes.on_foreign_record(cx, &group, (from, path), stamp);
            }
            Effect::EvictedShown { group, from, path, evictions } => {
                self.anti_entropy.send_evictions(cx, &group, (from, path), &evictions);
            }
            Effect::OwnEvicted { group, from, path, eviction } => {
                self.writes.on_own_evicted(cx, group, (from, path), eviction);
            }
            Effect::OwnRecordConfirmed { group, by, is_current } => {
                if is_current {
                    self.on_record_shown(&group, by);
                }
                self.writes.on_record_probed(&mut self.cx, &group);
            }
            Effect::HostReported { due } => cx.timers.set_by(NodeTimer::HostProbe, due),
            Effect::Emit(event) => cx.emit(event),
        }
    }

    /// Records of other members were merged; `by`: the broadcast that contained them, if any;
    /// `follows`: whether it shows that no earlier one was missed.
    fn on_merged(
        &mut self,
        (group, from): (&GroupName, NetId),
        members: &[NetId],
        by: Option<BroadcastId>,
        follows: bool,
    ) {
        let cx = &mut self.cx;
        self.anti_entropy.on_merged(cx, group, members);
        let has_newcomers = self.introductions.on_changed(cx, group, members, by.is_none());
        for member in members {
            if cx.groups.version(group, *member).is_some_and(|version| version.forgotten) {
                cx.unlist_if_forgotten(*member);
            }
        }
        cx.warn_if_near_limit(group);
        self.dissemination.on_members_found(cx, group, members);
        let timing = cx.config.timing;
        if let Some(id) = by {
            self.persistence.note_unstored(cx, group, id);
            self.dissemination.note_informed(cx, group, id);
            // A broadcast that follows shows no loss; if all receivers compared, an update would
            // cost many times its broadcast. Its origin compares, and each node that finds a loss.
            if !follows {
                self.anti_entropy.hasten(cx, timing.exchange_interval_active);
            }
        } else {
            self.on_merged_directly((group, from), has_newcomers);
        }
        let cx = &mut self.cx;
        self.persistence.schedule_write_back(cx, false);
    }

    /// An event of the broadcaster.
    pub(super) fn on_broadcaster_event(&mut self, event: BroadcastEvent) {
        use BroadcastEvent as Event;
        let cx = &mut self.cx;
        match event {
            // A rejection is handled with its broadcast.
            Event::Started { .. } | Event::Rejected { .. } => {}
            Event::Acks { tag, report, parts } => self.dissemination.on_acks(cx, tag, report, parts),
            Event::PersistRequested(id) => self.persistence.on_persist_requested(cx, id),
            Event::NodeFound(node) => self.on_node_found(node),
            Event::DeliveryDoubtful => {
                self.anti_entropy.hasten(cx, cx.config.timing.exchange_interval_active)
            }
            Event::IdentityClash => cx.emit(NodeEvent::DuplicateAddress),
            Event::Near(_)
            | Event::Far(_)
            | Event::Island(_)
            | Event::Unopened(_)
            | Event::DatagramReachability { .. }
            | Event::Stalled(_)
            | Event::SeedTrouble { .. }
            | Event::SeedReached(_) => cx.emit(NodeEvent::Broadcast(event)),
        }
    }

    /// The broadcaster discovered a peer.
    fn on_node_found(&mut self, node: NetId) {
        let cx = &mut self.cx;
        self.persistence.note_peers_changed();
        if !cx.is_compared_member(node) {
            self.anti_entropy.hasten(cx, cx.config.timing.exchange_interval_active);
        }
        self.registration.consider_rendezvous(cx, node);
        for group in self.writes.probes().unanswered() {
            let is_asked = sponsor::pending_sponsor(cx, &group) == Some(node);
            if !is_asked && self.registration.rendezvous_of(cx, &group).contains(&node) {
                self.writes.probes().ask_in_addition(cx, group, node);
            }
        }
        cx.emit(NodeEvent::Broadcast(BroadcastEvent::NodeFound(node)));
    }

    /// A timer that is due.
    pub(super) fn on_timer(&mut self, timer: NodeTimer) {
        let cx = &mut self.cx;
        match timer {
            NodeTimer::Start => self.start(),
            NodeTimer::WriteTick => {
                // The questions are sent before the drafts are made: a write that has to wait for
                // their answers is in none of them.
                self.writes.probe_first_writes(cx);
                self.run_actions();
                self.writes.draft_queued(&mut self.cx);
            }
            NodeTimer::Wait(id) => self.dissemination.on_wait_due(cx, id),
            NodeTimer::Exchange if self.anti_entropy.must_wait(cx) => {}
            NodeTimer::Exchange => {
                let unanswered = self.anti_entropy.end_exchange(cx);
                // A group whose leave timed out is not compared any more.
                for group in cx.leaving_groups() {
                    cx.act(Action::ReleaseIfLeft(group));
                }
                self.run_actions();
                self.anti_entropy.start_exchange(&mut self.cx, unanswered);
            }
            NodeTimer::HostProbe => self.anti_entropy.probe_hosts(cx),
            NodeTimer::Registration => self.registration.send_registrations(cx),
            NodeTimer::Pull(group, member) => self.anti_entropy.send_pull(cx, group, member),
            NodeTimer::Reply => self.anti_entropy.send_due_reply(cx),
            NodeTimer::Announcement(group) => self.on_announcement_due(group),
            NodeTimer::Introduction(group) => self.on_introduction_due(&group),
            NodeTimer::WriteBack => self.persistence.write_back(cx),
            NodeTimer::Purge => cx.purge(),
        }
    }

    /// Performs what a component asked for.
    pub(super) fn perform(&mut self, action: Action) {
        let cx = &mut self.cx;
        match action {
            Action::Command(command) => self.command_broadcaster(command),
            Action::Broadcast { group, request, wait } => self.broadcast(&group, request, wait),
            Action::Emit(event) => self.emit(event),
            Action::SubmitDrafts(batch) => self.persistence.submit(cx.now, batch, PendingBatch::Own),
            Action::Commit => self.commit_finished(),
            Action::ExcludeLoss => self.persistence.exclude_loss(),
            Action::WriteBack => self.persistence.schedule_write_back(cx, false),
            Action::Hasten(interval) => self.anti_entropy.hasten(cx, interval),
            Action::SendEvictions { group, to, path, evictions } => {
                self.anti_entropy.send_evictions(cx, &group, (to, path), &evictions);
            }
            Action::ProbeRecord { group, turn } => self.ask_for_record(group, turn),
            Action::RecordProbed(group) => self.writes.on_record_probed(cx, &group),
            Action::HostNamed { group, node, by } => {
                sponsor::on_not_hosted(cx, &group, by);
                self.writes.probes().on_host_named(cx, group, node);
            }
            Action::NewcomerAsked { group, node } => self.introductions.on_newcomer(cx, &group, node),
            Action::HostGivenUp(group) => self.registration.query_rendezvous(cx, &group),
            Action::InSync { group, with, first } => {
                if first {
                    cx.emit(NodeEvent::InSync { group: group.clone(), with });
                    self.dissemination.on_knows_all(cx, &group);
                }
                sponsor::on_confirmed(cx, &group, with);
                self.writes.on_record_probed(cx, &group);
                cx.act(Action::ReleaseIfLeft(group));
            }
            Action::SoleMember(group) => {
                self.writes.on_record_probed(cx, &group);
                cx.act(Action::ReleaseIfLeft(group));
            }
            Action::PeerHeard(node) => self.registration.on_message_from(cx, node),
            Action::PageAnswered { from, until } => self.registration.on_registered(cx, from, &until),
            Action::Refer { to, groups } => self.registration.refer(cx, to, &groups),
            Action::RecordUnknown { route, asked } => self.registration.on_record_unknown(cx, route, asked),
            Action::ReleaseIfLeft(group) => {
                if cx.has_left(&group) && !self.is_needed(&group) {
                    self.release(&group);
                }
            }
            Action::ReleaseIfIdle(group) => {
                let is_used = self.writes.is_probing(&group) || self.is_needed(&group);
                if !self.cx.is_wanted(&group) && !is_used {
                    self.release(&group);
                }
            }
        }
    }

    /// Broadcasts to the members of a group. If the broadcaster rejects it, the wait ends, and
    /// members receive the change by anti-entropy.
    fn broadcast(&mut self, group: &GroupName, request: BroadcastRequest, wait: Option<u64>) {
        let tag = request.tag;
        self.command_broadcaster(BroadcastCommand::Broadcast(request));
        if let Some(why) = self.take_rejection(tag) {
            self.cx.emit(NodeEvent::NotBroadcast { group: group.clone(), why });
            self.dissemination.on_rejected(&mut self.cx, tag, wait);
        }
    }

    /// Whether a write in a group waits for the store or for acks.
    fn is_needed(&self, group: &GroupName) -> bool {
        self.writes.is_any_in(group) || self.dissemination.is_waiting_in(group)
    }

    /// Stops hosting a group.
    fn release(&mut self, group: &GroupName) {
        let cx = &mut self.cx;
        let members = cx.release(group);
        self.registration.unenroll(group);
        self.dissemination.on_released(cx, group);
        self.anti_entropy.on_released(cx, group);
        self.introductions.on_released(cx, group);
        self.persistence.on_released(cx, group, members);
    }
}
