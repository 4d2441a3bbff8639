//! The simulator's command line: `cargo xtask sim` calls it. Knows the flags, and which module answers each.

#![allow(clippy::print_stdout)]

use std::process::ExitCode;

use clap::Parser;
use gm_sim::broadcast::run::run;
use gm_sim::broadcast::scenario::{RANDOM, plan};
use gm_sim::{Campaign, FaultClass};

/// Worlds of broadcasters.
#[derive(Debug, Parser)]
struct Flags {
    #[arg(long)]
    seed: Option<u64>,
    #[arg(long)]
    seeds: Option<String>,
    #[arg(long, default_value = RANDOM)]
    scenario: String,
    #[arg(long)]
    trace: bool,
    #[arg(long)]
    plant: Option<String>,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let bug = flags
        .plant
        .as_ref()
        .and_then(|name| gm_broadcast::Bug::ALL.into_iter().find(|bug| bug.name() == *name));
    if let Some(seed) = flags.seed {
        let plan = plan(&flags.scenario, seed).unwrap();
        let (run, lines) = run(plan, bug, if flags.trace { usize::MAX } else { 0 });
        for line in lines {
            println!("{line}");
        }
        println!("{run:?}");
        return ExitCode::SUCCESS;
    }
    let seeds = flags.seeds.unwrap_or("0..100".into());
    let (a, b) = seeds.split_once("..").unwrap();
    let campaign = Campaign {
        seeds: a.parse().unwrap()..b.parse().unwrap(),
        threads: 2,
        classes: FaultClass::ALL.to_vec(),
        percent: 20,
        replay: "cargo xtask sim --seed".into(),
    };
    let report = campaign.run(|seed| run(plan(&flags.scenario, seed).unwrap(), bug, 0).0);
    println!("{report}");
    ExitCode::from(report.exit_code())
}
