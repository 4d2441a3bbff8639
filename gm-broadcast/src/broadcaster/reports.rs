//! Reports of reception: tell neighbors that this node receives their multicast.
//!
//! Many neighbors gained, as when nodes start together, are reported by one multicast with the
//! digest of all nodes that are heard; a few newcomers of a large island by a datagram to each.

use std::time::Duration;

use gm_codec::Body;

use super::Broadcaster;
use super::timeouts::BroadcasterTimer;
use crate::counter::Counter;
use crate::event::BroadcastEvent;
use crate::machine::Output;
use crate::reception::MAX_REPORTED_CHANGES;
use crate::time::Time;

/// Neighbors from which on a few newcomers get datagrams. In a smaller island each node multicasts
/// its report, so that the newcomers hear it, too.
const LARGE_ISLAND: usize = 32;
/// Neighbors for each newcomer that may get a datagram at one time.
const NEIGHBORS_PER_NEWCOMER: usize = 16;
/// Greatest time until the datagram to a newcomer, per neighbor, so that it is not flooded.
const SPREAD: Duration = Duration::from_millis(2);

/// Least time in which changes are collected, per node of the island.
const PER_NODE: Duration = Duration::from_millis(5);

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
            if !self.timers.is_set(&BroadcasterTimer::ReceptionReport) {
                self.schedule_report(now);
            }
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

    /// The first content is multicast: nothing more is needed to be known to the neighbors.
    pub(super) fn postpone_first_report(&mut self, now: Time) {
        if !self.has_multicast {
            self.set_report_timer(now);
        }
    }

    fn schedule_report(&mut self, now: Time) {
        self.report_is_early = self.few_are_gained();
        if self.report_is_early {
            let near = u32::try_from(self.reception.near().len()).unwrap_or(u32::MAX);
            let spread = SPREAD.saturating_mul(near).min(self.config.timings.reception_report);
            let wait = self.jitter_rng.duration_up_to(spread);
            self.timers.set(BroadcasterTimer::ReceptionReport, now + wait);
        } else {
            self.set_report_timer(now);
        }
    }

    /// Time in which changes are collected: longer in a large island, where each report costs more.
    pub(super) fn report_interval(&self) -> Duration {
        let nodes = self.reception.near().len() + self.presence_challenges.len();
        let least = PER_NODE.saturating_mul(u32::try_from(nodes).unwrap_or(u32::MAX));
        self.config.timings.reception_report.max(least)
    }

    fn set_report_timer(&mut self, now: Time) {
        let wait = self.report_interval();
        let wait = wait + self.jitter_rng.duration_up_to(wait);
        self.timers.set(BroadcasterTimer::ReceptionReport, now + wait);
    }

    /// Whether so few neighbors were gained that a datagram to each costs less than a multicast.
    fn few_are_gained(&self) -> bool {
        let (near, gained) = (self.reception.near().len(), self.reception.gained_len());
        let few = gained > 0 && gained <= (near / NEIGHBORS_PER_NEWCOMER).max(1);
        few && near >= LARGE_ISLAND && self.has_multicast && !self.reception.has_losses()
    }

    /// Reports reception, or makes this node known by its first multicast.
    pub(super) fn on_reception_report_timer(&mut self, now: Time) {
        let was_early = std::mem::take(&mut self.report_is_early);
        // Frames to one of them alone may have reported its reception meanwhile.
        let newcomers = std::mem::take(&mut self.vouching);
        self.reception.put_back(&newcomers, &[]);
        let (few, vouching) = (self.few_are_gained(), !newcomers.is_empty());
        if was_early && !few && !vouching {
            // Many more newcomers came.
            return self.set_report_timer(now);
        }
        if few && !vouching {
            self.report_to_newcomers(now);
        } else if self.has_report() {
            let many = self.reception.unreported_len() > MAX_REPORTED_CHANGES && !vouching;
            let names = if many { 0 } else { MAX_REPORTED_CHANGES };
            self.multicast_header_only(now, Counter::ReceptionReports, names, many);
        }
        self.after_reception_change(now);
    }

    /// Whether there are changes to report, or newcomers that may not have heard this node yet.
    fn has_report(&self) -> bool {
        let is_small = self.reception.near().len() < LARGE_ISLAND;
        is_small || !self.has_multicast || self.reception.has_changes() || self.reception.has_renewals()
    }

    fn report_to_newcomers(&mut self, now: Time) {
        let gained: Vec<_> = self.reception.gained().collect();
        self.renew_exhausted_nonces();
        for node in gained {
            let header = self.direct_header(now, Some(node), 0);
            if let Some(bytes) = self.seal_datagram(Some(node), &header, &Body::HeaderOnly) {
                self.counters.count(Counter::ReceptionDatagrams);
                self.outputs.push(Output::Datagram { to: node, bytes });
            }
        }
    }

    /// Renews confirmations, unless other multicasts have done it.
    pub(super) fn on_reception_renewal_timer(&mut self, now: Time) {
        if self.reception.has_renewals() {
            self.on_reception_report_timer(now);
        }
    }
}
