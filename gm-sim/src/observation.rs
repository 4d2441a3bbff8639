//! What happens in a world, as watchers see it. Knows not what is made of it.

use gm_broadcast::{ConnectionId, Input, Machine};
use gm_clock::NetId;

use crate::fault::FaultClass;
use crate::node::NodeIndex;

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum TrafficKind {
    /// As a datagram to the island.
    Multicast,
    /// As a datagram to one.
    Datagram,
    /// On a connection.
    Stream,
}

impl TrafficKind {
    /// All of them.
    pub const ALL: [TrafficKind; 3] = [TrafficKind::Multicast, TrafficKind::Datagram, TrafficKind::Stream];

    /// As tables spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            TrafficKind::Multicast => "multicast",
            TrafficKind::Datagram => "datagram",
            TrafficKind::Stream => "stream",
        }
    }
}

/// One thing that happened at a node.
#[derive(Debug)]
pub enum Observation<'a, M: Machine> {
    /// The machine is about to handle this.
    Input(&'a Input<M::Command>),
    /// It handed something to its owner.
    Delivered(&'a M::Delivery),
    /// It told its owner something.
    Event(&'a M::Event),
    /// It sent bytes. Of a multicast, so many copies go out; of the others one.
    Sent {
        /// How.
        flow: TrafficKind,
        /// To whom, if to one of this world.
        to: Option<NodeIndex>,
        /// On which connection, if on one.
        link: Option<ConnectionId>,
        /// Receivers.
        copies: usize,
        /// What.
        bytes: &'a [u8],
    },
    /// It dials.
    Dialled {
        /// Its number.
        link: ConnectionId,
        /// To whom.
        to: NetId,
    },
    /// It closes.
    Closed {
        /// Its number.
        link: ConnectionId,
    },
    /// Bytes that were sent to it reached it (seen just before the input).
    Arrived {
        /// How.
        flow: TrafficKind,
        /// How many bytes.
        length: usize,
    },
    /// Bytes that were sent to it will not reach it.
    Lost {
        /// How.
        flow: TrafficKind,
        /// How many bytes.
        length: usize,
    },
    /// Bytes are on their way to it that no machine sent: a copy of a datagram, or an outsider's.
    Added {
        /// How.
        flow: TrafficKind,
        /// How many bytes.
        length: usize,
    },
    /// A machine was started.
    Started {
        /// How often before.
        restarts: u32,
    },
    /// Its process ended.
    Ended,
    /// Its process was paused.
    Paused,
    /// Its process goes on.
    Resumed,
    /// A fault really happened to it, or to what was sent to it.
    Fault(FaultClass),
}

/// What went one way in a whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficStats {
    /// Frames, datagrams or sends that machines made; a multicast is one.
    pub sent: u64,
    /// Their bytes; a multicast's once.
    pub sent_bytes: u64,
    /// Inputs that came of it.
    pub arrived: u64,
    /// Their bytes.
    pub arrived_bytes: u64,
    /// Datagrams and pieces that were lost.
    pub lost: u64,
    /// Their bytes.
    pub lost_bytes: u64,
}

/// What went each way in a whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic([TrafficStats; 3]);

impl Traffic {
    /// What went that way.
    #[must_use]
    pub const fn get(&self, flow: TrafficKind) -> &TrafficStats {
        &self.0[flow as usize]
    }

    pub(crate) fn add<M: Machine>(&mut self, seen: &Observation<'_, M>) {
        match seen {
            Observation::Sent { flow, bytes, .. } => {
                let amount = &mut self.0[*flow as usize];
                amount.sent += 1;
                amount.sent_bytes += bytes.len() as u64;
            }
            Observation::Arrived { flow, length } => {
                let amount = &mut self.0[*flow as usize];
                amount.arrived += 1;
                amount.arrived_bytes += *length as u64;
            }
            Observation::Lost { flow, length } => {
                let amount = &mut self.0[*flow as usize];
                amount.lost += 1;
                amount.lost_bytes += *length as u64;
            }
            _ => {}
        }
    }
}

/// Where a watcher is told of it.
#[derive(Clone, Copy, Debug)]
pub struct ObservationContext {
    /// When.
    pub at: gm_broadcast::Time,
    /// At which node; `outsider` for what is lost of a connection that is gone, or of an
    /// outsider's.
    pub node: NodeIndex,
}
