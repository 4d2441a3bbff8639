//! Tests of the harness with a suite whose runs are made up.

use gm_broadcast::Time;

use super::bugs::{bug_named, replay_bugs, search_bug};
use super::*;
use crate::checker::{Violation, ViolationKind};
use crate::fault::FaultCounts;

/// A suite whose scenario `odd` fails for odd seeds, and whose bug shows from seed 4 on.
struct Toy {
    table: &'static [PlantedBug<u8>],
}

const BUG: u8 = 7;
const FOUND: [PlantedBug<u8>; 1] = [planted(BUG, "even", 4, "checker")];
const TOO_EARLY: [PlantedBug<u8>; 1] = [planted(BUG, "even", 3, "checker")];
const OTHER_CHECKER: [PlantedBug<u8>; 1] = [planted(BUG, "even", 4, "another")];
const FAILS_WITHOUT: [PlantedBug<u8>; 1] = [planted(BUG, "odd", 5, "checker")];

impl Suite for Toy {
    type Plan = String;
    type Bug = u8;

    fn settings(&self) -> SuiteSettings {
        SuiteSettings {
            command: "cargo xtask sim --toy",
            about: "Simulate toys",
            random: "random",
            classes: vec![FaultClass::Loss],
            min_percent: 20,
            ci_seeds: 0..4,
            ci_scenario_seeds: 0..4,
            campaign_seeds: 0..8,
            campaign_scenario_seeds: 0..8,
            campaign_title: "The campaign of toys",
            campaign_page: "",
        }
    }

    fn scenarios(&self) -> Vec<&'static str> {
        vec!["even", "odd"]
    }

    fn plan(&self, scenario: &str, seed: u64) -> Option<String> {
        let is_known = scenario == "random" || self.scenarios().contains(&scenario);
        is_known.then(|| format!("{scenario} {seed}"))
    }

    fn run(&self, plan: String, bug: Option<u8>, _: usize) -> SuiteRun {
        let (scenario, seed) = plan.split_once(' ').unwrap();
        let seed: u64 = seed.parse().unwrap();
        let fails = scenario == "odd" && seed % 2 == 1 || bug.is_some() && seed >= 4;
        let violation = Violation {
            kind: ViolationKind::Safety,
            checker: "checker".to_owned(),
            message: String::new(),
            at: Time::ZERO,
        };
        let outcome = if fails { Err(violation) } else { Ok(()) };
        let (tally, time) = (FaultCounts::default(), Time::ZERO);
        let run = Run { seed, trace: seed, tally, events: 1, time, outcome };
        SuiteRun { run, lines: Vec::new(), report: Vec::new() }
    }

    fn bugs(&self) -> &'static [u8] {
        &[BUG]
    }

    fn bug_name(&self, bug: u8) -> String {
        format!("bug-{bug}")
    }

    fn planted_bugs(&self) -> &'static [PlantedBug<u8>] {
        self.table
    }

    fn metrics(&self) -> MetricsPage {
        unreachable!("no test measures toys")
    }
}

#[test]
fn failed_runs_of_scenarios_are_counted_and_printed() {
    let mut lines = Vec::new();
    let result = run_scenarios(&Toy { table: &FOUND }, &(0..4), &mut |line| lines.push(line.to_owned()));
    assert_eq!(result, SuiteResult { passed: 6, failed: 2, exit_code: 4 });
    assert!(
        lines.iter().any(|line| line.contains("cargo xtask sim --toy --scenario odd --seed 1")),
        "{lines:?}"
    );
}

#[test]
fn fault_classes_are_required_of_many_random_runs_only() {
    let toy = Toy { table: &FOUND };
    assert_eq!(SuiteResult::of(&run_seeds(&toy, "random", 0..199)).exit_code, 0);
    let result = SuiteResult::of(&run_seeds(&toy, "random", 0..200));
    assert_eq!(result, SuiteResult { passed: 200, failed: 1, exit_code: 2 });
    assert_eq!(SuiteResult::of(&run_seeds(&toy, "even", 0..200)).exit_code, 0);
}

#[test]
fn rows_of_planted_bugs_that_no_longer_hold_are_failures() {
    for (table, expected, verdict) in [
        (&FOUND[..], SuiteResult::PASSED, "found"),
        (&[], SuiteResult::failed(BUG_NOT_FOUND), "no row in the table"),
        (&TOO_EARLY, SuiteResult::failed(BUG_NOT_FOUND), "not found in even, seed 3"),
        (&OTHER_CHECKER, SuiteResult::failed(BUG_NOT_FOUND), "found by checker, not by another"),
        (&FAILS_WITHOUT, SuiteResult::failed(BUG_NOT_FOUND), "odd, seed 5 without the bug"),
    ] {
        let mut text = String::new();
        assert_eq!(replay_bugs(&Toy { table }, &mut |line| text.push_str(line)), expected, "{text}");
        assert!(text.contains(verdict), "{text}");
    }
}

#[test]
fn a_search_prints_the_first_seed_that_finds_the_bug() {
    let toy = Toy { table: &TOO_EARLY };
    let bug = bug_named(&toy, "bug-7").unwrap();
    let mut text = String::new();
    assert_eq!(search_bug(&toy, bug, None, &mut |line| text.push_str(line)), SuiteResult::PASSED);
    assert_eq!(text, "planted(Bug::7, \"even\", 4, \"checker\"),");
    assert_eq!(bug_named(&toy, "bug-8"), None);
}
