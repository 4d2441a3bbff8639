//! Pulls: requests for records whose increments had an unknown base. One request for each member
//! goes to a peer that has the version, and again to another one until it is answered or given up.

use std::collections::BTreeMap;

use gm_broadcast::{Path, Transport};
use gm_clock::NetId;
use gm_codec::{Body, RecordRequests};
use gm_data::{GroupName, Version};

use crate::counter::NodeCounter;
use crate::node::context::Context;
use crate::node::timers::NodeTimer;

/// An open pull.
#[derive(Debug)]
struct Pull {
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

/// The open pulls of a node.
#[derive(Debug, Default)]
pub(super) struct Pulls(BTreeMap<(GroupName, NetId), Pull>);

impl Pulls {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Handles an increment whose base is not the version held here.
    pub(super) fn on_increment_gap(
        &mut self,
        cx: &mut Context,
        group: &GroupName,
        (member, version): (NetId, Version),
        (from, path): (NetId, Path),
    ) {
        cx.count(NodeCounter::IncrementGaps);
        let key = (group.clone(), member);
        if !self.0.contains_key(&key) && self.0.len() >= cx.config.limits.pulls {
            return cx.count(NodeCounter::PullsDropped);
        }
        // Many nodes receive a multicast at the same time; the jitter spreads their requests.
        let jitter = match path {
            Path::Multicast => cx.rng.duration_up_to(cx.config.timing.pull_jitter),
            Path::Datagram | Path::Connection => std::time::Duration::ZERO,
        };
        let by = Transport::from(path);
        // An open pull has its time already.
        cx.timers.set_if_none(NodeTimer::Pull(group.clone(), member), cx.now + jitter);
        let pull = self.0.entry(key).or_insert(Pull { version, sources: Vec::new(), tries: 0, by });
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
    pub(super) fn settle(&mut self, cx: &mut Context, group: &GroupName, member: NetId) {
        let key = (group.clone(), member);
        let Some(pull) = self.0.get(&key) else { return };
        if cx.groups.version(group, member).is_some_and(|version| version >= pull.version) {
            self.0.remove(&key);
            cx.timers.cancel(&NodeTimer::Pull(key.0, member));
        }
    }

    /// Ends the pulls of a group.
    pub(super) fn end_group(&mut self, cx: &mut Context, group: &GroupName) {
        self.0.retain(|(name, member), _| {
            let ends = name == group;
            if ends {
                cx.timers.cancel(&NodeTimer::Pull(name.clone(), *member));
            }
            !ends
        });
    }

    /// Sends a request, or gives up.
    pub(super) fn send(&mut self, cx: &mut Context, group: GroupName, member: NetId) {
        let known = cx.groups.version(&group, member).filter(|version| !version.forgotten);
        let key = (group, member);
        let Some(pull) = self.0.get_mut(&key) else { return };
        if pull.tries >= MAX_TRIES || pull.sources.is_empty() {
            self.0.remove(&key);
            return;
        }
        let to = pull.sources[cx.rng.index(pull.sources.len())];
        let retry = cx.config.timing.pull_retry.saturating_mul(1 << pull.tries.min(MAX_TRIES));
        let by = if pull.tries < DATAGRAM_TRIES { pull.by } else { Transport::Tcp };
        pull.tries += 1;
        // An increment sent in reply may have an unknown base again: then the whole record is
        // requested.
        let known = known.filter(|_| pull.tries <= 2);
        let known = known.map(|version| (version.incarnation, version.clock));
        let (name, member) = key;
        cx.timers.set(NodeTimer::Pull(name.clone(), member), cx.now + retry);
        cx.count(NodeCounter::PullsSent);
        let body = RecordRequests { name, requests: vec![(member, known)] };
        cx.send(to, Body::RecordRequests(body), by);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
