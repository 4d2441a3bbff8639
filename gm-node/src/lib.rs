//! Who is in which group and who serves which keys, known on every node.

#[cfg(feature = "daemon")]
pub mod api;
mod command;
mod config;
#[cfg(feature = "disk")]
pub mod dump;
mod event;
mod groups;
mod node;
mod plant;
pub mod store;

pub use command::{Command, Count, End, Forget, Wait, Waited, What, Write, WriteError, Written};
pub use config::{Bounds, Config, ConfigError, Times};
pub use event::{Counts, Event};
pub use node::{Conflicted, GroupStatus, Node};
pub use plant::Bug;
#[cfg(feature = "plant")]
pub use plant::plant;
pub use store::{Batch, Store, StoreError, Stored};
