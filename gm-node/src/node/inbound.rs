//! Follow-ups of received broadcasts and of the broadcaster's events.

use gm_broadcast::{Path, Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, BroadcastId, KnownVersion, Versions};
use gm_data::GroupName;

use super::NodeMachine;
use super::timers::NodeTimer;
use crate::counter::NodeCounter;
use crate::event::NodeEvent;
use crate::store::Store;

/// Approximate number of nodes that reply to an outdated record in a multicast.
const ANSWERS: u64 = 3;
/// Maximum number of delayed replies.
const MAX_REPLIES: usize = 256;

/// Whether a group has nine tenths of the maximum number of records.
pub(super) const fn is_near_limit(records: usize, max: usize) -> bool {
    records >= max - max / 10
}

impl<S: Store> NodeMachine<S> {
    /// Follows up merged records.
    pub(super) fn on_merged(
        &mut self,
        now: Time,
        group: &GroupName,
        members: &[NetId],
        by: Option<BroadcastId>,
    ) {
        for member in members {
            self.settle_pull(group, *member);
            if self.groups.version(group, *member).is_some_and(|version| version.forgotten) {
                self.unlist_if_forgotten(now, *member);
            }
        }
        self.warn_if_near_limit(group);
        self.on_members_found(now, group, members);
        if let Some(id) = by {
            if self.unstored_broadcasts.len() >= self.config.broadcast.limits.cached_broadcasts {
                self.unstored_broadcasts.pop_front();
            }
            self.unstored_broadcasts.push_back((Some(group.clone()), id));
            if let Some(informed) =
                self.groups.hosted.get_mut(group).and_then(|hosted| hosted.informed.as_mut())
            {
                informed.insert(id.origin);
            }
            self.hasten(now, self.config.timing.exchange_interval_active);
        } else {
            self.hasten(now, self.config.timing.exchange_interval_min);
            self.schedule_announcement(now, group);
        }
        self.schedule_write_back(now, false);
    }

    /// Reports, once, that a group nearly has the maximum number of records.
    fn warn_if_near_limit(&mut self, group: &GroupName) {
        let max = self.config.limits.records;
        let Some(records) = self.groups.replica(group).map(|replica| replica.state().records().len()) else {
            return;
        };
        let crowded = is_near_limit(records, max);
        let Some(hosted) = self.groups.hosted.get_mut(group) else { return };
        if crowded && !std::mem::replace(&mut hosted.near_limit_reported, true) {
            self.emit(NodeEvent::NearRecordLimit { group: group.clone(), records, max });
        }
    }

    /// Replies to a sender with outdated records with our versions of them. Of many receivers of a
    /// multicast, only a few reply.
    pub(super) fn on_sender_behind(
        &mut self,
        now: Time,
        group: &GroupName,
        to: NetId,
        path: Path,
        members: &[NetId],
    ) {
        let island = self.broadcaster.near().len() as u64 + 1;
        if path == Path::Multicast && !self.rng.ratio(ANSWERS.min(island), island) {
            return;
        }
        if !self.reply_rate.take(now) {
            return self.count(NodeCounter::RecordRepliesRateLimited);
        }
        let versions = members.iter().filter_map(|member| {
            let version = self.groups.version(group, *member)?;
            Some((*member, Some(KnownVersion { version, digest: None })))
        });
        let versions: Vec<_> = versions.collect();
        if versions.is_empty() {
            return;
        }
        let body = Body::Versions(Versions { name: group.clone(), digests: false, buckets: None, versions });
        if path == Path::Multicast {
            let at = now + self.rng.duration_up_to(self.config.timing.pull_jitter);
            if self.delayed_replies.len() < MAX_REPLIES {
                let place = self.delayed_replies.partition_point(|(other, _, _)| *other <= at);
                self.delayed_replies.insert(place, (at, to, body));
                self.schedule_reply();
            }
        } else {
            let by = self.transport_for(to, Transport::from(path));
            self.send(now, to, body, by);
        }
    }

    fn schedule_reply(&mut self) {
        let first = self.delayed_replies.front().map(|(at, _, _)| *at);
        self.timers.set_or_cancel(NodeTimer::Reply, first);
    }

    /// Sends a delayed reply that is due.
    pub(super) fn send_due_reply(&mut self, now: Time) {
        if let Some((_, to, body)) = self.delayed_replies.pop_front() {
            self.schedule_reply();
            self.send(now, to, body, Transport::Udp);
        }
    }

    /// Handles an event of the broadcaster.
    pub(super) fn on_broadcaster_event(&mut self, now: Time, event: gm_broadcast::BroadcastEvent) {
        use gm_broadcast::BroadcastEvent as Event;
        match event {
            // `broadcast` handles a rejection.
            Event::Started { .. } | Event::Rejected { .. } => {}
            Event::Acks { tag, report, parts } => self.on_acks(now, tag, report, parts),
            Event::PersistRequested(id) => self.on_store_wanted(now, id),
            Event::NodeFound(node) => {
                self.peers_changed = true;
                self.on_peer_found(now, node);
                self.emit(NodeEvent::Broadcast(Event::NodeFound(node)));
            }
            Event::IdentityClash => self.emit(NodeEvent::DuplicateAddress),
            Event::Near(_)
            | Event::Far(_)
            | Event::Island(_)
            | Event::Unopened(_)
            | Event::DatagramReachability { .. }
            | Event::Stalled(_)
            | Event::SeedTrouble { .. }
            | Event::SeedReached(_) => self.emit(NodeEvent::Broadcast(event)),
        }
    }
}
