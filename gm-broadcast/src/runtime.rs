//! The shell: drives any [`Machine`](crate::Machine) on real sockets, in a tokio runtime. Knows no
//! protocol: what a datagram or a frame says is the machine's business.
//!
//! The front page of the crate (`README.md`) shows it in ten lines: a [`Sockets`] is all sockets,
//! opened by [`RuntimeSettings`]; [`start`] drives a machine on them; the [`RuntimeHandle`] is told
//! what to do, and what the machine has for its owner comes as [`Said`].
//!
//! Reading order: `settings.rs`, `error.rs`, `nic.rs`, `address.rs` (who we are), `group.rs`,
//! `sockets.rs` (the [`Sockets`]), `selftest.rs`; `clock.rs`, `meter.rs`, `suspects.rs`, `tcp.rs`,
//! `link.rs`, `accept.rs`, `datagrams.rs`, `seeds.rs` (parts), `driver.rs` (the task), `handle.rs`,
//! `inbox.rs`.
//!
//! # What is bounded
//! Datagrams are read by the driver itself, [`BATCH`] at most in one go; bytes of connections come
//! by one channel of pieces, in which each connection has one piece of 16 KiB at most. What the
//! owner does not take is kept, and until he does, nothing more is read: then the system drops
//! datagrams, and connections slow down who sends. Commands and wakes go on.

mod accept;
mod address;
mod clock;
mod connection;
mod datagrams;
mod deliver_all;
mod driver;
mod error;
mod group;
mod handle;
mod nic;
mod seeds;
mod selftest;
mod settings;
mod sockets;
mod stats;
mod tcp;
mod throttle;

pub use address::Candidate;
pub use clock::{entropy, unix_seconds};
pub use datagrams::BATCH;
pub use deliver_all::{DeliverAll, DeliveredBody};
pub use driver::start;
pub use error::{AddressError, RuntimeError};
pub use group::{DEFAULT_GROUP_V4, DEFAULT_GROUP_V6, Multicast};
pub use handle::{MachineOutput, RuntimeHandle, RuntimeMachine, Stopped};
pub use nic::has_address;
pub use seeds::{SeedResolution, SeedState};
pub use selftest::{MulticastSelfTest, MulticastVerdict, self_test};
pub use settings::{DEFAULT_PORT, RuntimeSettings, Seed, SeedError};
pub use sockets::Sockets;
