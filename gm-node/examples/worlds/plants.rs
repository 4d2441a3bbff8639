//! The planted bugs, each with a scenario in which it is found and by whom. Knows nothing of what a bug does.

use gm_node::Bug;
use gm_sim::Run;

use crate::plan::plan;
use crate::run::run;

/// Where a bug was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) bug: Bug,
    pub(crate) scenario: &'static str,
    /// The first seed of it that finds the bug.
    pub(crate) seed: u64,
    /// The checker that does.
    pub(crate) checker: &'static str,
}

/// Seeds in which a bug is looked for.
pub(crate) const SEEDS: u64 = 200;

/// Every bug. A row that no longer holds is found anew by `cargo xtask sim --node --plant NAME`.
pub(crate) const FOUND: [Found; 31] = [
    found(Bug::AckForUnmerged, "questions", 0, "receipts"),
    found(Bug::SentBeforeStored, "restart", 0, "stored"),
    found(Bug::PullNotRetried, "questions", 0, "fingerprints"),
    found(Bug::BucketSkipped, "buckets", 0, "fingerprints"),
    found(Bug::SeedsGivenUp, "lonely", 0, "fingerprints"),
    found(Bug::WaitCountsWriter, "wait", 0, "receipts"),
    found(Bug::WaitNotRetried, "wait-pause", 0, "claims"),
    found(Bug::OnlyConcernedCount, "wait-apart", 0, "claims"),
    found(Bug::NoRefutation, "lost-disk", 0, "fingerprints"),
    found(Bug::RefusalIgnored, "full-disk", 0, "stored"),
    found(Bug::LeaveNotAnnounced, "left-apart", 0, "fingerprints"),
    found(Bug::FormerSelfStays, "address-change", 0, "owners"),
    found(Bug::LearnedNotStored, "late-notes", 0, "receipts"),
    found(Bug::DigestsIgnored, "digests", 0, "fingerprints"),
    found(Bug::OlderNotAnswered, "forget-living", 6, "fingerprints"),
    found(Bug::NeverFast, "pace", 1, "fingerprints"),
    found(Bug::AllBeforeAgreement, "wait", 0, "receipts"),
    found(Bug::SlowWatcherMisses, "slow-watcher", 0, "watchers"),
    found(Bug::FloorNotCarried, "floors", 0, "claims"),
    found(Bug::AnsweredBeforeStored, "torn-write", 0, "acknowledged"),
    found(Bug::OwnNotSynced, "restart", 0, "stored"),
    found(Bug::AckNotSynced, "late-notes", 0, "receipts"),
    found(Bug::MergedIsOverwritten, "restart", 0, "written"),
    found(Bug::RefusalNotAnswered, "full-disk", 0, "answered"),
    found(Bug::ForgettingNotWritten, "forget-dead", 0, "forgotten"),
    found(Bug::FormerSelfNotLeft, "address-change", 0, "moved"),
    found(Bug::LimitIgnored, "bounds", 0, "bounded"),
    found(Bug::NewcomerNotInformed, "newcomer", 0, "fingerprints"),
    found(Bug::HostCandidateIgnored, "few-of-many", 0, "fingerprints"),
    found(Bug::ForgettingNotStored, "forget-restart", 0, "acknowledged"),
    found(Bug::DatagramsOnly, "udp-blocked", 0, "fingerprints"),
];

const fn found(bug: Bug, scenario: &'static str, seed: u64, checker: &'static str) -> Found {
    Found { bug, scenario, seed, checker }
}

/// The row of a bug.
pub(crate) fn row(bug: Bug) -> Option<&'static Found> {
    FOUND.iter().find(|found| found.bug == bug)
}

/// The bug of that name.
pub(crate) fn named(name: &str) -> Option<Bug> {
    Bug::ALL.into_iter().find(|bug| bug.name() == name)
}

/// The first seed that finds a bug and is clean without it, and the checker that does, in that scenario.
pub(crate) fn search(bug: Bug, scenario: &str) -> Option<(u64, String)> {
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
    pub(crate) fn replay(&self) -> Result<(), String> {
        let Found { bug, scenario, seed, checker } = *self;
        let again = format!("cargo xtask sim --node --plant {}", bug.name());
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
    Some(run(plan(scenario, seed)?, bug, 0).run)
}
