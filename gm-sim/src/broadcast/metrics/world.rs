//! The measured worlds, which differ only in what a row varies.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gm_broadcast::{
    BroadcastCommand, BroadcastRequest, BroadcasterConfig, BroadcasterLimits, BroadcasterTimings, Counter,
    Directory, KnownNode, LatencyClass, PathCost, PathCosts, RequestedAcks, Time, TreeShape,
};

use super::meter::{DeliveryMeter, OPENING};
use crate::broadcast::node::{FrameSealing, SimBroadcaster, body, make_broadcaster};
use crate::layout::id;
use crate::network::Network;
use crate::node::{Location, NodeIndex, StartContext};
use crate::world::World;

/// The node that sends the measured broadcasts.
pub(super) const ORIGIN: NodeIndex = NodeIndex(0);
/// Length of the content in bytes.
pub(super) const CONTENT: usize = 16;

/// Configuration of a measured world.
#[derive(Clone, Debug)]
pub(super) struct WorldConfig {
    pub(super) nodes: u32,
    /// Number of nodes per island; islands are connected by a LAN.
    pub(super) island: u32,
    /// Whether nodes know each other's islands from the start.
    pub(super) labels: bool,
    pub(super) multicast: bool,
    /// Cost of the paths between islands and, without jitter, within them.
    pub(super) cost: PathCost,
    /// Path cost that the nodes assume.
    pub(super) planned: PathCost,
    /// Whether connections count as opened before. If not, everything goes by connections.
    pub(super) pre_opened: bool,
    pub(super) shape: TreeShape,
    pub(super) frames: FrameSealing,
    pub(super) times: BroadcasterTimings,
    /// Upper bound of the time until the origin's first multicast; `times` has that of the others.
    pub(super) origin_announces: Duration,
}

/// A time that is never reached.
pub(super) const NEVER: Duration = Duration::from_secs(1_000_000);

impl WorldConfig {
    /// Nodes that are each alone on an island, and send only what is measured.
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

    /// Islands of this size, with multicast.
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

    /// Configuration of a node's machine.
    pub(super) fn config(&self, context: &StartContext, directory: Arc<Directory>) -> BroadcasterConfig {
        let nodes = self.nodes as usize;
        let mut times = self.times;
        if context.node == ORIGIN {
            times.reception_report = self.origin_announces;
        }
        BroadcasterConfig {
            multicast: self.multicast,
            datagram_hops: self.pre_opened,
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
            ..BroadcasterConfig::new(context.location.id)
        }
    }

    /// The world with a meter, before any node is started.
    pub(super) fn world(&self, seed: u64) -> (World<SimBroadcaster>, Rc<RefCell<DeliveryMeter>>) {
        let locations: Vec<Location> = (0..self.nodes).map(|node| self.location(node)).collect();
        let label = |location: &Location| self.labels.then(|| id(location.island * self.island));
        let known = |location: &Location| KnownNode {
            node: location.id,
            island_id: label(location),
            class: LatencyClass::Lan,
        };
        let directory = Arc::new(Directory::new(locations.iter().map(known).collect()));
        let config = self.clone();
        let factory = move |context: &StartContext| {
            make_broadcaster(context, config.config(context, directory.clone()), config.frames)
        };
        let mut world = World::new(seed, self.network(), &locations, factory);
        let meter = DeliveryMeter::new(self.nodes, ORIGIN);
        world.add_checker(Rc::clone(&meter));
        (world, meter)
    }
}

/// The same cost for all latency classes.
pub(super) const fn all(cost: PathCost) -> PathCosts {
    PathCosts { island: cost, lan: cost, wan: cost }
}

/// A cost in microseconds.
pub(super) const fn cost(gap: u64, latency: u64) -> PathCost {
    PathCost { gap: Duration::from_micros(gap), latency: Duration::from_micros(latency) }
}

/// Broadcasts this number to all.
pub(super) fn broadcast(world: &mut World<SimBroadcaster>, number: u64, acks: Option<Duration>) {
    let acks = acks.map(|within| RequestedAcks { within, durable: false });
    let broadcasting = BroadcastRequest { tag: number, acks, ..BroadcastRequest::new(body(number, CONTENT)) };
    world.command(ORIGIN, BroadcastCommand::Broadcast(broadcasting));
}

/// Copies of the content that live nodes received.
pub(super) fn copies(world: &World<SimBroadcaster>) -> u64 {
    sum(world, Counter::BroadcastsDelivered) + sum(world, Counter::BroadcastDuplicates)
}

/// Bytes of target lists, copies sent over connections, and targets in all lists.
pub(super) fn addressing(world: &World<SimBroadcaster>, meter: &DeliveryMeter) -> (u64, u64, u64) {
    let copies = sum(world, Counter::ContentFramesSent);
    (meter.addressing(), copies, sum(world, Counter::FrameTargetsSent))
}

/// Sum of a counter over all live machines.
pub(super) fn sum(world: &World<SimBroadcaster>, counter: Counter) -> u64 {
    world
        .indices()
        .filter_map(|node| world.machine(node))
        .map(|node| node.broadcaster.counters().get(counter))
        .sum()
}

/// Bytes sent by all nodes; a multicast's count once.
pub(super) fn bytes(world: &World<SimBroadcaster>) -> u64 {
    world.traffic().total().sent_bytes
}

/// Runs until `done` or `until`. `kill` is called for each doomed node when a frame arrives at it
/// by a connection.
pub(super) fn run_until_done(
    world: &mut World<SimBroadcaster>,
    meter: &Rc<RefCell<DeliveryMeter>>,
    until: Time,
    mut kill: impl FnMut(&mut World<SimBroadcaster>, NodeIndex),
    done: impl Fn(&DeliveryMeter) -> bool,
) {
    loop {
        let condition = |_: &World<SimBroadcaster>| {
            let meter = meter.borrow();
            !meter.has_due_to_die() && !done(&meter)
        };
        let stopped = world.run_while(until, condition);
        let due = meter.borrow_mut().take_due_to_die();
        if due.is_empty() || !stopped {
            return;
        }
        due.into_iter().for_each(|node| kill(world, node));
    }
}
