//! A broadcast of one to many: UDP multicast where it works, a logarithmic tree of TCP connections
//! where it does not.
//!
//! Knows no sockets, clocks and threads, draws no chance but from the seed that it was handed, and
//! does not know what it carries: a
//! [`Handler`] does. A [`Broadcaster`] is a [`Machine`]: a shell drives it on sockets, a simulator in virtual time.
//!
//! ```
//! use gm_broadcast::{Broadcaster, BroadcastRequest, Command, BroadcasterConfig, Handler, Input, Machine, HandlerOutcome, Output, Received, Time, Via};
//! use gm_codec::{ApplicationPayload, Body, ClusterName, FrameCodec, Key, Keyring, Limits};
//!
//! /// Hands on whatever comes.
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
//! let node = |address: &str, seed: u8| -> Result<Broadcaster<Inbox>, Box<dyn std::error::Error>> {
//!     let keyring = Keyring::new(Key::new([7; 32])); // of a real one, all bytes are random
//!     let codec = FrameCodec::new("production".parse::<ClusterName>()?, keyring, Limits::default())?;
//!     Ok(Broadcaster::new(BroadcasterConfig::new(address.parse()?), codec, Inbox, [seed; 32], Time::ZERO)?)
//! };
//! let (mut ann, mut bob) = (node("10.0.0.1:29999", 1)?, node("10.0.0.2:29999", 2)?);
//!
//! // Ann is told to say something. All that she wants done is pulled before anything else goes in: that is the drain rule.
//! let hello = Body::Application(ApplicationPayload { name: "chat".into(), bytes: b"hello".to_vec() });
//! ann.handle(Time::ZERO, Input::Command(Command::Broadcast(BroadcastRequest::new(hello.clone()))));
//! let mut datagrams = Vec::new();
//! while let Some(output) = ann.poll_output() {
//!     match output {
//!         Output::Multicast(bytes) => datagrams.push(bytes),
//!         Output::Datagram { .. } | Output::Dial { .. } | Output::Send { .. } | Output::Close { .. } => {}
//!         Output::Deliver(_) | Output::Event(_) => {}
//!     }
//! }
//! // Then, and only then, the next deadline counts: a shell sleeps until it or until something comes.
//! assert!(ann.deadline().is_some_and(|deadline| deadline > Time::ZERO));
//!
//! // Bob hears it.
//! let mut heard = Vec::new();
//! for bytes in datagrams {
//!     bob.handle(Time::ZERO, Input::Datagram { from: "10.0.0.1:29999".parse()?, via: Via::Multicast, bytes });
//!     while let Some(output) = bob.poll_output() {
//!         if let Output::Deliver(body) = output {
//!             heard.push(body);
//!         }
//!     }
//! }
//! assert_eq!(heard, [hello]);
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: `time.rs`, `machine.rs` (the shape), `handler.rs`, `event.rs`, `config.rs` (the
//! door); `postal.rs`, `islands.rs`, `plan.rs` (who tells whom); `reception.rs`,
//! `loss_recovery.rs`, `dedup.rs`, `retransmit_cache.rs`, `peers.rs`, `connections.rs`,
//! `ack_aggregation.rs`, `timers.rs`, `token_bucket.rs` (what is remembered); `broadcaster.rs` and
//! the files below it (what happens). `plant.rs` is for the simulator. `runtime.rs` and the files
//! below it drive a machine on sockets; they are behind the feature `tokio`, on by default, and
//! nothing else here knows of them.

mod ack_aggregation;
mod broadcaster;
mod config;
mod connections;
mod counter;
mod datagram_path;
mod dedup;
mod event;
mod handler;
pub mod islands;
mod latency_class;
mod loss_recovery;
mod machine;
mod payload_registry;
mod peer_status;
mod peers;
pub mod plan;
mod plant;
pub mod postal;
mod reception;
mod retransmit_cache;
mod rng;
#[cfg(feature = "tokio")]
pub mod runtime;
mod time;
mod timers;
mod token_bucket;
mod unopened;

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
pub use payload_registry::{Handled, PayloadCoding, PayloadRegistry, RegisterError};
pub use peer_status::{PeerStatus, SeedTrouble};
pub use peers::{Directory, KnownNode};
pub use plan::TreeShape;
pub use plant::Bug;
#[cfg(feature = "plant")]
pub use plant::plant;
pub use rng::Rng;
pub use time::Time;
pub use token_bucket::TokenBucket;
pub use unopened::{Unopened, UnopenedCause};

/// The front page says what compiles.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct FrontPage;
