//! Identities and logical clocks of the members of a group: who somebody is, and how much of what
//! they wrote is known.
//!
//! Knows nothing of items, groups, bytes on the wire, files, sockets, wall-clock time or chance: no
//! I/O, no `std`.
//!
//! - [`NetId`] is a node's identity *and* address: an IP address and a TCP port.
//! - [`Incarnation`] is one life of a member's writing; a later life is greater.
//! - [`LocalClock`] is (member, incarnation, time): the time counts the member's writes, and only
//!   the member advances it.
//! - [`WorldClock`] is one `LocalClock` per member: a version vector. An unknown member's clock is
//!   *absent*, not zero.
//!
//! Numbers above [`CEILING`] are refused, never wrapped. Whatever is iterated comes in the order of
//! [`NetId`].
//!
//! ```
//! use core::num::NonZeroU64;
//! use gm_clock::{Behind, Causality, Incarnation, Lag, LocalClock, NetId, Side, WorldClock};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let ann: NetId = "10.0.0.1:29999".parse()?;
//! let bob: NetId = "[2001:db8::1]:29999".parse()?;
//!
//! // Ann writes twice in her first life, and tells one node of the first write, another of both.
//! let first = LocalClock::new(ann, Incarnation::new(1)?, 1)?;
//! let second = first.tick()?;
//! let mut here = WorldClock::from_iter([first, LocalClock::new(bob, Incarnation::ORIGINAL, 0)?]);
//! let there = WorldClock::from_iter([second]);
//!
//! // Each knows something that the other lacks. Bob, at time 0, is known here and absent there.
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
//! // A merge takes the newer clock of each member: one changed.
//! assert_eq!(here.merge(&there), 1);
//! assert_eq!(here.get(ann), Some(second));
//! assert!(here > there);
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: `net_id.rs`, `incarnation.rs` (with the ceiling), `local_clock.rs`,
//! `world_clock.rs`, `lag.rs`; the errors stand in `net_id_error.rs` and `clock_error.rs`. The
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

/// The README's example is a doctest too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
