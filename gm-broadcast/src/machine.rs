//! The interface of all state machines of gm: the caller passes in an input and the time, pulls the
//! outputs, and asks for the next deadline (sans-I/O).
//!
//! # The drain rule
//! After every [`handle`](Machine::handle), the caller pulls outputs with
//! [`poll_output`](Machine::poll_output) until there are none; then [`deadline`](Machine::deadline)
//! is the time of the next [`Input::Wake`]. Times never decrease. Machines assert both in debug
//! builds (see [`Outputs`]).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gm_clock::NetId;
use gm_codec::ConnectionSide;

use crate::time::Time;

/// A protocol without I/O. The runtime drives it on sockets, the simulator in virtual time.
pub trait Machine {
    /// A command of the caller.
    type Command;
    /// Received data for the caller.
    type Delivery;
    /// Any other notification for the caller.
    type Event;

    /// Handles one input. All outputs of the input before must have been pulled, and `now` must not
    /// be earlier than the last one.
    fn handle(&mut self, now: Time, input: Input<Self::Command>);

    /// The next output, or `None` if there is none.
    fn poll_output(&mut self) -> Option<Output<Self::Delivery, Self::Event>>;

    /// Time of the next [`Input::Wake`], unless another input comes before; `None` if only an input
    /// can cause outputs. A deadline in the past means at once.
    fn deadline(&self) -> Option<Time>;
}

/// Identity of a connection. Numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The `number`th connection that the machine dialed.
    #[must_use]
    pub const fn dialled(number: u64) -> ConnectionId {
        ConnectionId(number << 1)
    }

    /// The `number`th connection that the driver accepted.
    #[must_use]
    pub const fn accepted(number: u64) -> ConnectionId {
        ConnectionId(number << 1 | 1)
    }

    /// This node's side of the connection.
    #[must_use]
    pub const fn side(self) -> ConnectionSide {
        if self.0 & 1 == 0 { ConnectionSide::Initiator } else { ConnectionSide::Acceptor }
    }
}

/// The socket by which a datagram arrived. It shows how the datagram was addressed, which the
/// sender cannot forge; the sender's identity is in the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// The socket of the multicast group.
    Multicast,
    /// The socket of this node.
    Unicast,
}

/// Cause of a failed dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DialFailure {
    /// The node's host refused the connection: nothing listens there.
    Refused,
    /// No reply within the driver's timeout, or an error on the path or on this host.
    Unreachable,
}

/// Time without any acknowledgement from the other side, while data is unacknowledged, after which
/// the system gives up a connection (the TCP user timeout of RFC 5482). Much longer than usual
/// losses last, and shorter than the default of
/// [`opening`](crate::BroadcasterTimings::opening): otherwise a peer that never receives a large
/// first frame would close the connection before the sender learns that the path dropped it.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(4);

/// An input of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<C> {
    /// A datagram arrived.
    Datagram {
        /// The source address, which can be forged: for reports only.
        from: SocketAddr,
        /// The socket by which it arrived.
        via: Via,
        /// The whole datagram. A machine may decrypt it in place if there is no other owner, and
        /// keep slices of it: pass in a buffer of its own, not a part of a large one.
        bytes: Bytes,
    },
    /// A dial succeeded, or a connection was accepted.
    ConnectionOpened {
        /// The connection: the dialed one, or a new number of the driver.
        link: ConnectionId,
        /// The remote address of an accepted connection, for reports only; `None` for a dialed one.
        from: Option<SocketAddr>,
    },
    /// Bytes of a connection arrived, in chunks of any size.
    ConnectionBytes {
        /// The connection.
        link: ConnectionId,
        /// The bytes, in order. A machine may decrypt them in place if there is no other owner, and
        /// keep slices of them: pass in whole buffers, not small parts of large ones.
        bytes: Bytes,
    },
    /// The driver handed bytes of a connection to the system, and so has room for more.
    ConnectionSent {
        /// The connection.
        link: ConnectionId,
        /// Number of bytes since the last such input.
        bytes: usize,
    },
    /// A connection ended, by either side. Nothing more arrives by it, and nothing more is sent.
    ConnectionClosed {
        /// The connection.
        link: ConnectionId,
        /// The system gave up the connection because the other side acknowledged nothing for
        /// [`STALL_TIMEOUT`].
        stalled: bool,
    },
    /// A dial failed.
    ConnectionRefused {
        /// The connection.
        link: ConnectionId,
        /// Cause of the failure.
        refusal: DialFailure,
    },
    /// 32 random bytes of the system. Passed in after a jump of the clocks, as when a snapshot of a
    /// virtual machine is restored, and now and then: nonces start a new epoch.
    Entropy([u8; 32]),
    /// A command of the caller.
    Command(C),
    /// The deadline has passed.
    Wake,
}

/// An output of a machine, which the driver performs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<D, E> {
    /// Send one datagram to the multicast group.
    Multicast(Bytes),
    /// Send one datagram to a node.
    Datagram {
        /// The receiver.
        to: NetId,
        /// The whole datagram.
        bytes: Bytes,
    },
    /// Open a connection; the driver replies with `ConnectionOpened` or `ConnectionRefused`.
    Dial {
        /// Its identity from now on.
        link: ConnectionId,
        /// The receiver.
        to: NetId,
        /// Whether both sides should send small segments only, because the path to the peer dropped
        /// large packets.
        small_segments: bool,
    },
    /// Send bytes on a connection, in the order of these outputs; the driver replies with
    /// `ConnectionSent` once the system has them.
    Send {
        /// The connection.
        link: ConnectionId,
        /// The bytes.
        bytes: Bytes,
    },
    /// Close a connection, or give up a dial, after all earlier bytes are sent. No
    /// `ConnectionClosed` follows, and later inputs of the connection are ignored.
    Close {
        /// The connection.
        link: ConnectionId,
    },
    /// Received data for the caller.
    Deliver(D),
    /// A notification for the caller.
    Event(E),
}

/// The queue of outputs of a machine, which asserts the drain rule.
#[derive(Debug)]
pub struct Outputs<D, E> {
    queue: VecDeque<Output<D, E>>,
    now: Time,
}

impl<D, E> Outputs<D, E> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Outputs<D, E> {
        Outputs { queue: VecDeque::new(), now: Time::ZERO }
    }

    /// Must be called first by every `handle`. In debug builds it asserts that the queue is empty
    /// and that time does not decrease; in release builds an earlier time counts as the last one.
    pub fn begin(&mut self, now: Time) -> Time {
        debug_assert!(self.queue.is_empty(), "outputs of the last input were not pulled");
        debug_assert!(now >= self.now, "time decreased from {} to {now}", self.now);
        self.now = self.now.max(now);
        self.now
    }

    /// Appends an output.
    pub fn push(&mut self, output: Output<D, E>) {
        self.queue.push_back(output);
    }

    /// Takes the first output.
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

/// Capacity of an empty queue that is kept; the memory of larger bursts is released.
const QUEUE_CAPACITY_KEPT: usize = 16;
