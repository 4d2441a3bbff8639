//! Many groups of three members each: time until members that join a new group find each other, and
//! the idle traffic of all groups.

use std::sync::Arc;
use std::time::Duration;

use gm_broadcast::{Directory, KnownNode, LatencyClass, Rng, Time};
use gm_data::{GroupName, GroupState};
use gm_node::{NodeCommand, StoredState, Wait, Write, WriteKind};
use gm_sim::layout::{id, islands};
use gm_sim::{Action, Effect, Fault, FaultClass, Network, NodeIndex, Nodes, Scope, StartContext, World};

use super::table::{Job, Rows, Table, row};
use super::world::{measured_node, record, run_until, traffic, traffic_since};
use crate::environment::NodeWorld;

/// Number of nodes in these worlds, which do not multicast.
const NODES: u32 = 60;
const MEMBERS: usize = 3;
/// Time after which the start is over.
const WARM_UP: Duration = Duration::from_secs(120);
/// Duration of the measurement of idle traffic, longer than the refresh interval of registrations.
const MEASURED: Duration = Duration::from_secs(1_200);
const LIMIT: Duration = Duration::from_secs(300);

pub(super) fn table(cases: &[u32]) -> Table {
    let cases = cases.iter().copied();
    Table {
        title: "Many groups",
        text: "60 nodes without multicast, each a member of the given number of groups, with three members per group. Two nodes, then three, join \
            a new group at once; then a node that knows one seed joins one of the groups; then a member of a group writes while another one is \
            partitioned for five seconds. Times count until all members hold the same state, in the last case from the end of the partition. \
            Bytes are those that all nodes send in the first second after the three join, including idle traffic.",
        columns: &[
            "groups",
            "per node",
            "ms, two join",
            "ms, three join",
            "bytes, first second",
            "ms, newcomer",
            "ms, missed write",
            "start: bytes sent per node",
            "idle: sent, B/s per node",
        ],
        rows: cases.map(|each| -> Job { Box::new(move || one(each)) }).collect(),
    }
}

/// The members of each group; every node is in as many groups.
fn layout(each: u32) -> Vec<(GroupName, Vec<u32>)> {
    let mut rng = Rng::new([5; 32]);
    let mut groups = Vec::new();
    for _ in 0..each {
        let mut nodes: Vec<u32> = (0..NODES).collect();
        rng.shuffle(&mut nodes);
        for members in nodes.chunks_exact(MEMBERS) {
            let mut members = members.to_vec();
            members.sort_unstable();
            groups.extend(name(&format!("group-{:05}", groups.len())).map(|name| (name, members)));
        }
    }
    groups
}

fn name(text: &str) -> Option<GroupName> {
    text.parse().ok()
}

/// A world in which all nodes know each other and host their groups, except the last one, which
/// knows one node and hosts no group.
fn world(groups: &[(GroupName, Vec<u32>)]) -> NodeWorld {
    let locations = islands(&[1; NODES as usize + 1], NODES + 1);
    let known =
        (0..NODES).map(|node| KnownNode { node: id(node), island_id: None, class: LatencyClass::Lan });
    let directory = Arc::new(Directory::new(known.collect()));
    let mut of_each: Vec<Vec<GroupState>> = vec![Vec::new(); NODES as usize + 1];
    for (name, members) in groups {
        let state =
            GroupState::from_records(name.clone(), members.iter().map(|node| record(*node, 1, false)));
        members.iter().for_each(|node| of_each[*node as usize].push(state.clone()));
    }
    let mut world = World::new(7, Network::default(), &locations, move |context: &StartContext| {
        let known = (context.node.0 < NODES).then_some(&directory);
        let groups = of_each[context.node.0 as usize].clone();
        let stored = StoredState { me: Some(context.location.id), groups, ..StoredState::default() };
        measured_node(context, false, known, stored)
    });
    (0..NODES).for_each(|node| world.start(NodeIndex(node)));
    world
}

