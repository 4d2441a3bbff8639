//! Our island: saying whom we hear, speaking up in quiet, asking for what was missed. Knows nothing
//! of broadcasts.

use gm_clock::NetId;
use gm_codec::{Body, MissedMulticasts};

use super::Broadcaster;
use crate::counter::Counter;
use crate::event::{BroadcastEvent, Transport};
use crate::handler::Handler;
use crate::machine::Output;
use crate::plant::{Bug, planted};
use crate::reception::MAX_REPORTED_CHANGES;
use crate::time::Time;
use crate::timers::Timer;

/// Nodes that one question is about, at most: what a datagram has room for.
const MAX_NACK_NODES: usize = 16;
/// Runs of numbers of one node in one question, at most.
const MAX_NACK_RUNS: usize = 8;

impl<H: Handler> Broadcaster<H> {
    /// After anything that may have changed whom we hear, who hears us, and what we missed.
    pub(super) fn after_reception_change(&mut self, now: Time) {
        let label = self.reception.island_id(self.config.me);
        if label != self.island_id {
            self.island_id = label;
            self.emit(BroadcastEvent::Island(label));
        }
        if self.config.multicast && self.reception.has_changes() {
            let times = self.config.timings;
            let wait = times.reception_report + self.jitter_rng.duration_up_to(times.reception_report);
            self.timers.set_if_none(Timer::ReceptionReport, now + wait);
        }
        if let Some(due) = self.loss_recovery.deadline() {
            self.timers.set_by(Timer::LossRecovery, due);
        }
    }

    /// Multicasts the changes of whom we hear, for their own sake.
    pub(super) fn on_reception_report_timer(&mut self, now: Time) {
        self.multicast_header_only(now, Counter::ReceptionReports);
        self.after_reception_change(now);
    }

    /// Nobody has multicast for a while: it may be our turn.
    pub(super) fn on_keepalive_timer(&mut self, now: Time) {
        let times = self.config.timings;
        let turn = self.reception.last_multicast
            + self.reception.time_to_turn(self.config.me, self.last_speaker, times.multicast_keepalive);
        self.timers
            .set(Timer::MulticastKeepalive, if turn > now { turn } else { now + times.multicast_keepalive });
        if turn <= now {
            self.multicast_header_only(now, Counter::MulticastKeepalives);
        }
        // Each of an island speaks once in a round of all, if nothing else is said.
        let round = times
            .multicast_keepalive
            .saturating_mul(u32::try_from(self.reception.near().len()).unwrap_or(u32::MAX));
        for node in
            self.reception.silent_for(now, round.saturating_mul(3) + times.confirmation.saturating_mul(2))
        {
            self.lose_reception(now, node);
        }
    }

    /// We do not hear a node any longer.
    pub(super) fn lose_reception(&mut self, now: Time, node: NetId) {
        if self.reception.remove(node) {
            self.loss_recovery.forget(node);
            self.emit(BroadcastEvent::Far(node));
            self.after_reception_change(now);
        }
    }

    /// We multicast content: unless more follows, the number of it is multicast again.
    pub(super) fn schedule_beacon(&mut self, now: Time) {
        self.beacons_sent = 0;
        if !planted(Bug::NoEcho) {
            self.timers.set(Timer::SequenceBeacon, now + self.config.timings.beacon);
        }
    }

    /// Whoever missed the last that we multicast, and would hear no later number, hears it now, and
    /// asks. Of so many near nodes who each miss a quarter, less than one has missed all echoes.
    pub(super) fn on_beacon_timer(&mut self, now: Time) {
        let near = self.reception.near().len();
        if near == 0 {
            return;
        }
        self.multicast_header_only(now, Counter::SequenceBeacons);
        self.beacons_sent += 1;
        if self.beacons_sent < near.ilog(4) + 1 {
            let wait = self.config.timings.beacon.saturating_mul(1 << self.beacons_sent.min(16));
            self.timers.set(Timer::SequenceBeacon, now + wait);
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

    /// We multicast.
    pub(super) fn after_own_multicast(&mut self, now: Time) {
        self.reception.last_multicast = now;
        self.last_speaker = Some(self.config.me);
        let turn = self.reception.time_to_turn(
            self.config.me,
            self.last_speaker,
            self.config.timings.multicast_keepalive,
        );
        self.timers.set(Timer::MulticastKeepalive, now + turn);
    }

    /// Multicasts are missing: one node of the island is asked, another one each time, then by a
    /// connection, and in the end the one that sent them.
    pub(super) fn on_loss_recovery_timer(&mut self, now: Time) {
        let (questions, given_up) = self.loss_recovery.take_due(now, self.nack_policy());
        self.counters.add(Counter::GapsAbandoned, given_up);
        if !planted(Bug::GapsNeverAsked) {
            let near: Vec<NetId> = self.reception.near().collect();
            let mut to_random: Vec<MissedMulticasts> = Vec::new();
            for (mut missed, tries) in questions {
                missed.runs.truncate(MAX_NACK_RUNS);
                self.counters.count(Counter::GapsRequested);
                let random = near.get(self.jitter_rng.index(near.len())).copied();
                match (tries, random) {
                    (0 | 1, _) if to_random.len() < MAX_NACK_NODES => to_random.push(missed),
                    (0 | 1, _) => {}
                    // Where so many datagrams are lost, a connection is surer: to anybody, so that
                    // not all ask one, and then to who has it.
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
        }
        if let Some(due) = self.loss_recovery.deadline() {
            self.timers.set_by(Timer::LossRecovery, due);
        }
    }

    fn send_nack(&mut self, now: Time, node: NetId, nodes: Vec<MissedMulticasts>, by: Transport) {
        self.send(now, node, Body::Nack(gm_codec::Nack { missed: nodes }), by);
    }
}
