//! Frames that come by connections and are not whole yet: how much memory they may take, and how long they may. Knows nothing of what
//! frames say.
//!
//! Until a first frame of a connection opened, its splitter takes [`Limits::FIRST_FRAME`] and no more, and the connection ends soon. After
//! it, frames may be long, and all that are under way share one budget, [`Bounds::arriving`](crate::Bounds::arriving). If it is used up, a
//! connection is closed and not only read later: a peer that stops in the middle of a frame must not hold up others. The frame that began
//! first is left alone until its time is over, so that of many at once one after the other arrives.

use std::time::Duration;

use gm_codec::{Limits, Side};

use super::Broadcaster;
use crate::alarm::Timer;
use crate::config::Bounds;
use crate::handler::Handler;
use crate::links::Link;
use crate::machine::LinkId;
use crate::time::Time;

/// So much of a frame that came is worth a second more of its time.
const A_SECOND: usize = 64 << 10;

/// Why connections end whose frame is not whole, as they are counted.
const MADE_ROOM: &str = "its frame made room";
const NO_ROOM: &str = "no room for its frame";
pub(super) const TOO_LONG: &str = "its frame took too long";

/// Connections that others opened, and who has not proven to have the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unproven {
    /// How many are there now.
    pub connections: usize,
    /// Bytes that are held of what came by them.
    pub bytes: usize,
    /// The most that `bytes` can be: [`Bounds::before_proof`].
    pub most_bytes: usize,
    /// Connections that were closed since the start before their peer had proven it: they made room for others, showed nothing in
    /// time, or showed what does not open.
    pub closed: u64,
}

/// Frames that come by connections whose peers have proven to have the key, and that are not whole yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arriving {
    /// Bytes of memory that they take.
    pub bytes: usize,
    /// The most that `bytes` can be: [`Bounds::arriving`].
    pub most_bytes: usize,
    /// Connections that were closed since the start because there was no room for all frames, or because one took too long.
    pub closed: u64,
}

impl Link {
    /// Memory of a frame that is under way, if that is more than every connection may keep.
    pub(crate) fn arriving(&self) -> usize {
        let capacity = self.splitter.capacity();
        if capacity > Limits::FIRST_FRAME { capacity } else { 0 }
    }

    /// Until when the frame that is under way must be whole.
    pub(crate) fn frame_until(&self, within: Duration) -> Option<Time> {
        let seconds = u64::try_from(self.splitter.pending_bytes() / A_SECOND).unwrap_or(u64::MAX);
        self.begun.map(|begun| begun + within + Duration::from_secs(seconds))
    }
}

impl<H: Handler> Broadcaster<H> {
    /// Connections that others opened, and who has not proven to have the key.
    pub fn unproven(&self) -> Unproven {
        let unproven = || self.links.table.iter().filter(|(id, link)| is_unproven(**id, link));
        Unproven {
            connections: unproven().count(),
            bytes: unproven().map(|(_, link)| bytes_of(link)).sum(),
            most_bytes: self.config.bounds.before_proof(),
            closed: self.counters.of("unproven", "closed"),
        }
    }

    /// Frames that come by proven connections and are not whole yet.
    pub fn arriving(&self) -> Arriving {
        let closed = [MADE_ROOM, NO_ROOM, TOO_LONG].map(|why| self.counters.of("link", why));
        Arriving {
            bytes: self.links.table.values().map(Link::arriving).sum(),
            most_bytes: self.most_arriving(),
            closed: closed.iter().sum(),
        }
    }

    /// What is held of frames that are not whole, for [`held`](Self::held): by connections that others opened and that are not proven, by
    /// such that we dialled, and by all that are proven, each beside its bound.
    pub(super) fn held_of_frames(&self) -> [(&'static str, usize, usize); 3] {
        let bounds = &self.config.bounds;
        let (mut accepted, mut dialled, mut arriving) = (0, 0, 0);
        for (id, link) in &self.links.table {
            match (link.heard, id.side()) {
                (true, _) => arriving += link.arriving(),
                (false, Side::Acceptor) => accepted += bytes_of(link),
                (false, Side::Initiator) => dialled += bytes_of(link),
            }
        }
        [
            ("unproven bytes", accepted, bounds.before_proof()),
            ("dialled, unproven bytes", dialled, bounds.links.saturating_mul(Bounds::UNPROVEN)),
            ("arriving bytes", arriving, self.most_arriving()),
        ]
    }

    fn most_arriving(&self) -> usize {
        self.config.bounds.arriving.max(self.codec.limits().frame)
    }

    /// Makes room for what a connection brings. False if there is none: then that connection is closed.
    pub(super) fn make_room_to_arrive(&mut self, now: Time, id: LinkId, input: &[u8]) -> bool {
        loop {
            let Some(link) = self.links.table.get(&id) else { return false };
            let need = link.splitter.max_memory_after(input);
            if need <= Limits::FIRST_FRAME || need <= link.splitter.capacity() {
                return true;
            }
            let others =
                || self.links.table.iter().filter(|(other, link)| **other != id && link.arriving() > 0);
            let held: usize = others().map(|(_, link)| link.arriving()).sum();
            if held.saturating_add(need) <= self.most_arriving() {
                return true;
            }
            let first = others().filter_map(|(other, link)| Some((link.begun?, *other))).min();
            let ours = link.begun.unwrap_or(now);
            let spared = first.filter(|first| *first < (ours, id)).map(|(_, other)| other);
            let silent = others().filter(|(other, _)| Some(**other) != spared);
            let Some((_, silent)) = silent.map(|(other, link)| (link.moved, *other)).min() else {
                self.counters.count("link", NO_ROOM);
                self.lose_link(now, id);
                return false;
            };
            self.counters.count("link", MADE_ROOM);
            self.lose_link(now, silent);
        }
    }

    /// Bytes of a frame came that is not whole with them.
    pub(super) fn on_part_of_frame(&mut self, now: Time, id: LinkId) {
        let within = self.config.times.frame;
        let Some(link) = self.links.table.get_mut(&id) else { return };
        link.moved = now;
        if link.begun.is_none() && link.splitter.pending_bytes() > 0 {
            link.begun = Some(now);
            self.alarms.set_by(Timer::Link(id), now + within);
        }
    }

    /// A connection ends: it is counted if its peer never proved that it has the key.
    pub(super) fn count_unproven(&mut self, id: LinkId, by: &'static str) {
        if self.links.table.get(&id).is_some_and(|link| is_unproven(id, link)) {
            self.counters.count("unproven", by);
        }
    }
}

fn is_unproven(id: LinkId, link: &Link) -> bool {
    !link.heard && id.side() == Side::Acceptor
}

/// Bytes of an unproven connection: the other side's random bytes, and the buffer of its first frame.
fn bytes_of(link: &Link) -> usize {
    Bounds::UNPROVEN - Limits::FIRST_FRAME + link.splitter.capacity()
}
