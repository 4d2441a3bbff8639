//! The measured worlds: nodes that know each other and hold the same state from the beginning, or
//! nearly so.

use std::sync::Arc;
use std::time::Duration;

use gm_broadcast::{Directory, KnownNode, LatencyClass, Time};
use gm_clock::Incarnation;
use gm_data::{Change, GroupName, GroupState, Item, KeyRange, Op, Record, StampedItem, Version};
use gm_node::store::memory::MemoryStore;
use gm_node::{NodeCommand, NodeConfig, NodeMachine, StoredState, Wait, Write, WriteKind};
use gm_sim::broadcast::node::codec;
use gm_sim::layout::id;
use gm_sim::{Location, Network, NodeIndex, StartContext, World};

use crate::environment::{NodeWorld, SimNode};
use crate::run::HEADERS;

/// The group of these worlds.
#[allow(clippy::expect_used)]
pub(super) fn group() -> GroupName {
    "Customers".parse().expect("valid group name")
}

/// Initial state of a measured world.
#[derive(Clone, Debug)]
pub(super) struct WorldConfig {
    pub(super) nodes: u32,
    /// Number of nodes per island; 1 means without multicast.
    pub(super) island: u32,
    /// Initial states; node i starts with state i modulo their number.
    pub(super) states: Vec<GroupState>,
    /// Whether all nodes know each other, or only the first one.
    pub(super) all_peers_known: bool,
    /// Whether the last node is not started and has an empty disk.
    pub(super) last_is_down: bool,
}

/// Record of a member that is interested in everything, or serves one small range.
#[allow(clippy::expect_used)]
pub(super) fn record(node: u32, clock: u64, serves: bool) -> Record {
    let (op, port) = if serves { (Op::Add, 7) } else { (Op::Get, 0) };
    // The range is equal at every clock, because a member that removed an item completely would
    // have a higher floor.
    let range = if serves {
        KeyRange::new(node << 8, (node << 8) + 1).expect("valid range")
    } else {
        KeyRange::WHOLE
    };
    let item = Item::new(id(node), range, op, port, 1).expect("valid item");
    let version = Version::new(Incarnation::new(1 << 40).expect("valid incarnation"), false, clock)
        .expect("valid version");
    Record::from_parts(id(node), version, None, 0, [StampedItem { item, stamp: clock }])
        .expect("valid record")
}

/// State of a group in which all members are interested in everything.
pub(super) fn state_of_all(nodes: u32) -> GroupState {
    GroupState::from_records(group(), (0..nodes).map(|node| record(node, 1, false)))
}

impl WorldConfig {
    /// Nodes that know each other and hold the same state.
    pub(super) fn converged(nodes: u32, island: u32) -> WorldConfig {
        WorldConfig {
            nodes,
            island,
            states: vec![state_of_all(nodes)],
            all_peers_known: true,
            last_is_down: false,
        }
    }

    /// The world, with all nodes started.
    #[allow(clippy::expect_used)]
    pub(super) fn world(self) -> NodeWorld {
        let WorldConfig { nodes, island: size, states, all_peers_known, last_is_down: late } = self;
        let multicast = size > 1;
        // A newcomer is on the last island.
        let island = |node: u32| node.min(nodes - 1 - u32::from(late)) / size;
        let locations: Vec<Location> =
            (0..nodes).map(|node| Location { id: id(node), island: island(node), site: 0 }).collect();
        let known = locations.iter().take((nodes - u32::from(late)) as usize).map(|location| KnownNode {
            node: location.id,
            island_id: multicast.then(|| id(location.island * size)),
            class: LatencyClass::Lan,
        });
        let directory =
            if all_peers_known { Arc::new(Directory::new(known.collect())) } else { Arc::default() };
        let mut world = World::new(7, Network::default(), &locations, move |context: &StartContext| {
            let newcomer = late && context.node.0 + 1 == nodes;
            let groups: Vec<GroupState> = states
                .get(context.node.0 as usize % states.len().max(1))
                .filter(|_| !newcomer)
                .cloned()
                .into_iter()
                .collect();
            let me = (!groups.is_empty()).then_some(context.location.id);
            let stored = StoredState { me, groups, ..StoredState::default() };
            measured_node(context, multicast, (!newcomer).then_some(&directory), stored)
        });
        for node in world.indices().filter(|node| !late || node.0 + 1 < nodes) {
            world.start(node);
        }
        world
    }
}

