//! Command line of the simulation of broadcasters; `cargo xtask sim` calls it.

use std::process::ExitCode;

use gm_sim::broadcast::suite::BroadcastSuite;

fn main() -> ExitCode {
    gm_sim::main(&BroadcastSuite)
}
