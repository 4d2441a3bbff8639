//! Table of the planted bugs, each with a scenario, a seed and the checker that finds it.

use gm_broadcast::Bug;

use super::run::run;
use super::scenario::plan;
use crate::world::Run;

/// A planted bug, and a run that finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlantedBug {
    /// The bug.
    pub bug: Bug,
    /// Name of the scenario.
    pub scenario: &'static str,
    /// First seed of the scenario that finds the bug.
    pub seed: u64,
    /// Name of the checker that finds it.
    pub checker: &'static str,
}

/// Number of seeds in which a bug is searched.
pub const SEARCH_SEEDS: u64 = 200;

/// Table of all planted bugs. `cargo xtask sim --plant NAME` searches a new seed for a row that no
/// longer holds.
pub const PLANTED_BUGS: [PlantedBug; 18] = [
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

const fn planted(bug: Bug, scenario: &'static str, seed: u64, checker: &'static str) -> PlantedBug {
    PlantedBug { bug, scenario, seed, checker }
}

/// The row of a bug.
#[must_use]
pub fn row(bug: Bug) -> Option<&'static PlantedBug> {
    PLANTED_BUGS.iter().find(|found| found.bug == bug)
}

/// The bug with this name.
#[must_use]
pub fn named(name: &str) -> Option<Bug> {
    Bug::ALL.into_iter().find(|bug| bug.name() == name)
}

/// The first seed of the bug's scenario that finds the bug and passes without it, and the checker
/// that finds it.
#[must_use]
pub fn search(bug: Bug) -> Option<(u64, String)> {
    let scenario = row(bug)?.scenario;
    (0..SEARCH_SEEDS).find_map(|seed| {
        let violation = run_seed(scenario, seed, Some(bug))?.outcome.err()?;
        run_seed(scenario, seed, None)?.outcome.ok()?;
        Some((seed, violation.checker))
    })
}

impl PlantedBug {
    /// Checks that the seed still finds the bug by the same checker, and passes without it.
    ///
    /// # Errors
    /// The difference.
    pub fn replay(&self) -> Result<(), String> {
        let PlantedBug { bug, scenario, seed, checker } = *self;
        let again = format!("cargo xtask sim --plant {}", bug.name());
        let run = |bug| run_seed(scenario, seed, bug).ok_or_else(|| format!("unknown scenario {scenario}"));
        match run(Some(bug))?.outcome {
            Err(violation) if violation.checker == checker => {}
            Err(violation) => {
                return Err(format!("found by {}, not by {checker}; {again}", violation.checker));
            }
            Ok(()) => return Err(format!("not found in {scenario}, seed {seed}; {again}")),
        }
        run(None)?
            .outcome
            .map_err(|violation| format!("{scenario}, seed {seed} without the bug: {violation}"))
    }
}

fn run_seed(scenario: &str, seed: u64, bug: Option<Bug>) -> Option<Run> {
    Some(run(plan(scenario, seed)?, bug, 0).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_a_row_and_a_scenario() {
        for bug in Bug::ALL {
            let found = row(bug).unwrap();
            assert!(plan(found.scenario, found.seed).is_some() && found.seed < SEARCH_SEEDS, "{found:?}");
            assert_eq!(named(&bug.name()), Some(bug));
        }
    }
}
