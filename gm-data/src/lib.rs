//! Group membership and key-range ownership as a CRDT: one last-writer-wins register per member.
//!
//! The entry point of this crate is [`Replica`]. The crate is `no_std` with `alloc` and has no I/O;
//! the caller passes in time and random numbers.
//!
//! - A [`GroupState`] is the state of a group, or any part of it: a [`Record`] per member.
//!   [`GroupState::merge`] keeps the greater record of each member as a whole, so states may be
//!   received repeatedly, late, in any order and from any peer.
//! - A [`Replica`] is the state of a group as one node hosts it. The node writes its own record in
//!   batches of [`Change`]s, [merges](Replica::merge) what peers send, and refutes foreign records
//!   of itself (compare refutation in SWIM, Das et al. 2002). A [`GroupSet`] contains all groups of
//!   a node.
//! - An [`Increment`] contains the changes of a record since a version, a delta in the sense of
//!   delta-CRDTs (Almeida et al. 2018). [`GroupState::fingerprint`] compares two states by one
//!   number.
//! - [`GroupState::members`], [`GroupState::items`] and [`GroupState::events_since`] query a state;
//!   a [`View`] adds an index by key, such as for [`View::locate`].
//! - [`View::bucket`] returns hashes of a Merkle tree (Merkle 1987), with which anti-entropy
//!   locates differences between two replicas.
//!
//! ```
//! use gm_data::{ApplyOutcome, Change, GroupEvent, GroupName, GroupState, KeyRange, Op, Replica};
//! use gm_data::WriteContext;
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let group: GroupName = "Customers".parse()?;
//! let mut ann = Replica::new("10.0.0.1:29999".parse()?, group.clone());
//! let mut bob = Replica::new("[2001:db8::2]:29999".parse()?, group);
//! let now = WriteContext { unix_seconds: 1_450_000_000, entropy: 4711, millis: 0 };
//!
//! // Ann joins, with an interest in the whole key space. Bob serves two ranges, in one write.
//! ann.join(&[], now)?;
//! let low: KeyRange = "0-0x7fffffff".parse()?;
//! let high: KeyRange = "0x80000000-0xffffffff".parse()?;
//! let serve = |range| Change::Serve { range, port: Some(5432), priority: 1 };
//! bob.change(&[serve(low), serve(high)], now)?;
//!
//! // They exchange their states. Merging twice makes no difference.
//! for _ in 0..2 {
//!     ann.merge(bob.state(), now)?;
//!     bob.merge(ann.state(), now)?;
//! }
//! assert_eq!(ann.state(), bob.state());
//! assert_eq!(ann.state().fingerprint(), bob.state().fingerprint());
//! assert!(ann.state().members().eq([ann.me(), bob.me()]));
//! assert_eq!(ann.state().items_of(Op::Add).iter().count(), 2);
//!
//! // Bob stops serving a range. A holder of the previous version needs only the increment.
//! let before: GroupState = ann.state().clone();
//! let write = bob.change(&[Change::Unserve(low)], now)?;
//! let increment = write.increment.ok_or("the first write is sent as a whole record")?;
//! assert_eq!(ann.apply_increment(&increment, now).0, ApplyOutcome::Applied);
//!
//! // A reader that kept the previous state computes the changes as events.
//! let events = ann.state().events_since(&before);
//! assert!(matches!(events.as_slice(), [GroupEvent::RangeRemoved(item)] if item.range() == low));
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: `range.rs`, `name.rs` and `item.rs` (basic types), `version.rs` and `record.rs`
//! (one member), `group_state.rs` (merging), `increment.rs`, `maintenance.rs` and `eviction.rs`
//! (transfer, purging, forgetting, dropping), `change.rs`, `priority_change.rs`, `replica.rs` and
//! the files below it (writing, refuting), `query.rs`, `event.rs`, `view.rs` and `group_set.rs`
//! (reading). The data structures are in `hash.rs` (specified for other implementations),
//! `packed_item.rs`, `tree.rs`, `index.rs` and `buckets.rs`. The crate's tests are in
//! `properties.rs`. The feature `serde` (off by default) adds `serde_impls.rs`.

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
mod priority_change;
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
pub use priority_change::{PriorityChange, PriorityChangeError};
pub use query::ItemSet;
pub use range::{KeyRange, RangeError};
pub use record::{Record, RecordError};
pub use replica::{
    IdentityConflict, OwnRecordOutcome, PeerCopy, Replica, ReplicaMergeOutcome, WriteContext, WriteOutcome,
};
pub use version::{Predecessor, Version, VersionDigest};
pub use view::View;

/// Runs the README's example as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
