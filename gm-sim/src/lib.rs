//! Deterministic worlds in virtual time. Knows no protocol: machines are driven through their one
//! trait.
//!
//! A run is a function of (seed, scenario). A [`World`] holds machines, a [`Network`] between them,
//! and one queue of what is to happen. Faults are done to it at once or at a time ([`Action`]), or
//! drawn from a seed ([`Schedule`]); what really happened is counted ([`FaultCounts`]), what
//! machines handled is hashed ([`Trace`]), and who looks on ([`Checker`]) ends the run at the first
//! [`Violation`]. A [`Campaign`] runs many seeds and tells which fault happened in how many.
//!
//! ```
//! use std::net::Ipv4Addr;
//!
//! use gm_broadcast::{Input, Machine, Output, Outputs, Time};
//! use gm_clock::NetId;
//! use gm_sim::{ScheduleBounds, ByteConservation, Campaign, FaultClass, Network, NodeIndex, Location, Run, Schedule, World};
//!
//! /// Multicasts what it is told, and hands up what it hears.
//! #[derive(Debug, Default)]
//! struct Toy(Outputs<Vec<u8>, ()>);
//!
//! impl Machine for Toy {
//!     type Command = Vec<u8>;
//!     type Delivery = Vec<u8>;
//!     type Event = ();
//!
//!     fn handle(&mut self, now: Time, input: Input<Vec<u8>>) {
//!         self.0.begin(now);
//!         match input {
//!             Input::Command(bytes) => self.0.push(Output::Multicast(bytes)),
//!             Input::Datagram { bytes, .. } => self.0.push(Output::Deliver(bytes)),
//!             _ => {}
//!         }
//!     }
//!
//!     fn poll_output(&mut self) -> Option<Output<Vec<u8>, ()>> {
//!         self.0.pull()
//!     }
//!
//!     fn deadline(&self) -> Option<Time> {
//!         None
//!     }
//! }
//!
//! fn run(seed: u64) -> Run {
//!     let place = |node: u8| {
//!         let id = NetId::new(Ipv4Addr::new(10, 0, 0, node + 1).into(), 29_999)?;
//!         Ok(Location { id, island: 0, site: 0 })
//!     };
//!     let places: Vec<Location> = (0..4).map(place).collect::<Result<_, gm_clock::NetIdError>>().unwrap_or_default();
//!     let mut world = World::new(seed, Network::default(), &places, |_birth| Toy::default());
//!     world.add_checker(ByteConservation::new());
//!     world.start_all();
//!     let second = |second: u64| Time::from_nanos(second * 1_000_000_000);
//!     let bounds = ScheduleBounds { nodes: 4, start: second(1), heal_at: second(9), restart_dead: true, spared: vec![] };
//!     Schedule::draw(seed, &[FaultClass::Loss], &bounds).install(&mut world);
//!     for at in 0..10 {
//!         world.command_at(second(at), NodeIndex(0), vec![7; 100]);
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
//! Reading order: `node.rs`, `network.rs`, `fault.rs`, `active_faults.rs` (what is wrong where),
//! `conn.rs`, `observation.rs`, `world.rs` and the files below it; then `checker.rs`,
//! `schedule.rs`, `trace.rs`, `campaign.rs`.

mod active_faults;
pub mod broadcast;
mod campaign;
mod checker;
mod conn;
mod fault;
mod network;
mod node;
mod observation;
mod queue;
mod schedule;
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
pub use trace::{Trace, WordHasher};
pub use world::{Action, Attack, Run, World, derive_seed};
