//! Common harness of the peers: each program implements [`Cluster`] for one system, and [`run`]
//! measures it. A run prints one line of JSON for each part.
//!
//! Reading order: `cluster.rs` (what a peer implements), `run.rs` (join, idle), `update.rs`,
//! `big_state.rs`, `loss.rs`; `tracker.rs`, `wire.rs`, `usage.rs` are the instruments.

mod arguments;
mod big_state;
mod cluster;
mod loss;
mod run;
mod stats;
mod tracker;
mod update;
mod usage;
mod wire;

pub use arguments::{Arguments, Env};
pub use cluster::{Cluster, entry};
pub use run::run;
pub use tracker::Tracker;
pub use usage::{cpu_self, pss_of, rss_of};
pub use wire::count_rpc;
