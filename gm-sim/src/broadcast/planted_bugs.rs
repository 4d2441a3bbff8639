//! The planted bugs, each with a scenario in which it is found and by whom. Knows nothing of what a
//! bug does.

use gm_broadcast::Bug;

use super::run::run;
use super::scenario::plan;
use crate::world::Run;

/// Where a bug was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlantedBug {
    /// The bug.
    pub bug: Bug,
    /// The scenario.
    pub scenario: &'static str,
    /// The first seed of it that finds the bug.
    pub seed: u64,
    /// The checker that does.
    pub checker: &'static str,
}

/// Seeds in which a bug is looked for.
pub const SEARCH_SEEDS: u64 = 200;

/// Every bug. A row that no longer holds is found anew by `cargo xtask sim --plant NAME`.
pub const PLANTED_BUGS: [PlantedBug; 18] = [
    planted(Bug::TargetDropped, "wan", 0, "acks"),
    planted(Bug::EpochNotInIdentity, "restart-storm", 0, "acks"),
    planted(Bug::ConfirmationForever, "multicast-one-way", 3, "delivery"),
    planted(Bug::ReplacedHopLosesList, "dead-relays", 0, "delivery"),
    planted(Bug::ReceiptCountedTwice, "relay-death", 0, "acks"),
    planted(Bug::DatagramsForward, "one-island", 0, "forwarding"),
    planted(Bug::ReissueToTheDead, "relay-death", 4, "acks"),
    planted(Bug::ForwardsTwice, "relay-pause", 17, "forwarding"),
    planted(Bug::RelayDoesNotMulticast, "two-islands", 0, "cost"),
    planted(Bug::NobodyKept, "blocked-multicast", 0, "delivery"),
    planted(Bug::SendMeIgnored, "blocked-multicast", 0, "delivery"),
    planted(Bug::NoEcho, "lost-multicast", 0, "delivery"),
    planted(Bug::GapsNeverAsked, "lost-multicast", 0, "delivery"),
    planted(Bug::BackoffForever, "dead-relays", 0, "delivery"),
    planted(Bug::OutboxLostWithLink, "stalled-relay", 0, "delivery"),
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

/// The bug of that name.
#[must_use]
pub fn named(name: &str) -> Option<Bug> {
    Bug::ALL.into_iter().find(|bug| bug.name() == name)
}

/// The first seed that finds a bug and is clean without it, and the checker that does, in the bug's
/// scenario.
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
    /// Whether the seed still finds it, by the same checker, and finds nothing without it.
    ///
    /// # Errors
    /// What is so instead.
    pub fn replay(&self) -> Result<(), String> {
        let PlantedBug { bug, scenario, seed, checker } = *self;
        let again = format!("cargo xtask sim --plant {}", bug.name());
        let run =
            |bug| run_seed(scenario, seed, bug).ok_or_else(|| format!("there is no scenario {scenario}"));
        match run(Some(bug))?.outcome {
            Err(violation) if violation.checker == checker => {}
            Err(violation) => {
                return Err(format!("found by {}, not by {checker}; {again}", violation.checker));
            }
            Ok(()) => return Err(format!("not found in {scenario}, seed {seed}; {again}")),
        }
        run(None)?.outcome.map_err(|violation| format!("{scenario}, seed {seed} without it: {violation}"))
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
