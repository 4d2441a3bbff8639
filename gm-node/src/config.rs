//! Everything that a node can be told before it begins. Knows no file and no flag.

use std::time::Duration;

use gm_clock::NetId;
use gm_data::PurgePolicy;
use thiserror::Error;

/// A node's configuration.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The broadcaster's: who we are, whom we call, what ways cost.
    pub broadcast: gm_broadcast::BroadcasterConfig,
    /// The wall clock when the node begins, in seconds since 1970. Only a hint: it makes a later
    /// life's number greater where a disk was lost.
    pub unix_seconds: u64,
    /// The port of ranges that are served without one.
    pub default_port: Option<u16>,
    /// Whether every group that is heard of is held, not only those that the node is a member of.
    pub observe: bool,
    /// Whether there is nobody else, and none is to be waited for: a first write does not ask
    /// others what they know of us.
    pub single_node: bool,
    /// Which removals are kept. Default 1,024 of each member.
    pub purge: PurgePolicy,
    /// The bounds.
    pub limits: NodeLimits,
    /// The times.
    pub timing: NodeTiming,
}

/// What a node holds at most, besides its broadcaster. Each is of memory that others, or careless
/// callers, could cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLimits {
    /// Groups that are held; beyond it a join is refused, and what is only observed is not held.
    /// Default 1,024.
    pub groups: usize,
    /// Groups of which only a name and a few members are known; beyond it a new one replaces the
    /// one that was confirmed least recently, of those that the node with the most names announced.
    /// Default 10,000.
    pub contacts: usize,
    /// Records of a group, of members, of who left and of the forgotten; beyond it newcomers are
    /// not taken. Default 100,000.
    pub records: usize,
    /// Items of one member, removals that are kept included; a greater record is not taken, and a
    /// greater own one is refused. Default 65,536.
    pub items: usize,
    /// Live items of a group; beyond it newcomers are not taken, and an own write that adds is
    /// refused. Default 4,000,000.
    pub group_items: usize,
    /// Writes that wait for the storage; beyond it one is refused. Default 1,024.
    pub writes: usize,
    /// Writes that wait for others; beyond it one is refused. Default 1,024.
    pub waits: usize,
    /// Watchers; beyond it one is refused. Default 1,024.
    pub watchers: usize,
    /// Bytes of former states of groups that are kept for watchers that have not taken in what
    /// changed since, for all of them together; beyond it those that are furthest behind are told
    /// to look anew, in the place of what changed. Default 64 MiB.
    pub watch_bytes: usize,
    /// Events that a watcher of the handle is told at once; if there are more, it is told to look
    /// anew. Default 10,000.
    pub watch_events: usize,
    /// Members' records that are asked for at one time; beyond it anti-entropy has to find them.
    /// Default 4,096.
    pub pulls: usize,
    /// Names of the missing that the outcome of a wait has. Default 16.
    pub reported_members: usize,
    /// Answers of anti-entropy a second, to all; what is beyond is not answered. Default 5,000.
    pub exchange_replies_per_second: u32,
    /// Bytes of records that one message of anti-entropy is answered with, about; the rest comes
    /// with the next. Default 4 MiB.
    pub exchange_reply_bytes: usize,
    /// Nodes that are remembered on disk, to be called again. Default 1,024.
    pub stored_peers: usize,
}

/// How long a node waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeTiming {
    /// Writes within this time of the first leave together. Default 1 ms.
    pub write_batch_window: Duration,
    /// Before its first write in a group a node without a record, or with a storage that is
    /// doubted, asks what others know of it, so long at most. Default 500 ms.
    pub first_write_probe: Duration,
    /// Anti-entropy goes so often while nodes are found to differ, and twice as often in the first
    /// two seconds of a node or a membership. Default 200 ms.
    pub exchange_interval_min: Duration,
    /// ... after something was heard by broadcast. Default 1 s.
    pub exchange_interval_active: Duration,
    /// ... in quiet. Default 10 s.
    pub exchange_interval_max: Duration,
    /// A question of anti-entropy that is not answered within this time goes to somebody else.
    /// Default 500 ms.
    pub exchange_timeout: Duration,
    /// What does not fit is asked for after a random time up to this... Default 20 ms.
    pub pull_jitter: Duration,
    /// ... and again after this, longer each time. Default 200 ms.
    pub pull_retry: Duration,
    /// What others wrote is on disk after this, unless somebody waits for it. Default 2 s.
    pub write_back_delay: Duration,
    /// A storage that refused is tried again after this, longer each time, up to a minute. Default
    /// 1 s.
    pub store_retry: Duration,
    /// Removals are purged so often. Default 60 s.
    pub purge_interval: Duration,
    /// A member of a group registers so often with the nodes at which the group's members meet.
    /// Longer if it is in more than 1,200 groups, or the group has more than seven members. Default
    /// 10 min.
    pub registration_interval: Duration,
    /// A node that is known as a member of a group that is not held here is forgotten if nothing
    /// confirms it for so long. Longer than `register`, so that the registrations last. Default 1
    /// h.
    pub contact_ttl: Duration,
    /// A group that was left is told about for so long, if nobody agrees sooner. Default 10 min.
    pub leave_timeout: Duration,
}

impl NodeLimits {
    /// The defaults.
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
    /// The defaults.
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

/// A setting that cannot be. Nothing was made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// One of the broadcaster's.
    #[error(transparent)]
    Broadcast(#[from] gm_broadcast::BroadcasterConfigError),
    /// One of the node's.
    #[error("the bound or time `{name}` must be at least 1")]
    Zero {
        /// The field of [`NodeLimits`] or [`NodeTiming`].
        name: &'static str,
    },
}

impl NodeConfig {
    /// The defaults for a node.
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

    /// Whether every bound lets something through and every time passes.
    ///
    /// # Errors
    /// The first field that is 0.
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
