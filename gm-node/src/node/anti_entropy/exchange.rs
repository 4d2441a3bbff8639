//! Exchanges between two nodes, a descent of a Merkle tree (Merkle 1987): first the root of the
//! groups that both share, then (in `shared_groups.rs` and `group_names.rs`) the groups that
//! differ; then buckets, versions and records within a group. Each message is answered from its
//! content alone, so no state is kept about an exchange.

use gm_broadcast::{Path, Time, Transport};
use gm_clock::NetId;
use gm_codec::{
    Body, Buckets, Fingerprints, GroupEntry, KnownVersion, ParentBucket, RecordRequests, Root, Versions,
};
use gm_data::{Bucket, Eviction, GroupName, Record, Replica, Version, VersionDigest, View};

use super::transfer::RecordRequest;
use crate::counter::NodeCounter;
use crate::groups::is_reserved;
use crate::node::NodeMachine;
use crate::store::Store;

/// Maximum number of records in a bucket whose versions are sent instead of the fingerprints of its
/// children.
const MAX_LISTED_RECORDS: usize = 16;
/// A peer, and the transport to it.
pub(in crate::node) type Route = (NetId, Transport);
/// The deepest level of buckets that a message can name.
const DEEPEST_LEVEL: u8 = 15;

impl<S: Store> NodeMachine<S> {
    pub(in crate::node) fn on_exchange_message(&mut self, now: Time, from: NetId, path: Path, body: Body) {
        if !self.reply_rate.take(now) {
            return self.count(NodeCounter::ExchangeMessagesRateLimited);
        }
        let was_asked = self.on_exchange_answer(now, from, path, is_reply(from, &body));
        self.on_message_from(now, from);
        // A message that came by a connection is answered on it, since datagrams may not arrive.
        let by = self.transport_for(from, Transport::from(path));
        match body {
            Body::Root(root) => self.on_root(now, (from, by), root, was_asked),
            Body::Fingerprints(received) => self.on_fingerprints(now, (from, by), received, was_asked),
            Body::Buckets(received) => self.on_buckets(now, (from, by), &received),
            Body::Versions(received) if is_reserved(&received.name) => {
                self.count(NodeCounter::ReservedNameVersions);
            }
            Body::Versions(received) => self.on_versions(now, (from, by), path, &received),
            Body::RecordRequests(received) => self.on_requests(now, (from, by), &received),
            _ => self.count(NodeCounter::UnexpectedMessages),
        }
    }

    fn on_root(&mut self, now: Time, (from, by): Route, received: Root, was_asked: bool) {
        let root = self.root_with(from);
        if root == received.root {
            if !received.answer {
                self.send(now, from, Body::Root(Root { answer: true, root }), by);
            }
            self.note_equal(now, from);
            self.on_same_root(now, from);
            return self.on_equal(now, from, was_asked);
        }
        self.on_difference(now, from);
        self.descend_groups(now, (from, by));
    }

    /// Starts to locate the difference within a group.
    pub(in crate::node) fn descend(&mut self, now: Time, with: NetId, group: &GroupName, by: Transport) {
        let Some(view) = self.groups.replica(group).map(Replica::view) else { return };
        let all = view.bucket(0, 0);
        // Without any record here, all of the peer's are needed; an empty bucket requests them.
        let body = if all.records > 0 && all.records <= MAX_LISTED_RECORDS {
            Body::Versions(versions_of(group, view, 0, vec![0], false))
        } else {
            Body::Buckets(Buckets { name: group.clone(), level: 0, parents: vec![parent(view, 0, 0)] })
        };
        self.send(now, with, body, by);
    }

    fn on_buckets(&mut self, now: Time, (from, by): Route, received: &Buckets) {
        if is_reserved(&received.name) {
            return self.on_group_buckets(now, (from, by), received);
        }
        self.note_difference(now, &received.name);
        let Some(view) = self.groups.replica(&received.name).map(Replica::view) else {
            return self.reply_not_hosted(now, (from, by), &received.name);
        };
        let (level, name) = (received.level + 1, &received.name);
        let (mut whole, mut parents, mut requests) = (Vec::new(), Vec::new(), Vec::new());
        for theirs in &received.parents {
            let mine = view.bucket_children(received.level, theirs.index);
            for ((child, mine), theirs_of) in (0..).zip(mine).zip(theirs.children) {
                let index = theirs.index << 4 | child;
                match (mine.records, theirs_of) {
                    (0, None) => {}
                    (0, Some(_)) => whole.push(index),
                    (_, Some(fingerprint)) if fingerprint == mine.fingerprint => {}
                    (_, None) => {
                        requests.extend(view.bucket_records(level, index).map(RecordRequest::whole_record))
                    }
                    (few, Some(_)) if few <= MAX_LISTED_RECORDS || level >= DEEPEST_LEVEL => {
                        whole.push(index)
                    }
                    (_, Some(_)) => parents.push(parent(view, level, index)),
                }
            }
        }
        let mut bodies = Vec::new();
        if !whole.is_empty() && level <= DEEPEST_LEVEL {
            bodies.push(Body::Versions(versions_of(name, view, level, whole, false)));
        } else if !whole.is_empty() {
            let mut above: Vec<u64> = whole.into_iter().map(|index| index >> 4).collect();
            above.dedup();
            bodies.push(Body::Versions(versions_of(name, view, DEEPEST_LEVEL, above, false)));
        }
        if !parents.is_empty() {
            bodies.push(Body::Buckets(Buckets { name: name.clone(), level, parents }));
        }
        for body in bodies {
            self.send(now, from, body, by);
        }
        self.send_records(now, (from, by), name, &requests);
    }