fn write(world: &mut NodeWorld, node: u32, group: &GroupName) {
    let what = WriteKind::Join(vec![]);
    let write = Write { tag: 1, group: group.clone(), kind: what, wait: Wait::NONE };
    world.command(NodeIndex(node), NodeCommand::Write(write));
}

/// Runs until exactly these nodes are members of the group for all of them, and they hold the same
/// state.
fn until_same(world: &mut NodeWorld, group: &GroupName, nodes: &[u32]) -> String {
    let members: Vec<_> = nodes.iter().map(|node| id(*node)).collect();
    let took = run_until(world, Duration::from_millis(1), LIMIT, |world| {
        let views = nodes.iter().map(|node| world.machine(NodeIndex(*node))?.view(group));
        let prints =
            views.map(|view| view.map(|view| (view.fingerprint(), view.members().collect::<Vec<_>>())));
        let prints: Vec<_> = prints.collect();
        prints.iter().all(|print| *print == prints[0] && print.as_ref().is_some_and(|(_, of)| *of == members))
    });
    took.map_or("never".to_owned(), |took| took.as_millis().to_string())
}

fn one(each: u32) -> Rows {
    let groups = layout(each);
    let mut world = world(&groups);
    let per_node = |sum: u64| sum / u64::from(NODES);
    world.run_for(WARM_UP);
    let start = per_node(traffic(&world)[1]);
    let before = traffic(&world);
    world.run_for(MEASURED);
    let quiet = traffic_since(&world, before)[1] as f64 / MEASURED.as_secs_f64();

    let join = |world: &mut NodeWorld, group: &str, nodes: &[u32]| {
        let group = name(group).unwrap_or_else(|| groups[0].0.clone());
        nodes.iter().for_each(|node| write(world, *node, &group));
        until_same(world, &group, nodes)
    };
    let two = join(&mut world, "new-two", &[11, 42]);
    world.run_for(Duration::from_secs(60));
    let (before, began) = (traffic(&world), world.now());
    let three = join(&mut world, "new-three", &[7, 23, 58]);
    world.run_until((began + Duration::from_secs(1)).max(world.now()));
    let bytes = traffic_since(&world, before)[1];

    let newcomer = NODES;
    world.start(NodeIndex(newcomer));
    let (of, members) = groups[groups.len() / 2].clone();
    write(&mut world, newcomer, &of);
    let newcomer = until_same(&mut world, &of, &[members, vec![newcomer]].concat());
    world.run_for(Duration::from_secs(60));
    let missed = missed(&mut world, &groups[groups.len() / 3]);
    let quiet = format!("{:.1}", quiet / f64::from(NODES));
    vec![row(&[&groups.len(), &each, &two, &three, &bytes, &newcomer, &missed, &start, &quiet])]
}

/// A member writes while another one is partitioned.
fn missed(world: &mut NodeWorld, (group, members): &(GroupName, Vec<u32>)) -> String {
    let apart = Nodes::Set(std::iter::once(NodeIndex(members[2])).collect());
    let others = Nodes::Set((0..=NODES).filter(|node| *node != members[2]).map(NodeIndex).collect());
    let scope = Scope { from: apart, to: others, bidirectional: true };
    let fault = Fault { class: FaultClass::Partition, scope, effect: Effect::Block };
    let heal: Time = world.now() + Duration::from_secs(5);
    world.apply(Action::BeginFault(fault, heal));
    let range = gm_data::KeyRange::new(1, 2).into_iter();
    let serve = |range| gm_data::Change::Serve { range, port: Some(8_080), priority: 1 };
    let what = WriteKind::Change(range.map(serve).collect());
    let write = Write { tag: 1, group: group.clone(), kind: what, wait: Wait::NONE };
    world.command(NodeIndex(members[0]), NodeCommand::Write(write));
    world.run_until(heal);
    until_same(world, group, members)
}
