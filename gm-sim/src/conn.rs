//! State of a simulated connection: its two ends, and the segments between them. The world adds the
//! timing.

use std::collections::VecDeque;

use bytes::Bytes;
use gm_broadcast::{ConnectionId, Time};

use crate::node::NodeIndex;

/// Key of a connection. Slots are reused; the generation distinguishes the connections of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnKey {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// Side of the end that dialled.
pub(crate) const DIALLER: u8 = 0;
/// Side of the end that accepted.
pub(crate) const ACCEPTOR: u8 = 1;

/// A segment that travels between the two ends.
#[derive(Debug)]
pub(crate) enum Segment {
    Syn,
    SynAck,
    /// No process listens at the address.
    Refuse,
    /// The dialler has received the SYN-ACK; the acceptor's program learns of the connection now.
    Open,
    Data(Bytes),
    /// This number of bytes was read.
    Ack(usize),
    Fin,
    Reset,
}

impl Segment {
    /// Number of payload bytes.
    pub(crate) const fn payload_length(&self) -> usize {
        match self {
            Segment::Data(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

/// State of an end, as its program sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndState {
    /// Dialled, and not answered yet.
    Dialling,
    /// Accepted by the kernel; the program does not know of it yet.
    Accepted,
    Open,
    /// Closed for the program, or the program has ended.
    Closed,
}

/// An end of a connection, and all segments from it to the other end.
#[derive(Debug)]
pub(crate) struct ConnEnd {
    pub(crate) node: NodeIndex,
    /// Incarnation of the node's process to which this end belongs.
    pub(crate) life: u32,
    pub(crate) link: ConnectionId,
    pub(crate) state: EndState,
    /// Whether the connection was dialled with small segments, which pass every path.
    pub(crate) small_segments: bool,
    /// Whether the kernel of this end has confirmation of the other end.
    pub(crate) established: bool,
    /// Whether the program closed the end: bytes sent before are still delivered, received bytes
    /// are discarded.
    pub(crate) closing: bool,
    /// Whether the next read of a slow reader is scheduled.
    pub(crate) reading: bool,
    /// Whether the other end's FIN or reset has arrived, and waits until all bytes before it are
    /// read.
    pub(crate) fin_received: bool,
    /// Whether this end has sent its FIN.
    pub(crate) fin_sent: bool,
    /// Bytes accepted by the kernel that exceed the window.
    pub(crate) send_buffer: VecDeque<Bytes>,
    /// Number of bytes sent and not acknowledged.
    pub(crate) window_used: usize,
    /// Number of first bytes sent without delay, see `TcpModel::pre_opened`.
    pub(crate) free_bytes: usize,
    /// Segments on their way, in order of arrival.
    pub(crate) in_flight: VecDeque<Segment>,
    pub(crate) last_arrival: Time,
    /// Segments held up by a fault; they are retransmitted.
    pub(crate) blocked: VecDeque<Segment>,
    pub(crate) blocked_since: Time,
    pub(crate) tries: u32,
    /// Bytes that arrived and were not read, which happens only with a slow reader.
    pub(crate) receive_buffer: VecDeque<u8>,
}

impl ConnEnd {
    pub(crate) const fn new(node: NodeIndex, life: u32, link: ConnectionId, state: EndState) -> ConnEnd {
        ConnEnd {
            node,
            life,
            link,
            state,
            small_segments: false,
            established: false,
            closing: false,
            reading: false,
            fin_received: false,
            fin_sent: false,
            send_buffer: VecDeque::new(),
            window_used: 0,
            free_bytes: 0,
            in_flight: VecDeque::new(),
            last_arrival: Time::ZERO,
            blocked: VecDeque::new(),
            blocked_since: Time::ZERO,
            tries: 0,
            receive_buffer: VecDeque::new(),
        }
    }

    /// Length of the longest packet that carries a part of a segment, in bytes; 0 if every packet
    /// is small.
    pub(crate) const fn longest_packet(&self, segment: &Segment) -> usize {
        if self.small_segments { 0 } else { segment.payload_length() }
    }

    /// The same of all segments that are held up; `None` if there are none.
    pub(crate) fn longest_blocked_packet(&self) -> Option<usize> {
        self.blocked.iter().map(|segment| self.longest_packet(segment)).max()
    }

    /// Number of bytes sent by this end that the other end's kernel has not received.
    pub(crate) fn undelivered_bytes(&self) -> usize {
        let in_transit =
            self.in_flight.iter().chain(&self.blocked).map(Segment::payload_length).sum::<usize>();
        in_transit + self.send_buffer.iter().map(Bytes::len).sum::<usize>()
    }
}

pub(crate) type Conn = [ConnEnd; 2];

/// The connections of a world.
#[derive(Debug, Default)]
pub(crate) struct ConnTable {
    slots: Vec<(u32, Option<Box<Conn>>)>,
    free: Vec<u32>,
}

impl ConnTable {
    pub(crate) fn add(&mut self, conn: Conn) -> ConnKey {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let slot_state = &mut self.slots[slot as usize];
        slot_state.1 = Some(Box::new(conn));
        ConnKey { slot, generation: slot_state.0 }
    }

    pub(crate) fn get(&mut self, key: ConnKey) -> Option<&mut Conn> {
        let (generation, conn) = self.slots.get_mut(key.slot as usize)?;
        if *generation == key.generation { conn.as_deref_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, key: ConnKey) -> Option<Box<Conn>> {
        let (generation, conn) = self.slots.get_mut(key.slot as usize)?;
        if *generation != key.generation {
            return None;
        }
        let conn = conn.take()?;
        *generation += 1;
        self.free.push(key.slot);
        Some(conn)
    }

    /// The open connections.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Conn> {
        self.slots.iter().filter_map(|(_, conn)| conn.as_deref())
    }

    /// Keys of the open connections.
    pub(crate) fn keys(&self) -> Vec<ConnKey> {
        let there = |(slot, (generation, conn)): (u32, &(u32, Option<Box<Conn>>))| {
            conn.as_ref().map(|_| ConnKey { slot, generation: *generation })
        };
        (0..).zip(&self.slots).filter_map(there).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

pub(crate) const fn other_side(side: u8) -> u8 {
    1 - side
}
