//! Timer table: deadlines ordered by time, at most one for each timer.

use std::collections::{BTreeMap, BTreeSet};

use gm_clock::NetId;
use gm_codec::BroadcastId;

use crate::ack_aggregation::AckKey;
use crate::machine::ConnectionId;
use crate::time::Time;

/// The timers of a broadcaster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Changes of the set of neighbors should be multicast.
    ReceptionReport,
    /// A probe of whether datagrams reach this peer timed out.
    DatagramProbe(NetId),
    /// The last sequence number should be multicast again.
    SequenceBeacon,
    /// A peer should be asked for the peers that it knows, and seeds should be dialed.
    Exchange,
    /// A nack is due.
    LossRecovery,
    /// A connection may be idle, or not authenticated in time.
    Connection(ConnectionId),
    /// The content of an announcement did not arrive in time.
    AwaitedContent(BroadcastId),
    /// A presence challenge should be sent, or timed out.
    Presence(NetId),
    /// The island has been silent.
    MulticastKeepalive,
    /// The next candidate of a subtree should be tried.
    Handover(u64),
    /// Acks: an interval, a silent relay, or the deadline.
    Acks(AckKey),
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    by_time: BTreeSet<(Time, Timer)>,
    by_timer: BTreeMap<Timer, Time>,
}

impl Timers {
    /// Sets a timer, whatever it was set to.
    pub(crate) fn set(&mut self, timer: Timer, at: Time) {
        if let Some(before) = self.by_timer.insert(timer, at) {
            self.by_time.remove(&(before, timer));
        }
        self.by_time.insert((at, timer));
    }

    /// Sets a timer, unless it is set to an earlier time.
    pub(crate) fn set_by(&mut self, timer: Timer, at: Time) {
        if self.by_timer.get(&timer).is_none_or(|set| *set > at) {
            self.set(timer, at);
        }
    }

    /// Sets a timer, unless it is set.
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

    /// Removes and returns the first timer that is due.
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
