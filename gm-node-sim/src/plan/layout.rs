//! Building blocks of plans: timings, waits and common operations.

use std::time::Duration;

use gm_broadcast::{Rng, Time};
use gm_data::{GroupName, PurgePolicy};
use gm_node::{AckCount, NodeLimits, NodeTiming, Wait, WriteKind};
use gm_sim::broadcast::scenario::TIMES as BROADCAST_TIMES;
use gm_sim::layout::{below, id, ms};
use gm_sim::{Location, Network, NodeIndex, Schedule};

use super::{Intent, NodeClaims, Operation, Plan};

/// Timings of nodes in these worlds.
pub(crate) const TIMES: NodeTiming = NodeTiming {
    exchange_interval_max: Duration::from_secs(4),
    write_back_delay: Duration::from_millis(700),
    store_retry: Duration::from_millis(300),
    purge_interval: Duration::from_secs(7),
    leave_timeout: Duration::from_secs(60),
    ..NodeTiming::DEFAULT
};

/// The names of the groups.
pub(crate) fn groups(count: usize) -> Vec<GroupName> {
    ["Customers", "Orders"].iter().take(count).filter_map(|name| name.parse().ok()).collect()
}

/// A plan without faults and without operations.
pub(crate) fn idle_plan(name: &str, seed: u64, locations: Vec<Location>) -> Plan {
    let nodes = u32::try_from(locations.len()).unwrap_or(u32::MAX);
    Plan {
        name: name.to_owned(),
        seed,
        nodes,
        locations,
        network: Network::default(),
        mute: Vec::new(),
        seeds: vec![NodeIndex(0), NodeIndex(1)],
        groups: groups(1),
        observers: Vec::new(),
        diskless: Vec::new(),
        disk_latency: ms(2),
        preloaded: Vec::new(),
        classes: Vec::new(),
        schedule: Schedule { actions: Vec::new() },
        operations: Vec::new(),
        heal_at: Time::ZERO,
        convergence_bound: ms(30_000),
        bounds: NodeLimits::DEFAULT,
        times: TIMES,
        broadcast_times: BROADCAST_TIMES,
        purge: PurgePolicy { keep: 1_024, max_age: u64::MAX },
        claims: NodeClaims::default(),
    }
}

impl Plan {
    /// Adds an operation.
    pub(crate) fn add_operation(&mut self, at: Time, operation: Operation) {
        self.operations.push((at, operation));
    }

    /// Adds a write that waits for no acks.
    pub(crate) fn add_write(&mut self, at: Time, node: NodeIndex, group: usize, intent: Intent) {
        self.add_operation(at, Operation::Write { node, group, intent, wait: Wait::NONE });
    }

    /// Lets every node serve a range in the group, one after the other.
    pub(crate) fn all_serve(&mut self, from: Time, every: Duration, group: usize) {
        for node in self.nodes() {
            self.add_write(from + every * node.0, node, group, Intent::Serve);
        }
    }

    /// Lets every node join the group with interest in all keys, one after the other.
    pub(crate) fn all_join(&mut self, from: Time, every: Duration, group: usize) {
        for node in self.nodes() {
            self.add_write(from + every * node.0, node, group, Intent::Exact(WriteKind::Join(Vec::new())));
        }
    }

    /// Adds a spare location without a node.
    pub(crate) fn add_spare_location(&mut self, island: u32, site: u32) -> NodeIndex {
        let index = u32::try_from(self.locations.len()).unwrap_or(u32::MAX);
        self.locations.push(Location { id: id(index), island, site });
        NodeIndex(index)
    }

    /// Sorts the operations by time.
    pub(crate) fn finish(mut self) -> Plan {
        self.operations.sort_by_key(|(at, _)| *at);
        self
    }

    /// A random initial node.
    pub(crate) fn random_node(&self, rng: &mut Rng) -> NodeIndex {
        NodeIndex(below(rng, self.nodes))
    }
}

/// A random wait.
pub(crate) fn random_wait(rng: &mut Rng) -> Wait {
    let count = match rng.below(6) {
        0..3 => AckCount::None,
        3 => AckCount::Some(1),
        4 => AckCount::Some(1 + rng.below(4)),
        _ => AckCount::All,
    };
    Wait { count, on_disk: rng.ratio(1, 3), timeout: ms(300 + rng.below(5_000)) }
}
