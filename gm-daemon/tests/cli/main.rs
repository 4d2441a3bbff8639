//! Tests of the command line against real daemons: the shapes of `--json`, the exit codes, the
//! demo. They use only the program.

#![allow(clippy::panic, clippy::unwrap_used)] // a test reports a failure by panicking

mod commands;
mod demo;
mod exit_codes;
mod program;
