//! The suite of whole nodes: its scenarios and metrics.

use gm_sim::{FaultClass, MetricsPage, Suite, SuiteRun, SuiteSettings};

use crate::metrics;
use crate::plan::{Plan, RANDOM, names, plan};
use crate::run::run;

/// Simulates clusters of whole nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeSuite;

impl Suite for NodeSuite {
    type Plan = Plan;

    fn settings(&self) -> SuiteSettings {
        SuiteSettings {
            command: "cargo xtask sim --node",
            about: "Simulate clusters of whole nodes; without flags, run the checks that every change must pass",
            random: RANDOM,
            classes: FaultClass::all().collect(),
            min_percent: 15,
            ci_seeds: 0..300,
            ci_scenario_seeds: 0..3,
            campaign_seeds: 0..5_000,
            campaign_scenario_seeds: 0..100,
            campaign_title: "The campaign of whole nodes",
            campaign_page: concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/campaign-node.md"),
        }
    }

    fn scenarios(&self) -> Vec<&'static str> {
        names().collect()
    }

    fn plan(&self, scenario: &str, seed: u64) -> Option<Plan> {
        plan(scenario, seed)
    }

    fn run(&self, plan: Plan, lines: usize) -> SuiteRun {
        let outcome = run(plan, lines);
        let counts = outcome.counts.iter().map(|(counter, count)| format!("  {}: {count}", counter.name()));
        let mut report: Vec<String> = counts.collect();
        report.extend(outcome.converged_after.map(|after| format!("converged after {after:?}")));
        let idle = outcome.idle_bytes_per_second;
        report.extend(idle.map(|idle| format!("{idle} bytes per second and idle node")));
        SuiteRun { run: outcome.run, lines: outcome.lines, report }
    }

    fn metrics(&self) -> MetricsPage {
        metrics::page()
    }
}
