//! Whom we hear by multicast, who hears us, and what island that makes. Knows nothing of frames.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use gm_clock::NetId;

use crate::plant::{Bug, planted};
use crate::time::Time;

/// Changes of whom we hear that go along in a frame that is sent anyway.
pub(crate) const MAX_PIGGYBACKED_CHANGES: usize = 4;
/// Changes in a frame that is sent for their sake: what a datagram has room for, at 2 bytes of list
/// and 8 to 20 of table each.
pub(crate) const MAX_REPORTED_CHANGES: usize = 40;

/// Nodes that hear us and that we do not hear, at most: more than an island has.
const MAX_EARLY_CONFIRMATIONS: usize = 10_000;

/// A node whose multicast we hear: it is *near*.
#[derive(Clone, Debug)]
struct Neighbor {
    last_heard: Time,
    /// When we last said that we hear it.
    reported: Option<Time>,
    /// Until when its word holds that it hears us; nothing if it never said so, or took it back.
    confirmed_until: Option<Time>,
    /// It asked for what was multicast: until it confirms again, what it gets is the whole.
    missed: bool,
}

/// How a near node is to be told of what we multicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reception {
    /// Not near, or it did not hear us lately: tell it everything.
    None,
    /// It may have heard: tell it that there was something.
    Unconfirmed,
    /// It hears: nothing need be told.
    Confirmed,
}

#[derive(Debug, Default)]
pub(crate) struct ReceptionTable {
    near: BTreeMap<NetId, Neighbor>,
    gained: BTreeSet<NetId>,
    lost: BTreeSet<NetId>,
    /// Nodes that hear us and that we hear, whenever that was confirmed.
    mutual: BTreeSet<NetId>,
    /// Nodes that said that they hear us before we heard them, and until when that holds.
    early_confirmations: BTreeMap<NetId, Time>,
    /// When anything was multicast in our island, by us or another.
    pub(crate) last_multicast: Time,
}

impl ReceptionTable {
    /// A multicast of `node` came, with content or without. Whether it is near only now.
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
        // Said again in good time, and only of those who have something to say: quiet islands are
        // quiet, and the first word after a long silence costs notices.
        if near.reported.is_none_or(|at| content && now.since(at) >= confirmation / 2) {
            self.gained.insert(node);
        }
        false
    }

    /// `node` says that it hears us.
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

    /// `node` says that it hears us no longer.
    pub(crate) fn deny(&mut self, node: NetId) {
        self.mutual.remove(&node);
        self.early_confirmations.remove(&node);
        if let Some(near) = self.near.get_mut(&node) {
            near.confirmed_until = None;
            near.missed = true;
        }
    }

    /// `node` did not get what was multicast.
    pub(crate) fn missed(&mut self, node: NetId) {
        if let Some(near) = self.near.get_mut(&node) {
            near.confirmed_until = None;
            near.missed = true;
        }
    }

    /// One of the confirmed did not get what was multicast: nobody is believed until he says so
    /// again.
    pub(crate) fn unconfirm_all(&mut self) {
        for near in self.near.values_mut() {
            near.confirmed_until = near.confirmed_until.map(|_| Time::ZERO);
        }
    }

    /// We did not hear a multicast of `node`: the next one that we hear is worth saying.
    pub(crate) fn unconfirm(&mut self, node: NetId) {
        if let Some(near) = self.near.get_mut(&node) {
            near.reported = None;
        }
    }

    /// We do not hear `node` any longer.
    pub(crate) fn remove(&mut self, node: NetId) -> bool {
        self.mutual.remove(&node);
        self.gained.remove(&node);
        let was_near = self.near.remove(&node).is_some();
        if was_near {
            self.lost.insert(node);
        }
        was_near
    }

    /// When it was heard, and until when its word holds that it hears us.
    pub(crate) fn times_of(&self, node: NetId) -> Option<(Time, Option<Time>)> {
        self.near.get(&node).map(|near| (near.last_heard, near.confirmed_until.filter(|_| !near.missed)))
    }

    /// Until when the word of a node that we do not hear holds that it hears us.
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
            Some(near)
                if near
                    .confirmed_until
                    .is_some_and(|until| until > now || planted(Bug::ConfirmationForever)) =>
            {
                Reception::Confirmed
            }
            Some(_) => Reception::Unconfirmed,
        }
    }

    /// The label of our island: the smallest NetId among us who hear each other. Nothing if we are
    /// alone.
    pub(crate) fn island_id(&self, me: NetId) -> Option<NetId> {
        self.mutual.first().map(|first| *first.min(&me))
    }

    /// Near nodes that were not heard for so long.
    pub(crate) fn silent_for(&self, now: Time, since: Duration) -> Vec<NetId> {
        let silent = self.near.iter().filter(|(_, near)| now.since(near.last_heard) > since);
        silent.map(|(node, _)| *node).collect()
    }

    pub(crate) fn has_changes(&self) -> bool {
        !self.gained.is_empty() || !self.lost.is_empty()
    }

    /// Takes changes for a frame that all of the island hear, sorted: (heard, lost).
    pub(crate) fn take_changes(&mut self, most: usize, now: Time) -> (Vec<NetId>, Vec<NetId>) {
        let heard: Vec<NetId> = self.gained.iter().take(most).copied().collect();
        for node in &heard {
            self.mark_reported(*node, now);
        }
        let lost: Vec<NetId> = self.lost.iter().take(most - heard.len()).copied().collect();
        for node in &lost {
            self.lost.remove(node);
        }
        (heard, lost)
    }

    /// Puts back what was taken and not sent.
    pub(crate) fn put_back(&mut self, heard: &[NetId], lost: &[NetId]) {
        self.gained.extend(heard.iter().filter(|node| self.near.contains_key(node)));
        self.lost.extend(lost);
    }

    /// Takes the change about `node` itself, for a frame that only it gets: whether we hear it now.
    pub(crate) fn take_change_of(&mut self, node: NetId, now: Time) -> Option<bool> {
        if self.gained.contains(&node) {
            self.mark_reported(node, now);
            return Some(true);
        }
        self.lost.remove(&node).then_some(false)
    }

    fn mark_reported(&mut self, node: NetId, now: Time) {
        self.gained.remove(&node);
        if let Some(near) = self.near.get_mut(&node) {
            near.reported = Some(now);
        }
    }

    /// After how much silence it is our turn to multicast: the nodes of an island speak in the
    /// order of their NetIds, from the one who spoke last; whoever is passed over is followed after
    /// a quarter of the time.
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
