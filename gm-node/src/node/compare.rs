//! Anti-entropy between two nodes: the root of the groups that they share, then (in `shared.rs` and `names.rs`) which of them differ; then buckets, versions
//! and records within a group. Each message is answered by what follows from it, so no conversation is remembered.

use gm_broadcast::{Path, Time, Transport};
use gm_clock::NetId;
use gm_codec::{
    Body, Buckets, Fingerprints, GroupEntry, KnownVersion, ParentBucket, RecordRequests, Root, Versions,
};
use gm_data::{Bucket, Eviction, GroupName, Record, Replica, Version, VersionDigest, View};

use super::Node;
use super::give::Wish;
use crate::groups::stands_for_all;
use crate::plant::{Bug, planted};
use crate::store::Store;

/// Records of a bucket whose versions are told instead of the fingerprints of its children.
const FEW: usize = 16;
/// A peer, and how to send to it.
pub(super) type Way = (NetId, Transport);
/// The lowest level of buckets that a message can name.
const LOWEST: u8 = 15;

impl<S: Store> Node<S> {
    pub(super) fn on_sync(&mut self, now: Time, from: NetId, path: Path, body: Body) {
        if !self.answers.take(now) {
            return self.count("dropped", "anti-entropy, too many");
        }
        let was_asked = self.answered(now, from, path, answers(from, &body));
        self.revive(now, from);
        // What came by a connection is answered by it: datagrams may not get there.
        let by = if planted(Bug::DatagramsOnly) {
            Transport::Udp
        } else {
            self.by_for(from, Transport::from(path))
        };
        match body {
            Body::Root(root) => self.on_root(now, (from, by), root, was_asked),
            Body::Fingerprints(said) => self.on_fingerprints(now, (from, by), said, was_asked),
            Body::Buckets(said) => self.on_buckets(now, (from, by), &said),
            Body::Versions(said) if stands_for_all(&said.name) => {
                self.count("dropped", "versions of no group");
            }
            Body::Versions(said) => self.on_versions(now, (from, by), path, &said),
            Body::RecordRequests(said) => self.on_requests(now, (from, by), &said),
            _ => self.count("dropped", "message of another kind"),
        }
    }

    fn on_root(&mut self, now: Time, (from, by): Way, said: Root, was_asked: bool) {
        let root = self.root_with(from);
        if root == said.root {
            if !said.answer {
                self.send(now, from, Body::Root(Root { answer: true, root }), by);
            }
            self.note_equal(now, from);
            self.on_same_root(now, from);
            return self.on_equal(now, from, was_asked);
        }
        self.on_difference(now, from);
        self.descend_groups(now, (from, by));
    }

    /// A group differs: where?
    pub(super) fn descend(&mut self, now: Time, with: NetId, group: &GroupName, by: Transport) {
        let Some(view) = self.groups().held(group).map(Replica::view) else { return };
        let all = view.bucket(0, 0);
        // Nothing here: then everything there is wanted, and an empty bucket says so.
        let body = if all.records > 0 && all.records <= FEW {
            Body::Versions(versions_of(group, view, 0, vec![0], false))
        } else {
            Body::Buckets(Buckets { name: group.clone(), level: 0, parents: vec![parent(view, 0, 0)] })
        };
        self.send(now, with, body, by);
    }

