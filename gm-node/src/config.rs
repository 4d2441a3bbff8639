//! Everything that a node can be told before it begins. Knows no file and no flag.

use std::time::Duration;

use gm_clock::NetId;
use gm_data::PurgePolicy;
use thiserror::Error;

/// A node's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The broadcaster's: who we are, whom we call, what ways cost.
    pub broadcast: gm_broadcast::BroadcasterConfig,
    /// The wall clock when the node begins, in seconds since 1970. Only a hint: it makes a later life's number greater where a disk was lost.
    pub unix_seconds: u64,
    /// The port of ranges that are served without one.
    pub default_port: Option<u16>,
    /// Whether every group that is heard of is held, not only those that the node is a member of.
    pub observe: bool,
    /// Whether there is nobody else, and none is to be waited for: a first write does not ask others what they know of us.
    pub alone: bool,
    /// Which removals are kept. Default 1,024 of each member.
    pub purge: PurgePolicy,
    /// The bounds.
    pub bounds: Bounds,
    /// The times.
    pub times: Times,
}

/// What a node holds at most, besides its broadcaster. Each is of memory that others, or careless callers, could cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Groups that are held; beyond it a join is refused, and what is only observed is not held. Default 1,024.
    pub groups: usize,
    /// Groups of which only a name and a few members are known; beyond it a new one replaces the one that was confirmed least recently, of those that the node
    /// with the most names announced. Default 10,000.
    pub contacts: usize,
    /// Records of a group, of members, of who left and of the forgotten; beyond it newcomers are not taken. Default 100,000.
    pub records: usize,
    /// Items of one member, removals that are kept included; a greater record is not taken, and a greater own one is refused. Default 65,536.
    pub items: usize,
    /// Live items of a group; beyond it newcomers are not taken, and an own write that adds is refused. Default 4,000,000.
    pub group_items: usize,
    /// Writes that wait for the storage; beyond it one is refused. Default 1,024.
    pub writes: usize,
    /// Writes that wait for others; beyond it one is refused. Default 1,024.
    pub waits: usize,
    /// Watchers; beyond it one is refused. Default 1,024.
    pub watchers: usize,
    /// Bytes of former states of groups that are kept for watchers that have not taken in what changed since, for all of them together; beyond it those that
    /// are furthest behind are told to look anew, in the place of what changed. Default 64 MiB.
    pub watch_bytes: usize,
    /// Events that a watcher of the handle is told at once; if there are more, it is told to look anew. Default 10,000.
    pub events: usize,
    /// Members' records that are asked for at one time; beyond it anti-entropy has to find them. Default 4,096.
    pub questions: usize,
    /// Names of the missing that the outcome of a wait has. Default 16.
    pub names: usize,
    /// Answers of anti-entropy a second, to all; what is beyond is not answered. Default 5,000.
    pub answers_per_second: u32,
    /// Bytes of records that one message of anti-entropy is answered with, about; the rest comes with the next. Default 4 MiB.
    pub gift: usize,
    /// Nodes that are remembered on disk, to be called again. Default 1,024.
    pub old_peers: usize,
}

/// How long a node waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Writes within this time of the first leave together. Default 1 ms.
    pub tick: Duration,
    /// Before its first write in a group a node without a record, or with a storage that is doubted, asks what others know of it, so long at most. Default 500 ms.
    pub hear: Duration,
    /// Anti-entropy goes so often while nodes are found to differ, and twice as often in the first two seconds of a node or a membership. Default 200 ms.
    pub fast: Duration,
    /// ... after something was heard by broadcast. Default 1 s.
    pub moving: Duration,
    /// ... in quiet. Default 10 s.
    pub slow: Duration,
    /// A question of anti-entropy that is not answered within this time goes to somebody else. Default 500 ms.
    pub answer: Duration,
    /// What does not fit is asked for after a random time up to this... Default 20 ms.
    pub question: Duration,
    /// ... and again after this, longer each time. Default 200 ms.
    pub question_retry: Duration,
    /// What others wrote is on disk after this, unless somebody waits for it. Default 2 s.
    pub flush: Duration,
    /// A storage that refused is tried again after this, longer each time, up to a minute. Default 1 s.
    pub store_retry: Duration,
    /// Removals are purged so often. Default 60 s.
    pub purge: Duration,
    /// A member of a group registers so often with the nodes at which the group's members meet. Longer if it is in more than 1,200 groups, or the group has more
    /// than seven members. Default 10 min.
    pub register: Duration,
    /// A node that is known as a member of a group that is not held here is forgotten if nothing confirms it for so long. Longer than `register`, so that the
    /// registrations last. Default 1 h.
    pub contact: Duration,
    /// A group that was left is told about for so long, if nobody agrees sooner. Default 10 min.
    pub leaving: Duration,
}

