//! Late announcements: to neighbors that were heard for the first time a moment ago, and whose
//! reports of reception are on their way.
//!
//! Nodes that start together hear each other's first contents before they know who receives their
//! own. Most reports arrive within seconds, and a lost multicast is noticed by its number; only the
//! neighbors that are still unconfirmed then get an announcement.

use std::sync::Arc;
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::BroadcastId;

use super::Broadcaster;
use super::forward::ForwardOptions;
use super::timeouts::BroadcasterTimer;
use crate::counter::Counter;
use crate::reception::Reception;
use crate::retransmit_cache::Content;
use crate::time::Time;

/// A broadcast that was multicast, and the new neighbors among its targets.
#[derive(Debug)]
pub(super) struct LateAnnouncement {
    due: Time,
    id: BroadcastId,
    nodes: Vec<NetId>,
}

impl<D> Broadcaster<D> {
    /// Targets without new neighbors, which get the announcement of a multicast later.
    pub(super) fn without_new_neighbors(
        &mut self,
        now: Time,
        id: BroadcastId,
        content: &Content,
        targets: Vec<NetId>,
        options: &ForwardOptions,
    ) -> Vec<NetId> {
        let has_room = self.late_announcements.len() < self.config.limits.cached_broadcasts;
        if !content.multicast_by_us || options.ack_request.is_some() || !has_room {
            return targets;
        }
        let is_new = |node: &NetId| *node != self.config.me && self.is_new_neighbor(now, *node);
        if !targets.iter().any(is_new) {
            return targets;
        }
        let (nodes, targets): (Vec<_>, Vec<_>) = targets.into_iter().partition(is_new);
        let due = now + self.reports_arrive_within();
        self.late_announcements.push_back(LateAnnouncement { due, id, nodes });
        self.timers.set_if_none(BroadcasterTimer::LateAnnouncements, due);
        targets
    }

    /// Time in which the report of a new neighbor is expected.
    fn reports_arrive_within(&self) -> Duration {
        self.report_interval() * 5 / 2
    }

    /// Whether a node is heard since a moment ago, and may not have confirmed reception yet.
    fn is_new_neighbor(&self, now: Time, node: NetId) -> bool {
        let is_new =
            self.heard.heard_since(node).is_some_and(|since| now.since(since) < self.reports_arrive_within());
        is_new && (!self.reception.is_near(node) || self.reception.awaits_confirmation(node))
    }

    pub(super) fn on_late_announcements_timer(&mut self, now: Time) {
        while self.late_announcements.front().is_some_and(|late| late.due <= now) {
            let Some(LateAnnouncement { id, mut nodes, .. }) = self.late_announcements.pop_front() else {
                break;
            };
            nodes.retain(|node| self.reception.reception_of(*node, now) != Reception::Confirmed);
            if nodes.is_empty() {
                continue;
            }
            match self.retransmit_cache.broadcast(&id).map(Arc::clone) {
                Some(content) => {
                    self.distribute(now, id, &content, nodes, &ForwardOptions::default());
                }
                None => self.doubt(Counter::LateAnnouncementsDropped),
            }
        }
        if let Some(next) = self.late_announcements.front() {
            self.timers.set(BroadcasterTimer::LateAnnouncements, next.due);
        }
    }
}
