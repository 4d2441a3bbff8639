//! The usage of every limit of a broadcaster.

use super::datagram_hop::MAX_UNSENT_ACKS;
use super::{Broadcaster, presence};
use crate::config::BroadcasterConfig;

impl<D> Broadcaster<D> {
    /// Usage of every limited resource: (name, present number, limit).
    pub fn limit_usage(&self) -> [(&'static str, usize, usize); 14] {
        let BroadcasterConfig { limits, .. } = &self.config;
        let waiting = self.connections.table.values().map(|link| link.outbox.len()).max().unwrap_or(0);
        let in_flight = self.connections.table.values().map(|link| link.in_flight).max().unwrap_or(0);
        // A frame is handed over as a whole.
        let max_in_flight = limits.in_flight + self.codec.limits().frame;
        let [unauthenticated, dialled, partial] = self.frame_limit_usage();
        [
            ("peers", self.peers.len(), limits.peers),
            ("connections", self.connections.table.len(), limits.connections),
            ("subtrees", self.handovers.len(), limits.open_subtrees),
            ("outbox", waiting, limits.outbox),
            ("in flight", in_flight, max_in_flight),
            ("cached broadcasts", self.retransmit_cache.len(), limits.cached_broadcasts),
            ("ack aggregations", self.ack_aggregations.len(), limits.ack_aggregations),
            ("awaited contents", self.awaited_content.len(), limits.cached_broadcasts),
            ("presence challenges", self.presence_challenges.len(), presence::MAX_CHALLENGES),
            ("unsent hop acks", self.unsent_hop_acks.len(), MAX_UNSENT_ACKS),
            unauthenticated,
            dialled,
            partial,
            (
                "timers",
                self.timers.len(),
                11 + presence::MAX_CHALLENGES
                    + 3 * limits.connections
                    + 2 * limits.ack_aggregations
                    + limits.cached_broadcasts
                    + limits.open_subtrees,
            ),
        ]
    }
}