impl Bounds {
    /// The defaults.
    pub const DEFAULT: Bounds = Bounds {
        groups: 1_024,
        contacts: 10_000,
        records: 100_000,
        items: 65_536,
        group_items: 4_000_000,
        writes: 1_024,
        waits: 1_024,
        watchers: 1_024,
        watch_bytes: 64 << 20,
        events: 10_000,
        questions: 4_096,
        names: 16,
        answers_per_second: 5_000,
        gift: 4 << 20,
        old_peers: 1_024,
    };
}

impl Times {
    /// The defaults.
    pub const DEFAULT: Times = Times {
        tick: Duration::from_millis(1),
        hear: Duration::from_millis(500),
        fast: Duration::from_millis(200),
        moving: Duration::from_secs(1),
        slow: Duration::from_secs(10),
        answer: Duration::from_millis(500),
        question: Duration::from_millis(20),
        question_retry: Duration::from_millis(200),
        flush: Duration::from_secs(2),
        store_retry: Duration::from_secs(1),
        purge: Duration::from_secs(60),
        register: Duration::from_secs(600),
        contact: Duration::from_secs(3_600),
        leaving: Duration::from_secs(600),
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
        /// The field of [`Bounds`] or [`Times`].
        name: &'static str,
    },
}

impl Config {
    /// The defaults for a node.
    #[must_use]
    pub fn new(me: NetId) -> Config {
        Config {
            broadcast: gm_broadcast::BroadcasterConfig::new(me),
            unix_seconds: 0,
            default_port: None,
            observe: false,
            alone: false,
            purge: PurgePolicy { keep: 1_024, max_age: u64::MAX },
            bounds: Bounds::DEFAULT,
            times: Times::DEFAULT,
        }
    }

    /// Whether every bound lets something through and every time passes.
    ///
    /// # Errors
    /// The first field that is 0.
    pub fn checked(self) -> Result<Config, ConfigError> {
        let Bounds { groups, records, items, group_items, writes, waits, watchers, .. } = self.bounds;
        let counts = [
            ("groups", groups),
            ("contacts", self.bounds.contacts),
            ("records", records),
            ("items", items),
            ("group_items", group_items),
            ("writes", writes),
            ("waits", waits),
            ("watchers", watchers),
            ("watch_bytes", self.bounds.watch_bytes),
            ("events", self.bounds.events),
            ("questions", self.bounds.questions),
            ("answers_per_second", self.bounds.answers_per_second as usize),
            ("gift", self.bounds.gift),
        ];
        let times = [
            ("fast", self.times.fast),
            ("moving", self.times.moving),
            ("slow", self.times.slow),
            ("answer", self.times.answer),
            ("question_retry", self.times.question_retry),
            ("store_retry", self.times.store_retry),
            ("purge", self.times.purge),
            ("register", self.times.register),
            ("contact", self.times.contact),
        ];
        let zero = counts.iter().find(|(_, count)| *count == 0).map(|(name, _)| *name);
        let zero = zero.or_else(|| times.iter().find(|(_, time)| time.is_zero()).map(|(name, _)| *name));
        match zero {
            Some(name) => Err(ConfigError::Zero { name }),
            None => Ok(self),
        }
    }
}
