//! Multicast reception: the neighbors whose multicast this node receives, those that confirmed to
//! receive its multicast, and the island that follows.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use gm_clock::NetId;

use crate::time::Time;

/// Reception changes in a frame that is sent anyway.
pub(crate) const MAX_PIGGYBACKED_CHANGES: usize = 4;
/// Reception changes in a multicast of their own, at 2 bytes in the list, 8 to 20 in the table, and
/// 12 for the last frame each. If there are more, the digest of all neighbors is shorter.
pub(crate) const MAX_REPORTED_CHANGES: usize = 8;

/// Nodes that confirmed reception and are not neighbors: more than an island has.
const MAX_EARLY_CONFIRMATIONS: usize = 10_000;

/// A node whose multicast this node receives.
#[derive(Clone, Debug)]
struct Neighbor {
    last_heard: Time,
    /// Last time that this node confirmed its reception.
    reported: Option<Time>,
    /// Validity of its confirmation; `None` if it never confirmed reception, or withdrew that.
    confirmed_until: Option<Time>,
    /// It requested the content of a multicast: it gets full contents until it confirms again.
    missed: bool,
}

/// Whether a peer receives this node's multicast, which decides what else it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reception {
    /// No neighbor, or it missed a multicast: it is sent the content.
    None,
    /// It may have received the multicast: it is sent an announcement.
    Unconfirmed,
    /// It receives multicasts: it is sent nothing more.
    Confirmed,
}

#[derive(Debug, Default)]
pub(crate) struct ReceptionTable {
    near: BTreeMap<NetId, Neighbor>,
    gained: BTreeSet<NetId>,
    /// Neighbors whose reception should be confirmed again before the last confirmation expires.
    renewals: BTreeSet<NetId>,
    lost: BTreeSet<NetId>,
    /// Neighbors that ever confirmed reception.
    mutual: BTreeSet<NetId>,
    /// Nodes that confirmed reception before this node received their multicast, and until when
    /// that is valid.
    early_confirmations: BTreeMap<NetId, Time>,
    /// Time of the last multicast in this island, by this node or a neighbor.
    pub(crate) last_multicast: Time,
}

impl ReceptionTable {
    /// A multicast of `node` arrived, with content or without. Returns whether it is a new
    /// neighbor.
    pub(crate) fn on_multicast(
        &mut self,
        node: NetId,
        now: Time,
        confirmation: Duration,
        content: bool,
    ) -> bool {
        self.last_multicast = now;
        self.lost.remove(&node);
        let Some(near) = self.near.get_mut(&node) else {
            let confirmed = self.early_confirmations.remove(&node);
            if confirmed.is_some() {
                self.mutual.insert(node);
            }
            self.near.insert(
                node,
                Neighbor { last_heard: now, reported: None, confirmed_until: confirmed, missed: false },
            );
            self.gained.insert(node);
            return true;
        };
        near.last_heard = now;
        // Confirmed again before it expires, but only to nodes that send content: so idle islands
        // stay quiet, and the first broadcast after a long silence costs announcements.
        match near.reported {
            None => drop(self.gained.insert(node)),
            Some(at) if content && now.since(at) >= confirmation / 2 => drop(self.renewals.insert(node)),
            Some(_) => {}
        }
        false
    }

    /// `node` confirms that it receives this node's multicast.
    pub(crate) fn confirm(&mut self, node: NetId, now: Time, confirmation: Duration) {
        if let Some(near) = self.near.get_mut(&node) {
            near.confirmed_until = Some(now + confirmation);
            near.missed = false;
            self.mutual.insert(node);
        } else {
            if self.early_confirmations.len() >= MAX_EARLY_CONFIRMATIONS {
                self.early_confirmations.retain(|_, until| *until > now);
            }
            if self.early_confirmations.len() < MAX_EARLY_CONFIRMATIONS {
                self.early_confirmations.insert(node, now + confirmation);
            }
        }
    }

    /// `node` withdraws its confirmation.
    pub(crate) fn deny(&mut self, node: NetId) {
        self.mutual.remove(&node);
        self.early_confirmations.remove(&node);
        if let Some(near) = self.near.get_mut(&node) {
            near.confirmed_until = None;
            near.missed = true;
        }
    }

    /// `node` missed a multicast of this node.
    pub(crate) fn missed(&mut self, node: NetId) {
        if let Some(near) = self.near.get_mut(&node) {
            near.confirmed_until = None;
            near.missed = true;
        }
    }

    /// A confirmed neighbor missed a multicast: no confirmation is valid until it is renewed.
    pub(crate) fn unconfirm_all(&mut self) {
        for near in self.near.values_mut() {
            near.confirmed_until = near.confirmed_until.map(|_| Time::ZERO);
        }
    }

    /// This node missed a multicast of `node`: it confirms the next one that arrives.
    pub(crate) fn unconfirm(&mut self, node: NetId) {
        if let Some(near) = self.near.get_mut(&node) {
            near.reported = None;
        }
    }

    /// `node` is no longer a neighbor.
    pub(crate) fn remove(&mut self, node: NetId) -> bool {
        self.mutual.remove(&node);
        self.gained.remove(&node);
        self.renewals.remove(&node);
        let was_near = self.near.remove(&node).is_some();
        if was_near {
            self.lost.insert(node);
        }
        was_near
    }

