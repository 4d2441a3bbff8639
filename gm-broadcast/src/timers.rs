//! What is to be done when. Knows nothing of what it is: each kind of timer has one slot for each
//! thing that it is about.

use std::collections::{BTreeMap, BTreeSet};

use gm_clock::NetId;
use gm_codec::BroadcastId;

use crate::ack_aggregation::AckKey;
use crate::machine::ConnectionId;
use crate::time::Time;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Changes of whom we hear are to be multicast.
    ReceptionReport,
    /// A question by datagram to a peer to which datagrams may be lost had its time.
    DatagramProbe(NetId),
    /// Who missed what we multicast is to notice it.
    SequenceBeacon,
    /// Somebody is to be asked whom he knows; seeds are to be called.
    Exchange,
    /// Numbers are missing.
    LossRecovery,
    /// A connection may be idle, or have shown nothing.
    Connection(ConnectionId),
    /// The content of a notice did not come.
    AwaitedContent(BroadcastId),
    /// A node is to be asked whether it is there, or did not answer.
    Presence(NetId),
    /// The island was quiet.
    MulticastKeepalive,
    /// The next attempt of a share.
    Handover(u64),
    /// Receipts: pulse, silence, deadline.
    Acks(AckKey),
}

/// The timers that are set, one of a name.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    by_time: BTreeSet<(Time, Timer)>,
    by_timer: BTreeMap<Timer, Time>,
}

impl Timers {
    /// Sets a timer, instead of what it was set to.
    pub(crate) fn set(&mut self, timer: Timer, at: Time) {
        if let Some(before) = self.by_timer.insert(timer, at) {
            self.by_time.remove(&(before, timer));
        }
        self.by_time.insert((at, timer));
    }

    /// Sets a timer if it is not set to something earlier.
    pub(crate) fn set_by(&mut self, timer: Timer, at: Time) {
        if self.by_timer.get(&timer).is_none_or(|set| *set > at) {
            self.set(timer, at);
        }
    }

    /// Sets a timer if it is not set.
    pub(crate) fn set_if_none(&mut self, timer: Timer, at: Time) {
        if !self.by_timer.contains_key(&timer) {
            self.set(timer, at);
        }
    }

    pub(crate) fn cancel(&mut self, timer: Timer) {
        if let Some(at) = self.by_timer.remove(&timer) {
            self.by_time.remove(&(at, timer));
        }
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// The first that is due.
    pub(crate) fn take(&mut self, now: Time) -> Option<Timer> {
        let (at, timer) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.cancel(timer);
        Some(timer)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_timer.len()
    }
}

#[cfg(test)]
mod tests;
