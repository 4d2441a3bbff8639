//! Replies to peers with outdated or evicted records: limited in rate and, if many nodes received
//! the same multicast, delayed by a random time.

use std::collections::VecDeque;

use gm_broadcast::{Path, Time, TokenBucket, Transport};
use gm_clock::NetId;
use gm_codec::{Body, GroupEntry, KnownVersion, Versions};
use gm_data::{Eviction, GroupName};

use crate::counter::NodeCounter;
use crate::node::context::{Context, Route};
use crate::node::messages::evictions_body;
use crate::node::timers::NodeTimer;

/// Approximate number of nodes that reply to an outdated record in a multicast.
const ANSWERS: u64 = 3;
/// Maximum number of delayed replies.
pub(super) const MAX_REPLIES: usize = 256;

/// The rate limit of replies, and the delayed ones.
#[derive(Debug)]
pub(super) struct Replies {
    rate: TokenBucket,
    /// Replies to multicasts, each delayed by a random time.
    delayed: VecDeque<(Time, NetId, Body)>,
}

impl Replies {
    pub(super) fn new(per_second: u32) -> Replies {
        Replies { rate: TokenBucket::per_second(per_second), delayed: VecDeque::new() }
    }

    /// Number of delayed replies.
    pub(super) fn delayed(&self) -> usize {
        self.delayed.len()
    }

    /// Whether the rate limit allows one more reply.
    pub(super) fn may_reply(&mut self, cx: &Context) -> bool {
        self.rate.take(cx.now)
    }

    /// Replies to a sender with outdated records with our versions of them. Of many receivers of a
    /// multicast, only a few reply.
    pub(super) fn on_sender_behind(
        &mut self,
        cx: &mut Context,
        group: &GroupName,
        (to, by): Route,
        path: Path,
        members: &[NetId],
    ) {
        let island = cx.peers().near().len() as u64 + 1;
        if path == Path::Multicast && !cx.rng.ratio(ANSWERS.min(island), island) {
            return;
        }
        if !self.may_reply(cx) {
            return cx.count(NodeCounter::RecordRepliesRateLimited);
        }
        let versions = members.iter().filter_map(|member| {
            let version = cx.groups.version(group, *member)?;
            Some((*member, Some(KnownVersion { version, digest: None })))
        });
        let versions: Vec<_> = versions.collect();
        if versions.is_empty() {
            return;
        }
        let body = Body::Versions(Versions { name: group.clone(), digests: false, buckets: None, versions });
        if path != Path::Multicast {
            return cx.send(to, body, by);
        }
        let at = cx.now + cx.rng.duration_up_to(cx.config.timing.pull_jitter);
        if self.delayed.len() < MAX_REPLIES {
            let place = self.delayed.partition_point(|(other, _, _)| *other <= at);
            self.delayed.insert(place, (at, to, body));
            self.schedule(cx);
        }
    }

    /// Replies to a peer that sent evicted records.
    pub(super) fn send_evictions(
        &mut self,
        cx: &mut Context,
        group: &GroupName,
        (to, by): Route,
        evictions: &[Eviction],
    ) {
        if !self.may_reply(cx) {
            return cx.count(NodeCounter::RecordRepliesRateLimited);
        }
        cx.send(to, evictions_body(group, evictions), by);
    }

    fn schedule(&self, cx: &mut Context) {
        let first = self.delayed.front().map(|(at, _, _)| *at);
        cx.timers.set_or_cancel(NodeTimer::Reply, first);
    }

    /// Sends a delayed reply that is due.
    pub(super) fn send_due(&mut self, cx: &mut Context) {
        if let Some((_, to, body)) = self.delayed.pop_front() {
            self.schedule(cx);
            cx.send(to, body, Transport::Udp);
        }
    }
}

/// Whether a message can only be a reply to one of ours. A node also sends all other kinds
/// unprompted, so they do not show that a datagram of ours arrived.
pub(super) fn is_reply(from: NetId, body: &Body) -> bool {
    match body {
        Body::Root(root) => root.answer,
        Body::Fingerprints(received) => {
            let registers = |(_, entry): &(GroupName, GroupEntry)| *entry == GroupEntry::Contact(from);
            received.answer && received.until.is_some() && !received.groups.iter().any(registers)
        }
        _ => false,
    }
}
