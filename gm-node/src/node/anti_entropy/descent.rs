//! Descent within a group, as in a Merkle tree (Merkle 1987): buckets of records, then versions,
//! then the records. Each message is answered from its content alone.

use gm_broadcast::{Path, Transport};
use gm_clock::NetId;
use gm_codec::{
    Body, Buckets, Fingerprints, GroupEntry, KnownVersion, ParentBucket, RecordRequests, Versions,
};
use gm_data::{Bucket, Eviction, GroupName, Record, Replica, Version, VersionDigest, View};

use super::comparison::{reply_not_hosted, send_comparison};
use super::freshness::note_difference;
use super::transfer::{RecordRequest, send_records};
use crate::counter::NodeCounter;
use crate::node::action::Action;
use crate::node::context::{Context, Route};
use crate::node::sponsor;

/// Maximum number of records in a bucket whose versions are sent instead of the fingerprints of its
/// children.
const MAX_LISTED_RECORDS: usize = 16;
/// The deepest level of buckets that a message can name.
const DEEPEST_LEVEL: u8 = 15;

/// Starts to locate the difference within a group.
pub(super) fn start(cx: &mut Context, with: NetId, group: &GroupName, by: Transport) {
    let Some(view) = cx.groups.replica(group).map(Replica::view) else { return };
    let all = view.bucket(0, 0);
    // Without any record here, all of the peer's are needed; an empty bucket requests them.
    let body = if all.records > 0 && all.records <= MAX_LISTED_RECORDS {
        Body::Versions(versions_of(group, view, 0, vec![0], false))
    } else {
        Body::Buckets(Buckets { name: group.clone(), level: 0, parents: vec![parent(view, 0, 0)] })
    };
    cx.send(with, body, by);
}

/// Handles buckets of a group.
pub(super) fn on_buckets(cx: &mut Context, (from, by): Route, received: &Buckets) {
    note_difference(cx, &received.name);
    let Some(view) = cx.groups.replica(&received.name).map(Replica::view) else {
        return reply_not_hosted(cx, (from, by), &received.name);
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
                (few, Some(_)) if few <= MAX_LISTED_RECORDS || level >= DEEPEST_LEVEL => whole.push(index),
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
        cx.send(from, body, by);
    }
    send_records(cx, (from, by), name, &requests);
}

/// Compares a peer's versions with those of this node, and requests the records that the peer has
/// in a later version. Returns what else differs; `None` if this node does not host the group.
pub(super) fn compare_versions(
    cx: &mut Context,
    (from, by): Route,
    path: Path,
    received: &Versions,
) -> Option<VersionDiff> {
    let me = cx.me();
    let name = &received.name;
    if let Some((_, Some(known))) = received.versions.iter().find(|(member, _)| *member == me) {
        // A version without a digest is assumed to have ours.
        let own = cx.groups.record(name, me).map(Record::version_digest);
        let same = own.filter(|own| own.version == known.version).map_or(0, |own| own.digest);
        let stamp = VersionDigest { version: known.version, digest: known.digest.unwrap_or(same) };
        cx.groups.on_own_stamp(name, from, path, stamp);
    } else if received.buckets.is_none() && received.versions.iter().any(|(member, _)| *member == me) {
        // Reply to a first-write probe: the peer has no record of this node.
        sponsor::on_answered(cx, name, from);
        cx.act(Action::RecordProbed(name.clone()));
    }
    let is_hosted = cx.groups.hosted.contains_key(name);
    if is_hosted
        && path == Path::Connection
        && received.buckets.is_none()
        && received.versions == [(from, None)]
    {
        cx.act(Action::NewcomerAsked { group: name.clone(), node: from });
    }
    if cx.groups.replica(name).is_none() {
        if received.buckets.is_some() {
            reply_not_hosted(cx, (from, by), name);
        }
        reply_about_own(cx, (from, by), received);
        return None;
    }
    let mut found = diff_versions(cx, received);
    if !found.same {
        note_difference(cx, name);
    }
    if !found.pulls.is_empty() {
        cx.count(NodeCounter::RecordRequestsSent);
        let body = RecordRequests { name: name.clone(), requests: std::mem::take(&mut found.pulls) };
        cx.send(from, Body::RecordRequests(body), by);
    }
    Some(found)
}

/// Sends what differs: questions for records that are unknown on both sides, digests if all
/// versions are equal, and the records of which the peer has an earlier version.
pub(super) fn reply_to_versions(
    cx: &mut Context,
    (from, by): Route,
    received: &Versions,
    found: VersionDiff,
) {
    let name = &received.name;
    if !found.unknown.is_empty() {
        let versions = found.unknown.into_iter().map(|member| (member, None)).collect();
        let body = Versions { name: name.clone(), digests: false, buckets: None, versions };
        cx.send(from, Body::Versions(body), by);
    }
    if let (true, Some((level, buckets))) = (found.same && !received.digests, &received.buckets)
        && let Some(view) = cx.groups.replica(name).map(Replica::view)
    {
        let body = Body::Versions(versions_of(name, view, *level, buckets.clone(), true));
        cx.count(NodeCounter::DigestsSent);
        cx.send(from, body, by);
    }
    send_records(cx, (from, by), name, &found.requests);
}

