//! Node identities and logical clocks of group members.
//!
//! The entry points of this crate are [`NetId`] and [`WorldClock`]. It is `no_std` with `alloc`,
//! and has no I/O and no wall-clock time.
//!
//! - [`NetId`] is a node's identity *and* address: an IP address and a TCP port.
//! - [`Incarnation`] is one life of a member's writing; a later life has a greater number.
//! - [`LocalClock`] is (member, incarnation, time). The time counts the member's writes, and only
//!   the member advances it (compare Lamport clocks).
//! - [`WorldClock`] is one `LocalClock` per member: a version vector. An unknown member's clock is
//!   *absent*, not zero.
//!
//! Numbers above [`CEILING`] are refused and never wrap. Iterators follow the order of [`NetId`].
//!
//! ```
//! use core::num::NonZeroU64;
//! use gm_clock::{Behind, Causality, Incarnation, Lag, LocalClock, NetId, Side, WorldClock};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let ann: NetId = "10.0.0.1:29999".parse()?;
//! let bob: NetId = "[2001:db8::1]:29999".parse()?;
//!
//! // Ann writes twice. This node knows the first write, another node knows both.
//! let first = LocalClock::new(ann, Incarnation::new(1)?, 1)?;
//! let second = first.tick()?;
//! let mut here = WorldClock::from_iter([first, LocalClock::new(bob, Incarnation::ORIGINAL, 0)?]);
//! let there = WorldClock::from_iter([second]);
//!
//! // Each clock has a newer entry than the other. Bob, at time 0, is known here and absent there.
//! assert_eq!(here.compare(&there), Causality::Concurrent);
//! let lag: Vec<Lag> = here.lag(&there).collect();
//! assert_eq!(
//!     lag,
//!     [
//!         Lag { member: ann, side: Side::This, behind: Behind::Ticks(NonZeroU64::MIN) },
//!         Lag { member: bob, side: Side::Other, behind: Behind::Absent },
//!     ]
//! );
//!
//! // Merging keeps the newer clock of each member; here one entry changes.
//! assert_eq!(here.merge(&there), 1);
//! assert_eq!(here.get(ann), Some(second));
//! assert!(here > there);
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: `net_id.rs`, `incarnation.rs` (with the ceiling), `local_clock.rs`,
//! `world_clock.rs`, `lag.rs`; the errors are in `net_id_error.rs` and `clock_error.rs`. The
//! feature `serde` (off by default) adds `serde_impls.rs`.

#![no_std]

extern crate alloc;

mod clock_error;
mod incarnation;
mod lag;
mod local_clock;
mod net_id;
mod net_id_error;
#[cfg(feature = "serde")]
mod serde_impls;
mod world_clock;

pub use clock_error::ClockError;
pub use incarnation::{CEILING, Incarnation};
pub use lag::{Behind, Lag, Lags, Side};
pub use local_clock::LocalClock;
pub use net_id::NetId;
pub use net_id_error::NetIdError;
pub use world_clock::{Causality, WorldClock};

/// Runs the README's example as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
