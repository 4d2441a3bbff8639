//! Interface of a peer system: a number of its nodes.

use std::future::Future;

use crate::arguments::Env;
use crate::usage::{cpu_self, pss_of, rss_of};

/// N nodes of a peer system.
pub trait Cluster: Sized + Send + Sync {
    /// Name of the system.
    const NAME: &'static str;

    /// Creates the nodes, as far as that is not part of the join. Its time is not counted.
    fn prepare(env: &Env) -> impl Future<Output = Self> + Send;

    /// Starts the nodes' protocol; all join by the address of node 0. Does not wait for them.
    fn join(&self, env: &Env) -> impl Future<Output = ()> + Send;

    /// Number of members that node `i` lists, with itself.
    fn members(&self, i: usize) -> impl Future<Output = usize> + Send;

    /// Publishes one small update of node `i`.
    fn publish(&self, i: usize, seq: u64) -> impl Future<Output = ()> + Send;

    /// CPU seconds of all nodes until now.
    fn cpu(&self) -> f64 {
        cpu_self()
    }

    /// Memory of all nodes in kB: resident, proportional.
    fn memory(&self) -> (u64, u64) {
        (rss_of("self"), pss_of("self"))
    }

    /// Publishes the big state. Returns the number of entries that each node must have at the end;
    /// `None` without a big state.
    fn big_state(&self, _env: &Env) -> impl Future<Output = Option<u64>> + Send {
        async { None }
    }

    /// A part of the run ends; a peer may print counters of its own to standard error.
    fn phase(&self, _what: &str) -> impl Future<Output = ()> + Send {
        async {}
    }

    fn shutdown(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Entry `i` of a node in the big state: a key of 8 characters, and a value with the numbers of a
/// range, 20 characters in all.
pub fn entry(node: usize, i: usize) -> (String, String) {
    let start = (node * 1000 + i) as u32;
    let value = format!("{:04x}:{:03x}:{}", start & 0xffff, 0xfff & (start + 7), 1000 + i);
    (format!("r{node:03}{i:04}"), value)
}
