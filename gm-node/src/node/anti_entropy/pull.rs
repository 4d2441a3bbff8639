//! Pulls: requests for records whose increments had an unknown base. One request for each member
//! goes to a peer that has the version, and again to another one until it is answered or given up.

use gm_broadcast::{Path, Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, RecordRequests};
use gm_data::{GroupName, Version};

use crate::counter::NodeCounter;
use crate::node::NodeMachine;
use crate::node::timers::NodeTimer;
use crate::store::Store;

/// An open pull.
#[derive(Debug)]
pub(in crate::node) struct Pull {
    /// The version to pull.
    version: Version,
    /// The last few peers that have the version.
    sources: Vec<NetId>,
    tries: u32,
    /// Transport of the first requests; later ones go by a connection.
    by: Transport,
}

/// Maximum number of remembered peers that have a version.
const MAX_SOURCES: usize = 8;
/// Number of requests for one member that go by datagram, if the increment came by one; further
/// ones go by a connection.
const DATAGRAM_TRIES: u32 = 2;
/// Number of requests for one member, after which the difference is left to anti-entropy.
const MAX_TRIES: u32 = 6;

impl<S: Store> NodeMachine<S> {
    /// Handles an increment whose base is not the version held here.
    pub(in crate::node) fn on_increment_gap(
        &mut self,
        now: Time,
        group: &GroupName,
        (member, version): (NetId, Version),
        from: NetId,
        path: Path,
    ) {
        self.count(NodeCounter::IncrementGaps);
        let max = self.config.limits.pulls;
        let key = (group.clone(), member);
        if !self.pulls.contains_key(&key) && self.pulls.len() >= max {
            return self.count(NodeCounter::PullsDropped);
        }
        // Many nodes receive a multicast at the same time; the jitter spreads their requests.
        let jitter = match path {
            Path::Multicast => self.rng.duration_up_to(self.config.timing.pull_jitter),
            Path::Datagram | Path::Connection => std::time::Duration::ZERO,
        };
        let due = now + jitter;
        let by = Transport::from(path);
        // An open pull has its time already.
        self.timers.set_if_none(NodeTimer::Pull(group.clone(), member), due);
        let pull = self.pulls.entry(key).or_insert(Pull { version, sources: Vec::new(), tries: 0, by });
        if version > pull.version {
            pull.sources.clear();
            pull.version = version;
        }
        if version == pull.version && !pull.sources.contains(&from) {
            pull.sources.truncate(MAX_SOURCES - 1);
            pull.sources.push(from);
        }
    }

    /// A record changed: ends the pull that it fulfils.
    pub(in crate::node) fn settle_pull(&mut self, group: &GroupName, member: NetId) {
        let key = (group.clone(), member);
        let Some(pull) = self.pulls.get(&key) else { return };
        if self.groups.version(group, member).is_some_and(|version| version >= pull.version) {
            self.pulls.remove(&key);
            self.timers.cancel(&NodeTimer::Pull(key.0, member));
        }
    }

    /// Ends the pulls of a group.
    pub(in crate::node) fn end_pulls(&mut self, group: &GroupName) {
        let (pulls, timers) = (&mut self.pulls, &mut self.timers);
        pulls.retain(|(name, member), _| {
            let ends = name == group;
            if ends {
                timers.cancel(&NodeTimer::Pull(name.clone(), *member));
            }
            !ends
        });
    }

    /// Sends a request, or gives up.
    pub(in crate::node) fn send_pull(&mut self, now: Time, group: GroupName, member: NetId) {
        let known = self.groups.version(&group, member).filter(|version| !version.forgotten);
        let key = (group, member);
        let Some(pull) = self.pulls.get_mut(&key) else { return };
        if pull.tries >= MAX_TRIES || pull.sources.is_empty() {
            self.pulls.remove(&key);
            return;
        }
        let to = pull.sources[self.rng.index(pull.sources.len())];
        let retry = self.config.timing.pull_retry.saturating_mul(1 << pull.tries.min(MAX_TRIES));
        let by = if pull.tries < DATAGRAM_TRIES { pull.by } else { Transport::Tcp };
        pull.tries += 1;
        // An increment sent in reply may have an unknown base again: then the whole record is
        // requested.
        let known = known.filter(|_| pull.tries <= 2);
        let known = known.map(|version| (version.incarnation, version.clock));
        let (name, member) = key;
        self.timers.set(NodeTimer::Pull(name.clone(), member), now + retry);
        self.count(NodeCounter::PullsSent);
        let body = RecordRequests { name, requests: vec![(member, known)] };
        self.send(now, to, Body::RecordRequests(body), by);
    }
}
