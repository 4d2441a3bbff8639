//! The suite of broadcasters: its scenarios and metrics.

use super::metrics;
use super::run::run;
use super::scenario::{Plan, RANDOM, names, plan};
use crate::fault::FaultClass;
use crate::suite::{MetricsPage, Suite, SuiteRun, SuiteSettings};

/// Simulates clusters of broadcasters.
#[derive(Clone, Copy, Debug)]
pub struct BroadcastSuite;

impl Suite for BroadcastSuite {
    type Plan = Plan;

    fn settings(&self) -> SuiteSettings {
        SuiteSettings {
            command: "cargo xtask sim",
            about: "Simulate clusters of broadcasters; without flags, run the checks that every change must pass",
            random: RANDOM,
            classes: FaultClass::ALL.to_vec(),
            min_percent: 20,
            ci_seeds: 0..300,
            ci_scenario_seeds: 0..10,
            campaign_seeds: 0..2_000,
            campaign_scenario_seeds: 0..200,
            campaign_title: "The campaign of the broadcast",
            campaign_page: concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/campaign-broadcast.md"),
        }
    }

    fn scenarios(&self) -> Vec<&'static str> {
        names().collect()
    }

    fn plan(&self, scenario: &str, seed: u64) -> Option<Plan> {
        plan(scenario, seed)
    }

    fn run(&self, plan: Plan, lines: usize) -> SuiteRun {
        let (run, lines) = run(plan, lines);
        SuiteRun { run, lines, report: Vec::new() }
    }

    fn metrics(&self) -> MetricsPage {
        metrics::page()
    }
}
