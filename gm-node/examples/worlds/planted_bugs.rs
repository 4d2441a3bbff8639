//! Table of the planted bugs, each with a scenario, a seed and the checker that finds it.

use gm_node::Bug;
use gm_sim::Run;

use crate::plan::plan;
use crate::run::run;

/// A planted bug, and a run that finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlantedBug {
    pub(crate) bug: Bug,
    pub(crate) scenario: &'static str,
    /// First seed of the scenario that finds the bug.
    pub(crate) seed: u64,
    /// Name of the checker that finds it.
    pub(crate) checker: &'static str,
}

/// Number of seeds in which a bug is searched.
pub(crate) const SEARCH_SEEDS: u64 = 200;

/// Table of all planted bugs. `cargo xtask sim --node --plant NAME` searches a new seed for a row
/// that no longer holds.
pub(crate) const PLANTED_BUGS: [PlantedBug; 31] = [
    planted(Bug::AckForUnmerged, "missed-increments", 0, "acks"),
    planted(Bug::SentBeforeStored, "restart", 0, "write-ahead"),
    planted(Bug::PullNotRetried, "missed-increments", 0, "fingerprints"),
    planted(Bug::BucketSkipped, "buckets", 0, "fingerprints"),
    planted(Bug::SeedsGivenUp, "seeds-only", 0, "fingerprints"),
    planted(Bug::WaitCountsWriter, "wait", 0, "acks"),
    planted(Bug::WaitNotRetried, "wait-pause", 0, "claims"),
    planted(Bug::OnlyAffectedCount, "wait-unconcerned", 0, "claims"),
    planted(Bug::NoRefutation, "lost-disk", 0, "fingerprints"),
    planted(Bug::RefusalIgnored, "full-disk", 0, "write-ahead"),
    planted(Bug::LeaveNotAnnounced, "leave-partitioned", 0, "fingerprints"),
    planted(Bug::FormerAddressStays, "address-change", 0, "writers"),
    planted(Bug::LearnedNotStored, "slow-write-back", 0, "acks"),
    planted(Bug::DigestsIgnored, "digest-conflict", 0, "fingerprints"),
    planted(Bug::OlderNotAnswered, "forget-living", 6, "fingerprints"),
    planted(Bug::SlowExchangesOnly, "sync-interval", 1, "fingerprints"),
    planted(Bug::AllBeforeInSync, "wait", 0, "acks"),
    planted(Bug::SlowWatcherMisses, "slow-watcher", 0, "watchers"),
    planted(Bug::FloorNotCarried, "purge-then-join", 0, "claims"),
    planted(Bug::AnsweredBeforeStored, "torn-write", 0, "durability"),
    planted(Bug::OwnNotSynced, "restart", 0, "write-ahead"),
    planted(Bug::AckNotSynced, "slow-write-back", 0, "acks"),
    planted(Bug::MergedIsOverwritten, "restart", 0, "validity"),
    planted(Bug::RefusalNotAnswered, "full-disk", 0, "answered"),
    planted(Bug::ForgetNotApplied, "forget-dead", 0, "forgotten"),
    planted(Bug::FormerAddressNotLeft, "address-change", 0, "moved"),
    planted(Bug::LimitIgnored, "limits", 0, "limits"),
    planted(Bug::NewcomerNotInformed, "newcomer", 0, "fingerprints"),
    planted(Bug::HostCandidateIgnored, "small-group", 0, "fingerprints"),
    planted(Bug::ForgettingNotStored, "forget-restart", 0, "durability"),
    planted(Bug::DatagramsOnly, "udp-blocked", 0, "fingerprints"),
];

const fn planted(bug: Bug, scenario: &'static str, seed: u64, checker: &'static str) -> PlantedBug {
    PlantedBug { bug, scenario, seed, checker }
}

/// The row of a bug.
pub(crate) fn row(bug: Bug) -> Option<&'static PlantedBug> {
    PLANTED_BUGS.iter().find(|found| found.bug == bug)
}

/// The bug with this name.
pub(crate) fn named(name: &str) -> Option<Bug> {
    Bug::ALL.into_iter().find(|bug| bug.name() == name)
}

/// The first seed of the scenario that finds the bug and passes without it, and the checker that
/// finds it.
pub(crate) fn search(bug: Bug, scenario: &str) -> Option<(u64, String)> {
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
    pub(crate) fn replay(&self) -> Result<(), String> {
        let PlantedBug { bug, scenario, seed, checker } = *self;
        let again = format!("cargo xtask sim --node --plant {}", bug.name());
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
    Some(run(plan(scenario, seed)?, bug, 0).run)
}
