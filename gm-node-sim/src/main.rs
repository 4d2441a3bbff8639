//! Simulation of whole nodes in virtual time, with all faults of the network and of disks;
//! `cargo xtask sim --node` calls it.
//!
//! Reading order: `plan.rs` and below it (operations and faults), `environment.rs` (machines and
//! disks), `run.rs`, `executor.rs`, `history.rs`, `writer_model.rs`, `check.rs` and below it (the
//! checkers), `suite.rs`, `metrics.rs`.

mod check;
mod environment;
mod executor;
mod history;
mod metrics;
mod plan;
mod run;
mod suite;
mod writer_model;

use std::process::ExitCode;

fn main() -> ExitCode {
    gm_sim::main(&suite::NodeSuite)
}
