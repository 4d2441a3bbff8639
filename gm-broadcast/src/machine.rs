//! The one shape that all machines of gm have: input goes in with the time, outputs are pulled, and
//! the next deadline is told. Knows nothing of what a machine is for, and nothing of sockets.
//!
//! # The drain rule
//! After every [`handle`](Machine::handle), [`poll_output`](Machine::poll_output) is called until
//! it yields nothing; then [`deadline`](Machine::deadline) says when the next [`Input::Wake`] is
//! due. Times never run back. A machine asserts both in debug builds (see [`Outputs`]).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::ConnectionSide;

use crate::time::Time;

/// A protocol without its I/O. The shell drives it on sockets, the simulator in virtual time;
/// neither knows what it does.
pub trait Machine {
    /// What its owner tells it to do.
    type Command;
    /// What it hands to its owner out of what came.
    type Delivery;
    /// What it tells its owner besides.
    type Event;

    /// Takes one input. All outputs of the input before must have been taken, and `now` must not be
    /// before the last one.
    fn handle(&mut self, now: Time, input: Input<Self::Command>);

    /// The next thing to do, until there is none.
    fn poll_output(&mut self) -> Option<Output<Self::Delivery, Self::Event>>;

    /// When to wake it if nothing else comes before; nothing if only an input can make it do
    /// something. It may be in the past: then wake it at once.
    fn deadline(&self) -> Option<Time>;
}

/// A connection between its opening and its end. Numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The `number`th connection that the machine dialled.
    #[must_use]
    pub const fn dialled(number: u64) -> ConnectionId {
        ConnectionId(number << 1)
    }

    /// The `number`th connection that the driver accepted.
    #[must_use]
    pub const fn accepted(number: u64) -> ConnectionId {
        ConnectionId(number << 1 | 1)
    }

    /// Which side of the connection we are.
    #[must_use]
    pub const fn side(self) -> ConnectionSide {
        if self.0 & 1 == 0 { ConnectionSide::Initiator } else { ConnectionSide::Acceptor }
    }
}

/// By which of our sockets a datagram came. It says how it was addressed, which the sender cannot
/// forge towards us; who sent it says the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// The multicast group's.
    Multicast,
    /// Our own.
    Unicast,
}

/// Why a connection that was dialled did not come to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DialFailure {
    /// The node's host refused the connection: nothing listens there.
    Refused,
    /// Nothing came back in the time that the driver gives, or something on the way, or on this
    /// host, failed.
    Unreachable,
}

/// A connection on which the other side acknowledges nothing for so long, although there is
/// something to acknowledge, is given up by the system. Much longer than losses last, and short
/// enough that a path which swallows large packets is found before an operator gives up. (RFC 5482
/// calls it the user timeout.)
pub const STALL_TIMEOUT: Duration = Duration::from_secs(5);

/// What comes to a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<C> {
    /// A datagram came.
    Datagram {
        /// The address that it seems to come from: for counting only, it can be forged.
        from: SocketAddr,
        /// By which socket.
        via: Via,
        /// All its bytes.
        bytes: Vec<u8>,
    },
    /// A connection that was dialled is there, or one was accepted.
    ConnectionOpened {
        /// The connection: as dialled, or a new number of the driver's.
        link: ConnectionId,
        /// The remote address of a connection that was accepted, as the system tells it; nothing of
        /// one that was dialled. For reports only.
        from: Option<SocketAddr>,
    },
    /// Bytes came on a connection, cut anyhow.
    ConnectionBytes {
        /// The connection.
        link: ConnectionId,
        /// The bytes, in order.
        bytes: Vec<u8>,
    },
    /// The driver has room again for bytes of a connection: these many of those handed to it are
    /// with the system.
    ConnectionSent {
        /// The connection.
        link: ConnectionId,
        /// How many since the last such input.
        bytes: usize,
    },
    /// A connection ended, whoever ended it. Nothing more comes of it, and nothing more is sent on
    /// it.
    ConnectionClosed {
        /// The connection.
        link: ConnectionId,
        /// The system gave the connection up because the other side acknowledged nothing of what
        /// was sent for [`STALL_TIMEOUT`].
        stalled: bool,
    },
    /// A connection that was dialled does not come to be.
    ConnectionRefused {
        /// The connection.
        link: ConnectionId,
        /// Why.
        refusal: DialFailure,
    },
    /// Fresh chance, of the system's generator of secrets. Handed in when clocks jump, as they do
    /// when a snapshot of a machine is restored, and now and then: nonces begin a new epoch.
    Entropy([u8; 32]),
    /// The owner's command.
    Command(C),
    /// The deadline is reached.
    Wake,
}

/// What a machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<D, E> {
    /// Send one datagram to the multicast group.
    Multicast(Vec<u8>),
    /// Send one datagram to a node.
    Datagram {
        /// To whom.
        to: NetId,
        /// All its bytes.
        bytes: Vec<u8>,
    },
    /// Open a connection; answered by `ConnectionOpened` or `ConnectionRefused`.
    Dial {
        /// Its number from now on.
        link: ConnectionId,
        /// To whom.
        to: NetId,
        /// Whether both sides are to send small segments only, because the path to the peer
        /// swallowed large packets.
        small_segments: bool,
    },
    /// Send bytes on a connection, in the order of these outputs; acknowledged by `ConnectionSent`
    /// once the system has them.
    Send {
        /// The connection.
        link: ConnectionId,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// End a connection, or a dial, after what was sent. No `ConnectionClosed` follows; whatever
    /// still comes of it is ignored.
    Close {
        /// The connection.
        link: ConnectionId,
    },
    /// Something came for the owner.
    Deliver(D),
    /// Something happened that the owner may want to know.
    Event(E),
}

/// The outputs of a machine until they are pulled, and the guard of the drain rule.
#[derive(Debug)]
pub struct Outputs<D, E> {
    queue: VecDeque<Output<D, E>>,
    now: Time,
}

impl<D, E> Outputs<D, E> {
    /// None yet.
    #[must_use]
    pub const fn new() -> Outputs<D, E> {
        Outputs { queue: VecDeque::new(), now: Time::ZERO }
    }

    /// To be called first by every `handle`: asserts, in debug builds, that what was there is
    /// pulled and time does not run back. In release builds a time before the last one counts as
    /// the last one.
    pub fn begin(&mut self, now: Time) -> Time {
        debug_assert!(self.queue.is_empty(), "outputs of the last input are still there");
        debug_assert!(now >= self.now, "time runs back from {} to {now}", self.now);
        self.now = self.now.max(now);
        self.now
    }

    /// One more, behind the others.
    pub fn push(&mut self, output: Output<D, E>) {
        self.queue.push_back(output);
    }

    /// The first.
    pub fn pull(&mut self) -> Option<Output<D, E>> {
        let output = self.queue.pop_front();
        if self.queue.is_empty() && self.queue.capacity() > QUEUE_CAPACITY_KEPT {
            self.queue = VecDeque::new();
        }
        output
    }
}

impl<D, E> Default for Outputs<D, E> {
    fn default() -> Outputs<D, E> {
        Outputs::new()
    }
}

/// Places of an empty queue that are kept: what a burst needed is given back.
const QUEUE_CAPACITY_KEPT: usize = 16;
