//! Tests of the harness with a suite whose runs are made up.

use gm_broadcast::Time;

use super::*;
use crate::checker::{Violation, ViolationKind};
use crate::fault::FaultCounts;

/// A suite whose scenario `odd` fails for odd seeds.
struct Toy;

impl Suite for Toy {
    type Plan = String;

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

    fn run(&self, plan: String, _: usize) -> SuiteRun {
        let (scenario, seed) = plan.split_once(' ').unwrap();
        let seed: u64 = seed.parse().unwrap();
        let fails = scenario == "odd" && seed % 2 == 1;
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

    fn metrics(&self) -> MetricsPage {
        unreachable!("no test measures toys")
    }
}

#[test]
fn failed_runs_of_scenarios_are_counted_and_printed() {
    let mut lines = Vec::new();
    let result = run_scenarios(&Toy, &(0..4), &mut |line| lines.push(line.to_owned()));
    assert_eq!(result, SuiteResult { passed: 6, failed: 2, exit_code: 4 });
    assert!(
        lines.iter().any(|line| line.contains("cargo xtask sim --toy --scenario odd --seed 1")),
        "{lines:?}"
    );
}

#[test]
fn fault_classes_are_required_of_many_random_runs_only() {
    let toy = Toy;
    assert_eq!(SuiteResult::of(&run_seeds(&toy, "random", 0..199)).exit_code, 0);
    let result = SuiteResult::of(&run_seeds(&toy, "random", 0..200));
    assert_eq!(result, SuiteResult { passed: 200, failed: 1, exit_code: 2 });
    assert_eq!(SuiteResult::of(&run_seeds(&toy, "even", 0..200)).exit_code, 0);
}
