//! What the world keeps of a connection: two ends, and what is between them. Knows neither nodes
//! nor times of arrival.

use std::collections::VecDeque;

use gm_broadcast::{ConnectionId, Time};

use crate::node::NodeIndex;

/// A connection of the world. A place is used again, a generation is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnKey {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// The end that dialled.
pub(crate) const DIALLER: u8 = 0;
/// The end that was dialled.
pub(crate) const ACCEPTOR: u8 = 1;

/// What travels between the two ends.
#[derive(Debug)]
pub(crate) enum Segment {
    Syn,
    SynAck,
    /// Nothing listens there.
    Refuse,
    /// The dialler has the answer: the acceptor's program is told now.
    Open,
    Data(Vec<u8>),
    /// So many bytes were read.
    Ack(usize),
    Fin,
    Reset,
}

impl Segment {
    /// Bytes of programs in it.
    pub(crate) const fn payload_length(&self) -> usize {
        match self {
            Segment::Data(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

/// What a program knows of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndState {
    /// It dialled, and was not answered.
    Dialling,
    /// It was not told of a connection that its kernel accepts.
    Accepted,
    Open,
    /// It is over for the program, or there is none any more.
    Closed,
}

/// One end, and all that goes from it to the other.
#[derive(Debug)]
pub(crate) struct ConnEnd {
    pub(crate) node: NodeIndex,
    /// Of which life of the node.
    pub(crate) life: u32,
    pub(crate) link: ConnectionId,
    pub(crate) state: EndState,
    /// The kernel of this end knows that the other is there.
    pub(crate) established: bool,
    /// The program closed it: what it had sent is still sent, what comes is thrown away.
    pub(crate) closing: bool,
    /// The slow reader's next read is in the queue.
    pub(crate) reading: bool,
    /// The other end's last word came, and waits until all before it is read.
    pub(crate) fin_received: bool,
    /// This end's last word is sent.
    pub(crate) fin_sent: bool,
    /// Handed to the kernel, but outside the window.
    pub(crate) send_buffer: VecDeque<Vec<u8>>,
    /// Bytes within the window.
    pub(crate) window_used: usize,
    /// First bytes that went for nothing, see `Tcp::warm`.
    pub(crate) free_bytes: usize,
    /// On its way, in the order of arrival.
    pub(crate) in_flight: VecDeque<Segment>,
    pub(crate) last_arrival: Time,
    /// What does not come through, to be tried again.
    pub(crate) blocked: VecDeque<Segment>,
    pub(crate) blocked_since: Time,
    pub(crate) tries: u32,
    /// Came here, but was not read: only while the reader is slow.
    pub(crate) receive_buffer: VecDeque<u8>,
}

impl ConnEnd {
    pub(crate) const fn new(node: NodeIndex, life: u32, link: ConnectionId, stage: EndState) -> ConnEnd {
        ConnEnd {
            node,
            life,
            link,
            state: stage,
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

    /// Bytes that this end sent and nobody read.
    pub(crate) fn undelivered_bytes(&self) -> usize {
        let wires = self.in_flight.iter().chain(&self.blocked).map(Segment::payload_length).sum::<usize>();
        wires + self.send_buffer.iter().map(Vec::len).sum::<usize>()
    }
}

/// A connection.
pub(crate) type Conn = [ConnEnd; 2];

/// All connections of a world.
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
        let place = &mut self.slots[slot as usize];
        place.1 = Some(Box::new(conn));
        ConnKey { slot, generation: place.0 }
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

    /// Those that are there.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Conn> {
        self.slots.iter().filter_map(|(_, conn)| conn.as_deref())
    }

    /// The keys of those that are there.
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
