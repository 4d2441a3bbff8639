//! What the owner of a node sees, in small worlds: one thing in each test. The worlds with faults are `examples/worlds`.

#![allow(clippy::unwrap_used)] // a test says what went wrong by ending

mod identity;
mod others;
mod paths;
mod restarts;
mod town;
mod waits;
mod writes;