    fn on_buckets(&mut self, now: Time, (from, by): Way, said: &Buckets) {
        if stands_for_all(&said.name) {
            return self.on_group_buckets(now, (from, by), said);
        }
        self.note_difference(now, &said.name);
        let Some(view) = self.groups().held(&said.name).map(Replica::view) else {
            return self.say_not_held(now, (from, by), &said.name);
        };
        let (level, name) = (said.level + 1, &said.name);
        let (mut whole, mut parents, mut wishes) = (Vec::new(), Vec::new(), Vec::new());
        for theirs in &said.parents {
            let mine = view.bucket_children(said.level, theirs.index);
            for ((child, mine), theirs_of) in (0..).zip(mine).zip(theirs.children) {
                let index = theirs.index << 4 | child;
                if planted(Bug::BucketSkipped) && child == 7 {
                    continue;
                }
                match (mine.records, theirs_of) {
                    (0, None) => {}
                    (0, Some(_)) => whole.push(index),
                    (_, Some(fingerprint)) if fingerprint == mine.fingerprint => {}
                    (_, None) => wishes.extend(view.bucket_records(level, index).map(Wish::whole)),
                    (few, Some(_)) if few <= FEW || level >= LOWEST => whole.push(index),
                    (_, Some(_)) => parents.push(parent(view, level, index)),
                }
            }
        }
        let mut bodies = Vec::new();
        if !whole.is_empty() && level <= LOWEST {
            bodies.push(Body::Versions(versions_of(name, view, level, whole, false)));
        } else if !whole.is_empty() {
            let mut above: Vec<u64> = whole.into_iter().map(|index| index >> 4).collect();
            above.dedup();
            bodies.push(Body::Versions(versions_of(name, view, LOWEST, above, false)));
        }
        if !parents.is_empty() {
            bodies.push(Body::Buckets(Buckets { name: name.clone(), level, parents }));
        }
        for body in bodies {
            self.send(now, from, body, by);
        }
        self.give(now, (from, by), name, &wishes);
    }

