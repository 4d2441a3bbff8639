//! Frames that come by connections and are not whole yet: how much memory they may take, and how
//! long they may. Knows nothing of what frames say.
//!
//! Until a first frame of a connection opened, its splitter takes [`Limits::FIRST_FRAME`] and no
//! more, and the connection ends soon. After it, frames may be long, and all that are under way
//! share one budget,
//! [`BroadcasterLimits::partial_frame_bytes`](crate::BroadcasterLimits::partial_frame_bytes). If it
//! is used up, a connection is closed and not only read later: a peer that stops in the middle of a
//! frame must not hold up others. The frame that began first is left alone until its time is over,
//! so that of many at once one after the other arrives.

use std::time::Duration;

use gm_codec::{ConnectionSide, Limits};

use super::Broadcaster;
use crate::config::BroadcasterLimits;
use crate::connections::Connection;
use crate::counter::Counter;
use crate::handler::Handler;
use crate::machine::ConnectionId;
use crate::time::Time;
use crate::timers::Timer;

/// So much of a frame that came is worth a second more of its time.
const BYTES_PER_SECOND: usize = 64 << 10;

/// Connections that were closed because of a partial frame.
const CLOSED: [Counter; 3] =
    [Counter::PartialFramesEvicted, Counter::PartialFramesRefused, Counter::PartialFramesTimedOut];

/// Connections that others opened, and who has not proven to have the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnauthenticatedUsage {
    /// How many are there now.
    pub connections: usize,
    /// Bytes that are held of what came by them.
    pub bytes: usize,
    /// The most that `bytes` can be: [`BroadcasterLimits::max_unauthenticated_bytes`].
    pub max_bytes: usize,
    /// Connections that were closed since the start before their peer had proven it: they made room
    /// for others, showed nothing in time, or showed what does not open.
    pub closed: u64,
}

/// Frames that come by connections whose peers have proven to have the key, and that are not whole
/// yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartialFrameUsage {
    /// Bytes of memory that they take.
    pub bytes: usize,
    /// The most that `bytes` can be: [`BroadcasterLimits::partial_frame_bytes`].
    pub max_bytes: usize,
    /// Connections that were closed since the start because there was no room for all frames, or
    /// because one took too long.
    pub closed: u64,
}

impl Connection {
    /// Memory of a frame that is under way, if that is more than every connection may keep.
    pub(crate) fn partial_frame_bytes(&self) -> usize {
        let capacity = self.splitter.capacity();
        if capacity > Limits::FIRST_FRAME { capacity } else { 0 }
    }

    /// Until when the frame that is under way must be whole.
    pub(crate) fn frame_deadline(&self, within: Duration) -> Option<Time> {
        let seconds = u64::try_from(self.splitter.pending_bytes() / BYTES_PER_SECOND).unwrap_or(u64::MAX);
        self.frame_began.map(|begun| begun + within + Duration::from_secs(seconds))
    }
}

impl<H: Handler> Broadcaster<H> {
    /// Connections that others opened, and who has not proven to have the key.
    pub fn unauthenticated(&self) -> UnauthenticatedUsage {
        let unproven = || self.connections.table.iter().filter(|(id, link)| is_unauthenticated(**id, link));
        UnauthenticatedUsage {
            connections: unproven().count(),
            bytes: unproven().map(|(_, link)| buffered_bytes(link)).sum(),
            max_bytes: self.config.limits.max_unauthenticated_bytes(),
            closed: self.counters.get(Counter::UnauthenticatedClosed),
        }
    }

    /// Frames that come by proven connections and are not whole yet.
    pub fn partial_frames(&self) -> PartialFrameUsage {
        PartialFrameUsage {
            bytes: self.connections.table.values().map(Connection::partial_frame_bytes).sum(),
            max_bytes: self.max_partial_frame_bytes(),
            closed: CLOSED.iter().map(|counter| self.counters.get(*counter)).sum(),
        }
    }

