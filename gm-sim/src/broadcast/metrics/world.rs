//! Worlds that are measured: alike but for what a row varies. Knows no goal.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gm_broadcast::{
    BroadcastCommand, BroadcastRequest, BroadcasterConfig, BroadcasterLimits, BroadcasterTimings, Counter,
    Directory, KnownNode, LatencyClass, PathCost, PathCosts, RequestedAcks, Time, TreeShape,
};
use gm_clock::NetId;

use super::meter::{DeliveryMeter, OPENING};
use crate::broadcast::node::{FrameSealing, SimBroadcaster, body, make_broadcaster};
use crate::network::Network;
use crate::node::{Location, NodeIndex, StartContext};
use crate::observation::TrafficKind;
use crate::world::World;

/// Who begins what is measured.
pub(super) const ORIGIN: NodeIndex = NodeIndex(0);
/// Bytes of what is told.
pub(super) const CONTENT: usize = 16;

/// What a world is like.
#[derive(Clone, Debug)]
pub(super) struct WorldConfig {
    pub(super) nodes: u32,
    /// Nodes of an island; those of other islands are a LAN away.
    pub(super) island: u32,
    /// Whether nodes know each other's labels from the start.
    pub(super) labels: bool,
    pub(super) multicast: bool,
    /// Of the ways between islands, and, without jitter, within them.
    pub(super) cost: PathCost,
    /// What nodes think that a way costs.
    pub(super) planned: PathCost,
    pub(super) pre_opened: bool,
    pub(super) shape: TreeShape,
    pub(super) frames: FrameSealing,
    pub(super) times: BroadcasterTimings,
    /// Within what the first word of the origin comes by multicast: the others' as `times` has it.
    pub(super) origin_announces: Duration,
}

/// So long that it does not come.
pub(super) const NEVER: Duration = Duration::from_secs(1_000_000);

impl WorldConfig {
    /// Nodes that stand alone, with nothing to do but what is measured.
    pub(super) fn new(nodes: u32, cost: PathCost) -> WorldConfig {
        WorldConfig {
            nodes,
            island: 1,
            labels: false,
            multicast: false,
            cost,
            planned: cost,
            pre_opened: true,
            shape: TreeShape::Postal,
            frames: FrameSealing::Sealed,
            times: BroadcasterTimings {
                exchange: NEVER,
                multicast_keepalive: NEVER,
                ..BroadcasterTimings::DEFAULT
            },
            origin_announces: BroadcasterTimings::DEFAULT.reception_report,
        }
    }

    /// Islands of that size that multicast.
    pub(super) fn islands(nodes: u32, island: u32, cost: PathCost) -> WorldConfig {
        WorldConfig { island, multicast: true, ..WorldConfig::new(nodes, cost) }
    }

    pub(super) fn location(&self, node: u32) -> Location {
        Location { id: id(node), island: node / self.island, site: 0 }
    }

    fn network(&self) -> Network {
        let mut network = Network::new(&all(self.cost));
        network.tcp.pre_opened = self.pre_opened.then_some(OPENING);
        network
    }

    /// What the node's machine is told.
    pub(super) fn config(&self, birth: &StartContext, directory: Arc<Directory>) -> BroadcasterConfig {
        let nodes = self.nodes as usize;
        let mut times = self.times;
        if birth.node == ORIGIN {
            times.reception_report = self.origin_announces;
        }
        BroadcasterConfig {
            multicast: self.multicast,
            directory,
            path_costs: all(self.planned),
            tree_shape: self.shape,
            limits: BroadcasterLimits {
                connections: nodes.max(1_024),
                fan_out: nodes.max(512),
                unauthenticated: nodes.max(64),
                ..BroadcasterLimits::DEFAULT
            },
            timings: times,
            ..BroadcasterConfig::new(birth.location.id)
        }
    }