/// Answers versions of a group that this node does not host. It still provides its own last
/// record there; and it refers a node that probes for its record to a member, or replies that
/// it knows none.
fn reply_about_own(cx: &mut Context, (to, by): Route, received: &Versions) {
    let me = cx.me();
    let asked = received.versions.iter().find(|(member, _)| *member == me);
    if received.buckets.is_none() && received.versions.as_slice() == [(to, None)] {
        return match cx.groups.contacts.refer_to_other(&received.name, to) {
            Some(other) => {
                let groups = vec![(received.name.clone(), GroupEntry::Contact(other))];
                let body = Fingerprints { answer: true, after: None, until: None, groups };
                cx.send(to, Body::Fingerprints(body), by);
            }
            None if by == Transport::Tcp => {
                // The node takes this one for its sponsor, which it cannot be.
                send_comparison(cx, (to, by), vec![(received.name.clone(), GroupEntry::Contact(to))], None);
                cx.act(Action::RecordUnknown { route: (to, by), asked: received.clone() });
            }
            None => cx.act(Action::RecordUnknown { route: (to, by), asked: received.clone() }),
        };
    }
    let Some(own) = cx.groups.version(&received.name, me) else { return };
    if asked.is_some_and(|(_, known)| known.is_none_or(|known| known.version < own)) {
        send_records(cx, (to, by), &received.name, &[RecordRequest { member: me, known: None, whole: true }]);
    }
}

/// The eviction that covers a version, which is therefore not requested.
fn eviction_for(cx: &Context, group: &GroupName, member: NetId, version: Version) -> Option<Eviction> {
    cx.groups.set.group(group)?.eviction_covering(member, version)
}

/// Compares a peer's versions with those of this node.
fn diff_versions(cx: &Context, received: &Versions) -> VersionDiff {
    let me = cx.me();
    let mut found = VersionDiff { same: true, ..VersionDiff::default() };
    let Some(view) = cx.groups.replica(&received.name).map(Replica::view) else { return found };
    let ask = |mine: &Record| {
        let version = mine.version();
        (!version.forgotten).then_some((version.incarnation, version.clock))
    };
    for (member, known) in &received.versions {
        let mine = view.record(*member);
        match (mine, known) {
            (None, None) => found.unknown.push(*member),
            (None, Some(_)) if *member == me => {}
            (None, Some(known)) => match eviction_for(cx, &received.name, *member, known.version) {
                Some(eviction) => found.evictions.push(eviction),
                None => found.pulls.push((*member, None)),
            },
            (Some(_), None) => {
                found.requests.push(RecordRequest { member: *member, known: None, whole: true })
            }
            (Some(mine), Some(known)) if mine.version() < known.version => {
                if *member == me {
                    // `on_versions` handles a peer's version of our own record.
                } else if let Some(eviction) = eviction_for(cx, &received.name, *member, known.version) {
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
        let has = |member: NetId| received.versions.binary_search_by(|(other, _)| other.cmp(&member)).is_ok();
        let mine = buckets.iter().flat_map(|index| view.bucket_records(*level, *index));
        found.requests.extend(mine.filter(|record| !has(record.member())).map(RecordRequest::whole_record));
    }
    found.requests.sort_unstable_by_key(|request| request.member);
    found.pulls.sort_unstable_by_key(|(member, _)| *member);
    found.same = found.pulls.is_empty()
        && found.requests.is_empty()
        && found.unknown.is_empty()
        && found.evictions.is_empty();
    found
}

/// Sends the records that a peer requests.
pub(super) fn on_requests(cx: &mut Context, (from, by): Route, received: &RecordRequests) {
    let requests: Vec<RecordRequest> = received
        .requests
        .iter()
        .map(|(member, known)| {
            let known = known.and_then(|(incarnation, clock)| Version::new(incarnation, false, clock).ok());
            RecordRequest { member: *member, known, whole: known.is_none() }
        })
        .collect();
    send_records(cx, (from, by), &received.name, &requests);
}

/// Result of comparing a peer's versions with ours.
#[derive(Debug, Default)]
pub(super) struct VersionDiff {
    pulls: Vec<(NetId, Option<(gm_clock::Incarnation, u64)>)>,
    requests: Vec<RecordRequest>,
    /// Members that were asked for and are unknown on both sides.
    unknown: Vec<NetId>,
    /// Evictions that cover versions of the peer.
    pub(super) evictions: Vec<Eviction>,
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
