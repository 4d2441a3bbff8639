//! Configuration of a node. [`NodeConfig::validated`] checks it.

use std::time::Duration;

use gm_clock::NetId;
use gm_data::PurgePolicy;
use thiserror::Error;

/// Configuration of a node.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Configuration of the broadcaster: own address, seeds, island, link costs.
    pub broadcast: gm_broadcast::BroadcasterConfig,
    /// The wall clock at the node's start, in seconds since 1970. A hint only: it makes new
    /// incarnations greater than those written before a disk was lost. If it is far behind, an old
    /// record of this node may win until the node refutes it.
    pub unix_seconds: u64,
    /// Port of ranges that are served without a port. `None`: such a change is refused.
    pub default_port: Option<u16>,
    /// Whether to host every group that the node learns of, not only those that it is a member of.
    /// Costs the memory of all groups.
    pub observe: bool,
    /// Single-node mode: first writes skip the probe of peers, and a wait for all members needs
    /// none. Only for clusters of one node, and tests; with peers, a node whose disk was lost may
    /// overwrite its old record.
    pub single_node: bool,
    /// Retention of removed items. Default: 1,024 for each member. With fewer, a peer that was away
    /// must receive whole records instead of increments; more cost memory on every host of the
    /// group.
    pub purge: PurgePolicy,
    /// Limits of memory and load.
    pub limits: NodeLimits,
    /// Timeouts and intervals.
    pub timing: NodeTiming,
}

/// Limits of a node, in addition to those of its broadcaster. Each limits memory or load that
/// peers, or careless callers, could cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLimits {
    /// Maximum number of hosted groups. When it is reached, a join is refused, and further groups
    /// are not observed. Default: 1,024.
    pub groups: usize,
    /// Maximum number of groups of which only a name and a few members are known. When it is
    /// reached, a new entry replaces the one that was confirmed least recently among the entries of
    /// the peer that announced the most names. Too low, members of rare groups find each other
    /// later. Default: 10,000.
    pub contacts: usize,
    /// Maximum number of records in a group, including members that left or were forgotten. When it
    /// is reached, records of new members are refused. Set it alike on all nodes: a node that
    /// refuses records never gets in sync. Default: 100,000.
    pub records: usize,
    /// Maximum number of items of one member in one group, including retained removals. A larger
    /// record of a peer is refused, and so is an own write that would exceed it. Default: 65,536.
    pub items: usize,
    /// Maximum number of live items in a group. When it is reached, records that add items are
    /// refused, and so is an own write that adds some. Default: 4,000,000.
    pub group_items: usize,
    /// Maximum number of writes waiting for the store; further writes are refused. Default: 1,024.
    pub writes: usize,
    /// Maximum number of writes waiting for acknowledgements; further ones are refused. Default:
    /// 1,024.
    pub waits: usize,
    /// Maximum number of watchers; further ones are refused. Default: 1,024.
    pub watchers: usize,
    /// Maximum memory in bytes for old group states that watchers still need, all watchers
    /// together. When it is exceeded, the watchers that are furthest behind receive a reset instead
    /// of a difference, and must read the group again. Default: 64 MiB.
    pub watch_bytes: usize,
    /// Maximum number of events in one difference for a watcher of the handle; a larger difference
    /// becomes a reset. Default: 10,000.
    pub watch_events: usize,
    /// Maximum number of records being pulled at one time; what exceeds it is left to anti-entropy.
    /// Default: 4,096.
    pub pulls: usize,
    /// Maximum number of missing members that the result of a wait lists by name. Default: 16.
    pub reported_members: usize,
    /// Maximum number of anti-entropy replies per second, to all peers together; further messages
    /// are not answered. Too low, a large cluster converges slowly; it protects the node against a
    /// flood of requests. Default: 5,000.
    pub exchange_replies_per_second: u32,
    /// Approximate maximum of record bytes in one anti-entropy reply; the rest follows in later
    /// replies. Higher values save round trips when a node catches up, but block the connection for
    /// longer. Default: 4 MiB.
    pub exchange_reply_bytes: usize,
    /// Maximum number of peers remembered on disk and dialed after a restart. Default: 1,024.
    pub stored_peers: usize,
}

/// Timeouts and intervals of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeTiming {
    /// Minimum time between two batches of writes. A write after a longer pause is committed and
    /// sent at once; those that follow within this time are one batch at its end. Higher values
    /// raise their latency, 0 commits each write at once. Default: 1 ms.
    pub write_batch_window: Duration,
    /// Maximum time that a first write waits for peers to report an earlier record of this node.
    /// Applies in each group where the node has no stored record, or if its store is suspect.
    /// Should exceed one round trip to the farthest peer: too low, and a node whose disk was lost
    /// may overwrite its old record before it learns of it. 0 disables the probe. Default: 500 ms.
    pub first_write_probe: Duration,
    /// Interval of anti-entropy exchanges while peers are found to differ; a newcomer halves it.
    /// Lower values converge faster and cost more datagrams. Default: 200 ms.
    pub exchange_interval_min: Duration,
    /// Interval of anti-entropy exchanges after an own change, and after a sign that a broadcast
    /// was lost: a record that does not follow on the known one, a multicast or a target that was
    /// given up. A broadcast that arrives whole leaves the interval as it is. Default: 1 s.
    pub exchange_interval_active: Duration,
    /// Interval of anti-entropy exchanges while all is quiet. Too high, a change that all
    /// broadcasts missed takes long to spread. Default: 10 s.
    pub exchange_interval_max: Duration,
    /// Timeout of an exchange; after it, another peer is chosen. Should exceed one round trip to
    /// the farthest peer. Default: 500 ms.
    pub exchange_timeout: Duration,
    /// Upper end of the random delay before a missing record is pulled, so that many receivers of
    /// one multicast do not ask at once. Default: 20 ms.
    pub pull_jitter: Duration,
    /// Time after which an unanswered pull is sent again; it doubles with each attempt. Should
    /// exceed one round trip. Default: 200 ms.
    pub pull_retry: Duration,
    /// Time after which records of other members are on disk, unless a peer waits for an ack from
    /// disk. Higher values save syncs; after a crash, that much is fetched from peers again.
    /// Default: 2 s.
    pub write_back_delay: Duration,
    /// Time after which a failed store is tried again; it doubles with each failure, up to one
    /// minute. Default: 1 s.
    pub store_retry: Duration,
    /// Interval at which removed items beyond the retention are purged. Default: 60 s.
    pub purge_interval: Duration,
    /// Interval at which a member registers with the rendezvous nodes of each of its groups. It is
    /// longer if the node is in more than 1,200 groups, or the group has more than seven members.
    /// Default: 10 min.
    pub registration_interval: Duration,
    /// Time after which an unconfirmed contact is dropped. Must exceed `registration_interval`, or
    /// contacts expire between registrations. Default: 1 h.
    pub contact_ttl: Duration,
    /// Maximum time that a node keeps hosting a group it has left, until a peer acknowledges the
    /// leave. Default: 10 min.
    pub leave_timeout: Duration,
}

