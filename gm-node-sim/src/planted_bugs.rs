//! Table of the planted bugs, each with a scenario, a seed and the checker that finds it.

use gm_node::Bug;
use gm_sim::{PlantedBug, planted};

/// Table of all planted bugs. `cargo xtask sim --node --plant NAME` searches a new seed for a row
/// that no longer holds.
pub(crate) const PLANTED_BUGS: [PlantedBug<Bug>; 31] = [
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
