//! Who is in a group and who serves which keys: a CRDT of one register per member.
//!
//! Knows nothing of bytes on the wire, files, sockets, threads and clocks; chance and time are
//! handed in. No `std`.
//!
//! - A [`GroupState`] is the state of a group, or any part of it: a [`Record`] per member.
//!   [`GroupState::merge`] takes of each member the greater record, whole, so messages may come
//!   twice, late, in any order and by way of anybody.
//! - A [`Replica`] is what a node holds of a group. It writes its own record, in batches of
//!   [`Change`]s, and defends it against what it did not write; it [hears](Replica::merge) what
//!   others pass on. A [`GroupSet`] holds all groups of a node.
//! - An [`Increment`] hands over what was written since a version. [`GroupState::fingerprint`] says
//!   in one number whether two nodes hold the same.
//! - [`GroupState::members`], [`GroupState::items`] and [`GroupState::events_since`] are for those
//!   who read, and a [`View`] says who serves a key.
//! - [`View::bucket`] says in few numbers where two states differ: for nodes that compare what they
//!   hold.
//!
//! ```
//! use gm_data::{ApplyOutcome, Change, Event, GroupName, KeyRange, GroupState, WriteContext, Op, Replica};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let group: GroupName = "Customers".parse()?;
//! let mut ann = Replica::new("10.0.0.1:29999".parse()?, group.clone());
//! let mut bob = Replica::new("[2001:db8::2]:29999".parse()?, group);
//! let now = WriteContext { unix_seconds: 1_450_000_000, entropy: 4711, millis: 0 };
//!
//! // Ann joins, which is an interest in the whole key space. Bob serves two ranges, in one write.
//! ann.join(&[], now)?;
//! let (low, high): (KeyRange, KeyRange) = ("0-0x7fffffff".parse()?, "0x80000000-0xffffffff".parse()?);
//! let serve = |range| Change::Serve { range, port: Some(5432), priority: 1 };
//! bob.change(&[serve(low), serve(high)], now)?;
//!
//! // They exchange what they hold: twice makes no difference.
//! for _ in 0..2 {
//!     ann.merge(bob.state(), now)?;
//!     bob.merge(ann.state(), now)?;
//! }
//! assert_eq!(ann.state(), bob.state());
//! assert_eq!(ann.state().fingerprint(), bob.state().fingerprint());
//! assert!(ann.state().members().eq([ann.me(), bob.me()]));
//! assert_eq!(ann.state().items_of(Op::Add).iter().count(), 2);
//!
//! // Bob gives a range up. Who holds the version before needs no more than the increment.
//! let before: GroupState = ann.state().clone();
//! let write = bob.change(&[Change::Unserve(low)], now)?;
//! let increment = write.increment.ok_or("a first write is handed over whole")?;
//! assert_eq!(ann.apply_increment(&increment, now).0, ApplyOutcome::Applied);
//!
//! // Whoever kept the state before is told what changed.
//! let events = ann.state().events_since(&before);
//! assert!(matches!(events.as_slice(), [Event::RangeRemoved(item)] if item.range() == low));
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: `range.rs`, `name.rs` and `item.rs` (the words), `version.rs` and `record.rs`
//! (one member), `group_state.rs` (joining), `increment.rs`, `maintenance.rs` and `eviction.rs`
//! (handing over, purging, forgetting, dropping), `change.rs`, `replica.rs` and the files below it
//! (writing, hearing), `query.rs`, `event.rs`, `view.rs` and `group_set.rs` (reading); below them
//! `hash.rs` (for other implementations), `packed_item.rs`, `tree.rs`, `index.rs` and `buckets.rs`.
//! `planted_bugs.rs` is for the crate's tests, `properties.rs`. The feature `serde` (off by
//! default) adds `serde_impls.rs`.

#![no_std]

extern crate alloc;
#[cfg(test)]
#[macro_use]
extern crate std;

mod buckets;
mod change;
mod event;
mod eviction;
mod group_set;
mod group_state;
mod hash;
mod increment;
mod index;
mod item;
mod maintenance;
mod name;
mod packed_item;
mod planted_bugs;
#[cfg(test)]
mod properties;
mod query;
mod range;
mod record;
mod replica;
#[cfg(feature = "serde")]
mod serde_impls;
mod tree;
mod version;
mod view;

pub use buckets::Bucket;
pub use change::{Change, ChangeError};
pub use event::{EventCursor, GroupEvent};
pub use eviction::{Eviction, HORIZON};
pub use group_set::GroupSet;
pub use group_state::{GroupState, MergeOutcome, WrongGroup};
pub use hash::{hash_position, key_of, rendezvous_weight};
pub use increment::{ApplyOutcome, Increment};
pub use index::{CoverageSegment, MemberCoverage, Owner};
pub use item::{DEFAULT_PRIORITY, Item, ItemError, Op, StampedItem};
pub use maintenance::{ForgetError, PurgePolicy, Transfer};
pub use name::{GroupName, NameError};
pub use query::ItemSet;
pub use range::{KeyRange, RangeError};
pub use record::{Record, RecordError};
pub use replica::{
    IdentityConflict, OwnRecordOutcome, PeerCopy, Replica, ReplicaMergeOutcome, WriteContext, WriteOutcome,
};
pub use version::{Predecessor, Version, VersionDigest};
pub use view::View;

/// The README's example is a doctest too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// So is the project's.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ProjectReadme;
