//! Replicated group membership and key-range ownership. Every node holds the full state of the
//! groups it belongs to and answers queries from memory.
//!
//! The entry point is [`Node`] (feature `runtime`): a handle of a node on sockets. Below it is
//! [`NodeMachine`], a state machine without I/O (sans-I/O): it owns a broadcaster, and either the
//! tokio runtime of `gm-broadcast` or a simulator in virtual time drives it. It keeps its state in
//! a [`Store`].
//!
//! - A [`Write`] is applied to a draft and stored before any reader or peer sees it. The writes of
//!   one tick are sent together. A [`Wait`] defines how many members must acknowledge a write
//!   before it is [answered](NodeEvent::Answered); the write stands whatever the result of its
//!   wait.
//! - A committed write is pushed at once to members with overlapping ranges and to multicast
//!   neighbors. All others converge through anti-entropy (Demers et al. 1987), which runs often
//!   while peers differ and backs off while they agree: two nodes compare hashes of all groups, of
//!   one group, of its buckets (a Merkle tree), and exchange the differing records.
//! - A node hosts the full state of its own groups. Of other groups it keeps the name and a few
//!   members as contacts, while other nodes confirm them.
//! - Watchers receive state differences. The next one is computed only after the previous one was
//!   acknowledged, so a slow watcher needs no queue and still sees the final state.
//!
//! ```
//! use gm_broadcast::{Input, Machine, Output, Time};
//! use gm_codec::{FrameCodec, Key, Keyring, Limits};
//! use gm_data::{Change, GroupName, KeyRange};
//! use gm_node::store::memory::MemoryStore;
//! use gm_node::{NodeCommand, NodeConfig, NodeEvent, NodeMachine};
//! use gm_node::{StoredState, Wait, Write, WriteKind};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keyring = Keyring::new(Key::new([7; 32]));
//! let codec = FrameCodec::new("production".parse()?, keyring, Limits::default())?;
//! let config = NodeConfig { single_node: true, ..NodeConfig::new("10.0.0.1:29999".parse()?) };
//! let store = MemoryStore::ephemeral();
//! let (stored, seed) = (StoredState::default(), [1; 32]);
//! let mut node = NodeMachine::new(config, codec, store, stored, seed, Time::ZERO)?;
//!
//! let group: GroupName = "Customers".parse()?;
//! let serve = Change::Serve { range: KeyRange::WHOLE, port: Some(5432), priority: 1 };
//! let kind = WriteKind::Change(vec![serve]);
//! let write = Write { tag: 1, group: group.clone(), kind, wait: Wait::NONE };
//! node.handle(Time::ZERO, Input::Command(NodeCommand::Write(write)));
//! let mut answered = false;
//! while !answered {
//!     while let Some(output) = node.poll_output() {
//!         let Output::Event(event) = output else { continue };
//!         answered |= matches!(event, NodeEvent::Answered { tag: 1, result: Ok(_), .. });
//!     }
//!     // A runtime would sleep until the deadline.
//!     node.handle(node.deadline().ok_or("no deadline")?, Input::Wake);
//! }
//! # while node.poll_output().is_some() {}
//! let view = node.view(&group).ok_or("a member hosts its group")?;
//! assert_eq!(view.first_owner(4711).map(|owner| owner.member), Some(node.me()));
//! # Ok(())
//! # }
//! ```
//!
//! `examples/embed.rs` runs three nodes on a simulated network.
//!
//! # Names of the original
//!
//! The original is the prototype of five articles from which gm began; gm shares no code with it.
//!
//! | original | here |
//! |---|---|
//! | `my_id()` | [`NodeMachine::me`] |
//! | `join(group)` | [`WriteKind::Join`] |
//! | `leave(group)` | [`WriteKind::Leave`] |
//! | `add_item(group, range, port, priority)` | [`WriteKind::Change`] with [`Serve`](gm_data::Change::Serve), or [`Raise`](gm_data::Change::Raise) |
//! | `remove_item(group, range)` | [`WriteKind::Change`] with [`Unserve`](gm_data::Change::Unserve), or [`Lower`](gm_data::Change::Lower) |
//! | `groups()` | [`NodeMachine::hosted_groups`] and [`NodeMachine::contacts`] |
//! | `my_groups()` | [`NodeMachine::own_groups`] |
//! | `members(group)` | [`NodeMachine::members`] |
//! | `topology(group)` | [`NodeMachine::topology`], or [`NodeMachine::view`] for [`locate`](gm_data::View::locate) and all other queries |
//! | an observer with a callback | [`NodeCommand::Watch`], [`NodeEvent::Changed`] and [`NodeMachine::difference`] |
//! | - | [`Forget`], [`Wait`], [`store`] |
//!
//! # Limits
//!
//! | [`NodeLimits`] | at the limit |
//! |---|---|
//! | `groups` | a write in another group is refused ([`WriteError::LimitReached`]); a group that is only observed is not hosted |
//! | `contacts` | a new group replaces another one, which is counted; [`NodeEvent::ContactsFull`] reports it once |
//! | `records`, `group_items` | the record of a new member, or a growing record, is not merged; [`NodeEvent::LimitReached`] reports it once, [`GroupStatus::is_at_limit`] always. Records of forgotten members count. Remedy: raise the limit, or dump, and begin a new group |
//! | `items` | the node's own write is refused; another member's record or increment is not merged |
//! | `writes`, `waits` | a write is refused |
//! | `watchers` | a watcher is refused with [`NodeEvent::WatchRefused`] |
//! | `watch_bytes` | the watchers that lag most lose changes: [`DifferencePart::events`] is `None`, and they must read the group again |
//! | `watch_events` | a watcher does not receive a longer difference: it must read the group again |
//! | `pulls`, `exchange_replies_per_second`, `exchange_reply_bytes` | the rest is left to the next anti-entropy exchange |
//! | `stored_peers` | a random selection of the known peers is stored |
//!
//! Reading order: `config.rs`, `command.rs`, `event.rs`, `store.rs` (the interface); `groups.rs`
//! (the group table and merging), `node.rs` and the files below it (the state machine). `file.rs`
//! and `permissions.rs` open files that an operator names, and check who can change them.
//! `plant.rs` plants deliberate bugs for the simulation.

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

#[cfg(feature = "runtime")]
pub use handle::{Node, NodeError};

/// Runs the README's example as a doc test.
#[cfg(all(doctest, feature = "runtime"))]
#[doc = include_str!("../README.md")]
struct Readme;
