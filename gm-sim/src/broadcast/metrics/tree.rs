//! Figures 1, 2 and 6: how fast a tree without multicast is, how many copies come, and what lists
//! cost. Knows no faults.

use std::time::Duration;

use gm_broadcast::{PathCost, Time, TreeShape, postal};

use super::gossip::gossip;
use super::table::{Row, Section};
use super::world::{WorldConfig, addressing, broadcast, bytes, copies, cost, run_until_done};

/// The five ways of the figures, and what they are called.
const COSTS: [(&str, PathCost); 5] = [
    ("g = lambda = 1 ms", cost(1_000, 1_000)),
    ("g 0.005, lambda 0.25 ms", cost(5, 250)),
    ("g 0.02, lambda 0.25 ms", cost(20, 250)),
    ("g 0.02, lambda 50 ms", cost(20, 50_000)),
    ("g 0.2, lambda 50 ms", cost(200, 50_000)),
];

/// A cold hop: the handshake takes two ways and its last word a third, with which the dialler's
/// opening goes; then the acceptor's opening and the first frame.
const COLD_LATENCIES: u32 = 5;
/// A connection and a frame keep the dialler busy for a handshake, an opening and the frame.
const COLD_SENDS: u32 = 3;

/// Tables of these sizes; the cheapest rows only if they are large.
pub(super) fn sections(sizes: &[u32], large: bool) -> Vec<Section> {
    let mut sections =
        vec![Section { title: "Warm connections, no faults, no multicast", text: WARM_UP, rows: Vec::new() }];
    for (name, cost) in COSTS {
        for nodes in sizes.iter().copied() {
            let optimum = postal::time_for(cost, nodes.into());
            let rows = &mut sections[0].rows;
            rows.push(run(&WorldConfig::new(nodes, cost), format!("**{name}**"), optimum));
            if !large {
                let halving = WorldConfig { shape: TreeShape::Halving, ..WorldConfig::new(nodes, cost) };
                let by_numbers = postal::halving(cost, nodes.into());
                let mut row = run(&halving, "halving".to_owned(), optimum);
                row.note = format!("{} by numbers alone", super::table::millis(by_numbers));
                rows.push(row);
            }
            if nodes <= 1_000 {
                let star = WorldConfig { shape: TreeShape::Star, ..WorldConfig::new(nodes, cost) };
                rows.push(run(&star, "origin sends all".to_owned(), optimum));
            }
            rows.push(gossip(nodes, cost, optimum));
        }
    }
    if !large {
        sections.push(cold(sizes));
    }
    sections
}

fn cold(sizes: &[u32]) -> Section {
    let mut rows = Vec::new();
    for (name, cost) in COSTS {
        for nodes in sizes.iter().copied() {
            let best = PathCost { gap: cost.gap, latency: cost.latency * COLD_LATENCIES };
            let planned = PathCost { gap: cost.gap * COLD_SENDS, ..best };
            let ground = WorldConfig { pre_opened: false, planned, ..WorldConfig::new(nodes, cost) };
            let mut row = run(&ground, format!("**{name}**"), postal::time_for(best, nodes.into()));
            let warm = postal::time_for(cost, nodes.into());
            let ratio = |optimum| super::table::quotient(nanos(row.time), nanos(optimum), 3);
            let paced = ratio(postal::time_for(planned, nodes.into()));
            row.note = format!("{} x the warm optimum, {paced} x that of (3 g, 5 lambda)", ratio(warm));
            rows.push(row);
        }
    }
    Section { title: "Cold connections, no faults, no multicast", text: COLD, rows }
}

/// One broadcast by the origin to all.
pub(super) fn run(ground: &WorldConfig, what: String, optimum: Duration) -> Row {
    let (mut world, meter) = ground.world(1);
    world.start_all();
    broadcast(&mut world, 1, None);
    let others = ground.nodes as usize - 1;
    let until = Time::ZERO + Duration::from_secs(3_000);
    run_until_done(&mut world, &meter, until, |_, _| {}, |meter| meter.delivered_count(1) == others);
    let end = world.now() + optimum;
    world.run_until(end); // What comes twice comes now.
    let meter = meter.borrow();
    Row {
        label: what,
        nodes: ground.nodes,
        time: meter.last_delivery(1).since(Time::ZERO),
        optimum: Some(optimum),
        copies: Some((copies(&world), others as u64)),
        bytes: Some(bytes(&world)),
        addressing: Some(addressing(&world, &meter)),
        missed: (others - meter.delivered_count(1)) as u64,
        note: String::new(),
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

const WARM_UP: &str = "\
One broadcast of 16 bytes to N - 1 nodes that each stand alone; frames sealed; every connection is as if it had been made before (the \
handshake and the opening take no time). With g = lambda, milliseconds are rounds. The optimum is the postal one for the same (g, lambda), \
the origin counted as informed. Goals: ratio at most 1.10, with g = lambda exactly ceil(log2 N) rounds; 1.000 copies; at most 4 bytes of \
addresses for each node of each list: the bytes of frames beyond the shortest one, for each copy that came.";

const COLD: &str = "\
The same, but no connection is there: the first frame of one arrives five ways after the dial (two of the handshake, then the dialler's \
opening, the acceptor's, the frame), and keeps the dialler busy for three sends, the acceptor for one. The optimum is the postal one for \
(g, 5 lambda); the nodes plan with (3 g, 5 lambda), as a way costs so much.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_gap_and_latency_take_log2_rounds() {
        for (nodes, rounds) in [(2, 1), (64, 6), (65, 7)] {
            let cost = cost(1_000, 1_000);
            let row =
                run(&WorldConfig::new(nodes, cost), String::new(), postal::time_for(cost, nodes.into()));
            assert_eq!(row.time, Duration::from_millis(rounds));
            assert_eq!((row.copies, row.missed), (Some((u64::from(nodes) - 1, u64::from(nodes) - 1)), 0));
        }
    }

    #[test]
    fn a_cold_hop_takes_five_latencies() {
        let cost = cost(20, 250);
        let ground = WorldConfig { pre_opened: false, ..WorldConfig::new(2, cost) };
        assert_eq!(run(&ground, String::new(), cost.latency).time, cost.latency * COLD_LATENCIES);
    }
}
