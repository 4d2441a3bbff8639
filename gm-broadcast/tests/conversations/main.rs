//! Conversations of a few whole broadcasters over a network in memory, in virtual time. What is sealed is opened by a tap, so that
//! tests see who says what to whom.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod acquaintance;
mod bounds;
mod chaos;
mod content;
mod epochs;
mod evidence;
mod look;
mod loss;
mod memory;
mod multicast;
mod net;
mod outbox;
mod presence;
mod receipts;
mod relays;
mod station;
mod status;
mod strangers;
mod tap;
mod trees;
