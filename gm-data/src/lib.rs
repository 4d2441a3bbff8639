//! Who is in a group and who serves which keys: a CRDT of one register per member.
//!
//! Knows nothing of bytes on the wire, files, sockets, threads and clocks; chance and time are handed in. No `std`.
#![no_std]

extern crate alloc;

mod change;
mod event;
mod hash;
mod increment;
mod item;
mod message;
mod name;
mod plant;
mod query;
mod range;
mod record;
mod replica;
mod slot;
mod topology;
mod tree;
mod upkeep;
mod version;

pub use change::{Change, ChangeError};
pub use event::Event;
pub use increment::{Applied, Increment};
pub use item::{DEFAULT_PRIORITY, Item, ItemError, Op, TimedItem};
pub use message::{Merged, Message, WrongGroup};
pub use name::{GroupName, NameError};
pub use query::TimedSet;
pub use range::{KeyRange, RangeError};
pub use record::{Record, RecordError};
pub use replica::{Conflict, Heard, Moment, OwnOutcome, Replica, Write};
pub use topology::Topology;
pub use upkeep::{ForgetError, PurgePolicy, Transfer};
pub use version::{Opened, Stamp, Version};
