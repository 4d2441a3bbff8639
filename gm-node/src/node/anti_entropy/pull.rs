//! Records that are asked for because an increment did not fit: one question a member, to one who
//! has shown that version, again to another until it is answered or given up. Knows nothing of what
//! is answered.

use gm_broadcast::{Path, Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, RecordRequests};
use gm_data::{GroupName, Version};

use crate::node::NodeMachine;
use crate::plant::{Bug, planted};
use crate::store::Store;

/// A question that is open.
#[derive(Debug)]
pub(in crate::node) struct Pull {
    /// What was shown.
    version: Version,
    /// By whom, the last few.
    sources: Vec<NetId>,
    /// When it is asked, or asked again.
    due: Time,
    tries: u32,
    /// How it is asked first; again it is asked by a connection.
    by: Transport,
}

/// Nodes that are remembered of those who have shown a version.
const MAX_SOURCES: usize = 8;
/// So many questions about one member go by datagram, if what did not fit came by one; then
/// connections are used.
const DATAGRAM_TRIES: u32 = 2;
/// A question is asked so often; then anti-entropy has to find the difference.
const MAX_TRIES: u32 = 6;

impl<S: Store> NodeMachine<S> {
    pub(in crate::node) fn next_pull(&self) -> Option<Time> {
        self.pulls.values().map(|pull| pull.due).min()
    }

    /// An increment of a member did not fit.
    pub(in crate::node) fn on_increment_gap(
        &mut self,
        now: Time,
        group: &GroupName,
        (member, version): (NetId, Version),
        from: NetId,
        path: Path,
    ) {
        self.count("increment", "does not fit");
        let max = self.config.limits.pulls;
        let key = (group.clone(), member);
        if !self.pulls.contains_key(&key) && self.pulls.len() >= max {
            return self.count("dropped", "question, too many");
        }
        // Many hear a multicast at one time: not all ask at once.
        let jitter = match path {
            Path::Multicast => self.rng.duration_up_to(self.config.timing.pull_jitter),
            Path::Datagram | Path::Connection => std::time::Duration::ZERO,
        };
        let due = now + jitter;
        let by = Transport::from(path);
        let pull = self.pulls.entry(key).or_insert(Pull { version, sources: Vec::new(), due, tries: 0, by });
        if version > pull.version {
            pull.sources.clear();
            pull.version = version;
        }
        if version == pull.version && !pull.sources.contains(&from) {
            pull.sources.truncate(MAX_SOURCES - 1);
            pull.sources.push(from);
        }
    }

    /// A record was taken: it may be what was asked for.
    pub(in crate::node) fn settle_pull(&mut self, group: &GroupName, member: NetId) {
        let key = (group.clone(), member);
        let Some(pull) = self.pulls.get(&key) else { return };
        if self.groups().version(group, member).is_some_and(|version| version >= pull.version) {
            self.pulls.remove(&key);
        }
    }

    /// Asks what is due.
    pub(in crate::node) fn send_due_pulls(&mut self, now: Time) {
        let due = |pull: &Pull| pull.due <= now;
        let keys: Vec<(GroupName, NetId)> =
            self.pulls.iter().filter(|(_, pull)| due(pull)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            let known = self.groups().version(&key.0, key.1).filter(|version| !version.forgotten);
            let Some(pull) = self.pulls.get_mut(&key) else { continue };
            let given_up = pull.tries >= if planted(Bug::PullNotRetried) { 1 } else { MAX_TRIES };
            if given_up || pull.sources.is_empty() {
                self.pulls.remove(&key);
                continue;
            }
            let to = pull.sources[self.rng.index(pull.sources.len())];
            let retry = self.config.timing.pull_retry.saturating_mul(1 << pull.tries.min(MAX_TRIES));
            let by = if pull.tries < DATAGRAM_TRIES { pull.by } else { Transport::Tcp };
            pull.tries += 1;
            pull.due = now + retry;
            // What the first one sends for an increment may not fit again: then the whole record is
            // wanted.
            let known = known.filter(|_| pull.tries <= 2);
            let known = known.map(|version| (version.incarnation, version.clock));
            let (name, member) = key;
            self.count("question", "asked");
            let body = RecordRequests { name, requests: vec![(member, known)] };
            self.send(now, to, Body::RecordRequests(body), by);
        }
    }
}