/// A node with this stored state, which knows the directory and the first node as its seed.
#[allow(clippy::expect_used)]
pub(super) fn measured_node(
    context: &StartContext,
    multicast: bool,
    directory: Option<&Arc<Directory>>,
    stored: StoredState,
) -> SimNode {
    let mut config = NodeConfig::new(context.location.id);
    config.broadcast.multicast = multicast;
    config.broadcast.directory = directory.cloned().unwrap_or_default();
    config.broadcast.seeds = vec![id(0)];
    config.unix_seconds = 1_700_000_000;
    let store = MemoryStore::ephemeral();
    NodeMachine::new(config, codec(None), store, stored, context.seed, context.now)
        .expect("valid configuration")
}

/// Whether all live nodes hold the same state, with this number of members.
pub(super) fn have_converged(world: &NodeWorld, members: usize) -> bool {
    let group = group();
    let mut prints = world
        .indices()
        .filter_map(|node| world.machine(node))
        .map(|machine| machine.view(&group).map_or((0, 0), |view| (view.fingerprint(), view.member_count())));
    let first = prints.next();
    first.is_some_and(|(_, count)| count == members) && prints.all(|print| Some(print) == first)
}

/// Runs until the condition holds, which is evaluated at this interval; returns the time it took,
/// or `None` after the limit.
pub(super) fn run_until(
    world: &mut NodeWorld,
    every: Duration,
    limit: Duration,
    mut holds: impl FnMut(&NodeWorld) -> bool,
) -> Option<Duration> {
    let start = world.now();
    while world.now().since(start) < limit {
        if holds(world) {
            return Some(world.now().since(start));
        }
        let next: Time = world.now() + every;
        world.run_until(next);
    }
    None
}

/// Totals as (sends, bytes sent, arrivals, bytes arrived), headers included.
pub(super) fn traffic(world: &NodeWorld) -> [u64; 4] {
    let total = world.traffic().total();
    let with_headers = |count: u64, bytes: u64| [count, bytes + HEADERS * count];
    let [sent, arrived] =
        [with_headers(total.sent, total.sent_bytes), with_headers(total.arrived, total.arrived_bytes)];
    [sent[0], sent[1], arrived[0], arrived[1]]
}

/// Difference of the totals since `before`.
pub(super) fn traffic_since(world: &NodeWorld, before: [u64; 4]) -> [u64; 4] {
    let now = traffic(world);
    [0, 1, 2, 3].map(|index| now[index] - before[index])
}

/// Serves a range at a node.
#[allow(clippy::expect_used)]
pub(super) fn serve(world: &mut NodeWorld, node: NodeIndex) {
    let range = KeyRange::new(0x1000_0000, 0x1fff_ffff).expect("valid range");
    let what = WriteKind::Change(vec![Change::Serve { range, port: Some(8_080), priority: 1 }]);
    world.command(node, NodeCommand::Write(Write { tag: 1, group: group(), kind: what, wait: Wait::NONE }));
}

/// Number of nodes that hold the current record of a node.
pub(super) fn holder_count(world: &NodeWorld, node: NodeIndex) -> usize {
    holders(world, node).len()
}

/// Nodes that hold the current record of a node.
pub(super) fn holders(world: &NodeWorld, node: NodeIndex) -> Vec<NodeIndex> {
    let group = group();
    let Some(own) =
        world.machine(node).and_then(|machine| machine.own_record(&group)).map(Record::version_digest)
    else {
        return Vec::new();
    };
    let has = |other: &NodeIndex| {
        let record = world.machine(*other).and_then(|machine| machine.view(&group)?.record(id(node.0)));
        record.map(Record::version_digest) == Some(own)
    };
    world.indices().filter(has).collect()
}
