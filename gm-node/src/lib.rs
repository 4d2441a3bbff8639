//! Who is in which group and who serves which keys, known on every node: groups on top of the
//! broadcast, and their storage.
//!
//! Knows no sockets, clocks and threads, but in the parts that are behind features. A
//! [`NodeMachine`] is a machine: it owns a broadcaster, and the shell of `gm-broadcast` drives it
//! on sockets, a simulator in virtual time. Where it keeps what it must not lose is a [`Store`].
//!
//! - A [`Write`] is made on a draft, stored, and only then seen by anybody, here or elsewhere.
//!   Writes of one tick leave together. A [`Wait`] says how many others must have it before it is
//!   [answered](Event::Answered); whatever a wait says, the write stands.
//! - What is written is told at once to the members whose items overlap it, and to whoever hears
//!   the multicast. All others learn it by anti-entropy: two nodes compare fingerprints, of all
//!   groups, of one, of its buckets, and exchange the records in which they differ. Fast while
//!   nodes differ, slow in quiet, for ever.
//! - A group that we are a member of is held whole; of others the name and a few members are known,
//!   as long as something confirms them.
//! - Watchers are told differences, and no more before they have taken in the last: a slow one
//!   costs nothing and misses nothing.
//!
//! ```
//! use gm_broadcast::{Input, Machine, Output, Time};
//! use gm_codec::{FrameCodec, Key, Keyring, Limits};
//! use gm_data::{Change, GroupName, KeyRange};
//! use gm_node::store::memory::MemoryStore;
//! use gm_node::{Command, Config, Event, Node, Stored, Wait, What, Write};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let codec = FrameCodec::new("production".parse()?, Keyring::new(Key::new([7; 32])), Limits::default())?;
//! let config = Config { alone: true, ..Config::new("10.0.0.1:29999".parse()?) };
//! let mut node = Node::new(config, codec, MemoryStore::throw_away(), Stored::default(), [1; 32], Time::ZERO)?;
//!
//! let group: GroupName = "Customers".parse()?;
//! let serve = Change::Serve { range: KeyRange::WHOLE, port: Some(5432), priority: 1 };
//! let write = Write { tag: 1, group: group.clone(), what: What::Change(vec![serve]), wait: Wait::NONE };
//! node.handle(Time::ZERO, Input::Command(Command::Write(write)));
//! let mut answered = false;
//! while !answered {
//!     while let Some(output) = node.poll_output() {
//!         answered |= matches!(output, Output::Event(Event::Answered { tag: 1, result: Ok(_), .. }));
//!     }
//!     // A shell would sleep until then.
//!     node.handle(node.deadline().ok_or("nothing is due")?, Input::Wake);
//! }
//! # while node.poll_output().is_some() {}
//! let view = node.view(&group).ok_or("a member holds its group")?;
//! assert_eq!(view.first_owner(4711).map(|owner| owner.member), Some(node.me()));
//! # Ok(())
//! # }
//! ```
//!
//! `examples/embed.rs` has three of them, on a network that is simulated.
//!
//! # The names of the original
//!
//! | original | here |
//! |---|---|
//! | `my_id()` | [`NodeMachine::me`] |
//! | `join(group)` | [`WriteKind::Join`] |
//! | `leave(group)` | [`WriteKind::Leave`] |
//! | `add_item(group, range, port, priority)` | [`WriteKind::Change`] with [`Serve`](gm_data::Change::Serve), or [`Raise`](gm_data::Change::Raise) |
//! | `remove_item(group, range)` | [`WriteKind::Change`] with [`Unserve`](gm_data::Change::Unserve), or [`Lower`](gm_data::Change::Lower) |
//! | `groups()` | [`NodeMachine::held`] and [`NodeMachine::contacts`] |
//! | `my_groups()` | [`NodeMachine::my_groups`] |
//! | `members(group)` | [`NodeMachine::members`] |
//! | `topology(group)` | [`NodeMachine::topology`], or [`NodeMachine::view`] for [`locate`](gm_data::View::locate) and all other queries |
//! | an observer that is called back | [`Command::Watch`], [`Event::Changed`] and [`NodeMachine::difference`] |
//! | (nothing) | [`Forget`], [`Wait`], [`store`] |
//!
//! # What happens at a bound
//!
//! | [`NodeLimits`] | what happens beyond it |
//! |---|---|
//! | `groups` | a write in one more is refused ([`WriteError::LimitReached`]); what is only observed is not held |
//! | `contacts` | one more group replaces another, which is counted; [`Event::ContactsFull`] says so once |
//! | `records`, `group_items` | a newcomer's record, or another's that grows, is not taken; [`Event::LimitReached`] says so once, [`GroupStatus::is_at_limit`] always. The forgotten count. The way out: dump, and begin a new group; or raise it |
//! | `items` | one's own write is refused; another's record, or increment, is not taken |
//! | `writes`, `waits` | a write is refused |
//! | `watchers` | a watcher is refused, by [`Event::WatchRefused`] |
//! | `watch_bytes` | the watchers that are furthest behind miss what changed: [`DifferencePart::events`] without anything says to look anew |
//! | `watch_events` | a `Watch` is not told a difference that is longer: it looks anew |
//! | `pulls`, `exchange_replies_per_second`, `exchange_reply_bytes` | what is beyond is left to the next exchange of anti-entropy |
//! | `stored_peers` | some of those known, by chance, are stored |
//!
//! Reading order: `config.rs`, `command.rs`, `event.rs`, `store.rs` (the door); `groups.rs` (what
//! is held, and how what comes is taken), `node.rs` and the files below it (what happens).
//! `file.rs` and `permissions.rs` are for what an operator names: how it is opened, and whom it is
//! trusted to. `plant.rs` is for the tests of worlds.

#[cfg(feature = "daemon")]
pub mod api;
mod command;
mod config;
mod counter;
#[cfg(feature = "disk")]
pub mod dump;
mod event;
#[cfg(feature = "disk")]
pub mod file;
mod groups;
#[cfg(feature = "runtime")]
pub mod handle;
mod node;
#[cfg(feature = "disk")]
pub mod permissions;
mod plant;
mod rendezvous;
pub mod store;

pub use command::{
    AckCount, CommittedWrite, Forget, NodeCommand, Wait, WaitOutcome, WaitReport, Write, WriteError,
    WriteKind,
};
pub use config::{ConfigError, NodeConfig, NodeLimits, NodeTiming};
pub use counter::{NodeCounter, NodeCounters};
pub use event::NodeEvent;
pub use node::{ConflictStatus, Cursor, Difference, DifferencePart, Freshness, GroupStatus, NodeMachine};
pub use plant::Bug;
#[cfg(feature = "plant")]
pub use plant::plant;
pub use store::{Batch, Store, StoreError, StoredState};

/// The README's example is a doctest too.
#[cfg(all(doctest, feature = "runtime"))]
#[doc = include_str!("../README.md")]
struct Readme;
