//! Whom we hear by multicast, who hears us, and what island that makes. Knows nothing of frames.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use gm_clock::NetId;

use crate::plant::{Bug, planted};
use crate::time::Time;

/// Changes of whom we hear that go along in a frame that is sent anyway.
pub(crate) const ALONG: usize = 4;
/// Changes in a frame that is sent for their sake: what a datagram has room for, at 2 bytes of list and 8 to 20 of table each.
pub(crate) const ANNOUNCED: usize = 40;

/// Nodes that hear us and that we do not hear, at most: more than an island has.
const EARLY: usize = 10_000;

/// A node whose multicast we hear: it is *near*.
#[derive(Clone, Debug)]
struct Near {
    heard: Time,
    /// When we last said that we hear it.
    announced: Option<Time>,
    /// Until when its word holds that it hears us; nothing if it never said so, or took it back.
    confirmed: Option<Time>,
    /// It asked for what was multicast: until it confirms again, what it gets is the whole.
    deaf: bool,
}

/// How a near node is to be told of what we multicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ear {
    /// Not near, or it did not hear us lately: tell it everything.
    Deaf,
    /// It may have heard: tell it that there was something.
    Doubtful,
    /// It hears: nothing need be told.
    Confirmed,
}

#[derive(Debug, Default)]
pub(crate) struct Hearing {
    near: BTreeMap<NetId, Near>,
    gained: BTreeSet<NetId>,
    lost: BTreeSet<NetId>,
    /// Nodes that hear us and that we hear, whenever that was confirmed.
    mutual: BTreeSet<NetId>,
    /// Nodes that said that they hear us before we heard them, and until when that holds.
    early: BTreeMap<NetId, Time>,
    /// When anything was multicast in our island, by us or another.
    pub(crate) stirred: Time,
}

impl Hearing {
    /// A multicast of `node` came, with content or without. Whether it is near only now.
    pub(crate) fn hear(&mut self, node: NetId, now: Time, confirmation: Duration, content: bool) -> bool {
        self.stirred = now;
        self.lost.remove(&node);
        let Some(near) = self.near.get_mut(&node) else {
            let confirmed = self.early.remove(&node);
            if confirmed.is_some() {
                self.mutual.insert(node);
            }
            self.near.insert(node, Near { heard: now, announced: None, confirmed, deaf: false });
            self.gained.insert(node);
            return true;
        };
        near.heard = now;
        // Said again in good time, and only of those who have something to say: quiet islands are quiet, and the first word after a
        // long silence costs notices.
        if near.announced.is_none_or(|at| content && now.since(at) >= confirmation / 2) {
            self.gained.insert(node);
        }
        false
    }

    /// `node` says that it hears us.
    pub(crate) fn confirm(&mut self, node: NetId, now: Time, confirmation: Duration) {
        if let Some(near) = self.near.get_mut(&node) {
            near.confirmed = Some(now + confirmation);
            near.deaf = false;
            self.mutual.insert(node);
        } else {
            if self.early.len() >= EARLY {
                self.early.retain(|_, until| *until > now);
            }
            if self.early.len() < EARLY {
                self.early.insert(node, now + confirmation);
            }
        }
    }

    /// `node` says that it hears us no longer.
    pub(crate) fn deny(&mut self, node: NetId) {
        self.mutual.remove(&node);
        self.early.remove(&node);
        if let Some(near) = self.near.get_mut(&node) {
            near.confirmed = None;
            near.deaf = true;
        }
    }

    /// `node` did not get what was multicast.
    pub(crate) fn missed(&mut self, node: NetId) {
        if let Some(near) = self.near.get_mut(&node) {
            near.confirmed = None;
            near.deaf = true;
        }
    }

    /// One of the confirmed did not get what was multicast: nobody is believed until he says so again.
    pub(crate) fn doubt(&mut self) {
        for near in self.near.values_mut() {
            near.confirmed = near.confirmed.map(|_| Time::ZERO);
        }
    }

    /// We did not hear a multicast of `node`: the next one that we hear is worth saying.
    pub(crate) fn unsay(&mut self, node: NetId) {
        if let Some(near) = self.near.get_mut(&node) {
            near.announced = None;
        }
    }

    /// We do not hear `node` any longer.
    pub(crate) fn lose(&mut self, node: NetId) -> bool {
        self.mutual.remove(&node);
        self.gained.remove(&node);
        let was_near = self.near.remove(&node).is_some();
        if was_near {
            self.lost.insert(node);
        }
        was_near
    }

    /// When it was heard, and until when its word holds that it hears us.
    pub(crate) fn of(&self, node: NetId) -> Option<(Time, Option<Time>)> {
        self.near.get(&node).map(|near| (near.heard, near.confirmed.filter(|_| !near.deaf)))
    }

    /// Until when the word of a node that we do not hear holds that it hears us.
    pub(crate) fn early(&self, node: NetId) -> Option<Time> {
        self.early.get(&node).copied()
    }

    pub(crate) fn is_near(&self, node: NetId) -> bool {
        self.near.contains_key(&node)
    }

    pub(crate) fn near(&self) -> impl ExactSizeIterator<Item = NetId> {
        self.near.keys().copied()
    }

    pub(crate) fn ear(&self, node: NetId, now: Time) -> Ear {
        match self.near.get(&node) {
            None => Ear::Deaf,
            Some(near) if near.deaf => Ear::Deaf,
            Some(near)
                if near.confirmed.is_some_and(|until| until > now || planted(Bug::ConfirmationForever)) =>
            {
                Ear::Confirmed
            }
            Some(_) => Ear::Doubtful,
        }
    }

    /// The label of our island: the smallest NetId among us who hear each other. Nothing if we are alone.
    pub(crate) fn label(&self, me: NetId) -> Option<NetId> {
        self.mutual.first().map(|first| *first.min(&me))
    }

    /// Near nodes that were not heard for so long.
    pub(crate) fn silent(&self, now: Time, since: Duration) -> Vec<NetId> {
        let silent = self.near.iter().filter(|(_, near)| now.since(near.heard) > since);
        silent.map(|(node, _)| *node).collect()
    }

    pub(crate) fn has_changes(&self) -> bool {
        !self.gained.is_empty() || !self.lost.is_empty()
    }

    /// Takes changes for a frame that all of the island hear, sorted: (heard, lost).
    pub(crate) fn take(&mut self, most: usize, now: Time) -> (Vec<NetId>, Vec<NetId>) {
        let heard: Vec<NetId> = self.gained.iter().take(most).copied().collect();
        for node in &heard {
            self.said(*node, now);
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
    pub(crate) fn take_of(&mut self, node: NetId, now: Time) -> Option<bool> {
        if self.gained.contains(&node) {
            self.said(node, now);
            return Some(true);
        }
        self.lost.remove(&node).then_some(false)
    }

    fn said(&mut self, node: NetId, now: Time) {
        self.gained.remove(&node);
        if let Some(near) = self.near.get_mut(&node) {
            near.announced = Some(now);
        }
    }

    /// After how much silence it is our turn to multicast: the nodes of an island speak in the order of their NetIds, from the one
    /// who spoke last; whoever is passed over is followed after a quarter of the time.
    pub(crate) fn turn(&self, me: NetId, last: Option<NetId>, quiet: Duration) -> Duration {
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
