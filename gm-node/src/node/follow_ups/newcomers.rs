//! The follow-ups of a newcomer's first write, and of its sponsor.

use gm_broadcast::Transport;
use gm_clock::NetId;
use gm_data::GroupName;

use crate::node::NodeMachine;
use crate::node::messages::ask_for_own_record;
use crate::node::sponsor::{self, SPONSOR_CHECK};
use crate::node::timers::NodeTimer;
use crate::store::Store;

impl<S: Store> NodeMachine<S> {
    /// Seeds were added: they are asked before first writes.
    pub(super) fn on_seeds(&mut self) {
        let cx = &mut self.cx;
        self.writes.ask_found_peers(cx);
        self.anti_entropy.hasten(cx, cx.config.timing.exchange_interval_min);
    }

    /// Asks a peer for this node's record in a group.
    pub(super) fn ask_for_record(&mut self, group: GroupName, turn: u32) {
        let cx = &mut self.cx;
        let rendezvous = self.registration.rendezvous_of(cx, &group);
        let seed = if turn == 0 { sponsor::choose_seed(cx) } else { None };
        let target = seed.or_else(|| self.anti_entropy.choose_probe_target(cx, &group, turn, &rendezvous));
        let Some(to) = target else {
            return self.writes.probes().on_no_one_to_ask(&group);
        };
        let by = sponsor::choose_transport(cx, &group, to, turn);
        if by == Transport::Tcp && sponsor::pending_sponsor(cx, &group) == Some(to) {
            self.anti_entropy.compare_later(cx, to, 0);
        }
        ask_for_own_record(cx, group, (to, by));
    }

    /// A peer showed this node its present record.
    pub(super) fn on_record_shown(&mut self, group: &GroupName, by: NetId) {
        let cx = &mut self.cx;
        if sponsor::on_confirmed(cx, group, by) {
            // A group that is too large to be given at once is compared soon.
            self.anti_entropy.hasten(cx, cx.config.timing.exchange_interval_min);
        }
    }

    /// Records of a group came in no broadcast.
    pub(super) fn on_merged_directly(&mut self, (group, from): (&GroupName, NetId), has_newcomers: bool) {
        let cx = &mut self.cx;
        if let Some(number) = sponsor::deferred_comparisons(cx, group, from) {
            // The sponsor sends more, if more nodes join.
            return self.anti_entropy.compare_later(cx, from, number);
        }
        // While nodes join, exchanges would only find that.
        let timing = cx.config.timing;
        let interval =
            if has_newcomers { timing.exchange_interval_active } else { timing.exchange_interval_min };
        self.anti_entropy.hasten(cx, interval);
        self.dissemination.schedule_announcement(cx, group);
    }

    /// This node may have to announce itself to the members that it discovered.
    pub(super) fn on_announcement_due(&mut self, group: GroupName) {
        let cx = &mut self.cx;
        if sponsor::end_if_lost(cx, &group) {
            self.anti_entropy.hasten(cx, cx.config.timing.exchange_interval_min);
        }
        if sponsor::pending_sponsor(cx, &group).is_some() {
            return cx.timers.set(NodeTimer::Announcement(group), cx.now + SPONSOR_CHECK);
        }
        self.introductions.note_informed(cx, &group);
        self.dissemination.announce(cx, &group);
    }

    /// Sends the newcomers of a group what they lack, and introduces them to the members.
    pub(super) fn on_introduction_due(&mut self, group: &GroupName) {
        let cx = &mut self.cx;
        if let Some((updates, to, multicast)) = self.introductions.introduce(cx, group) {
            self.dissemination.pass_on(cx, group, updates, (to, multicast));
        }
    }
}
