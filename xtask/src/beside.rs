//! `cargo xtask beside`: measures gm beside published systems and beside the floor, and writes the
//! tables of `docs/FIGURES.md`.
//!
//! `plan` has the systems and the measurements, `program` builds and runs the programs of
//! `bench/peers` in network namespaces, `machine` notes what else the machine does, `results` reads
//! and stores what the programs print, `tables` and `ratios` make tables of it, `benches` adds
//! figures of the crates' own benches, and `page` writes them between markers.

mod benches;
mod cells;
mod machine;
mod measures;
mod page;
mod plan;
mod program;
mod ratios;
mod results;
mod tables;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::deps;
use crate::workspace::Workspace;
use machine::Machine;
use plan::{Measurement, Size};
use program::Programs;
use results::{Attempt, Results};

/// Flags of `cargo xtask beside`.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Few repetitions, without the slower systems: about 6 minutes after the build (default)
    #[arg(long)]
    quick: bool,
    /// Include every system, with long windows: one to two hours
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// Run only measurements whose names contain the text, such as `update gm`; the tables are
    /// printed, and the page does not change
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Run nothing: write the tables of the last run again
    #[arg(long, conflicts_with_all = ["quick", "full", "only"])]
    tables: bool,
}

/// Runs the measurements and writes the tables. Returns whether all programs did their work.
pub(crate) fn run(ws: &Workspace, flags: &Flags) -> Result<bool> {
    // A partial run does not replace the results of a whole one.
    let part = if flags.only.is_some() { "only" } else { "all" };
    let folder = ws.target_folder().join("beside").join(part);
    if flags.tables {
        let results = Results::read(&folder)?;
        page::write(ws, &tables::page(&results))?;
        return Ok(true);
    }
    let missing = program::missing_tools();
    if !missing.is_empty() {
        bail!("the harness cannot run here:\n  {}", missing.join("\n  "));
    }
    let size = if flags.full { Size::Full } else { Size::Quick };
    let mut chosen = plan::measurements(size);
    if let Some(text) = &flags.only {
        chosen.retain(|measurement| measurement.name().contains(text.as_str()));
        if chosen.is_empty() {
            bail!("no measurement has a name that contains `{text}`");
        }
    }
    if !deps::peers(ws, program::FOLDER)? {
        return Ok(false);
    }
    let programs = Programs::build(ws, &folder)?;
    let mut results = Results::begin(&folder, size, &chosen)?;
    measure(&programs, size, chosen, &mut results)?;
    if flags.only.is_none() {
        results.set_benches(benches::run(ws));
        results.write()?;
        page::write(ws, &tables::page(&results))?;
    } else {
        results.write()?;
        println!("{}", tables::page(&results));
    }
    Ok(!results.has_failures())
}

/// Runs all measurements in their order, which alternates between the systems. A disturbed run is
/// repeated while the patience lasts; of its attempts, the least disturbed one counts.
fn measure(programs: &Programs, size: Size, chosen: Vec<Measurement>, results: &mut Results) -> Result<()> {
    let mut machine = Machine::read()?;
    let mut patience = size.patience();
    let all = chosen.len();
    for (at, measurement) in chosen.into_iter().enumerate() {
        let mut best: Option<Attempt> = None;
        for number in 1..=machine::ATTEMPTS {
            patience = patience.saturating_sub(machine.wait_until_calm(patience.min(machine::WAIT)));
            let began = Instant::now();
            let attempt = programs.run(&measurement, &mut machine)?;
            let seconds = began.elapsed().as_secs_f64();
            let (name, what) = (measurement.name(), attempt.summary());
            println!("{:>3}/{all} {name:<32} {seconds:>6.1} s, {what}", at + 1);
            let is_disturbed = attempt.is_disturbed();
            if best.as_ref().is_none_or(|best| attempt.is_better_than(best)) {
                best = Some(attempt);
            }
            if !is_disturbed || number == machine::ATTEMPTS {
                break;
            }
            let spent = began.elapsed();
            // A repetition costs about as much as this run.
            if patience < spent {
                patience = Duration::ZERO;
                break;
            }
            patience -= spent;
        }
        if let Some(best) = best {
            results.push(measurement, best)?;
        }
    }
    Ok(())
}
