//! The node as a state machine without I/O (sans-I/O), for a runtime or a simulator of one's own.
//!
//! [`NodeMachine`] owns a broadcaster, and either the tokio runtime of `gm-broadcast` or a
//! simulator in virtual time drives it. [`broadcast`], [`clock`], [`codec`] and [`data`] are the
//! crates below.
//!
//! ```
//! use gm_node::proto::broadcast::{Input, Machine, Output, Time};
//! use gm_node::proto::codec::{FrameCodec, Key, Keyring, Limits};
//! use gm_node::proto::data::{Change, GroupName, KeyRange};
//! use gm_node::proto::{NodeCommand, NodeEvent, NodeMachine, StoredState, Wait, Write, WriteKind};
//! use gm_node::{NodeConfig, store::memory::MemoryStore};
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

pub use gm_broadcast as broadcast;
pub use gm_clock as clock;
pub use gm_codec as codec;
pub use gm_data as data;

pub use crate::command::{AckCount, Forget, NodeCommand, Wait, Write, WriteKind};
pub use crate::event::NodeEvent;
pub use crate::node::{Cursor, Difference, DifferencePart, NodeMachine};
pub use crate::store::{Batch, Store, StoreError, StoredState};