    fn on_versions(&mut self, now: Time, (from, by): Route, path: Path, received: &Versions) {
        let me = self.me();
        let name = &received.name;
        if let Some((_, Some(known))) = received.versions.iter().find(|(member, _)| *member == me) {
            // A version without a digest is assumed to have ours.
            let own = self.groups.record(name, me).map(Record::version_digest);
            let same = own.filter(|own| own.version == known.version).map_or(0, |own| own.digest);
            let stamp = VersionDigest { version: known.version, digest: known.digest.unwrap_or(same) };
            self.groups.on_own_stamp(name, from, path, stamp);
        } else if received.buckets.is_none() && received.versions.iter().any(|(member, _)| *member == me) {
            // Reply to a first-write probe: the peer has no record of this node.
            self.on_probe_answered(now, name);
        }
        if self.groups.replica(name).is_none() {
            if received.buckets.is_some() {
                self.reply_not_hosted(now, (from, by), name);
            }
            return self.reply_about_own(now, (from, by), received);
        }
        let found = self.diff_versions(received);
        if !found.same {
            self.note_difference(now, name);
        }
        if !found.pulls.is_empty() {
            self.count(NodeCounter::RecordRequestsSent);
            let body = RecordRequests { name: name.clone(), requests: found.pulls };
            self.send(now, from, Body::RecordRequests(body), by);
        }
        if !found.evictions.is_empty() {
            self.send_evictions(now, name, (from, path), &found.evictions);
        }
        if !found.unknown.is_empty() {
            let versions = found.unknown.into_iter().map(|member| (member, None)).collect();
            let body = Versions { name: name.clone(), digests: false, buckets: None, versions };
            self.send(now, from, Body::Versions(body), by);
        }
        if let (true, Some((level, buckets))) = (found.same && !received.digests, &received.buckets)
            && let Some(view) = self.groups.replica(name).map(Replica::view)
        {
            let body = Body::Versions(versions_of(name, view, *level, buckets.clone(), true));
            self.count(NodeCounter::DigestsSent);
            self.send(now, from, body, by);
        }
        self.send_records(now, (from, by), name, &found.requests);
    }

    /// Answers versions of a group that this node does not host. It still provides its own last
    /// record there; and it refers a node that probes for its record to a member, or replies that
    /// it knows none.
    fn reply_about_own(&mut self, now: Time, (to, by): Route, received: &Versions) {
        let me = self.me();
        let asked = received.versions.iter().find(|(member, _)| *member == me);
        if received.buckets.is_none() && received.versions.as_slice() == [(to, None)] {
            let body = match self.groups.contacts.refer_to_other(&received.name, to) {
                Some(other) => {
                    let groups = vec![(received.name.clone(), GroupEntry::Contact(other))];
                    Body::Fingerprints(Fingerprints { answer: true, after: None, until: None, groups })
                }
                // The group's rendezvous nodes are others, and know more.
                None if !self.is_rendezvous(&received.name) => {
                    return self.refer(now, to, std::slice::from_ref(&received.name));
                }
                None => Body::Versions(received.clone()),
            };
            return self.send(now, to, body, by);
        }
        let Some(own) = self.groups.version(&received.name, me) else { return };
        if asked.is_some_and(|(_, known)| known.is_none_or(|known| known.version < own)) {
            self.send_records(
                now,
                (to, by),
                &received.name,
                &[RecordRequest { member: me, known: None, whole: true }],
            );
        }
    }

    /// The eviction that covers a version, which is therefore not requested.
    fn eviction_for(&self, group: &GroupName, member: NetId, version: Version) -> Option<Eviction> {
        self.groups.set.group(group)?.eviction_covering(member, version)
    }

