//! Tests of a few broadcasters in a simulated network. A tap opens the frames, so that tests can
//! count them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod acks;
mod chaos;
mod content;
mod epochs;
mod hops;
mod limits;
mod loss;
mod memory;
mod multicast;
mod net;
mod observe;
mod outbox;
mod peer_exchange;
mod presence;
mod reachability;
mod relays;
mod station;
mod status;
mod trees;
mod unauthenticated;
