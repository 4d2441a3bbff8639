//! Who got what when, and how long frames were: what a row is made of. Changes nothing in the
//! world.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use gm_broadcast::{Path, Time};

use crate::broadcast::node::SimBroadcaster;
use crate::checker::{Checker, Violation};
use crate::node::NodeIndex;
use crate::observation::{Observation, ObservationContext, TrafficKind};

/// Bytes that each end of a connection sends first: no frame.
pub(super) const OPENING: usize = 16;

/// Looks on.
#[derive(Debug)]
pub(super) struct DeliveryMeter {
    nodes: usize,
    origin: NodeIndex,
    /// When each node had it, by what the world calls it.
    deliveries: BTreeMap<u64, DeliveryTimes>,
    /// Lengths of the frames on connections, of the origin and of the others.
    frames: [Lengths; 2],
    /// Who dies when a share comes; taken out of it then.
    doomed: Vec<bool>,
    due_to_die: Vec<NodeIndex>,
}

/// When a broadcast came to whom.
#[derive(Clone, Debug)]
struct DeliveryTimes {
    at: Vec<Time>,
    last: Time,
    nodes: usize,
    /// How many had it by multicast.
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

    /// That node dies when something comes by a connection.
    pub(super) fn doom(&mut self, node: NodeIndex) {
        self.doomed[node.index()] = true;
    }

    /// Who is to die now.
    pub(super) fn take_due_to_die(&mut self) -> Vec<NodeIndex> {
        std::mem::take(&mut self.due_to_die)
    }

    pub(super) const fn has_due_to_die(&self) -> bool {
        !self.due_to_die.is_empty()
    }

    /// How many have it, without the origin.
    pub(super) fn delivered_count(&self, number: u64) -> usize {
        self.deliveries.get(&number).map_or(0, |deliveries| deliveries.nodes)
    }

    /// How many had it by multicast.
    pub(super) fn multicast_count(&self, number: u64) -> usize {
        self.deliveries.get(&number).map_or(0, |deliveries| deliveries.multicast)
    }

    /// Whether that node has it.
    pub(super) fn is_delivered(&self, number: u64, node: NodeIndex) -> bool {
        self.deliveries.get(&number).is_some_and(|deliveries| deliveries.at[node.index()] != Time::NEVER)
    }

    /// When the last of those who have it had it.
    pub(super) fn last_delivery(&self, number: u64) -> Time {
        self.deliveries.get(&number).map_or(Time::ZERO, |deliveries| deliveries.last)
    }

    /// When the last of some had it; of those who have it.
    pub(super) fn last_delivery_of(&self, number: u64, nodes: impl Iterator<Item = NodeIndex>) -> Time {
        let Some(deliveries) = self.deliveries.get(&number) else { return Time::ZERO };
        nodes
            .map(|node| deliveries.at[node.index()])
            .filter(|at| *at != Time::NEVER)
            .max()
            .unwrap_or(Time::ZERO)
    }

    /// Bytes of frames beyond the shortest one of the same sender, the origin or another: what
    /// lists cost, if frames differ in nothing else. Only the origin's frames need not say who
    /// began the broadcast.
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
        place: ObservationContext,
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
                let at = &mut deliveries.at[place.node.index()];
                if *at == Time::NEVER {
                    *at = place.at;
                    deliveries.last = place.at;
                    deliveries.nodes += 1;
                    deliveries.multicast += usize::from(mail.path == Path::Multicast);
                }
                if mail.path == Path::Connection && std::mem::take(&mut self.doomed[place.node.index()]) {
                    self.due_to_die.push(place.node);
                }
            }
            Observation::Sent { flow: TrafficKind::Stream, bytes, .. } if bytes.len() > OPENING => {
                let of = &mut self.frames[usize::from(place.node != self.origin)];
                of.frames += 1;
                of.bytes += bytes.len() as u64;
                of.shortest = of.shortest.min(bytes.len() as u64);
            }
            _ => {}
        }
        Ok(())
    }
}
