//! Goal 7 of docs/goals.md: anti-entropy between two nodes that hold a hundred thousand members and
//! differ in some.

use std::time::Duration;

use gm_data::GroupState;

use super::millis;
use super::table::{Rows, Table, row};
use super::world::{WorldConfig, group, have_converged, record, run_until, traffic, traffic_since};

/// Number of members that both nodes hold.
const MEMBERS: u32 = 100_000;

pub(super) fn table() -> Table {
    Table {
        title: "Anti-entropy, 100,000 members, d of them differ",
        text: "Two nodes on a LAN, without multicast, start with states in which d records are newer at one of the two; measured until both hold \
            the same state and know it. All arrivals count, including those by which the two nodes discover each other (d = 0). [Goal \
            7](goals.md#g7): at most twice linear above d = 10.",
        columns: &[
            "d",
            "arrivals",
            "bytes arrived",
            "bytes per difference",
            "per difference, relative to d = 10",
            "ms from the first send",
        ],
        rows: vec![Box::new(rows)],
    }
}

fn rows() -> Rows {
    let members = (0..2).map(|node| record(node, 1, false));
    let all = members.chain((2..MEMBERS).map(|node| record(node, 1, true)));
    let base = GroupState::from_records(group(), all);
    let mut rows = Rows::new();
    let mut ten = 0;
    for difference in [0, 1, 10, 100, 1_000] {
        // Spread over the whole Merkle tree, as hash positions are.
        let newer = (0..difference).map(|node| record(2 + node * 97, 2, true));
        let mut other = base.clone();
        let _ = other.merge(&GroupState::from_records(group(), newer));
        let mut world = WorldConfig {
            nodes: 2,
            island: 1,
            states: vec![base.clone(), other],
            all_peers_known: true,
            last_is_down: false,
        }
        .world();
        let quiet = |world: &crate::environment::NodeWorld| {
            let agreed = |node| {
                world
                    .machine(node)
                    .and_then(|machine| machine.status(world.now(), &group()))
                    .is_some_and(|status| status.in_sync)
            };
            have_converged(world, MEMBERS as usize) && world.indices().all(agreed)
        };
        // They also query dead members, so only arrivals between the two count.
        let first = run_until(&mut world, Duration::from_micros(100), Duration::from_secs(60), |world| {
            traffic(world)[2] > 0
        });
        let took = run_until(&mut world, Duration::from_micros(500), Duration::from_secs(60), quiet);
        let [_, _, arrivals, bytes] = traffic_since(&world, [0; 4]);
        let each = bytes / u64::from(difference.max(1));
        if difference == 10 {
            ten = each;
        }
        let beside =
            if difference > 10 { format!("{:.2}", each as f64 / ten.max(1) as f64) } else { String::new() };
        let took = first.and(took).map_or("never".to_owned(), |took| millis(took).to_string());
        rows.push(row(&[&difference, &arrivals, &bytes, &each, &beside, &took]));
    }
    rows
}
