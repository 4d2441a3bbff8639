//! Goal 12 of docs/goals.md: all nodes start at once, and know only one seed.

use std::time::Duration;

use gm_node::{NodeCommand, Wait, Write, WriteKind};

use super::millis;
use super::table::{Job, Rows, Table, row};
use super::world::{WorldConfig, group, have_converged, run_until, traffic_since};

pub(super) fn table(cases: &[(u32, u32)]) -> Table {
    let cases = cases.iter().copied();
    Table {
        title: "All start at once through one seed",
        text: "Each joins one group at its start. [Goal 12](goals.md#g12): 2,000 nodes within 2 s of virtual time.",
        columns: &["N", "island size", "ms until all are in sync", "sends per node", "bytes sent per node"],
        rows: cases.map(|(nodes, island)| -> Job { Box::new(move || one(nodes, island)) }).collect(),
    }
}

fn one(nodes: u32, island: u32) -> Rows {
    let mut world =
        WorldConfig { nodes, island, states: vec![], all_peers_known: false, last_is_down: false }.world();
    for node in world.indices() {
        let write = Write { tag: 1, group: group(), kind: WriteKind::Join(vec![]), wait: Wait::NONE };
        world.command(node, NodeCommand::Write(write));
    }
    let took = run_until(&mut world, Duration::from_millis(10), Duration::from_secs(60), |world| {
        have_converged(world, nodes as usize)
    });
    let [sends, sent, _, _] = traffic_since(&world, [0; 4]);
    let took = took.map_or("never".to_owned(), |took| millis(took).to_string());
    let per = |sum: u64| sum / u64::from(nodes);
    vec![row(&[&nodes, &island, &took, &per(sends), &per(sent)])]
}
