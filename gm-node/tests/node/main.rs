//! What the owner of a node sees, in small worlds: one thing in each test. The worlds with faults
//! are `examples/worlds`.

#![allow(clippy::unwrap_used)] // a test says what went wrong by ending

mod agreement;
mod cluster;
mod evictions;
mod identity;
mod many;
mod others;
mod paths;
mod restarts;
mod unanswered;
mod waits;
mod writes;
