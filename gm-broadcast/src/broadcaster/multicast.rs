//! Multicast upkeep: reception reports, keepalives, sequence beacons and nacks.

use gm_clock::NetId;
use gm_codec::{Body, MissedMulticasts};

use super::Broadcaster;
use super::timeouts::BroadcasterTimer;
use crate::counter::Counter;
use crate::event::{BroadcastEvent, Transport};
use crate::machine::Output;
use crate::reception::MAX_REPORTED_CHANGES;
use crate::time::Time;

/// Greatest number of neighbors in one nack: as many as fit into a datagram.
const MAX_NACK_NODES: usize = 16;
/// Greatest number of runs of numbers per neighbor in one nack.
const MAX_NACK_RUNS: usize = 8;

/// Number of sequence beacons in the smallest islands.
const MIN_BEACONS: u32 = 3;

impl<D> Broadcaster<D> {
    /// Called after any change of neighbors, confirmations or missing numbers.
    pub(super) fn after_reception_change(&mut self, now: Time) {
        let island_id = self.reception.island_id(self.config.me);
        if island_id != self.island_id {
            self.island_id = island_id;
            self.emit(BroadcastEvent::Island(island_id));
        }
        let times = self.config.timings;
        if self.config.multicast && self.reception.has_changes() {
            let wait = times.reception_report + self.jitter_rng.duration_up_to(times.reception_report);
            self.timers.set_if_none(BroadcasterTimer::ReceptionReport, now + wait);
        } else if self.config.multicast && self.reception.has_renewals() {
            // Due after half of the validity: one report then serves many senders, and most nodes
            // multicast meanwhile anyway.
            let wait = times.confirmation / 8 + self.jitter_rng.duration_up_to(times.confirmation / 8);
            self.timers.set_if_none(BroadcasterTimer::ReceptionRenewal, now + wait);
        }
        if let Some(due) = self.loss_recovery.deadline() {
            self.timers.set_by(BroadcasterTimer::LossRecovery, due);
        }
    }

    /// Multicasts a reception report.
    pub(super) fn on_reception_report_timer(&mut self, now: Time) {
        self.multicast_header_only(now, Counter::ReceptionReports);
        self.after_reception_change(now);
    }

    /// Renews confirmations, unless other multicasts have done it.
    pub(super) fn on_reception_renewal_timer(&mut self, now: Time) {
        if self.reception.has_renewals() {
            self.on_reception_report_timer(now);
        }
    }

    /// The island is silent: it may be this node's turn to multicast.
    pub(super) fn on_keepalive_timer(&mut self, now: Time) {
        let times = self.config.timings;
        let turn = self.reception.last_multicast
            + self.reception.time_to_turn(self.config.me, self.last_speaker, times.multicast_keepalive);
        self.timers.set(
            BroadcasterTimer::MulticastKeepalive,
            if turn > now { turn } else { now + times.multicast_keepalive },
        );
        if turn <= now {
            self.multicast_header_only(now, Counter::MulticastKeepalives);
        }
        // In a silent island each node multicasts once per round.
        let round = times
            .multicast_keepalive
            .saturating_mul(u32::try_from(self.reception.near().len()).unwrap_or(u32::MAX));
        for node in
            self.reception.silent_for(now, round.saturating_mul(3) + times.confirmation.saturating_mul(2))
        {
            self.lose_reception(now, node);
        }
    }

    /// A node is no longer a neighbor.
    pub(super) fn lose_reception(&mut self, now: Time, node: NetId) {
        if self.reception.remove(node) {
            self.loss_recovery.forget(node);
            self.emit(BroadcastEvent::Far(node));
            self.after_reception_change(now);
        }
    }

    /// Schedules a sequence beacon after a multicast with content.
    pub(super) fn schedule_beacon(&mut self, now: Time) {
        self.beacons_sent = 0;
        self.timers.set(BroadcasterTimer::SequenceBeacon, now + self.config.timings.beacon);
    }

    /// Sends a sequence beacon: a neighbor that missed the last multicast notices the gap and sends
    /// a nack (compare a tail-loss probe). If each neighbor misses a quarter of all datagrams, of a
    /// hundred broadcasts about one has a neighbor that misses it and all beacons.
    pub(super) fn on_beacon_timer(&mut self, now: Time) {
        let near = self.reception.near().len();
        if near == 0 {
            return;
        }
        self.multicast_header_only(now, Counter::SequenceBeacons);
        self.beacons_sent += 1;
        if self.beacons_sent < near.ilog(4) + MIN_BEACONS {
            let wait = self.config.timings.beacon.saturating_mul(1 << self.beacons_sent.min(16));
            self.timers.set(BroadcasterTimer::SequenceBeacon, now + wait);
        }
    }

    fn multicast_header_only(&mut self, now: Time, counter: Counter) {
        if !self.config.multicast {
            return;
        }
        self.renew_exhausted_nonces();
        let header = self.direct_header(now, None, MAX_REPORTED_CHANGES);
        match self.seal_datagram(None, &header, &Body::HeaderOnly) {
            Some(bytes) => {
                self.counters.count(counter);
                self.outputs.push(Output::Multicast(bytes));
            }
            None => {
                self.reception.put_back(&header.neighbors_gained, &header.neighbors_lost);
                self.counters.count(Counter::MulticastsTooLong);
            }
        }
        self.after_own_multicast(now);
    }

    /// Called after each multicast of this node.
    pub(super) fn after_own_multicast(&mut self, now: Time) {
        self.reception.last_multicast = now;
        self.last_speaker = Some(self.config.me);
        let turn = self.reception.time_to_turn(
            self.config.me,
            self.last_speaker,
            self.config.timings.multicast_keepalive,
        );
        self.timers.set(BroadcasterTimer::MulticastKeepalive, now + turn);
    }

    /// Sends nacks: to random neighbors at first, then by a connection, and in the end to the
    /// sender of the missing multicasts.
    pub(super) fn on_loss_recovery_timer(&mut self, now: Time) {
        let (requests, given_up) = self.loss_recovery.take_due(now, self.nack_policy());
        self.counters.add(Counter::GapsAbandoned, given_up);
        if given_up > 0 {
            self.emit(BroadcastEvent::DeliveryDoubtful);
        }
        let near: Vec<NetId> = self.reception.near().collect();
        let mut to_random: Vec<MissedMulticasts> = Vec::new();
        for (mut missed, tries) in requests {
            missed.runs.truncate(MAX_NACK_RUNS);
            self.counters.count(Counter::GapsRequested);
            let random = near.get(self.jitter_rng.index(near.len())).copied();
            match (tries, random) {
                (0 | 1, _) if to_random.len() < MAX_NACK_NODES => to_random.push(missed),
                (0 | 1, _) => {}
                // Where that many datagrams are lost, a connection is more reliable: first to a
                // random neighbor, so that not all ask the sender, then to the sender.
                (2, Some(node)) => self.send_nack(now, node, vec![missed], Transport::Tcp),
                _ => {
                    let node = missed.node;
                    self.send_nack(now, node, vec![missed], Transport::Tcp);
                }
            }
        }
        if !to_random.is_empty()
            && let Some(node) = near.get(self.jitter_rng.index(near.len()))
        {
            self.send_nack(now, *node, to_random, Transport::Udp);
        }
        if let Some(due) = self.loss_recovery.deadline() {
            self.timers.set_by(BroadcasterTimer::LossRecovery, due);
        }
    }

    fn send_nack(&mut self, now: Time, node: NetId, nodes: Vec<MissedMulticasts>, by: Transport) {
        self.send(now, node, Body::Nack(gm_codec::Nack { missed: nodes }), by);
    }
}
