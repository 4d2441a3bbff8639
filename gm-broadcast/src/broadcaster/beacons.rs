//! Sequence beacons: the number of the last multicast with content is multicast again a few times,
//! so that a neighbor that missed it notices the gap (compare a tail-loss probe).
//!
//! A beacon repeats the last numbers of all nodes that were heard a moment ago, and each of them
//! then counts it as one of its own. So nodes that multicast at the same time together need about
//! as many beacons as one alone.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_codec::{Extension, Header, Routing};

use super::Broadcaster;
use super::inbound::Inbound;
use super::timeouts::BroadcasterTimer;
use crate::counter::Counter;
use crate::handler::Path;
use crate::reception::MAX_PIGGYBACKED_CHANGES;
use crate::time::Time;

/// Number of sequence beacons in the smallest islands.
const MIN_BEACONS: u32 = 3;
/// Nodes that multicast at the same time, for which the first beacon is left out.
const SPEAKERS_PER_BEACON: usize = 8;
/// Such nodes with which only the last beacons are sent, and their number.
const MANY_SPEAKERS: usize = 32;
const LAST_BEACONS: u32 = 2;
/// Bytes of an epoch and the low bytes of a number.
const NUMBER_BYTES: usize = 10;
/// Greatest number of nodes whose numbers a beacon repeats, so that they fit into the extensions.
const MAX_REPEATED: usize = 96;
/// First delays of a beacon, within which the number of another node is repeated: its beacons last
/// about as long.
const REPEATED_FOR: u32 = 64;

/// The sequence beacons of this node's last multicast, and what other nodes need for theirs.
#[derive(Debug, Default)]
pub(super) struct Beacons {
    /// Number of beacons that were sent or left out so far.
    sent: u32,
    /// Time of the last of them, by this node or another, or of the content.
    last_repeated: Time,
    due: Time,
    recent: RecentNumbers,
}

/// The last numbers of other nodes, by epoch, and when they arrived.
#[derive(Debug, Default)]
struct RecentNumbers {
    numbers: BTreeMap<[u8; 8], (Time, u16)>,
}

impl RecentNumbers {
    /// A multicast with content arrived.
    fn note(&mut self, now: Time, epoch: [u8; 8], number: u64, keep: Duration) {
        if self.numbers.len() >= MAX_REPEATED && !self.numbers.contains_key(&epoch) {
            self.numbers.retain(|_, (at, _)| now.since(*at) < keep);
        }
        if self.numbers.len() >= MAX_REPEATED && !self.numbers.contains_key(&epoch) {
            let oldest = self.numbers.iter().min_by_key(|(_, (at, _))| *at).map(|(epoch, _)| *epoch);
            oldest.and_then(|oldest| self.numbers.remove(&oldest));
        }
        self.numbers.insert(epoch, (now, low_bytes(number)));
    }
}

impl<D> Broadcaster<D> {
    /// Notes the number of another node's multicast with content.
    pub(super) fn note_recent_number(&mut self, now: Time, epoch: [u8; 8], number: u64) {
        self.beacons.recent.note(now, epoch, number, self.repeated_for());
    }

    fn repeated_for(&self) -> Duration {
        self.config.timings.beacon.saturating_mul(REPEATED_FOR)
    }

    /// Schedules a sequence beacon after a multicast with content.
    pub(super) fn schedule_beacon(&mut self, now: Time) {
        self.beacons.sent = 0;
        self.set_beacon_timer(now);
    }

    /// Least time from one beacon, or the content, to the next.
    fn beacon_interval(&self) -> Duration {
        self.config.timings.beacon.saturating_mul(1 << self.beacons.sent.min(16))
    }

    fn beacon_count(&self) -> u32 {
        self.reception.near().len().max(1).ilog(4) + MIN_BEACONS
    }

    fn set_beacon_timer(&mut self, now: Time) {
        let keep = self.repeated_for();
        let recent = self.beacons.recent.numbers.values().filter(|(at, _)| now.since(*at) < keep).count();
        // While many nodes multicast, the first beacons are left out.
        let left_out = (1 + recent / SPEAKERS_PER_BEACON).ilog2();
        let least =
            if recent >= MANY_SPEAKERS { self.beacon_count().saturating_sub(LAST_BEACONS) } else { 0 };
        self.beacons.sent = self.beacons.sent.max(left_out).max(least);
        let interval = self.beacon_interval();
        // Of several nodes that multicast at the same time, one should be the first.
        let jitter = if recent == 0 { Duration::ZERO } else { self.jitter_rng.duration_up_to(interval) };
        let due = now + interval + jitter;
        (self.beacons.last_repeated, self.beacons.due) = (now, due);
        self.timers.set(BroadcasterTimer::SequenceBeacon, due);
    }

