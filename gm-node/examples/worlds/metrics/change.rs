//! One range is served by one node: what it takes until all know it, when all is well and when it is not. Figures 3 and 4, the parts of anti-entropy.

use std::time::Duration;

use gm_sim::{Effect, Fault, FaultClass, NodeIndex, Rates, Scope};

use super::field::{Field, reached, serve, since, traffic, until};
use super::table::{Job, Rows, Table, row};
use crate::ground::Land;

const WARM: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_micros(100);

fn warm(nodes: u32, multicast: bool) -> Land {
    let mut world = Field::even(nodes, multicast).world();
    world.run_for(WARM);
    world
}

fn spread(world: &mut Land, living: usize) -> (String, [u64; 4]) {
    let node = NodeIndex(1);
    serve(world, node);
    world.run_for(Duration::from_millis(1));
    let before = traffic(world);
    let took = until(world, EVERY, Duration::from_secs(120), |world| reached(world, node) == living);
    let took = took.map_or("never".to_owned(), |took| format!("{:.1}", took.as_secs_f64() * 1_000.0 + 1.0));
    (took, since(world, before))
}

pub(super) fn table(sizes: &[u32]) -> Table {
    let cases = sizes.iter().flat_map(|nodes| [(*nodes, true), (*nodes, false)]);
    Table {
        title: "One change",
        text: "In a group of N members who know each other, one serves a range. Sends are those of all nodes from the write until half a second after all have it: what \
            goes on in quiet, and the anti-entropy that a change wakes, included.",
        columns: &["N", "multicast", "ms until all have it", "sends", "bytes sent", "bytes a node"],
        rows: cases.map(|(nodes, multicast)| -> Job { Box::new(move || one(nodes, multicast)) }).collect(),
    }
}

fn one(nodes: u32, multicast: bool) -> Rows {
    let mut world = warm(nodes, multicast);
    let before = traffic(&world);
    let (took, _) = spread(&mut world, nodes as usize);
    world.run_for(Duration::from_millis(500));
    let [sends, sent, _, _] = since(&world, before);
    vec![row(&[&nodes, &multicast, &took, &sends, &sent, &(sent / u64::from(nodes))])]
}

/// Nodes of the table below.
const NODES: u32 = 200;

pub(super) fn trouble() -> Table {
    let rows = [true, false].into_iter().flat_map(|multicast| -> [Job; 3] {
        [
            Box::new(move || lossy(multicast)),
            Box::new(move || dead(multicast, 25)),
            Box::new(move || dead(multicast, 80)),
        ]
    });
    Table {
        title: "One change, when something is wrong",
        text: "Nobody waits for receipts, so what a dead relay took is found by anti-entropy. Figures 3 and 4: within log2(N) + 3 periods of anti-entropy (1 s after a change).",
        columns: &["what is wrong", "N", "multicast", "ms until all who live have it"],
        rows: rows.collect(),
    }
}

fn lossy(multicast: bool) -> Rows {
    let mut world = warm(NODES, multicast);
    let loss = Effect::Udp(Rates { loss: 250_000, ..Rates::default() });
    let fault = Fault { class: FaultClass::Loss, scope: Scope::ALL, effect: loss };
    world.act(gm_sim::Action::Begin(fault, gm_broadcast::Time::NEVER));
    let (took, _) = spread(&mut world, NODES as usize);
    vec![row(&[&"25 % of datagrams are lost", &NODES, &multicast, &took])]
}

fn dead(multicast: bool, percent: u32) -> Rows {
    let mut world = warm(NODES, multicast);
    let dead = NODES * percent / 100;
    for node in 0..dead {
        let node = NodeIndex(NODES - 1 - node);
        if node.0.is_multiple_of(2) { world.crash(node) } else { world.kill_host(node) }
    }
    let (took, _) = spread(&mut world, (NODES - dead) as usize);
    let what = format!("{percent} % are dead, half of them refuse, half are silent");
    vec![row(&[&what, &NODES, &multicast, &took])]
}
