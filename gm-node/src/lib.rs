//! Replicated group membership and key-range ownership. Every node holds the full state of the
//! groups it belongs to and answers queries from memory.
//!
//! The entry point is [`Node`] (feature `runtime`): [`Node::builder`] starts a node on sockets, and
//! [`Node::group`] returns the handle of a [`Group`]. Below it is [`NodeMachine`], a state machine
//! without I/O (sans-I/O) that keeps its state in a [`Store`]: see [`proto`].
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
//! ```no_run
//! # #[cfg(all(feature = "disk", feature = "runtime"))]
//! # async fn embed() -> Result<(), Box<dyn std::error::Error>> {
//! use gm_node::{Node, WaitFor, keys};
//!
//! let node = Node::builder("production", keys::from_file("gm.key")?)
//!     .data_dir("/var/lib/gm") // or .ephemeral()
//!     .seed("10.0.0.1:29999")
//!     .start()
//!     .await?;
//! let customers = node.group("Customers")?;
//! customers.serve(0x0000_0000..=0x7fff_ffff).port(5432).priority(2).wait(WaitFor::All).await?;
//! let owners = customers.locate(b"customer:4711").await?; // the most preferred first
//! let mut watch = customers.watch().await?;
//! while let Some(changes) = watch.next().await {
//!     println!("{owners:?} {changes:?}");
//! }
//! node.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/embed.rs` runs two nodes on loopback.
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
//! Reading order: `handle.rs` and the files below it, with `keys.rs` (embedding); `config.rs`,
//! `command.rs`, `event.rs`, `store.rs` (the interface of the machine, which `proto.rs` collects);
//! `groups.rs` (the group table and merging), `node.rs` and the files below it (the state machine).
//! `file.rs` and `permissions.rs` open files that an operator names, and check who can change them.

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
pub mod keys;
mod node;
#[cfg(feature = "disk")]
pub mod permissions;
pub mod proto;
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
pub use store::{Batch, Store, StoreError, StoredState};

pub use gm_broadcast::{
    BroadcastEvent, BroadcasterConfig, BroadcasterConfigError, BroadcasterLimits, BroadcasterTimings,
    PeerStatus,
};
pub use gm_clock::{NetId, NetIdError};
pub use gm_codec::{
    ClusterName, ClusterNameError, FrameCodec, Key, Keyring, KeyringError, Limits, LimitsError,
};
pub use gm_data::{
    Change, ChangeError, CoverageSegment, ForgetError, GroupEvent, GroupName, GroupState, Item, KeyRange,
    MemberCoverage, NameError, Op, Owner, PurgePolicy, RangeError, Version, View, key_of,
};

#[cfg(feature = "runtime")]
pub use futures_core::Stream;
#[cfg(feature = "runtime")]
pub use gm_broadcast::runtime::{
    AddressError, DEFAULT_PORT, Multicast, RuntimeError, RuntimeSettings, Seed, SeedError, SeedResolution,
    SeedState, Sockets,
};
#[cfg(feature = "runtime")]
pub use handle::{
    Changes, EventWatch, Group, GroupWatch, Health, IntoKeyRange, JoinRequest, LeaveAllRequest, LeftGroup,
    NetworkStatus, Node, NodeBuilder, NodeChange, NodeError, NodeFuture, NodeStatus, NodeWatch, PeerChange,
    PeerWatch, SeedStatus, ServeRequest, StartError, WaitFor, Watcher, WriteRequest,
};
/// The runtime that drives the handle, for a program that has no other use for it.
#[cfg(feature = "runtime")]
pub use tokio;

/// Runs the README's example as a doctest.
#[cfg(all(doctest, feature = "disk", feature = "runtime"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// Runs the examples of the project's README as doctests.
#[cfg(all(doctest, feature = "disk", feature = "runtime"))]
#[doc = include_str!("../../README.md")]
struct ProjectReadme;
