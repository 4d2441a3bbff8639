//! Delivery times and frame lengths, from which the rows are computed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use gm_broadcast::{Path, Time};

use crate::broadcast::node::SimBroadcaster;
use crate::checker::{Checker, Violation};
use crate::node::NodeIndex;
use crate::observation::{Observation, ObservationContext, TrafficKind};

/// Length of the handshake that each end of a connection sends first, which is not a frame.
pub(super) const OPENING: usize = 16;

/// Observes deliveries and frames.
#[derive(Debug)]
pub(super) struct DeliveryMeter {
    nodes: usize,
    origin: NodeIndex,
    /// Delivery times of each broadcast, by its number.
    deliveries: BTreeMap<u64, DeliveryTimes>,
    /// Lengths of the frames on connections, of the origin and of the others.
    frames: [Lengths; 2],
    /// Nodes that die at the first frame; each is removed when it is reported.
    doomed: Vec<bool>,
    due_to_die: Vec<NodeIndex>,
}

/// Delivery times of one broadcast.
#[derive(Clone, Debug)]
struct DeliveryTimes {
    at: Vec<Time>,
    last: Time,
    nodes: usize,
    /// Number of nodes that received it by multicast.
    multicast: usize,
}

#[derive(Clone, Copy, Debug)]
struct Lengths {
    frames: u64,
    bytes: u64,
    shortest: u64,
}

impl DeliveryMeter {
    pub(super) fn new(nodes: u32, origin: NodeIndex) -> Rc<RefCell<DeliveryMeter>> {
        let none = Lengths { frames: 0, bytes: 0, shortest: u64::MAX };
        Rc::new(RefCell::new(DeliveryMeter {
            nodes: nodes as usize,
            origin,
            deliveries: BTreeMap::new(),
            frames: [none; 2],
            doomed: vec![false; nodes as usize],
            due_to_die: Vec::new(),
        }))
    }

    /// Marks a node to die when a frame arrives by a connection.
    pub(super) fn doom(&mut self, node: NodeIndex) {
        self.doomed[node.index()] = true;
    }

    /// Removes and returns the nodes that are to die now.
    pub(super) fn take_due_to_die(&mut self) -> Vec<NodeIndex> {
        std::mem::take(&mut self.due_to_die)
    }

    pub(super) const fn has_due_to_die(&self) -> bool {
        !self.due_to_die.is_empty()
    }

    /// Number of nodes that have it, without the origin.
    pub(super) fn delivered_count(&self, number: u64) -> usize {
        self.deliveries.get(&number).map_or(0, |deliveries| deliveries.nodes)
    }

    /// Number of nodes that received it by multicast.
    pub(super) fn multicast_count(&self, number: u64) -> usize {
        self.deliveries.get(&number).map_or(0, |deliveries| deliveries.multicast)
    }

    /// Whether a node has it.
    pub(super) fn is_delivered(&self, number: u64, node: NodeIndex) -> bool {
        self.deliveries.get(&number).is_some_and(|deliveries| deliveries.at[node.index()] != Time::NEVER)
    }

    /// Time of the last delivery.
    pub(super) fn last_delivery(&self, number: u64) -> Time {
        self.deliveries.get(&number).map_or(Time::ZERO, |deliveries| deliveries.last)
    }

    /// Time of the last delivery to one of these nodes.
    pub(super) fn last_delivery_of(&self, number: u64, nodes: impl Iterator<Item = NodeIndex>) -> Time {
        let Some(deliveries) = self.deliveries.get(&number) else { return Time::ZERO };
        nodes
            .map(|node| deliveries.at[node.index()])
            .filter(|at| *at != Time::NEVER)
            .max()
            .unwrap_or(Time::ZERO)
    }

    /// Bytes of frames beyond the shortest one of the same kind of sender (the origin, or another).
    /// This is the cost of target lists, if frames differ in nothing else. Only the origin's frames
    /// do not name the origin.
    pub(super) fn addressing(&self) -> u64 {
        self.frames.iter().map(|of| of.bytes - of.shortest.min(of.bytes) * of.frames).sum()
    }
}

impl Checker<SimBroadcaster> for DeliveryMeter {
    fn name(&self) -> &'static str {
        "meter"
    }

    fn observe(
        &mut self,
        context: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
    ) -> Result<(), Violation> {
        match seen {
            Observation::Delivered(mail) => {
                let nodes = self.nodes;
                let fresh = || DeliveryTimes {
                    at: vec![Time::NEVER; nodes],
                    last: Time::ZERO,
                    nodes: 0,
                    multicast: 0,
                };
                let deliveries = self.deliveries.entry(mail.number).or_insert_with(fresh);
                let at = &mut deliveries.at[context.node.index()];
                if *at == Time::NEVER {
                    *at = context.at;
                    deliveries.last = context.at;
                    deliveries.nodes += 1;
                    deliveries.multicast += usize::from(mail.path == Path::Multicast);
                }
                if mail.path == Path::Connection && std::mem::take(&mut self.doomed[context.node.index()]) {
                    self.due_to_die.push(context.node);
                }
            }
            Observation::Sent { flow: TrafficKind::Stream, bytes, .. } if bytes.len() > OPENING => {
                let of = &mut self.frames[usize::from(context.node != self.origin)];
                of.frames += 1;
                of.bytes += bytes.len() as u64;
                of.shortest = of.shortest.min(bytes.len() as u64);
            }
            _ => {}
        }
        Ok(())
    }
}
