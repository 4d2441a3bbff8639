//! What follows from what came by broadcast, and from what the broadcaster tells. Knows nothing of
//! anti-entropy but that it goes faster.

use gm_broadcast::{Path, Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, BroadcastId, KnownVersion, Versions};
use gm_data::GroupName;

use super::NodeMachine;
use crate::event::NodeEvent;
use crate::plant::{Bug, planted};
use crate::store::Store;

/// Of those who heard an old record by multicast, about so many answer.
const ANSWERS: u64 = 3;
/// Answers that wait for their time, at most.
const MAX_REPLIES: usize = 256;

/// Whether there are nine tenths of what may be.
pub(super) const fn is_near_limit(records: usize, max: usize) -> bool {
    records >= max - max / 10
}

impl<S: Store> NodeMachine<S> {
    /// Records were taken.
    pub(super) fn on_merged(
        &mut self,
        now: Time,
        group: &GroupName,
        members: &[NetId],
        by: Option<BroadcastId>,
    ) {
        for member in members {
            self.settle_pull(group, *member);
            if self.groups().version(group, *member).is_some_and(|version| version.forgotten) {
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
            if let Some(told) =
                self.groups_mut().hosted.get_mut(group).and_then(|hosted| hosted.informed.as_mut())
            {
                told.insert(id.origin);
            }
            self.hasten(now, self.config.timing.exchange_interval_active);
        } else {
            self.hasten(now, self.config.timing.exchange_interval_min);
            self.schedule_announcement(now, group);
        }
        self.schedule_write_back(now, false);
    }

    /// Says once that a group has nearly as many records as may be.
    fn warn_if_near_limit(&mut self, group: &GroupName) {
        let max = self.config.limits.records;
        let Some(records) = self.groups().replica(group).map(|replica| replica.state().records().len())
        else {
            return;
        };
        let crowded = is_near_limit(records, max);
        let Some(hosted) = self.groups_mut().hosted.get_mut(group) else { return };
        if crowded && !std::mem::replace(&mut hosted.near_limit_reported, true) {
            self.emit(NodeEvent::NearRecordLimit { group: group.clone(), records, max });
        }
    }

    /// The sender has older records than we do: it is told our versions. Of many who heard it, a
    /// few tell.
    pub(super) fn on_sender_behind(
        &mut self,
        now: Time,
        group: &GroupName,
        to: NetId,
        path: Path,
        members: &[NetId],
    ) {
        if planted(Bug::OlderNotAnswered) {
            return;
        }
        let island = self.broadcaster.near().len() as u64 + 1;
        if path == Path::Multicast && !self.rng.ratio(ANSWERS.min(island), island) {
            return;
        }
        if !self.reply_rate.take(now) {
            return self.count("dropped", "answer, too many");
        }
        let versions = members.iter().filter_map(|member| {
            let version = self.groups().version(group, *member)?;
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
            }
        } else {
            let by = self.transport_for(to, Transport::from(path));
            self.send(now, to, body, by);
        }
    }

    /// The time of an answer has come.
    pub(super) fn send_due_replies(&mut self, now: Time) {
        if let Some((_, to, body)) = self.delayed_replies.pop_front() {
            self.send(now, to, body, Transport::Udp);
        }
    }

    /// The broadcaster tells something.
    pub(super) fn on_broadcaster_event(&mut self, now: Time, event: gm_broadcast::BroadcastEvent) {
        use gm_broadcast::BroadcastEvent as Told;
        match event {
            // What cannot be said is answered where it is to be said.
            Told::Started { .. } | Told::Rejected { .. } => {}
            Told::Acks { tag, report, parts } => self.on_acks(now, tag, report, parts),
            Told::PersistRequested(id) => self.on_store_wanted(now, id),
            Told::NodeFound(node) => {
                self.peers_changed = true;
                self.on_peer_found(now, node);
                self.emit(NodeEvent::Broadcast(Told::NodeFound(node)));
            }
            Told::IdentityClash => self.emit(NodeEvent::DuplicateAddress),
            Told::Near(_)
            | Told::Far(_)
            | Told::Island(_)
            | Told::Unopened(_)
            | Told::DatagramReachability { .. }
            | Told::Stalled(_)
            | Told::SeedTrouble { .. }
            | Told::SeedReached(_) => self.emit(NodeEvent::Broadcast(event)),
        }
    }
}
