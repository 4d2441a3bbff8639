//! A newcomer that knows only one seed: time until it knows all members, and all members know it.

use std::time::Duration;

use gm_node::{NodeCommand, Wait, Write, WriteKind};
use gm_sim::NodeIndex;

use super::table::{Job, Rows, Table, row};
use super::world::{WorldConfig, group, holder_count, run_until, state_of_all, traffic, traffic_since};

const WARM_UP: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(1);

pub(super) fn table(cases: &[(u32, u32)]) -> Table {
    let cases = cases.iter().copied();
    Table {
        title: "A newcomer",
        text: "In a group of N members that know each other, one more node starts and joins; it knows the address of one of them. Sends are those \
            of all nodes from its start until all hold its record, including idle traffic.",
        columns: &[
            "N",
            "island size",
            "ms until it knows all",
            "ms until all know it",
            "sends",
            "bytes sent",
        ],
        rows: cases.map(|(nodes, island)| -> Job { Box::new(move || one(nodes, island)) }).collect(),
    }
}

fn one(nodes: u32, island: u32) -> Rows {
    let states = vec![state_of_all(nodes)];
    let mut world =
        WorldConfig { nodes: nodes + 1, island, states, all_peers_known: true, last_is_down: true }.world();
    world.run_for(WARM_UP);
    let before = traffic(&world);
    let newcomer = NodeIndex(nodes);
    world.start(newcomer);
    let write = Write { tag: 1, group: group(), kind: WriteKind::Join(vec![]), wait: Wait::NONE };
    world.command(newcomer, NodeCommand::Write(write));
    let (start, all) = (world.now(), nodes as usize + 1);
    let mut knows = None;
    let took = run_until(&mut world, POLL_INTERVAL, Duration::from_secs(60), |world| {
        let members = world.machine(newcomer).map_or(0, |machine| machine.members(&group()).len());
        if knows.is_none() && members == all {
            knows = Some(world.now().since(start));
        }
        knows.is_some() && holder_count(world, newcomer) == all
    });
    let [sends, sent, _, _] = traffic_since(&world, before);
    let text = |time: Option<Duration>| time.map_or("never".to_owned(), |time| time.as_millis().to_string());
    vec![row(&[&nodes, &island, &text(knows), &text(took), &sends, &sent])]
}
