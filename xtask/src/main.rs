//! Command line of the project's own commands, run as `cargo xtask <command>`.
//!
//! This file parses the flags and calls the module of each command. The rules are pure functions
//! in the modules below; their data is in `tables`.

// A command line tool prints to standard output; the lint is meant for the library crates.
#![allow(clippy::print_stdout)]

mod bench;
mod beside;
mod ci;
mod counting_program;
mod deps;
mod embed;
mod finding;
mod fuzz;
mod layers;
mod lexer;
mod mutants;
mod mutations;
mod net;
mod port;
mod sim;
mod spdx;
mod tables;
mod test;
mod test_counts;
mod test_output;
mod tidy;
mod vectors;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::test_counts::TestCounts;
use crate::workspace::Workspace;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The project's own commands")]
struct Flags {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Check layers and tidiness, run all tests, build the pure crates without features
    Test,
    /// Run everything that a change must pass, and stop at the first failure
    Ci,
    /// Compare the dependencies of each crate with the table of allowed edges
    Layers,
    /// Check the source tree against the project's rules
    Tidy {
        /// Lower the committed counts of the prose rule to the present ones first
        #[arg(long)]
        lower: bool,
    },
    /// Check licences, banned crates and duplicate versions of all dependencies
    Deps,
    /// Build and run a program outside of the workspace that depends on gm-node alone
    Embed,
    /// Run the wire vectors with the second implementation, in Python
    Port,
    /// Simulate clusters of broadcasters in virtual time, or with `--node` of whole nodes. See
    /// `cargo xtask sim --help` for the flags
    #[command(disable_help_flag = true)]
    Sim {
        /// Arguments for the simulator
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run the fuzz targets of the codec
    Fuzz(fuzz::Flags),
    /// Run scenes with real nodes in network namespaces. See `cargo xtask net --help` for the flags
    #[command(disable_help_flag = true)]
    Net {
        /// Arguments for the scenes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Mutation testing: change the program in small ways and check that a test fails
    Mutants(mutants::Flags),
    /// Build with named, deliberate bugs, and check that each is found
    Mutations(mutations::Flags),
    /// Regenerate the vector files with the tests that own them
    Vectors {
        /// Write to a scratch folder, and compare with the committed files
        #[arg(long)]
        check: bool,
    },
    /// Measure gm beside published systems and the floor, and write the tables of `docs/FIGURES.md`
    Beside(beside::Flags),
    /// Run the benches of one crate, or of every crate that has some
    Bench {
        /// The crate whose benches run
        #[arg(value_name = "CRATE")]
        package: Option<String>,
        /// Arguments for the benches
        #[arg(last = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    match Flags::parse().command {
        Task::Test => counted(Workspace::open(false).and_then(|ws| test::run(&ws))),
        Task::Ci => counted(Workspace::open(true).map(|ws| ci::run(&ws))),
        Task::Port => counted(Workspace::open(false).and_then(|ws| port_alone(&ws))),
        Task::Fuzz(flags) => counted(Workspace::open(false).and_then(|ws| fuzz::run(&ws, &flags))),
        Task::Sim { args } => unchanged(Workspace::open(false).and_then(|ws| sim::run(&ws, &args))),
        Task::Net { args } => unchanged(Workspace::open(false).and_then(|ws| net::run(&ws, &args))),
        Task::Mutants(flags) => counted(Workspace::open(false).and_then(|ws| mutants::run(&ws, &flags))),
        Task::Mutations(flags) => counted(Workspace::open(false).and_then(|ws| mutations::run(&ws, &flags))),
        Task::Layers => plain(Workspace::open(false).map(|ws| layers::run(&ws))),
        Task::Tidy { lower } => plain(Workspace::open(false).and_then(|ws| tidy::run(&ws, lower))),
        Task::Deps => plain(Workspace::open(false).and_then(|ws| deps::run(&ws))),
        Task::Embed => plain(Workspace::open(false).and_then(|ws| embed::run(&ws))),
        Task::Vectors { check } => plain(Workspace::open(false).and_then(|ws| vectors::run(&ws, check))),
        Task::Beside(flags) => plain(Workspace::open(false).and_then(|ws| beside::run(&ws, &flags))),
        Task::Bench { package, args } => {
            plain(Workspace::open(false).and_then(|ws| bench::run(&ws, package.as_deref(), &args)))
        }
    }
}

/// Runs the wire vectors alone. Without Python it skips them and prints the reason.
fn port_alone(ws: &Workspace) -> Result<TestCounts> {
    Ok(port::run(ws)?.unwrap_or_else(|| {
        println!("skipped: {}", port::NO_PYTHON);
        TestCounts { skipped: 1, ..TestCounts::default() }
    }))
}

/// Exit code of a command that counts tests. It prints the counts as the last line, also after an
/// error.
fn counted(result: Result<TestCounts>) -> ExitCode {
    let tally = result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        TestCounts { failed: 1, ..TestCounts::default() }
    });
    println!("{tally}");
    exit_code(tally.failed == 0)
}

/// The exit code of a program with its own flags, unchanged.
fn unchanged(result: Result<u8>) -> ExitCode {
    ExitCode::from(result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        1
    }))
}

/// Exit code of a command that only passes or fails.
fn plain(result: Result<bool>) -> ExitCode {
    let good = result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        false
    });
    exit_code(good)
}

fn exit_code(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