    fn on_versions(&mut self, now: Time, (from, by): Way, path: Path, said: &Versions) {
        let me = self.me();
        let name = &said.name;
        if let Some((_, Some(known))) = said.versions.iter().find(|(member, _)| *member == me) {
            // A version without a digest is taken at its word.
            let own = self.groups().record(name, me).map(Record::version_digest);
            let same = own.filter(|own| own.version == known.version).map_or(0, |own| own.digest);
            let stamp = VersionDigest { version: known.version, digest: known.digest.unwrap_or(same) };
            self.groups_mut().hear_own(name, from, path, stamp);
        } else if said.buckets.is_none() && said.versions.iter().any(|(member, _)| *member == me) {
            // Whoever was asked what it knows of us knows nothing.
            self.on_heard(now, name);
        }
        if self.groups().held(name).is_none() {
            if said.buckets.is_some() {
                self.say_not_held(now, (from, by), name);
            }
            return self.answer_own(now, (from, by), said);
        }
        let found = self.compare(said);
        if !found.same {
            self.note_difference(now, name);
        }
        if !found.asks.is_empty() {
            self.count("anti-entropy", "requested");
            let body = RecordRequests { name: name.clone(), requests: found.asks };
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
        if let (true, Some((level, buckets))) = (found.same && !said.digests, &said.buckets)
            && !planted(Bug::DigestsIgnored)
            && let Some(view) = self.groups().held(name).map(Replica::view)
        {
            let body = Body::Versions(versions_of(name, view, *level, buckets.clone(), true));
            self.count("anti-entropy", "digests told");
            self.send(now, from, body, by);
        }
        self.give(now, (from, by), name, &found.wishes);
    }

    /// A group that we do not hold: what we once wrote there is still ours to tell; and whoever asks what is known of it is told who knows more, or
    /// that nobody is known.
    fn answer_own(&mut self, now: Time, (to, by): Way, said: &Versions) {
        let me = self.me();
        let asked = said.versions.iter().find(|(member, _)| *member == me);
        if said.buckets.is_none() && said.versions.as_slice() == [(to, None)] {
            let body = match self.groups_mut().contacts.name_other(&said.name, to) {
                Some(other) => {
                    let groups = vec![(said.name.clone(), GroupEntry::Contact(other))];
                    Body::Fingerprints(Fingerprints { answer: true, after: None, until: None, groups })
                }
                // The members meet elsewhere: there is more known.
                None if !self.is_rendezvous(&said.name) => {
                    return self.refer(now, to, std::slice::from_ref(&said.name));
                }
                None => Body::Versions(said.clone()),
            };
            return self.send(now, to, body, by);
        }
        let Some(own) = self.groups().version(&said.name, me) else { return };
        if asked.is_some_and(|(_, known)| known.is_none_or(|known| known.version < own)) {
            self.give(now, (to, by), &said.name, &[Wish { member: me, known: None, whole: true }]);
        }
    }

    /// The eviction because of which a version is not asked for.
    fn evicted(&self, group: &GroupName, member: NetId, version: Version) -> Option<Eviction> {
        self.groups().topology.group(group)?.eviction_covering(member, version)
    }

    /// What follows from versions that somebody has.
    fn compare(&self, said: &Versions) -> Found {
        let me = self.me();
        let mut found = Found { same: true, ..Found::default() };
        let Some(view) = self.groups().held(&said.name).map(Replica::view) else { return found };
        let ask = |mine: &Record| {
            let version = mine.version();
            (!version.forgotten).then_some((version.incarnation, version.clock))
        };
        for (member, known) in &said.versions {
            let mine = view.record(*member);
            match (mine, known) {
                (None, None) => found.unknown.push(*member),
                (None, Some(_)) if *member == me => {}
                (None, Some(known)) => match self.evicted(&said.name, *member, known.version) {
                    Some(eviction) => found.evictions.push(eviction),
                    None => found.asks.push((*member, None)),
                },
                (Some(_), None) => found.wishes.push(Wish { member: *member, known: None, whole: true }),
                (Some(mine), Some(known)) if mine.version() < known.version => {
                    if *member == me {
                        // It is followed up as what we hear of ourselves.
                    } else if let Some(eviction) = self.evicted(&said.name, *member, known.version) {
                        found.evictions.push(eviction);
                    } else {
                        found.asks.push((*member, ask(mine)));
                    }
                }
                (Some(mine), Some(known)) if mine.version() > known.version => {
                    found.wishes.push(Wish { member: *member, known: Some(known.version), whole: false });
                }
                (Some(mine), Some(known)) => {
                    if known.digest.is_some_and(|digest| digest != mine.digest()) {
                        found.wishes.push(Wish { member: *member, known: None, whole: true });
                        if *member != me {
                            found.asks.push((*member, None));
                        }
                    }
                }
            }
        }
        found.unknown.retain(|member| said.versions.len() == 1 && *member != me);
        if let Some((level, buckets)) = &said.buckets {
            let has = |member: NetId| said.versions.binary_search_by(|(other, _)| other.cmp(&member)).is_ok();
            let mine = buckets.iter().flat_map(|index| view.bucket_records(*level, *index));
            found.wishes.extend(mine.filter(|record| !has(record.member())).map(Wish::whole));
        }
        found.wishes.sort_unstable_by_key(|wish| wish.member);
        found.asks.sort_unstable_by_key(|(member, _)| *member);
        found.same = found.asks.is_empty()
            && found.wishes.is_empty()
            && found.unknown.is_empty()
            && found.evictions.is_empty();
        found
    }

    fn on_requests(&mut self, now: Time, (from, by): Way, said: &RecordRequests) {
        let wishes: Vec<Wish> = said
            .requests
            .iter()
            .map(|(member, known)| {
                let known =
                    known.and_then(|(incarnation, clock)| Version::new(incarnation, false, clock).ok());
                Wish { member: *member, known, whole: known.is_none() }
            })
            .collect();
        self.give(now, (from, by), &said.name, &wishes);
    }
}

/// Whether a message can only be an answer to one of ours. All others a node sends of its own accord as well, whatever gets through to it.
fn answers(from: NetId, body: &Body) -> bool {
    match body {
        Body::Root(root) => root.answer,
        Body::Fingerprints(said) => {
            let registers = |(_, holding): &(GroupName, GroupEntry)| *holding == GroupEntry::Contact(from);
            said.answer && said.until.is_some() && !said.groups.iter().any(registers)
        }
        _ => false,
    }
}

/// What follows from versions.
#[derive(Debug, Default)]
struct Found {
    asks: Vec<(NetId, Option<(gm_clock::Incarnation, u64)>)>,
    wishes: Vec<Wish>,
    /// Members of whom neither side has anything, where that was asked.
    unknown: Vec<NetId>,
    /// Why what is shown is not asked for.
    evictions: Vec<Eviction>,
    /// Nothing follows.
    same: bool,
}

/// A bucket by its children.
fn parent(view: &View, level: u8, index: u64) -> ParentBucket {
    let told = |bucket: Bucket| (bucket.records > 0).then_some(bucket.fingerprint);
    ParentBucket { index, children: view.bucket_children(level, index).map(told) }
}

/// The versions of whole buckets.
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
