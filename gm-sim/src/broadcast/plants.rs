//! The planted bugs, each with a scenario in which it is found and by whom. Knows nothing of what a bug does.

use gm_broadcast::Bug;

use super::run::run;
use super::scenario::plan;
use crate::world::Run;

/// Where a bug was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
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
pub const SEEDS: u64 = 200;

/// Every bug. A row that no longer holds is found anew by `cargo xtask sim --plant NAME`.
pub const FOUND: [Found; 18] = [
    found(Bug::TargetDropped, "wan", 0, "receipts"),
    found(Bug::EpochNotInIdentity, "restart-storm", 0, "receipts"),
    found(Bug::ConfirmationForever, "deaf-pair", 3, "delivery"),
    found(Bug::ReplacedHopLosesList, "dead-hops", 0, "delivery"),
    found(Bug::ReceiptCountedTwice, "relay-death", 0, "receipts"),
    found(Bug::DatagramsForward, "one-island", 0, "shares"),
    found(Bug::ReissueToTheDead, "relay-death", 4, "receipts"),
    found(Bug::ForwardsTwice, "relay-pause", 17, "shares"),
    found(Bug::RelayDoesNotMulticast, "two-islands", 0, "cost"),
    found(Bug::NobodyKept, "blocked-multicast", 0, "delivery"),
    found(Bug::SendMeIgnored, "blocked-multicast", 0, "delivery"),
    found(Bug::NoEcho, "one-lost", 0, "delivery"),
    found(Bug::GapsNeverAsked, "one-lost", 0, "delivery"),
    found(Bug::BackoffForever, "dead-hops", 0, "delivery"),
    found(Bug::OutboxLostWithLink, "stuck-outbox", 0, "delivery"),
    found(Bug::ReplayDelivered, "hostile-outsider", 0, "delivery"),
    found(Bug::OutboxUnbounded, "slow-reader", 0, "held"),
    found(Bug::LastTooEarly, "one-island", 0, "receipts"),
];

const fn found(bug: Bug, scenario: &'static str, seed: u64, checker: &'static str) -> Found {
    Found { bug, scenario, seed, checker }
}

/// The row of a bug.
#[must_use]
pub fn row(bug: Bug) -> Option<&'static Found> {
    FOUND.iter().find(|found| found.bug == bug)
}

/// The bug of that name.
#[must_use]
pub fn named(name: &str) -> Option<Bug> {
    Bug::ALL.into_iter().find(|bug| bug.name() == name)
}

/// The first seed that finds a bug and is clean without it, and the checker that does, in the bug's scenario.
#[must_use]
pub fn search(bug: Bug) -> Option<(u64, String)> {
    let scenario = row(bug)?.scenario;
    (0..SEEDS).find_map(|seed| {
        let violation = one(scenario, seed, Some(bug))?.outcome.err()?;
        one(scenario, seed, None)?.outcome.ok()?;
        Some((seed, violation.checker))
    })
}

impl Found {
    /// Whether the seed still finds it, by the same checker, and finds nothing without it.
    ///
    /// # Errors
    /// What is so instead.
    pub fn replay(&self) -> Result<(), String> {
        let Found { bug, scenario, seed, checker } = *self;
        let again = format!("cargo xtask sim --plant {}", bug.name());
        let run = |bug| one(scenario, seed, bug).ok_or_else(|| format!("there is no scenario {scenario}"));
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

fn one(scenario: &str, seed: u64, bug: Option<Bug>) -> Option<Run> {
    Some(run(plan(scenario, seed)?, bug, 0).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_a_row_and_a_scenario() {
        for bug in Bug::ALL {
            let found = row(bug).unwrap();
            assert!(plan(found.scenario, found.seed).is_some() && found.seed < SEEDS, "{found:?}");
            assert_eq!(named(&bug.name()), Some(bug));
        }
    }
}
