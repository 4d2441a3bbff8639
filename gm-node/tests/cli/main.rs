//! The command line against real daemons: the shapes of `--json`, the exit codes, the demo. Knows
//! the program only as whoever types does.

#![allow(clippy::panic, clippy::unwrap_used)] // a test says what went wrong by ending

mod commands;
mod demo;
mod exit_codes;
mod program;