impl NodeLimits {
    /// The default limits.
    pub const DEFAULT: NodeLimits = NodeLimits {
        groups: 1_024,
        contacts: 10_000,
        records: 100_000,
        items: 65_536,
        group_items: 4_000_000,
        writes: 1_024,
        waits: 1_024,
        watchers: 1_024,
        watch_bytes: 64 << 20,
        watch_events: 10_000,
        pulls: 4_096,
        reported_members: 16,
        exchange_replies_per_second: 5_000,
        exchange_reply_bytes: 4 << 20,
        stored_peers: 1_024,
    };
}

impl NodeTiming {
    /// The default timeouts and intervals.
    pub const DEFAULT: NodeTiming = NodeTiming {
        write_batch_window: Duration::from_millis(1),
        first_write_probe: Duration::from_millis(500),
        exchange_interval_min: Duration::from_millis(200),
        exchange_interval_active: Duration::from_secs(1),
        exchange_interval_max: Duration::from_secs(10),
        exchange_timeout: Duration::from_millis(500),
        pull_jitter: Duration::from_millis(20),
        pull_retry: Duration::from_millis(200),
        write_back_delay: Duration::from_secs(2),
        store_retry: Duration::from_secs(1),
        purge_interval: Duration::from_secs(60),
        registration_interval: Duration::from_secs(600),
        contact_ttl: Duration::from_secs(3_600),
        leave_timeout: Duration::from_secs(600),
    };
}

/// An invalid setting.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A setting of the broadcaster.
    #[error("{0} (a field of `broadcast_limits` or `broadcast_timings`)")]
    Broadcast(#[from] gm_broadcast::BroadcasterConfigError),
    /// A limit or time that must not be 0.
    #[error("the limit or time `{name}` must be at least 1 (a field of `limits` or `timing`)")]
    Zero {
        /// Field of [`NodeLimits`] or [`NodeTiming`].
        name: &'static str,
    },
}

impl NodeConfig {
    /// The default configuration of a node with this identity.
    #[must_use]
    pub fn new(me: NetId) -> NodeConfig {
        NodeConfig {
            broadcast: gm_broadcast::BroadcasterConfig::new(me),
            unix_seconds: 0,
            default_port: None,
            observe: false,
            single_node: false,
            purge: PurgePolicy { keep: 1_024, max_age: u64::MAX },
            limits: NodeLimits::DEFAULT,
            timing: NodeTiming::DEFAULT,
        }
    }

    /// Checks that no limit and no time is 0 where that would stop the node.
    ///
    /// # Errors Names the first field that is 0.
    pub fn validated(self) -> Result<NodeConfig, ConfigError> {
        let NodeLimits { groups, records, items, group_items, writes, waits, watchers, .. } = self.limits;
        let counts = [
            ("groups", groups),
            ("contacts", self.limits.contacts),
            ("records", records),
            ("items", items),
            ("group_items", group_items),
            ("writes", writes),
            ("waits", waits),
            ("watchers", watchers),
            ("watch_bytes", self.limits.watch_bytes),
            ("watch_events", self.limits.watch_events),
            ("pulls", self.limits.pulls),
            ("exchange_replies_per_second", self.limits.exchange_replies_per_second as usize),
            ("exchange_reply_bytes", self.limits.exchange_reply_bytes),
        ];
        let times = [
            ("exchange_interval_min", self.timing.exchange_interval_min),
            ("exchange_interval_active", self.timing.exchange_interval_active),
            ("exchange_interval_max", self.timing.exchange_interval_max),
            ("exchange_timeout", self.timing.exchange_timeout),
            ("pull_retry", self.timing.pull_retry),
            ("store_retry", self.timing.store_retry),
            ("purge_interval", self.timing.purge_interval),
            ("registration_interval", self.timing.registration_interval),
            ("contact_ttl", self.timing.contact_ttl),
        ];
        let zero = counts.iter().find(|(_, count)| *count == 0).map(|(name, _)| *name);
        let zero = zero.or_else(|| times.iter().find(|(_, time)| time.is_zero()).map(|(name, _)| *name));
        match zero {
            Some(name) => Err(ConfigError::Zero { name }),
            None => Ok(self),
        }
    }
}
