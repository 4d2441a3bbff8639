//! Who is in a group and who serves which keys: a CRDT of one register per member.
//!
//! Knows nothing of bytes on the wire, files, sockets, threads and clocks; chance and time are handed in. No `std`.
//!
//! - A [`Message`] is the state of a group, or any part of it: a [`Record`] per member. [`Message::merge`] takes of each
//!   member the greater record, whole, so messages may come twice, late, in any order and by way of anybody.
//! - A [`Replica`] is what a node holds of a group. It writes its own record, in batches of [`Change`]s, and defends it
//!   against what it did not write; it [hears](Replica::hear) what others pass on. A [`Topology`] holds all groups of a node.
//! - An [`Increment`] hands over what was written since a version. [`Message::fingerprint`] says in one number whether two
//!   nodes hold the same.
//! - [`Message::members`], [`Message::topology`] and [`Message::events_since`] are for those who read, and a [`View`] says
//!   who serves a key.
//! - [`View::bucket`] says in few numbers where two states differ: for nodes that compare what they hold.
//!
//! ```
//! use gm_data::{Applied, Change, Event, GroupName, KeyRange, Message, Moment, Op, Replica};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let group: GroupName = "Customers".parse()?;
//! let mut ann = Replica::new("10.0.0.1:29999".parse()?, group.clone());
//! let mut bob = Replica::new("[2001:db8::2]:29999".parse()?, group);
//! let now = Moment { unix_seconds: 1_450_000_000, chance: 4711, millis: 0 };
//!
//! // Ann joins, which is an interest in the whole key space. Bob serves two ranges, in one write.
//! ann.join(&[], now)?;
//! let (low, high): (KeyRange, KeyRange) = ("0-0x7fffffff".parse()?, "0x80000000-0xffffffff".parse()?);
//! let serve = |range| Change::Serve { range, port: Some(5432), priority: 1 };
//! bob.change(&[serve(low), serve(high)], now)?;
//!
//! // They exchange what they hold: twice makes no difference.
//! for _ in 0..2 {
//!     ann.hear(bob.state(), now)?;
//!     bob.hear(ann.state(), now)?;
//! }
//! assert_eq!(ann.state(), bob.state());
//! assert_eq!(ann.state().fingerprint(), bob.state().fingerprint());
//! assert!(ann.state().members().eq([ann.me(), bob.me()]));
//! assert_eq!(ann.state().topology_of(Op::Add).iter().count(), 2);
//!
//! // Bob gives a range up. Who holds the version before needs no more than the increment.
//! let before: Message = ann.state().clone();
//! let write = bob.change(&[Change::Unserve(low)], now)?;
//! let increment = write.increment.ok_or("a first write is handed over whole")?;
//! assert_eq!(ann.hear_increment(&increment, now).0, Applied::Applied);
//!
//! // Whoever kept the state before is told what changed.
//! let events = ann.state().events_since(&before);
//! assert!(matches!(events.as_slice(), [Event::RangeRemoved(item)] if item.range() == low));
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: `range.rs`, `name.rs` and `item.rs` (the words), `version.rs` and `record.rs` (one member), `message.rs`
//! (joining), `increment.rs`, `upkeep.rs` and `eviction.rs` (handing over, purging, forgetting, dropping), `change.rs`, `replica.rs` and the files
//! below it (writing, hearing), `query.rs`, `event.rs`, `view.rs` and `topology.rs` (reading); below them `hash.rs` (for other
//! implementations), `slot.rs`, `tree.rs`, `index.rs` and `buckets.rs`. `plant.rs` is for the crate's tests, `laws.rs`. The feature `serde`
//! (off by default) adds `serde_impls.rs`.

#![no_std]

extern crate alloc;
#[cfg(test)]
#[macro_use]
extern crate std;

mod buckets;
mod change;
mod event;
mod eviction;
mod hash;
mod increment;
mod index;
mod item;
#[cfg(test)]
mod laws;
mod message;
mod name;
mod plant;
mod query;
mod range;
mod record;
mod replica;
#[cfg(feature = "serde")]
mod serde_impls;
mod slot;
mod topology;
mod tree;
mod upkeep;
mod version;
mod view;

pub use buckets::Bucket;
pub use change::{Change, ChangeError};
pub use event::{Event, Told};
pub use eviction::{Eviction, HORIZON};
pub use hash::{key_of, place, weight};
pub use increment::{Applied, Increment};
pub use index::{Owner, Piece, Share};
pub use item::{DEFAULT_PRIORITY, Item, ItemError, Op, TimedItem};
pub use message::{Merged, Message, WrongGroup};
pub use name::{GroupName, NameError};
pub use query::TimedSet;
pub use range::{KeyRange, RangeError};
pub use record::{Record, RecordError};
pub use replica::{Conflict, Heard, Moment, OwnOutcome, Replica, Standing, Write};
pub use topology::Topology;
pub use upkeep::{ForgetError, PurgePolicy, Transfer};
pub use version::{Opened, Stamp, Version};
pub use view::View;

/// The README's example is a doctest too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// So is the project's.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ProjectReadme;
