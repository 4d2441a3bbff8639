//! The daemon as a process: what it refuses and in which words, what it says over its socket, how
//! it ends and begins again. Needs no network but the loopback interface.

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
