//! Partial frames of connections: limits of their memory and time.
//!
//! Until the first frame of a connection is authenticated, its splitter accepts
//! [`Limits::FIRST_FRAME`] bytes, and the connection ends after a few seconds. After it, frames may
//! be long, and all partial frames share one budget,
//! [`BroadcasterLimits::partial_frame_bytes`](crate::BroadcasterLimits::partial_frame_bytes). If it
//! is used up, a connection is closed rather than paused: a peer that stops in the middle of a
//! frame must not block others. The frame that began first is spared until its time is over, so
//! that of many concurrent frames one after the other is completed.

use std::time::Duration;

use gm_codec::{ConnectionSide, Limits};

use super::Broadcaster;
use super::timeouts::BroadcasterTimer;
use crate::config::BroadcasterLimits;
use crate::connections::Connection;
use crate::counter::Counter;
use crate::machine::ConnectionId;
use crate::time::Time;

/// Bytes of a partial frame that extend its deadline by one second.
const BYTES_PER_SECOND: usize = 64 << 10;

/// Connections that were closed because of a partial frame.
const CLOSED: [Counter; 3] =
    [Counter::PartialFramesEvicted, Counter::PartialFramesRefused, Counter::PartialFramesTimedOut];

/// Usage of accepted connections that are not authenticated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnauthenticatedUsage {
    /// Number of such connections.
    pub connections: usize,
    /// Bytes received by them and held.
    pub bytes: usize,
    /// Limit of `bytes`: [`BroadcasterLimits::max_unauthenticated_bytes`].
    pub max_bytes: usize,
    /// Connections that this node closed unauthenticated since its start: to make room, after a
    /// timeout, or because of an invalid frame.
    pub closed: u64,
}

/// Usage of partial frames of authenticated connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartialFrameUsage {
    /// Bytes of memory in use.
    pub bytes: usize,
    /// Limit of `bytes`: [`BroadcasterLimits::partial_frame_bytes`].
    pub max_bytes: usize,
    /// Connections that were closed since the start because memory was short or a frame took too
    /// long.
    pub closed: u64,
}

impl Connection {
    /// Memory of the partial frame, beyond what every connection may keep.
    pub(crate) fn partial_frame_bytes(&self) -> usize {
        let capacity = self.splitter.capacity();
        if capacity > Limits::FIRST_FRAME { capacity } else { 0 }
    }

    /// Deadline of the partial frame.
    pub(crate) fn frame_deadline(&self, within: Duration) -> Option<Time> {
        let seconds = u64::try_from(self.splitter.pending_bytes() / BYTES_PER_SECOND).unwrap_or(u64::MAX);
        self.frame_began.map(|begun| begun + within + Duration::from_secs(seconds))
    }
}

impl<D> Broadcaster<D> {
    /// Usage of accepted connections that are not authenticated.
    pub fn unauthenticated(&self) -> UnauthenticatedUsage {
        let unauthenticated =
            || self.connections.table.iter().filter(|(id, link)| is_unauthenticated(**id, link));
        UnauthenticatedUsage {
            connections: unauthenticated().count(),
            bytes: unauthenticated().map(|(_, link)| buffered_bytes(link)).sum(),
            max_bytes: self.config.limits.max_unauthenticated_bytes(),
            closed: self.counters.get(Counter::UnauthenticatedClosed),
        }
    }

    /// Usage of partial frames of authenticated connections.
    pub fn partial_frames(&self) -> PartialFrameUsage {
        PartialFrameUsage {
            bytes: self.connections.table.values().map(Connection::partial_frame_bytes).sum(),
            max_bytes: self.max_partial_frame_bytes(),
            closed: CLOSED.iter().map(|counter| self.counters.get(*counter)).sum(),
        }
    }

    /// Bytes of partial frames for [`limit_usage`](Self::limit_usage): of accepted unauthenticated
    /// connections, of dialed unauthenticated ones, and of all authenticated ones, each with its
    /// limit.
    pub(super) fn frame_limit_usage(&self) -> [(&'static str, usize, usize); 3] {
        let limits = &self.config.limits;
        let (mut accepted, mut dialled, mut partial) = (0, 0, 0);
        for (id, link) in &self.connections.table {
            match (link.authenticated, id.side()) {
                (true, _) => partial += link.partial_frame_bytes(),
                (false, ConnectionSide::Acceptor) => accepted += buffered_bytes(link),
                (false, ConnectionSide::Initiator) => dialled += buffered_bytes(link),
            }
        }
        [
            ("unauthenticated bytes", accepted, limits.max_unauthenticated_bytes()),
            (
                "dialed, unauthenticated bytes",
                dialled,
                limits.connections.saturating_mul(BroadcasterLimits::UNAUTHENTICATED_BYTES),
            ),
            ("partial frame bytes", partial, self.max_partial_frame_bytes()),
        ]
    }

    fn max_partial_frame_bytes(&self) -> usize {
        self.config.limits.partial_frame_bytes.max(self.codec.limits().frame)
    }

    /// Makes room for the input of a connection. False if that is not possible, and the connection
    /// was closed.
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

    /// Bytes of a partial frame arrived.
    pub(super) fn on_partial_frame(&mut self, now: Time, id: ConnectionId) {
        let within = self.config.timings.frame;
        let Some(link) = self.connections.table.get_mut(&id) else { return };
        link.last_bytes_at = now;
        if link.frame_began.is_none() && link.splitter.pending_bytes() > 0 {
            link.frame_began = Some(now);
            self.timers.set_by(BroadcasterTimer::Connection(id), now + within);
        }
    }

    /// Counts the end of a connection if its peer was not authenticated.
    pub(super) fn count_unauthenticated(&mut self, id: ConnectionId, counter: Counter) {
        if self.connections.table.get(&id).is_some_and(|link| is_unauthenticated(id, link)) {
            self.counters.count(counter);
        }
    }
}

fn is_unauthenticated(id: ConnectionId, link: &Connection) -> bool {
    !link.authenticated && id.side() == ConnectionSide::Acceptor
}

/// Bytes of an unauthenticated connection: the peer's handshake and the buffer of its first frame.
fn buffered_bytes(link: &Connection) -> usize {
    BroadcasterLimits::UNAUTHENTICATED_BYTES - Limits::FIRST_FRAME + link.splitter.capacity()
}
