//! Tests of the daemon as a process: refusals and their messages, the API, shutdown and restart.
//! They use only the loopback interface.

// Helpers of tests may fail a test.
#![allow(clippy::panic, clippy::unwrap_used)]

mod clients;
mod configured;
mod file_size_limit;
mod hanging;
mod lifecycle;
mod node;
mod permissions;
mod refusals;
mod shutdown;
mod storage_doubt;
mod warnings;
