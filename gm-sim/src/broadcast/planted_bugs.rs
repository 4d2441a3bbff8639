//! Table of the planted bugs, each with a scenario, a seed and the checker that finds it.

use gm_broadcast::Bug;

use crate::suite::PlantedBug;

/// Table of all planted bugs. `cargo xtask sim --plant NAME` searches a new seed for a row that no
/// longer holds.
pub const PLANTED_BUGS: [PlantedBug<Bug>; 18] = [
    planted(Bug::TargetDropped, "wan", 0, "acks"),
    planted(Bug::EpochNotInIdentity, "restart-storm", 0, "acks"),
    planted(Bug::ConfirmationForever, "multicast-one-way", 3, "delivery"),
    planted(Bug::FailedRelayLosesTargets, "dead-relays", 0, "delivery"),
    planted(Bug::AckCountedTwice, "relay-death", 0, "acks"),
    planted(Bug::DatagramsForward, "one-island", 0, "forwarding"),
    planted(Bug::ReassignedToSilentRelay, "relay-death", 4, "acks"),
    planted(Bug::ForwardsTwice, "relay-pause", 17, "forwarding"),
    planted(Bug::RelayDoesNotMulticast, "two-islands", 0, "cost"),
    planted(Bug::NoNeighborProbed, "blocked-multicast", 0, "delivery"),
    planted(Bug::ContentRequestIgnored, "blocked-multicast", 0, "delivery"),
    planted(Bug::NoSequenceBeacon, "lost-multicast", 0, "delivery"),
    planted(Bug::NackNeverSent, "lost-multicast", 0, "delivery"),
    planted(Bug::BackoffForever, "dead-relays", 0, "delivery"),
    planted(Bug::OutboxLostWithConnection, "stalled-relay", 0, "delivery"),
    planted(Bug::ReplayDelivered, "hostile-outsider", 0, "delivery"),
    planted(Bug::OutboxUnbounded, "slow-reader", 0, "limits"),
    planted(Bug::LastTooEarly, "one-island", 0, "acks"),
];

const fn planted(bug: Bug, scenario: &'static str, seed: u64, checker: &'static str) -> PlantedBug<Bug> {
    PlantedBug::new(bug, scenario, seed, checker)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::scenario::plan;
    use crate::suite::SEARCH_SEEDS;

    #[test]
    fn every_bug_has_a_row_and_a_scenario() {
        for bug in Bug::ALL {
            let found = PLANTED_BUGS.iter().find(|found| found.bug == bug).unwrap();
            assert!(plan(found.scenario, found.seed).is_some() && found.seed < SEARCH_SEEDS, "{found:?}");
        }
    }
}
