//! Loss recovery for multicast: detects missing sequence numbers of neighbors and schedules nacks
//! (NACK-based repair, as in SRM and NORM).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::MissedMulticasts;

use crate::time::Time;

/// Nacks for a number before it is given up; anti-entropy then repairs the loss.
const MAX_NACKS: u32 = 6;

/// Greatest number of multicasts that one nack requests. Receivers of a nack answer no more either,
/// so a nack costs little.
pub(crate) const MAX_NUMBERS_PER_NACK: usize = 8;

/// The sequence numbers of one neighbor in its present epoch.
#[derive(Debug)]
struct MulticastNumbers {
    epoch: [u8; 8],
    highest: u64,
    missing: BTreeMap<u64, MissingNumber>,
}

#[derive(Clone, Copy, Debug)]
struct MissingNumber {
    tries: u32,
    nack_at: Time,
}

#[derive(Debug, Default)]
pub(crate) struct LossRecovery {
    nodes: BTreeMap<NetId, MulticastNumbers>,
    /// The node and its highest number, by epoch.
    by_epoch: BTreeMap<u64, (NetId, u64)>,
    /// Neighbors with missing numbers, and when the first nack is due.
    next_nack: BTreeMap<NetId, Time>,
    /// The same, ordered by time: read after every datagram.
    by_time: BTreeSet<(Time, NetId)>,
}

/// Interval of nacks, and the limit of missing numbers per neighbor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NackPolicy {
    pub(crate) retry: Duration,
    pub(crate) max_missing: usize,
}

impl LossRecovery {
    /// A multicast of `node` with this number arrived.
    pub(crate) fn on_received(
        &mut self,
        node: NetId,
        epoch: [u8; 8],
        number: u64,
        ask: Time,
        policy: NackPolicy,
    ) {
        self.on_number_known(node, epoch, number.saturating_sub(1), ask, policy);
        if let Some(numbers) = self.nodes.get_mut(&node) {
            numbers.highest = numbers.highest.max(number);
            numbers.missing.remove(&number);
        }
        self.reschedule(node);
    }

    /// Multicasts of `node` up to this number exist. Numbers before the first known one of a node
    /// or an epoch are not missing: this node was not there.
    pub(crate) fn on_number_known(
        &mut self,
        node: NetId,
        epoch: [u8; 8],
        number: u64,
        ask: Time,
        policy: NackPolicy,
    ) {
        let fresh = || MulticastNumbers { epoch, highest: number, missing: BTreeMap::new() };
        let numbers = self.nodes.entry(node).or_insert_with(|| {
            self.by_epoch.insert(u64::from_be_bytes(epoch), (node, number));
            fresh()
        });
        if numbers.epoch != epoch {
            self.by_epoch.remove(&u64::from_be_bytes(numbers.epoch));
            *numbers = fresh();
            self.reschedule(node);
        }
        let Some(numbers) = self.nodes.get_mut(&node) else { return };
        if number <= numbers.highest {
            return;
        }
        // At most `max_missing` numbers, however far the number jumps.
        let first = (numbers.highest + 1).max(number.saturating_sub(policy.max_missing as u64 - 1));
        for missed in first..=number {
            numbers.missing.insert(missed, MissingNumber { tries: 0, nack_at: ask });
        }
        numbers.highest = number;
        while numbers.missing.len() > policy.max_missing {
            numbers.missing.pop_first();
        }
        self.reschedule(node);
    }

    /// Updates the index of `node` by epoch, and the time of its next nack.
    fn reschedule(&mut self, node: NetId) {
        if let Some(numbers) = self.nodes.get(&node) {
            self.by_epoch.insert(u64::from_be_bytes(numbers.epoch), (node, numbers.highest));
        }
        let first = self
            .nodes
            .get(&node)
            .and_then(|numbers| numbers.missing.values().map(|missing| missing.nack_at).min());
        let before = match first {
            Some(first) => self.next_nack.insert(node, first),
            None => self.next_nack.remove(&node),
        };
        if before != first {
            if let Some(before) = before {
                self.by_time.remove(&(before, node));
            }
            if let Some(first) = first {
                self.by_time.insert((first, node));
            }
        }
    }

