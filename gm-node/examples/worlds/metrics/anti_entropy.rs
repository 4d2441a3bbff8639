//! Two nodes that hold a hundred thousand members and differ in some: what it takes until they hold
//! the same. Figure 7.

use std::time::Duration;

use gm_data::GroupState;

use super::millis;
use super::table::{Rows, Table, row};
use super::world::{WorldConfig, group, have_converged, record, run_until, traffic, traffic_since};

/// Members that both hold.
const MEMBERS: u32 = 100_000;

pub(super) fn table() -> Table {
    Table {
        title: "Anti-entropy, 100,000 members, d of them differ",
        text: "Two nodes on a LAN, without multicast, begin with states of which d records are newer at one of the two, until both hold the same and know it. All that \
            arrives counts, the acquaintance of the two included (d = 0). Figure 7: at most twice linear above d = 10.",
        columns: &[
            "d",
            "arrivals",
            "bytes arrived",
            "bytes a difference",
            "beside d = 10, a difference",
            "ms from the first word",
        ],
        rows: vec![Box::new(rows)],
    }
}

fn rows() -> Rows {
    let members = (0..2).map(|place| record(place, 1, false));
    let all = members.chain((2..MEMBERS).map(|place| record(place, 1, true)));
    let base = GroupState::from_records(group(), all);
    let mut rows = Rows::new();
    let mut ten = 0;
    for difference in [0, 1, 10, 100, 1_000] {
        // Spread over all, as their hashes are.
        let newer = (0..difference).map(|place| record(2 + place * 97, 2, true));
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
        // They ask those who are dead, too: what arrives is what the two say to each other.
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
