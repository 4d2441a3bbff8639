//! Observations: the events in a world, as checkers receive them.

use gm_broadcast::{ConnectionId, Input, Machine};
use gm_clock::NetId;

use crate::fault::FaultClass;
use crate::node::NodeIndex;

/// Kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum TrafficKind {
    /// Datagram to an island.
    Multicast,
    /// Datagram to one node.
    Datagram,
    /// Bytes on a connection.
    Stream,
}

impl TrafficKind {
    /// Every kind.
    pub const ALL: [TrafficKind; 3] = [TrafficKind::Multicast, TrafficKind::Datagram, TrafficKind::Stream];

    /// Name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            TrafficKind::Multicast => "multicast",
            TrafficKind::Datagram => "datagram",
            TrafficKind::Stream => "stream",
        }
    }
}

/// An event at a node.
#[derive(Debug)]
pub enum Observation<'a, M: Machine> {
    /// The machine is about to handle this input.
    Input(&'a Input<M::Command>),
    /// The machine delivered a message to its owner.
    Delivered(&'a M::Delivery),
    /// The machine reported an event to its owner.
    Event(&'a M::Event),
    /// The machine sent bytes.
    Sent {
        /// Kind of traffic.
        flow: TrafficKind,
        /// Receiver, if it is a single node of this world.
        to: Option<NodeIndex>,
        /// Connection, if it was sent on one.
        link: Option<ConnectionId>,
        /// Number of receivers: of a multicast the other nodes of the island, else one.
        copies: usize,
        /// The bytes, sealed.
        bytes: &'a [u8],
    },
    /// The machine dialled.
    Dialled {
        /// Number of the connection.
        link: ConnectionId,
        /// Address.
        to: NetId,
    },
    /// The machine closed a connection.
    Closed {
        /// Number of the connection.
        link: ConnectionId,
    },
    /// Bytes that were sent to the node arrived; seen just before the input.
    Arrived {
        /// Kind of traffic.
        flow: TrafficKind,
        /// Number of bytes.
        length: usize,
    },
    /// Bytes that were sent to the node are lost.
    Lost {
        /// Kind of traffic.
        flow: TrafficKind,
        /// Number of bytes.
        length: usize,
    },
    /// Bytes that no machine sent are on their way to the node: a duplicated datagram, or an
    /// outsider's.
    Added {
        /// Kind of traffic.
        flow: TrafficKind,
        /// Number of bytes.
        length: usize,
    },
    /// The node's machine was started.
    Started {
        /// Number of earlier starts.
        restarts: u32,
    },
    /// The process ended.
    Ended,
    /// The process was paused.
    Paused,
    /// The process was resumed.
    Resumed,
    /// A fault had an effect on the node, or on bytes sent to it.
    Fault(FaultClass),
}

/// Traffic of one kind in a whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficStats {
    /// Number of frames, datagrams or sends that machines made; a multicast counts once.
    pub sent: u64,
    /// Number of their bytes; a multicast's count once.
    pub sent_bytes: u64,
    /// Number of inputs that resulted.
    pub arrived: u64,
    /// Number of their bytes.
    pub arrived_bytes: u64,
    /// Number of lost datagrams and pieces.
    pub lost: u64,
    /// Number of their bytes.
    pub lost_bytes: u64,
}

/// Traffic of all kinds in a whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic([TrafficStats; 3]);

impl Traffic {
    /// Traffic of one kind.
    #[must_use]
    pub const fn get(&self, flow: TrafficKind) -> &TrafficStats {
        &self.0[flow as usize]
    }

    /// Sum over all kinds.
    #[must_use]
    pub fn total(&self) -> TrafficStats {
        let sum = |number: fn(&TrafficStats) -> u64| self.0.iter().map(number).sum();
        TrafficStats {
            sent: sum(|of| of.sent),
            sent_bytes: sum(|of| of.sent_bytes),
            arrived: sum(|of| of.arrived),
            arrived_bytes: sum(|of| of.arrived_bytes),
            lost: sum(|of| of.lost),
            lost_bytes: sum(|of| of.lost_bytes),
        }
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

/// Time and node of an observation.
#[derive(Clone, Copy, Debug)]
pub struct ObservationContext {
    /// Virtual time.
    pub at: gm_broadcast::Time,
    /// The node; `outsider` for lost bytes of a connection that no longer exists, or of the
    /// outsider's.
    pub node: NodeIndex,
}
