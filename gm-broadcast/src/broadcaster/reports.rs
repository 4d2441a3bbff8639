//! Reports of reception: tell neighbors that this node receives their multicast.
//!
//! Many neighbors gained, as when nodes start together, are reported by one multicast with the
//! digest of all nodes that are heard; a few newcomers of a large island by a datagram to each.

use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{Body, Extension, Header};

use super::Broadcaster;
use super::timeouts::BroadcasterTimer;
use crate::counter::Counter;
use crate::event::BroadcastEvent;
use crate::heard::BucketReport;
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

/// Greatest number of times that the delay of a report doubles, and the number of delays after
/// which a report no longer counts.
const MAX_DOUBLINGS: u32 = 3;
const REPORTS_IN_A_ROW: u32 = 16;
/// Greatest number of reports in a row because nodes do not hear the same nodes: that may be so for
/// long.
const MAX_DISPUTED: u32 = 4;
/// Least time in which changes are collected, per node of the island.
const PER_NODE: Duration = Duration::from_millis(5);
/// Half of the number of nodes from which on first multicasts are spread, and the greatest time.
const SPREADING_FROM: usize = 100;
const MAX_SPREAD: Duration = Duration::from_secs(30);

/// The state of this node's reports.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// Newcomers that this node verified, which its next report names.
    pub(super) vouching: Vec<NetId>,
    /// The next report was due soon, since few neighbors were gained.
    is_early: bool,
    /// Another node does not hear the nodes that this node hears.
    is_disputed: bool,
    /// Number of nodes that this node knew when it spread its first multicast.
    spread_over: usize,
    /// Reports without a long pause between them.
    in_a_row: u32,
    last_at: Time,
}

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
        self.reports.is_early = self.few_are_gained();
        if self.reports.is_early {
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
        // In a large island each report costs much, so the next one waits for more changes.
        let is_large = self.reception.near().len() >= LARGE_ISLAND;
        let repeated = if is_large { self.reports.in_a_row.min(MAX_DOUBLINGS) } else { 0 };
        let wait = self.report_interval().saturating_mul(1 << repeated);
        let wait = wait + self.jitter_rng.duration_up_to(wait);
        self.timers.set(BroadcasterTimer::ReceptionReport, now + wait);
    }

    /// Whether so few neighbors were gained that a datagram to each costs less than a multicast.
    fn few_are_gained(&self) -> bool {
        let (near, gained) = (self.reception.near().len(), self.reception.gained_len());
        let few = gained > 0 && gained <= (near / NEIGHBORS_PER_NEWCOMER).max(1);
        few && near >= LARGE_ISLAND && self.has_multicast && !self.reception.has_losses()
    }

    /// Schedules this node's first multicast, which makes it known to its neighbors. With seeds, it
    /// first learns from them how many others there are.
    pub(super) fn schedule_first_multicast(&mut self, now: Time) {
        let delay = self.config.timings.reception_report;
        let least = if self.config.seeds.is_empty() { Duration::ZERO } else { delay };
        let wait = least + self.jitter_rng.duration_up_to(delay);
        self.timers.set(BroadcasterTimer::ReceptionReport, now + wait);
    }

    /// Whether this node's first multicast has time: it has learned of many nodes since that was
    /// scheduled, which may all have just started, and each of them receives the multicasts of all.
    /// Then the first ones are spread over a longer time.
    fn postpones_first_multicast(&mut self, now: Time) -> bool {
        let nodes = self.peers.len();
        if self.has_multicast || nodes < 2 * self.reports.spread_over.max(SPREADING_FROM) {
            return false;
        }
        self.reports.spread_over = nodes;
        let spread = PER_NODE.saturating_mul(u32::try_from(nodes).unwrap_or(u32::MAX));
        let wait = self.jitter_rng.duration_up_to(spread.min(MAX_SPREAD));
        self.timers.set(BroadcasterTimer::ReceptionReport, now + wait);
        true
    }

    /// Reports reception, or makes this node known by its first multicast.
    pub(super) fn on_reception_report_timer(&mut self, now: Time) {
        if self.postpones_first_multicast(now) {
            return;
        }
        let was_early = std::mem::take(&mut self.reports.is_early);
        // Frames to one of them alone may have reported its reception meanwhile.
        let newcomers = std::mem::take(&mut self.reports.vouching);
        self.reception.put_back(&newcomers, &[]);
        let vouching = !newcomers.is_empty();
        let disputed = std::mem::take(&mut self.reports.is_disputed);
        let few = self.few_are_gained() && !disputed;
        if was_early && !few && !vouching {
            // Many more newcomers came.
            return self.set_report_timer(now);
        }
        if few && !vouching {
            self.report_to_newcomers(now);
        } else if self.has_report() || disputed {
            let many = (disputed || self.reception.unreported_len() > MAX_REPORTED_CHANGES) && !vouching;
            let names = if many { 0 } else { MAX_REPORTED_CHANGES };
            self.multicast_header_only(now, Counter::ReceptionReports, names, many);
            let is_recent = now.since(self.reports.last_at) < self.report_interval() * REPORTS_IN_A_ROW;
            self.reports.in_a_row = if is_recent { self.reports.in_a_row + 1 } else { 1 };
            self.reports.last_at = now;
        }
        self.after_reception_change(now);
    }

    /// Whether there are changes to report, or newcomers that may not have heard this node yet.
    fn has_report(&self) -> bool {
        let is_small = self.reception.near().len() < LARGE_ISLAND;
        is_small || !self.has_multicast || self.reception.has_changes() || self.reception.has_renewals()
    }

    /// Whether this node computes the digest of its bucket that a header has, if it has one.
    pub(super) fn agrees_with_report(&self, header: &Header) -> Option<bool> {
        let report = header.extensions.iter().find(|section| section.kind == Extension::HEARD_NODES)?;
        let report = BucketReport::read(&report.bytes, self.config.me)?;
        Some(self.heard.agrees(self.config.me, &report))
    }

    /// Evaluates the report of a node that is present: whether the node hears this node. If the
    /// two do not hear the same nodes, a datagram was lost, perhaps of this node: it reports again.
    pub(super) fn note_report(&mut self, now: Time, header: &Header) -> bool {
        let agrees = self.agrees_with_report(header);
        let may_repeat = self.has_multicast && self.reports.in_a_row < MAX_DISPUTED;
        if agrees == Some(false) && may_repeat && self.config.multicast {
            self.reports.is_disputed = true;
            if !self.timers.is_set(&BroadcasterTimer::ReceptionReport) {
                self.set_report_timer(now);
            }
        }
        agrees == Some(true)
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
