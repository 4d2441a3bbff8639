//! The tokio runtime: drives any [`Machine`](crate::Machine) on real sockets. It interprets no
//! bytes; that is the machine's task.
//!
//! The crate's `README.md` shows it in ten lines: [`Sockets`] are opened by [`RuntimeSettings`];
//! [`start`] or [`start_with`] drives a machine on them; the [`RuntimeHandle`] sends commands to
//! it, and its deliveries and events arrive as [`MachineOutput`].
//!
//! Reading order: `settings.rs`, `error.rs`, `nic.rs`, `address.rs` (this node's address),
//! `group.rs`, `sockets.rs`, `selftest.rs`; `clock.rs`, `stats.rs`, `throttle.rs`, `tcp.rs`,
//! `read_buffer.rs`, `connection.rs`, `accept.rs`, `datagrams.rs`, `seeds.rs` (parts); `driver.rs`
//! (the task), `handle.rs`, `deliver_all.rs`.
//!
//! # Limits
//! The driver itself reads datagrams, at most [`BATCH`] at a time. Bytes of connections arrive
//! through one channel, in which each connection has at most one chunk of 16 KiB. Outputs that the
//! application does not take are kept, and until it takes them nothing more is read: then the
//! system drops datagrams, and TCP slows down the senders. Commands and timers go on.

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
mod read_buffer;
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
pub use driver::{start, start_with};
pub use error::{AddressError, RuntimeError};
pub use group::{DEFAULT_GROUP_V4, DEFAULT_GROUP_V6, Multicast};
pub use handle::{MachineOutput, RuntimeHandle, RuntimeMachine, Stopped};
pub use nic::has_address;
pub use seeds::{SeedResolution, SeedState};
pub use selftest::{MulticastSelfTest, MulticastVerdict, self_test};
pub use settings::{DEFAULT_PORT, RuntimeSettings, Seed, SeedError};
pub use sockets::Sockets;