    /// The world with somebody who measures, and no node started.
    pub(super) fn world(&self, seed: u64) -> (World<SimBroadcaster>, Rc<RefCell<DeliveryMeter>>) {
        let locations: Vec<Location> = (0..self.nodes).map(|node| self.location(node)).collect();
        let label = |place: &Location| self.labels.then(|| id(place.island * self.island));
        let known = |place: &Location| KnownNode {
            node: place.id,
            island_id: label(place),
            class: LatencyClass::Lan,
        };
        let directory = Arc::new(Directory::new(locations.iter().map(known).collect()));
        let ground = self.clone();
        let factory = move |birth: &StartContext| {
            make_broadcaster(birth, ground.config(birth, directory.clone()), ground.frames)
        };
        let mut world = World::new(seed, self.network(), &locations, factory);
        let meter = DeliveryMeter::new(self.nodes, ORIGIN);
        world.add_checker(Rc::clone(&meter));
        (world, meter)
    }
}

/// Every class costs the same.
pub(super) const fn all(cost: PathCost) -> PathCosts {
    PathCosts { island: cost, lan: cost, wan: cost }
}

/// A cost in microseconds.
pub(super) const fn cost(gap: u64, latency: u64) -> PathCost {
    PathCost { gap: Duration::from_micros(gap), latency: Duration::from_micros(latency) }
}

fn id(node: u32) -> NetId {
    let address = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0001 + node));
    // Unicast, and the port is not 0.
    NetId::new(address, 29_999).unwrap_or_else(|error| unreachable!("{error}"))
}

/// Tells everybody that number.
pub(super) fn broadcast(world: &mut World<SimBroadcaster>, number: u64, receipts: Option<Duration>) {
    let receipts = receipts.map(|within| RequestedAcks { within, durable: false });
    let broadcasting =
        BroadcastRequest { tag: number, acks: receipts, ..BroadcastRequest::new(body(number, CONTENT)) };
    world.command(ORIGIN, BroadcastCommand::Broadcast(broadcasting));
}

/// Copies of content that came to nodes that live.
pub(super) fn copies(world: &World<SimBroadcaster>) -> u64 {
    sum(world, Counter::BroadcastsDelivered) + sum(world, Counter::BroadcastDuplicates)
}

/// Bytes of lists, copies that were sent over connections, nodes of all lists.
pub(super) fn addressing(world: &World<SimBroadcaster>, meter: &DeliveryMeter) -> (u64, u64, u64) {
    let copies = sum(world, Counter::ContentFramesSent);
    (meter.addressing(), copies, sum(world, Counter::FrameTargetsSent))
}

/// What the machines that live counted.
pub(super) fn sum(world: &World<SimBroadcaster>, counter: Counter) -> u64 {
    world.indices().filter_map(|node| world.machine(node)).map(|node| node.counters().get(counter)).sum()
}

/// Bytes that all sent, a multicast's once.
pub(super) fn bytes(world: &World<SimBroadcaster>) -> u64 {
    TrafficKind::ALL.iter().map(|flow| world.traffic().get(*flow).sent_bytes).sum()
}

/// Runs until it is done, or until then; whoever is doomed dies when something comes to him by a
/// connection.
pub(super) fn run_until_done(
    world: &mut World<SimBroadcaster>,
    meter: &Rc<RefCell<DeliveryMeter>>,
    until: Time,
    mut strike: impl FnMut(&mut World<SimBroadcaster>, NodeIndex),
    done: impl Fn(&DeliveryMeter) -> bool,
) {
    loop {
        let goes_on = |_: &World<SimBroadcaster>| {
            let meter = meter.borrow();
            !meter.has_due_to_die() && !done(&meter)
        };
        let stopped = world.run_while(until, goes_on);
        let struck = meter.borrow_mut().take_due_to_die();
        if struck.is_empty() || !stopped {
            return;
        }
        struck.into_iter().for_each(|node| strike(world, node));
    }
}