    /// Compares a peer's versions with those of this node.
    fn diff_versions(&self, received: &Versions) -> VersionDiff {
        let me = self.me();
        let mut found = VersionDiff { same: true, ..VersionDiff::default() };
        let Some(view) = self.groups.replica(&received.name).map(Replica::view) else { return found };
        let ask = |mine: &Record| {
            let version = mine.version();
            (!version.forgotten).then_some((version.incarnation, version.clock))
        };
        for (member, known) in &received.versions {
            let mine = view.record(*member);
            match (mine, known) {
                (None, None) => found.unknown.push(*member),
                (None, Some(_)) if *member == me => {}
                (None, Some(known)) => match self.eviction_for(&received.name, *member, known.version) {
                    Some(eviction) => found.evictions.push(eviction),
                    None => found.pulls.push((*member, None)),
                },
                (Some(_), None) => {
                    found.requests.push(RecordRequest { member: *member, known: None, whole: true })
                }
                (Some(mine), Some(known)) if mine.version() < known.version => {
                    if *member == me {
                        // `on_versions` handles a peer's version of our own record.
                    } else if let Some(eviction) = self.eviction_for(&received.name, *member, known.version) {
                        found.evictions.push(eviction);
                    } else {
                        found.pulls.push((*member, ask(mine)));
                    }
                }
                (Some(mine), Some(known)) if mine.version() > known.version => {
                    found.requests.push(RecordRequest {
                        member: *member,
                        known: Some(known.version),
                        whole: false,
                    });
                }
                (Some(mine), Some(known)) => {
                    if known.digest.is_some_and(|digest| digest != mine.digest()) {
                        found.requests.push(RecordRequest { member: *member, known: None, whole: true });
                        if *member != me {
                            found.pulls.push((*member, None));
                        }
                    }
                }
            }
        }
        found.unknown.retain(|member| received.versions.len() == 1 && *member != me);
        if let Some((level, buckets)) = &received.buckets {
            let has =
                |member: NetId| received.versions.binary_search_by(|(other, _)| other.cmp(&member)).is_ok();
            let mine = buckets.iter().flat_map(|index| view.bucket_records(*level, *index));
            found
                .requests
                .extend(mine.filter(|record| !has(record.member())).map(RecordRequest::whole_record));
        }
        found.requests.sort_unstable_by_key(|request| request.member);
        found.pulls.sort_unstable_by_key(|(member, _)| *member);
        found.same = found.pulls.is_empty()
            && found.requests.is_empty()
            && found.unknown.is_empty()
            && found.evictions.is_empty();
        found
    }

    fn on_requests(&mut self, now: Time, (from, by): Route, received: &RecordRequests) {
        let requests: Vec<RecordRequest> = received
            .requests
            .iter()
            .map(|(member, known)| {
                let known =
                    known.and_then(|(incarnation, clock)| Version::new(incarnation, false, clock).ok());
                RecordRequest { member: *member, known, whole: known.is_none() }
            })
            .collect();
        self.send_records(now, (from, by), &received.name, &requests);
    }
}

/// Whether a message can only be a reply to one of ours. A node also sends all other kinds
/// unprompted, so they do not show that a datagram of ours arrived.
fn is_reply(from: NetId, body: &Body) -> bool {
    match body {
        Body::Root(root) => root.answer,
        Body::Fingerprints(received) => {
            let registers = |(_, holding): &(GroupName, GroupEntry)| *holding == GroupEntry::Contact(from);
            received.answer && received.until.is_some() && !received.groups.iter().any(registers)
        }
        _ => false,
    }
}

/// Result of comparing a peer's versions with ours.
#[derive(Debug, Default)]
struct VersionDiff {
    pulls: Vec<(NetId, Option<(gm_clock::Incarnation, u64)>)>,
    requests: Vec<RecordRequest>,
    /// Members that were asked for and are unknown on both sides.
    unknown: Vec<NetId>,
    /// Evictions that cover versions of the peer.
    evictions: Vec<Eviction>,
    /// Whether nothing differs.
    same: bool,
}

/// A bucket with the fingerprints of its children.
fn parent(view: &View, level: u8, index: u64) -> ParentBucket {
    let child = |bucket: Bucket| (bucket.records > 0).then_some(bucket.fingerprint);
    ParentBucket { index, children: view.bucket_children(level, index).map(child) }
}

/// The versions of all records in some buckets.
fn versions_of(name: &GroupName, view: &View, level: u8, buckets: Vec<u64>, digests: bool) -> Versions {
    let records = buckets.iter().flat_map(|index| view.bucket_records(level, *index));
    let known = |record: &Record| {
        let digest = (digests && !record.version().forgotten).then(|| record.digest());
        (record.member(), Some(KnownVersion { version: record.version(), digest }))
    };
    let mut versions: Vec<_> = records.map(known).collect();
    versions.sort_unstable_by_key(|(member, _)| *member);
    Versions { name: name.clone(), digests, buckets: Some((level, buckets)), versions }
}
