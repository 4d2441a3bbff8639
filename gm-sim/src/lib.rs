//! Deterministic simulator: a cluster of state machines in virtual time, with a faulty network. It
//! runs any [`gm_broadcast::Machine`] and depends on no protocol.
//!
//! A run is a function of (seed, scenario). A [`World`] contains machines, a [`Network`] between
//! them, and one queue of events. Faults are injected at once or at a given time ([`Action`]), or
//! drawn from a seed ([`Schedule`]). The world counts the faults that had an effect
//! ([`FaultCounts`]), hashes all inputs of the machines ([`Trace`]), and passes every observation
//! to [`Checker`]s; the first [`Violation`] ends the run. A [`Campaign`] runs many seeds and
//! reports in how many of them each fault occurred.
//!
//! ```
//! use std::net::Ipv4Addr;
//!
//! use bytes::Bytes;
//! use gm_broadcast::{Input, Machine, Output, Outputs, Time};
//! use gm_clock::NetId;
//! use gm_sim::{
//!     ByteConservation, Campaign, FaultClass, Location, Network, NodeIndex, Run, Schedule,
//!     ScheduleBounds, World,
//! };
//!
//! /// Multicasts the bytes of every command, and delivers the bytes of every datagram.
//! #[derive(Debug, Default)]
//! struct Toy(Outputs<Bytes, ()>);
//!
//! impl Machine for Toy {
//!     type Command = Bytes;
//!     type Delivery = Bytes;
//!     type Event = ();
//!
//!     fn handle(&mut self, now: Time, input: Input<Bytes>) {
//!         self.0.begin(now);
//!         match input {
//!             Input::Command(bytes) => self.0.push(Output::Multicast(bytes)),
//!             Input::Datagram { bytes, .. } => self.0.push(Output::Deliver(bytes)),
//!             _ => {}
//!         }
//!     }
//!
//!     fn poll_output(&mut self) -> Option<Output<Bytes, ()>> {
//!         self.0.pull()
//!     }
//!
//!     fn deadline(&self) -> Option<Time> {
//!         None
//!     }
//! }
//!
//! fn run(seed: u64) -> Run {
//!     let location = |node: u8| {
//!         let id = NetId::new(Ipv4Addr::new(10, 0, 0, node + 1).into(), 29_999)?;
//!         Ok(Location { id, island: 0, site: 0 })
//!     };
//!     let locations: Result<Vec<Location>, gm_clock::NetIdError> = (0..4).map(location).collect();
//!     let locations = locations.unwrap_or_default();
//!     let mut world = World::new(seed, Network::default(), &locations, |_start| Toy::default());
//!     world.add_checker(ByteConservation::new());
//!     world.start_all();
//!     let second = |second: u64| Time::from_nanos(second * 1_000_000_000);
//!     let bounds = ScheduleBounds {
//!         nodes: 4,
//!         start: second(1),
//!         heal_at: second(9),
//!         restart_dead: true,
//!         spared: vec![],
//!     };
//!     Schedule::draw(seed, &[FaultClass::Loss], &bounds).install(&mut world);
//!     for at in 0..10 {
//!         world.command_at(second(at), NodeIndex(0), Bytes::from(vec![7; 100]));
//!     }
//!     world.run_until(second(10));
//!     world.finish()
//! }
//!
//! let report = Campaign {
//!     seeds: 0..20,
//!     threads: 2,
//!     classes: vec![FaultClass::Loss],
//!     min_percent: 20,
//!     replay: "cargo xtask sim --seed".to_owned(),
//! }
//! .run(run);
//! assert!(report.is_good(), "{report}");
//! ```
//!
//! Reading order: `node.rs`, `network.rs`, `fault.rs`, `active_faults.rs` (lasting faults),
//! `conn.rs`, `observation.rs`, `world.rs` and the files below it; then `checker.rs`,
//! `schedule.rs`, `layout.rs`, `trace.rs`, `campaign.rs`, `suite.rs`.

mod active_faults;
pub mod broadcast;
mod campaign;
mod checker;
mod conn;
mod fault;
pub mod layout;
mod network;
mod node;
mod observation;
mod queue;
mod schedule;
mod suite;
mod trace;
mod world;

pub use active_faults::{Effect, Fault, NodeSet, Nodes, Rates, Scope};
pub use campaign::{Campaign, CampaignReport};
pub use checker::byte_conservation::ByteConservation;
pub use checker::limit::LimitChecker;
pub use checker::{Checker, Violation, ViolationKind};
pub use fault::{FaultClass, FaultCounts};
pub use network::{Network, PathProfile, TcpModel};
pub use node::{Location, NodeIndex, StartContext};
pub use observation::{Observation, ObservationContext, Traffic, TrafficKind, TrafficStats};
pub use schedule::{Schedule, ScheduleBounds};
pub use suite::{MetricsPage, Suite, SuiteResult, SuiteRun, SuiteSettings, main};
pub use trace::{Trace, WordHasher};
pub use world::{Action, Attack, DatagramCopy, DatagramFilter, Run, World, derive_seed};
