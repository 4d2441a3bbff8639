//! One range is served by one node: what it takes until all know it, when all is well and when it is not. Figures 3 and 4, the parts of anti-entropy.

use std::time::Duration;

use gm_sim::{Effect, Fault, FaultClass, NodeIndex, Rates, Scope};

use super::field::{Field, reached, serve, since, traffic, until};
use super::{Section, row};
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

pub(super) fn section(sizes: &[u32]) -> Section {
    let mut rows =
        vec![row(&[&"N", &"multicast", &"ms until all have it", &"sends", &"bytes sent", &"bytes a node"])];
    for nodes in sizes {
        for multicast in [true, false] {
            let mut world = warm(*nodes, multicast);
            let before = traffic(&world);
            let (took, _) = spread(&mut world, *nodes as usize);
            world.run_for(Duration::from_millis(500));
            let [sends, sent, _, _] = since(&world, before);
            rows.push(row(&[nodes, &multicast, &took, &sends, &sent, &(sent / u64::from(*nodes))]));
        }
    }
    Section {
        title: "One change",
        text: "In a group of N members who know each other, one serves a range. Sends are those of all nodes from the write until half a second after all have it: what \
            goes on in quiet, and the anti-entropy that a change wakes, included.",
        rows,
    }
}

pub(super) fn trouble() -> Section {
    let mut rows = vec![row(&[&"what is wrong", &"N", &"multicast", &"ms until all who live have it"])];
    for multicast in [true, false] {
        let nodes = 200;
        let mut world = warm(nodes, multicast);
        let loss = Effect::Udp(Rates { loss: 250_000, ..Rates::default() });
        let fault = Fault { class: FaultClass::Loss, scope: Scope::ALL, effect: loss };
        world.act(gm_sim::Action::Begin(fault, gm_broadcast::Time::NEVER));
        let (took, _) = spread(&mut world, nodes as usize);
        rows.push(row(&[&"25 % of datagrams are lost", &nodes, &multicast, &took]));
        for share in [25, 80] {
            let mut world = warm(nodes, multicast);
            let dead = nodes * share / 100;
            for node in 0..dead {
                let node = NodeIndex(nodes - 1 - node);
                if node.0.is_multiple_of(2) { world.crash(node) } else { world.kill_host(node) }
            }
            let (took, _) = spread(&mut world, (nodes - dead) as usize);
            let what = format!("{share} % are dead, half of them refuse, half are silent");
            rows.push(row(&[&what, &nodes, &multicast, &took]));
        }
    }
    Section {
        title: "One change, when something is wrong",
        text: "Nobody waits for receipts, so what a dead relay took is found by anti-entropy. Figures 3 and 4: within log2(N) + 3 periods of anti-entropy (1 s after a change).",
        rows,
    }
}