    /// Sends a sequence beacon. If each neighbor misses a quarter of all datagrams, of a hundred
    /// broadcasts about one has a neighbor that misses it and all beacons.
    pub(super) fn on_beacon_timer(&mut self, now: Time) {
        if self.reception.near().len() == 0 || !self.config.multicast {
            return;
        }
        let late = now.since(self.beacons.due);
        let interval = self.beacon_interval();
        if late > interval / 4 && now.since(self.beacons.last_repeated) < interval * 4 {
            // A busy machine: the beacon of another node may wait to be read.
            self.beacons.due = now + late;
            return self.timers.set(BroadcasterTimer::SequenceBeacon, self.beacons.due);
        }
        self.timers.set(BroadcasterTimer::SequenceBeacon, now);
        self.multicast_header_only(now, Counter::SequenceBeacons, MAX_PIGGYBACKED_CHANGES, false);
    }

    /// The number of this node's last content was multicast again, by itself or by another node:
    /// that counts as a beacon, if enough time has passed since the one before.
    pub(super) fn on_number_repeated(&mut self, now: Time) {
        let is_set = self.timers.is_set(&BroadcasterTimer::SequenceBeacon);
        if !is_set || now.since(self.beacons.last_repeated) < self.beacon_interval() / 2 {
            return;
        }
        self.beacons.sent += 1;
        if self.beacons.sent < self.beacon_count() {
            self.set_beacon_timer(now);
        } else {
            self.timers.cancel(&BroadcasterTimer::SequenceBeacon);
        }
    }

    /// The numbers that were heard a moment ago.
    pub(super) fn recent_numbers_section(&self, now: Time) -> Option<Extension> {
        let keep = self.repeated_for();
        let recent = self.beacons.recent.numbers.iter().filter(|(_, (at, _))| now.since(*at) < keep);
        let bytes: Vec<u8> = recent
            .flat_map(|(epoch, (_, number))| epoch.iter().copied().chain(number.to_be_bytes()))
            .collect();
        (!bytes.is_empty()).then_some(Extension { kind: Extension::MULTICAST_NUMBERS, bytes })
    }

    /// Evaluates the numbers that a node which is present repeats.
    pub(super) fn note_repeated_numbers(&mut self, now: Time, inbound: &Inbound<'_>, header: &Header) {
        if inbound.path != Path::Multicast {
            return;
        }
        for (epoch, number) in repeated_numbers(header) {
            if self.nonces.epoch().bytes() == epoch {
                if number == low_bytes(self.multicast_sequence) {
                    self.on_number_repeated(now);
                }
            } else if let Some((node, number)) = self.loss_recovery.node_behind(epoch, number) {
                let nack_at = now + self.jitter_rng.duration_up_to(self.config.timings.nack_jitter);
                self.loss_recovery.on_number_known(node, epoch, number, nack_at, self.nack_policy());
            }
        }
        self.schedule_loss_recovery();
    }
}

/// The epochs and numbers that a header repeats.
pub(super) fn repeated_numbers(header: &Header) -> impl Iterator<Item = ([u8; 8], u16)> + '_ {
    let is_direct = header.routing == Routing::Direct;
    let section = header.extensions.iter().find(|section| section.kind == Extension::MULTICAST_NUMBERS);
    let section = section.filter(|section| is_direct && section.bytes.len() % NUMBER_BYTES == 0);
    let numbers = section.map_or(&[][..], |section| section.bytes.as_chunks::<NUMBER_BYTES>().0);
    numbers.iter().map(|[a, b, c, d, e, f, g, h, number @ ..]| {
        ([*a, *b, *c, *d, *e, *f, *g, *h], u16::from_be_bytes(*number))
    })
}

/// The part of a number that is repeated: neighbors know numbers near it.
#[allow(clippy::cast_possible_truncation)] // On purpose.
const fn low_bytes(number: u64) -> u16 {
    number as u16
}