    /// What is held of frames that are not whole, for [`held`](Self::held): by connections that
    /// others opened and that are not proven, by such that we dialled, and by all that are proven,
    /// each beside its bound.
    pub(super) fn frame_limit_usage(&self) -> [(&'static str, usize, usize); 3] {
        let bounds = &self.config.limits;
        let (mut accepted, mut dialled, mut arriving) = (0, 0, 0);
        for (id, link) in &self.connections.table {
            match (link.authenticated, id.side()) {
                (true, _) => arriving += link.partial_frame_bytes(),
                (false, ConnectionSide::Acceptor) => accepted += buffered_bytes(link),
                (false, ConnectionSide::Initiator) => dialled += buffered_bytes(link),
            }
        }
        [
            ("unproven bytes", accepted, bounds.max_unauthenticated_bytes()),
            (
                "dialled, unproven bytes",
                dialled,
                bounds.connections.saturating_mul(BroadcasterLimits::UNAUTHENTICATED_BYTES),
            ),
            ("arriving bytes", arriving, self.max_partial_frame_bytes()),
        ]
    }

    fn max_partial_frame_bytes(&self) -> usize {
        self.config.limits.partial_frame_bytes.max(self.codec.limits().frame)
    }

    /// Makes room for what a connection brings. False if there is none: then that connection is
    /// closed.
    pub(super) fn make_room_for_frame(&mut self, now: Time, id: ConnectionId, input: &[u8]) -> bool {
        loop {
            let Some(link) = self.connections.table.get(&id) else { return false };
            let need = link.splitter.max_memory_after(input);
            if need <= Limits::FIRST_FRAME || need <= link.splitter.capacity() {
                return true;
            }
            let others = || {
                self.connections
                    .table
                    .iter()
                    .filter(|(other, link)| **other != id && link.partial_frame_bytes() > 0)
            };
            let held: usize = others().map(|(_, link)| link.partial_frame_bytes()).sum();
            if held.saturating_add(need) <= self.max_partial_frame_bytes() {
                return true;
            }
            let first = others().filter_map(|(other, link)| Some((link.frame_began?, *other))).min();
            let ours = link.frame_began.unwrap_or(now);
            let spared = first.filter(|first| *first < (ours, id)).map(|(_, other)| other);
            let silent = others().filter(|(other, _)| Some(**other) != spared);
            let Some((_, silent)) = silent.map(|(other, link)| (link.last_bytes_at, *other)).min() else {
                self.counters.count(Counter::PartialFramesRefused);
                self.lose_connection(now, id);
                return false;
            };
            self.counters.count(Counter::PartialFramesEvicted);
            self.lose_connection(now, silent);
        }
    }

    /// Bytes of a frame came that is not whole with them.
    pub(super) fn on_partial_frame(&mut self, now: Time, id: ConnectionId) {
        let within = self.config.timings.frame;
        let Some(link) = self.connections.table.get_mut(&id) else { return };
        link.last_bytes_at = now;
        if link.frame_began.is_none() && link.splitter.pending_bytes() > 0 {
            link.frame_began = Some(now);
            self.timers.set_by(Timer::Connection(id), now + within);
        }
    }

    /// A connection ends: it is counted if its peer never proved that it has the key.
    pub(super) fn count_unauthenticated(&mut self, id: ConnectionId, counter: Counter) {
        if self.connections.table.get(&id).is_some_and(|link| is_unauthenticated(id, link)) {
            self.counters.count(counter);
        }
    }
}

fn is_unauthenticated(id: ConnectionId, link: &Connection) -> bool {
    !link.authenticated && id.side() == ConnectionSide::Acceptor
}

/// Bytes of an unproven connection: the other side's random bytes, and the buffer of its first
/// frame.
fn buffered_bytes(link: &Connection) -> usize {
    BroadcasterLimits::UNAUTHENTICATED_BYTES - Limits::FIRST_FRAME + link.splitter.capacity()
}
