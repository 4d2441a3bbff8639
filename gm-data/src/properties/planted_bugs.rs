//! Checks that every planted bug is found, and that no check fails without a planted bug.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::String;
use std::vec::Vec;

use super::runner::Cases;
use super::{batches, buckets, histories, horizon, lookup, merge, regressions};
use crate::planted_bugs::{ALL, Bug, with_planted};

type Check = (&'static str, fn() -> Result<(), String>);

/// The suite with few cases: enough to find every bug, and fast.
fn suite() -> Vec<Check> {
    let mut suite: Vec<Check> = Vec::from([
        ("join", (|| merge::merge_is_the_least_upper_bound(Cases(200))) as fn() -> Result<(), String>),
        ("fingerprints", || merge::fingerprints_tell_states_apart(Cases(200))),
        ("reports", || merge::merge_reports_what_it_did(Cases(200))),
        ("events", || merge::events_lead_from_one_state_to_the_other(Cases(200))),
        ("differences", || merge::records_that_differ_are_those(Cases(200))),
        ("batches", || batches::a_batch_is_written_whole_or_not_at_all(Cases(200))),
        ("lookup", || lookup::the_index_answers_as_a_scan(Cases(100))),
        ("buckets", || buckets::buckets_are_those_of_a_scan(Cases(50))),
        ("horizon", horizon::a_claimed_member_comes_back),
        ("evictions", horizon::evicted_versions_stay_away),
        ("histories", || histories(Cases(400)).map(drop)),
    ]);
    suite.extend(regressions::HISTORIES);
    suite
}

/// The checks that fail with the given bug planted, or with none. A panic counts as a failure.
fn found_by(bug: Option<Bug>) -> Vec<&'static str> {
    let fails = |(_, check): &Check| {
        catch_unwind(AssertUnwindSafe(|| with_planted(bug, check))).map_or(true, |result| result.is_err())
    };
    suite().iter().filter(|check| fails(check)).map(|(name, _)| *name).collect()
}

#[test]
fn every_planted_bug_is_found() {
    assert_eq!(found_by(None), Vec::<&str>::new(), "the suite fails without a planted bug");
    let found: Vec<(Bug, Vec<&str>)> = ALL.iter().map(|bug| (*bug, found_by(Some(*bug)))).collect();
    for (bug, by) in &found {
        eprintln!("{:<24} {}", format!("{bug:?}"), by.join(", "));
    }
    let missed: Vec<&Bug> = found.iter().filter(|(_, by)| by.is_empty()).map(|(bug, _)| bug).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}