    /// The number arrived, or needs no further nack.
    pub(crate) fn on_recovered(&mut self, node: NetId, epoch: [u8; 8], number: u64) {
        if let Some(numbers) = self.nodes.get_mut(&node).filter(|numbers| numbers.epoch == epoch) {
            numbers.missing.remove(&number);
        }
        self.reschedule(node);
    }

    /// The receiver of a nack does not have the number: another one is asked now.
    pub(crate) fn on_unavailable(&mut self, node: NetId, epoch: [u8; 8], number: u64, now: Time) {
        let numbers = self.nodes.get_mut(&node).filter(|numbers| numbers.epoch == epoch);
        if let Some(missing) = numbers.and_then(|numbers| numbers.missing.get_mut(&number)) {
            missing.nack_at = missing.nack_at.min(now);
        }
        self.reschedule(node);
    }

    /// `node` is no longer a neighbor.
    pub(crate) fn forget(&mut self, node: NetId) {
        if let Some(numbers) = self.nodes.remove(&node) {
            self.by_epoch.remove(&u64::from_be_bytes(numbers.epoch));
        }
        self.reschedule(node);
    }

    /// The neighbor of an epoch and a number of it, if it is greater than the last known one; `low`
    /// are the low 16 bits of the number.
    pub(crate) fn node_behind(&self, epoch: [u8; 8], low: u16) -> Option<(NetId, u64)> {
        let (node, highest) = *self.by_epoch.get(&u64::from_be_bytes(epoch))?;
        let ahead = u64::from(low).wrapping_sub(highest) & u64::from(u16::MAX);
        (1..=u64::from(u16::MAX / 2)).contains(&ahead).then(|| (node, highest.saturating_add(ahead)))
    }

    /// Time of the next nack.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// The numbers to request now, by neighbor, each with the greatest number of earlier nacks for
    /// them; and how many numbers were given up.
    pub(crate) fn take_due(&mut self, now: Time, policy: NackPolicy) -> (Vec<(MissedMulticasts, u32)>, u64) {
        let mut questions = Vec::new();
        let mut given_up = 0;
        let mut room = MAX_NUMBERS_PER_NACK;
        let due = self.by_time.iter().take_while(|(at, _)| *at <= now);
        let due: BTreeSet<NetId> = due.map(|(_, node)| *node).collect();
        for node in due {
            let Some(numbers) = self.nodes.get_mut(&node) else { continue };
            let mut runs: Vec<(u64, u64)> = Vec::new();
            let mut tries = 0;
            let before = numbers.missing.len();
            numbers.missing.retain(|_, missing| missing.nack_at > now || missing.tries < MAX_NACKS);
            given_up += (before - numbers.missing.len()) as u64;
            for (number, missing) in numbers.missing.iter_mut().filter(|(_, missing)| missing.nack_at <= now)
            {
                if room == 0 {
                    // It was not requested, so this does not count as a try.
                    missing.nack_at = now + policy.retry;
                    continue;
                }
                room -= 1;
                tries = tries.max(missing.tries);
                let factor = 1 << missing.tries.saturating_sub(1).min(6);
                missing.nack_at = now + policy.retry.saturating_mul(factor);
                missing.tries += 1;
                match runs.last_mut() {
                    Some((_, last)) if *last + 1 == *number => *last = *number,
                    _ => runs.push((*number, *number)),
                }
            }
            if !runs.is_empty() {
                questions.push((MissedMulticasts { node, epoch: numbers.epoch, runs }, tries));
            }
            self.reschedule(node);
        }
        (questions, given_up)
    }
}

#[cfg(test)]
mod tests;
