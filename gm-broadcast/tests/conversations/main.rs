//! Tests of a few broadcasters on a network in memory, in virtual time. A tap decrypts the traffic,
//! so that tests can count frames.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod acks;
mod chaos;
mod content;
mod epochs;
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
mod tap;
mod trees;
mod unauthenticated;
