//! Broadcast from one node to many, delivered once to each node: UDP multicast where it works, a
//! latency-aware tree of TCP connections elsewhere.
//!
//! A [`Broadcaster`] is sans-I/O: the caller supplies time, random bytes and input bytes, and
//! performs the outputs. Payloads are opaque; a [`Handler`] interprets them, which the owner of the
//! broadcaster lends it for each input. A [`BroadcastMachine`] owns both and is a [`Machine`]: the
//! tokio [`runtime`] drives it on sockets, a simulator in virtual time.
//!
//! The parts, and the known techniques that they come from:
//! - The tree is cut by the postal model ([`postal`]; Bar-Noy and Kipnis 1992): each relay gets as
//!   many targets as it can inform in the time that is left, given its latency.
//! - Neighbors that may have missed a multicast get its header only, by TCP, and request the
//!   content if they need it, as with IHAVE and GRAFT of Plumtree (Leitão et al. 2007).
//! - Multicasts are numbered; missing numbers are requested from random neighbors (NACK-based
//!   repair, as in SRM and NORM), and the last number is multicast again a few times (a tail-loss
//!   probe).
//! - Acknowledgements are summed on their way up the tree, so that an origin of ten thousand
//!   targets receives a few frames.
//! - Datagrams of a node count as a sign of life only after a proof that it runs, such as the
//!   response to a random challenge, so a replay of recorded datagrams does not make a dead node
//!   look alive.
//!
//! ```
//! use gm_broadcast::{
//!     BroadcastCommand, BroadcastMachine, BroadcastRequest, BroadcasterConfig, Handler,
//!     HandlerOutcome, Input, Machine, Output, Received, Time, Via,
//! };
//! use gm_codec::{ApplicationPayload, Body, ClusterName, FrameCodec, Key, Keyring, Limits};
//!
//! /// Delivers every payload.
//! struct Inbox;
//!
//! impl Handler for Inbox {
//!     type Delivery = Body;
//!
//!     fn handle(&mut self, _now: Time, received: Received<'_>) -> HandlerOutcome<Body> {
//!         HandlerOutcome::deliver(received.body.clone())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! type Node = BroadcastMachine<Inbox>;
//! let node = |address: &str, seed: u8| -> Result<Node, Box<dyn std::error::Error>> {
//!     let keyring = Keyring::new(Key::new([7; 32])); // a real key is random
//!     let name: ClusterName = "production".parse()?;
//!     let codec = FrameCodec::new(name, keyring, Limits::default())?;
//!     let config = BroadcasterConfig::new(address.parse()?);
//!     Ok(BroadcastMachine::new(config, codec, Inbox, [seed; 32], Time::ZERO)?)
//! };
//! let (mut ann, mut bob) = (node("10.0.0.1:29999", 1)?, node("10.0.0.2:29999", 2)?);
//!
//! // Ann broadcasts. All outputs of one input are pulled before the next input: the drain rule.
//! let hello = ApplicationPayload { name: "chat".into(), bytes: "hello".into() };
//! let hello = Body::Application(hello);
//! let command = BroadcastCommand::Broadcast(BroadcastRequest::new(hello.clone()));
//! ann.handle(Time::ZERO, Input::Command(command));
//! let mut datagrams = Vec::new();
//! while let Some(output) = ann.poll_output() {
//!     match output {
//!         Output::Multicast(bytes) => datagrams.push(bytes),
//!         other => println!("{other:?}"), // Ann has no connections yet
//!     }
//! }
//! // Then the deadline is valid: the caller passes in `Input::Wake` at that time.
//! assert!(ann.deadline().is_some_and(|deadline| deadline > Time::ZERO));
//!
//! // Bob receives the multicast.
//! let mut received = Vec::new();
//! for bytes in datagrams {
//!     let from = "10.0.0.1:29999".parse()?;
//!     bob.handle(Time::ZERO, Input::Datagram { from, via: Via::Multicast, bytes });
//!     while let Some(output) = bob.poll_output() {
//!         if let Output::Deliver(body) = output {
//!             received.push(body);
//!         }
//!     }
//! }
//! assert_eq!(received, [hello]);
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: `time.rs`, `machine.rs`, `handler.rs`, `event.rs`, `config.rs` (the interface);
//! `postal.rs`, `islands.rs`, `plan.rs` (the tree); `reception.rs`, `loss_recovery.rs`, `dedup.rs`,
//! `retransmit_cache.rs`, `peers.rs`, `round_trip.rs`, `connections.rs`, `ack_aggregation.rs`,
//! `timers.rs`, `token_bucket.rs`, `counter.rs` (the state, without I/O or time of its own);
//! `broadcaster.rs` and the files below it (the protocol), `broadcast_machine.rs`.
//! `runtime.rs` and the files below it are behind the feature `tokio`, which is on by default.

mod ack_aggregation;
mod broadcast_machine;
mod broadcaster;
mod config;
mod connections;
mod counter;
mod datagram_path;
mod dedup;
mod event;
mod handler;
mod heard;
pub mod islands;
mod latency_class;
mod loss_recovery;
mod machine;
mod peer_status;
mod peers;
pub mod plan;
pub mod postal;
mod reception;
mod retransmit_cache;
mod rng;
mod round_trip;
#[cfg(feature = "tokio")]
pub mod runtime;
mod time;
mod timers;
mod token_bucket;
mod unopened;

pub use broadcast_machine::BroadcastMachine;
pub use broadcaster::{Broadcaster, PartialFrameUsage, UnauthenticatedUsage};
pub use config::{BroadcasterConfig, BroadcasterConfigError, BroadcasterLimits, BroadcasterTimings};
pub use counter::{Counter, Counters};
pub use datagram_path::DatagramReachability;
pub use dedup::DEDUP_WINDOW;
pub use event::{
    AckPart, AckReport, BroadcastCommand, BroadcastEvent, BroadcastRequest, RequestedAcks, Targets, Transport,
};
pub use handler::{Handler, HandlerOutcome, Path, Received};
pub use latency_class::{LatencyClass, PathCost, PathCosts};
pub use machine::{ConnectionId, DialFailure, Input, Machine, Output, Outputs, STALL_TIMEOUT, Via};
pub use peer_status::{PeerStatus, SeedTrouble};
#[doc(hidden)]
pub use peers::{Directory, KnownNode};
#[doc(hidden)]
pub use plan::TreeShape;
pub use rng::Rng;
pub use time::Time;
pub use timers::Timers;
pub use token_bucket::TokenBucket;
pub use unopened::{Unopened, UnopenedCause};

/// Compiles the example of `README.md`.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct FrontPage;
