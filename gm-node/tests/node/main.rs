//! Observable behaviour of nodes in small worlds, one aspect in each test. The worlds with faults
//! are in the crate `gm-node-sim`.

#![allow(clippy::unwrap_used)] // a test says what went wrong by ending

mod agreement;
mod cluster;
mod evictions;
mod identity;
mod introductions;
mod many;
mod others;
mod paths;
mod restarts;
mod unanswered;
mod waits;
mod writes;
