//! Goals 1, 2 and 6 of docs/goals.md: time of a tree without multicast, number of copies, and cost
//! of target lists.

use std::time::Duration;

use gm_broadcast::{PathCost, Time, TreeShape, postal};

use super::gossip::gossip;
use super::table::{Row, Section};
use super::world::{WorldConfig, addressing, broadcast, bytes, copies, cost, run_until_done};

/// The five path costs that are measured, with their labels.
const COSTS: [(&str, PathCost); 5] = [
    ("g = lambda = 1 ms", cost(1_000, 1_000)),
    ("g 0.005, lambda 0.25 ms", cost(5, 250)),
    ("g 0.02, lambda 0.25 ms", cost(20, 250)),
    ("g 0.02, lambda 50 ms", cost(20, 50_000)),
    ("g 0.2, lambda 50 ms", cost(200, 50_000)),
];

/// Number of latencies from a dial to the arrival of the first frame: two for the handshake, then
/// one each for the dialler's opening, the acceptor's opening, and the frame.
const COLD_LATENCIES: u32 = 5;
/// Number of sends that a connection and a frame cost the dialler: handshake, opening, frame.
const COLD_SENDS: u32 = 3;

/// Tables for these numbers of nodes; if `large`, only the cheapest rows.
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
                let closed_form = postal::halving(cost, nodes.into());
                let mut row = run(&halving, "halving".to_owned(), optimum);
                row.note = format!("{} in closed form", super::table::millis(closed_form));
                rows.push(row);
            }
            if nodes <= 1_000 {
                let star = WorldConfig { shape: TreeShape::Star, ..WorldConfig::new(nodes, cost) };
                rows.push(run(&star, "origin sends to all".to_owned(), optimum));
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
            let config = WorldConfig { pre_opened: false, planned, ..WorldConfig::new(nodes, cost) };
            let mut row = run(&config, format!("**{name}**"), postal::time_for(best, nodes.into()));
            let warm = postal::time_for(cost, nodes.into());
            let ratio = |optimum| super::table::quotient(nanos(row.time), nanos(optimum), 3);
            let by_planned = ratio(postal::time_for(planned, nodes.into()));
            row.note =
                format!("{} x the warm optimum, {by_planned} x the optimum for (3 g, 5 lambda)", ratio(warm));
            rows.push(row);
        }
    }
    Section { title: "Cold connections, no faults, no multicast", text: COLD, rows }
}

/// A broadcast by the origin to all.
pub(super) fn run(config: &WorldConfig, what: String, optimum: Duration) -> Row {
    let (mut world, meter) = config.world(1);
    world.start_all();
    broadcast(&mut world, 1, None);
    let others = config.nodes as usize - 1;
    let until = Time::ZERO + Duration::from_secs(3_000);
    run_until_done(&mut world, &meter, until, |_, _| {}, |meter| meter.delivered_count(1) == others);
    let end = world.now() + optimum;
    world.run_until(end); // Duplicates arrive by then.
    let meter = meter.borrow();
    Row {
        label: what,
        nodes: config.nodes,
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
One broadcast of 16 bytes to N - 1 nodes that are each alone on an island; frames are sealed; what fits goes by datagrams, and \
connections count as opened before (handshake and opening take no time). With g = lambda, milliseconds are rounds. The optimum is that of the postal model (Bar-Noy and Kipnis 1992) for \
the same (g, lambda), with the origin counted as informed. [Goal 1](goals.md#g1): ratio at most 1.10, with g = lambda exactly ceil(log2 N) \
rounds. [Goal 2](goals.md#g2): 1.000 copies. [Goal 6](goals.md#g6): at most 4 bytes of addresses per target in a list; these are the bytes \
of frames beyond the shortest one.";

const COLD: &str = "\
The same by connections only, and without open ones: the first frame of a connection arrives five latencies after the dial (two for the handshake, then one \
each for the dialler's opening, the acceptor's opening and the frame), and keeps the dialler busy for three sends, the acceptor for one. The \
optimum is the postal one for (g, 5 lambda); the nodes plan with (3 g, 5 lambda), the cost of such a hop.";

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
        let config = WorldConfig { pre_opened: false, ..WorldConfig::new(2, cost) };
        assert_eq!(run(&config, String::new(), cost.latency).time, cost.latency * COLD_LATENCIES);
    }
}
