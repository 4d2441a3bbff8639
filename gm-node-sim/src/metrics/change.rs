//! Goals 3 and 4 of docs/goals.md: time and cost until all nodes know a change of one node, with
//! and without faults.

use std::time::Duration;

use gm_sim::{Effect, Fault, FaultClass, NodeIndex, Rates, Scope};

use super::table::{Job, Rows, Table, row};
use super::world::{WorldConfig, holder_count, holders, run_until, serve, traffic, traffic_since};
use crate::environment::NodeWorld;

const WARM_UP: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_micros(100);

fn warmed_up_world(nodes: u32, island: u32) -> NodeWorld {
    let mut world = WorldConfig::converged(nodes, island).world();
    world.run_for(WARM_UP);
    world
}

fn change_once(world: &mut NodeWorld, living: usize) -> (String, [u64; 4]) {
    let node = NodeIndex(1);
    serve(world, node);
    world.run_for(Duration::from_millis(1));
    let before = traffic(world);
    let took = run_until(world, POLL_INTERVAL, Duration::from_secs(120), |world| {
        holder_count(world, node) == living
    });
    let took = took.map_or("never".to_owned(), |took| format!("{:.1}", took.as_secs_f64() * 1_000.0 + 1.0));
    (took, traffic_since(world, before))
}

pub(super) fn table(cases: &[(u32, u32)]) -> Table {
    let cases = cases.iter().copied();
    Table {
        title: "One change",
        text: "In a group of N members that know each other, one serves a range. Sends are those of all nodes from the write until half a second \
            after all have it, including idle traffic and the anti-entropy that a change causes.",
        columns: &["N", "island size", "ms until all have it", "sends", "bytes sent", "bytes per node"],
        rows: cases.map(|(nodes, island)| -> Job { Box::new(move || one(nodes, island)) }).collect(),
    }
}

fn one(nodes: u32, island: u32) -> Rows {
    let mut world = warmed_up_world(nodes, island);
    let before = traffic(&world);
    let (took, _) = change_once(&mut world, nodes as usize);
    world.run_for(Duration::from_millis(500));
    let [sends, sent, _, _] = traffic_since(&world, before);
    vec![row(&[&nodes, &island, &took, &sends, &sent, &(sent / u64::from(nodes))])]
}

pub(super) fn fault_table(nodes: u32) -> Table {
    let rows = [nodes, 1].into_iter().flat_map(|island| -> [Job; 3] {
        [
            Box::new(move || lossy(nodes, island)),
            Box::new(move || dead(nodes, island, 25)),
            Box::new(move || dead(nodes, island, 80)),
        ]
    });
    let dying: Job = Box::new(move || dying(nodes));
    faults_table(rows.chain([dying]).collect())
}

/// The fault whose effect grows with the number of nodes: dying relays, which have larger subtrees.
pub(super) fn large_fault_table(nodes: u32) -> Table {
    faults_table(vec![Box::new(move || dying(nodes))])
}

fn faults_table(rows: Vec<Job>) -> Table {
    Table {
        title: "One change, with faults",
        text: "The write requests no acks, so a subtree lost with a dead relay is repaired by anti-entropy. [Goal 3](goals.md#g3): within log2(N) \
            + 3 periods of anti-entropy (1 s after a change) if relays die. [Goal 4](goals.md#g4): within 3 periods if datagrams are lost.",
        columns: &["fault", "N", "island size", "ms until all live nodes have it"],
        rows,
    }
}

fn lossy(nodes: u32, island: u32) -> Rows {
    let mut world = warmed_up_world(nodes, island);
    let loss = Effect::Udp(Rates { loss: 250_000, ..Rates::default() });
    let fault = Fault { class: FaultClass::Loss, scope: Scope::ALL, effect: loss };
    world.apply(gm_sim::Action::BeginFault(fault, gm_broadcast::Time::NEVER));
    let (took, _) = change_once(&mut world, nodes as usize);
    vec![row(&[&"25 % of datagrams lost", &nodes, &island, &took])]
}

fn dead(nodes: u32, island: u32, percent: u32) -> Rows {
    let mut world = warmed_up_world(nodes, island);
    let dead = nodes * percent / 100;
    for node in 0..dead {
        let node = NodeIndex(nodes - 1 - node);
        if node.0.is_multiple_of(2) { world.crash(node) } else { world.kill_host(node) }
    }
    let (took, _) = change_once(&mut world, (nodes - dead) as usize);
    let what = format!("{percent} % dead, half of them refuse dials, half are silent");
    vec![row(&[&what, &nodes, &island, &took])]
}

/// The first nodes reached have the largest subtrees, and die with them.
fn dying(nodes: u32) -> Rows {
    let mut world = warmed_up_world(nodes, 1);
    let (start, origin) = (world.now(), NodeIndex(1));
    serve(&mut world, origin);
    // Until the commit, all nodes hold the previous record.
    world.run_while(start + Duration::from_secs(1), |world| holder_count(world, origin) > 1);
    let first = |world: &NodeWorld| holders(world, origin).into_iter().find(|node| *node != origin);
    for _ in 0..nodes / 100 {
        world.run_while(start + Duration::from_secs(1), |world| first(world).is_none());
        if let Some(node) = first(&world) {
            world.kill_host(node);
        }
    }
    let living = (nodes - nodes / 100) as usize;
    let took = run_until(&mut world, POLL_INTERVAL, Duration::from_secs(120), |world| {
        holder_count(world, origin) == living
    });
    let took = took.map(|_| format!("{:.1}", world.now().since(start).as_secs_f64() * 1_000.0));
    let took = took.unwrap_or_else(|| "never".to_owned());
    vec![row(&[&"the first 1 % reached die with their subtrees", &nodes, &1, &took])]
}