    /// Time of a neighbor's last multicast, and until when its confirmation is valid.
    pub(crate) fn times_of(&self, node: NetId) -> Option<(Time, Option<Time>)> {
        self.near.get(&node).map(|near| (near.last_heard, near.confirmed_until.filter(|_| !near.missed)))
    }

    /// Whether a neighbor has neither confirmed reception nor missed a multicast.
    pub(crate) fn awaits_confirmation(&self, node: NetId) -> bool {
        self.near.get(&node).is_some_and(|near| near.confirmed_until.is_none() && !near.missed)
    }

    /// Until when the confirmation of a node that is no neighbor is valid.
    pub(crate) fn early_confirmation(&self, node: NetId) -> Option<Time> {
        self.early_confirmations.get(&node).copied()
    }

    pub(crate) fn is_near(&self, node: NetId) -> bool {
        self.near.contains_key(&node)
    }

    pub(crate) fn near(&self) -> impl ExactSizeIterator<Item = NetId> {
        self.near.keys().copied()
    }

    pub(crate) fn reception_of(&self, node: NetId, now: Time) -> Reception {
        match self.near.get(&node) {
            None => Reception::None,
            Some(near) if near.missed => Reception::None,
            Some(near) if near.confirmed_until.is_some_and(|until| until > now) => Reception::Confirmed,
            Some(_) => Reception::Unconfirmed,
        }
    }

    /// The id of this island: the smallest NetId among this node and the neighbors with mutual
    /// reception. `None` without such neighbors.
    pub(crate) fn island_id(&self, me: NetId) -> Option<NetId> {
        self.mutual.first().map(|first| *first.min(&me))
    }

    /// Neighbors whose last multicast is older than `since`.
    pub(crate) fn silent_for(&self, now: Time, since: Duration) -> Vec<NetId> {
        let silent = self.near.iter().filter(|(_, near)| now.since(near.last_heard) > since);
        silent.map(|(node, _)| *node).collect()
    }

    /// Whether neighbors were gained or lost, of which the island should hear soon.
    pub(crate) fn has_changes(&self) -> bool {
        !self.gained.is_empty() || !self.lost.is_empty()
    }

    /// The number of neighbors whose reception is not reported yet.
    pub(crate) fn gained_len(&self) -> usize {
        self.gained.len()
    }

    /// The same, with those whose reception should be reported again.
    pub(crate) fn unreported_len(&self) -> usize {
        self.gained.union(&self.renewals).count()
    }

    /// The neighbors whose reception is not reported yet.
    pub(crate) fn gained(&self) -> impl Iterator<Item = NetId> {
        self.gained.iter().copied()
    }

    /// Whether losses of neighbors are not reported yet.
    pub(crate) fn has_losses(&self) -> bool {
        !self.lost.is_empty()
    }

    /// A report covered the reception of all neighbors.
    pub(crate) fn mark_all_reported(&mut self, now: Time) {
        for node in std::mem::take(&mut self.gained) {
            self.mark_reported(node, now);
        }
        for node in std::mem::take(&mut self.renewals) {
            self.mark_reported(node, now);
        }
    }

    /// Whether confirmations should be renewed, which has time.
    pub(crate) fn has_renewals(&self) -> bool {
        !self.renewals.is_empty()
    }

    /// Takes changes and renewals for a multicast, sorted: (gained, lost).
    pub(crate) fn take_changes(&mut self, max: usize, now: Time) -> (Vec<NetId>, Vec<NetId>) {
        let renewed = self.renewals.difference(&self.gained);
        let mut gained: Vec<NetId> = self.gained.iter().chain(renewed).take(max).copied().collect();
        gained.sort_unstable();
        for node in &gained {
            self.mark_reported(*node, now);
        }
        let lost: Vec<NetId> = self.lost.iter().take(max - gained.len()).copied().collect();
        for node in &lost {
            self.lost.remove(node);
        }
        (gained, lost)
    }

    /// Puts back changes that were taken and not sent.
    pub(crate) fn put_back(&mut self, gained: &[NetId], lost: &[NetId]) {
        self.gained.extend(gained.iter().filter(|node| self.near.contains_key(node)));
        self.lost.extend(lost);
    }

    /// Takes the change that concerns `node` itself, for a frame to it alone: whether this node
    /// receives its multicast.
    pub(crate) fn take_change_of(&mut self, node: NetId, now: Time) -> Option<bool> {
        if self.gained.contains(&node) || self.renewals.contains(&node) {
            self.mark_reported(node, now);
            return Some(true);
        }
        self.lost.remove(&node).then_some(false)
    }

    /// A report said that this node receives the node's multicast.
    pub(crate) fn mark_reported(&mut self, node: NetId, now: Time) {
        self.gained.remove(&node);
        self.renewals.remove(&node);
        if let Some(near) = self.near.get_mut(&node) {
            near.reported = Some(now);
        }
    }

    /// Silence after which it is this node's turn to multicast. The nodes of an island take turns
    /// in the order of their NetIds, starting after the last sender; each one that does not take
    /// its turn delays the next by a quarter of the interval.
    pub(crate) fn time_to_turn(&self, me: NetId, last: Option<NetId>, quiet: Duration) -> Duration {
        let behind = match last {
            Some(last) if last < me => self.near.range((Excluded(last), Excluded(me))).count(),
            Some(last) => {
                self.near.range((Excluded(last), Unbounded)).count() + self.near.range(..me).count()
            }
            None => self.near.range(..me).count(),
        };
        quiet + (quiet / 4).saturating_mul(u32::try_from(behind).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests;
