//! Multicast upkeep: keepalives and nacks.

use gm_clock::NetId;
use gm_codec::{Body, Extension, MissedMulticasts};

use super::Broadcaster;
use super::timeouts::BroadcasterTimer;
use crate::counter::Counter;
use crate::event::{BroadcastEvent, Transport};
use crate::machine::Output;
use crate::reception::MAX_PIGGYBACKED_CHANGES;
use crate::time::Time;

/// Greatest number of neighbors in one nack: as many as fit into a datagram.
const MAX_NACK_NODES: usize = 16;
/// Number of nacks for a number that go by datagram, before others go by a connection.
const NACKS_BY_DATAGRAM: u32 = 4;
/// Greatest number of neighbors with which the first nack goes to the sender.
const ASKING_THE_SENDER: usize = 64;
/// Greatest number of runs of numbers per neighbor in one nack.
const MAX_NACK_RUNS: usize = 8;

impl<D> Broadcaster<D> {
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
            self.multicast_header_only(now, Counter::MulticastKeepalives, MAX_PIGGYBACKED_CHANGES, false);
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

    /// Multicasts a header with changes of reception; `report`: and with the digest of all nodes
    /// that this node hears.
    pub(super) fn multicast_header_only(
        &mut self,
        now: Time,
        counter: Counter,
        changes: usize,
        report: bool,
    ) {
        if !self.config.multicast {
            return;
        }
        self.renew_exhausted_nonces();
        let mut header = self.direct_header(now, None, changes);
        if report {
            let salt = u64::from_be_bytes(self.secret_rng.bytes());
            let bytes = self.heard.report(salt);
            header.extensions.push(Extension { kind: Extension::HEARD_NODES, bytes });
        } else {
            header.extensions.extend(self.recent_numbers_section(now));
        }
        match self.seal_datagram(None, &header, &Body::HeaderOnly) {
            Some(bytes) => {
                self.counters.count(counter);
                self.outputs.push(Output::Multicast(bytes));
                if report {
                    self.reception.mark_all_reported(now);
                    self.mark_unproven_reported();
                }
            }
            None => {
                self.reception.put_back(&header.neighbors_gained, &header.neighbors_lost);
                self.counters.count(Counter::MulticastsTooLong);
            }
        }
        self.on_number_repeated(now);
        self.after_own_multicast(now);
    }

    /// Called after each multicast of this node.
    pub(super) fn after_own_multicast(&mut self, now: Time) {
        self.has_multicast = true;
        self.reception.last_multicast = now;
        self.last_speaker = Some(self.config.me);
        let turn = self.reception.time_to_turn(
            self.config.me,
            self.last_speaker,
            self.config.timings.multicast_keepalive,
        );
        self.timers.set(BroadcasterTimer::MulticastKeepalive, now + turn);
    }

    /// Sends nacks by datagram at first, then by a connection.
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
            let sender = missed.node;
            let random = near.get(self.jitter_rng.index(near.len())).copied().unwrap_or(sender);
            match tries {
                // The sender has it for certain; in a large island many may ask.
                0 if near.len() <= ASKING_THE_SENDER => {
                    self.send_nack(now, sender, vec![missed], Transport::Udp);
                }
                ..NACKS_BY_DATAGRAM => {
                    if tries > 0 {
                        self.send_nack(now, sender, vec![missed.clone()], Transport::Udp);
                    }
                    if to_random.len() < MAX_NACK_NODES {
                        to_random.push(missed);
                    }
                }
                // Where that many datagrams are lost, a connection is more reliable: first to a
                // random neighbor, so that not all ask the sender, then to the sender.
                NACKS_BY_DATAGRAM => self.send_nack(now, random, vec![missed], Transport::Tcp),
                _ => self.send_nack(now, sender, vec![missed], Transport::Tcp),
            }
        }
        if !to_random.is_empty()
            && let Some(node) = near.get(self.jitter_rng.index(near.len()))
        {
            self.send_nack(now, *node, to_random, Transport::Udp);
        }
        self.schedule_loss_recovery();
    }

    /// Schedules the next nack.
    pub(super) fn schedule_loss_recovery(&mut self) {
        if let Some(due) = self.loss_recovery.deadline() {
            self.timers.set_by(BroadcasterTimer::LossRecovery, due);
        }
    }

    fn send_nack(&mut self, now: Time, node: NetId, nodes: Vec<MissedMulticasts>, by: Transport) {
        self.send(now, node, Body::Nack(gm_codec::Nack { missed: nodes }), by);
    }
}
