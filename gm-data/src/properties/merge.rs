//! Properties of merging on generated states: idempotent, commutative, associative, monotone; and
//! properties of fingerprints.

use std::collections::{BTreeMap, BTreeSet};
use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::generate::group_state;
use super::runner::{Cases, holds};
use crate::{GroupState, VersionDigest};

fn merged(a: &GroupState, b: &GroupState) -> GroupState {
    let mut joined = a.clone();
    joined.merge(b).unwrap();
    joined
}

/// The merge of the slow model: the greatest version digest of every member.
fn greatest(states: &[&GroupState]) -> Vec<(gm_clock::NetId, VersionDigest)> {
    let mut all: Vec<_> = states.iter().flat_map(|state| state.version_digests()).collect();
    all.sort();
    let mut greatest: Vec<(gm_clock::NetId, VersionDigest)> = Vec::new();
    for (member, digest) in all {
        greatest.retain(|(other, _)| *other != member);
        greatest.push((member, digest));
    }
    greatest
}

fn ensure(holds: bool, law: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("not {law}")) }
}

fn merge_is_the_least_upper_bound(cases: Cases) -> Result<(), String> {
    holds(cases, &(group_state(), group_state(), group_state()), |(a, b, c)| {
        let ab = merged(a, b);
        ensure(merged(a, a) == *a, "idempotent")?;
        ensure(merged(&ab, b) == ab && merged(&ab, a) == ab, "an upper bound")?;
        ensure(ab == merged(b, a), "commutative")?;
        ensure(merged(&ab, c) == merged(a, &merged(b, c)), "associative")?;
        ensure(ab.version_digests().eq(greatest(&[a, b])), "the greatest of each member")?;
        let taken = |member, by: &GroupState| by.record(member).map(crate::Record::version_digest);
        for (member, digest) in ab.version_digests() {
            ensure(taken(member, a) <= Some(digest), "monotone")?;
            ensure(
                ab.record(member) == a.record(member) || ab.record(member) == b.record(member),
                "whole: a record is replaced or kept as a whole",
            )?;
        }
        // Parts of a state are states: merging the parts in any order equals merging the whole.
        let parts: Vec<GroupState> = b.version_digests().map(|(member, _)| b.records_for([member])).collect();
        let by_parts = parts.iter().rev().chain(&parts).fold(a.clone(), |sum, part| merged(&sum, part));
        ensure(by_parts == ab, "the same by parts")
    })
}

fn fingerprints_tell_states_apart(cases: Cases) -> Result<(), String> {
    holds(cases, &(group_state(), group_state()), |(a, b)| {
        ensure((a.fingerprint() == b.fingerprint()) == (a == b), "equal fingerprints of equal states")?;
        let rebuilt = GroupState::from_records(a.name().clone(), a.records().cloned());
        ensure(rebuilt.fingerprint() == a.fingerprint() && rebuilt == *a, "the fingerprint of a fresh build")
    })
}

fn merge_reports_what_it_did(cases: Cases) -> Result<(), String> {
    holds(cases, &(group_state(), group_state()), |(a, b)| {
        let mut merged = a.clone();
        let report = merged.merge(b).unwrap();
        let digest_of = |state: &GroupState, member| state.record(member).map(crate::Record::version_digest);
        let members: Vec<_> = b.version_digests().map(|(member, _)| member).collect();
        let newer = members.iter().copied().filter(|m| digest_of(b, *m) > digest_of(a, *m));
        let older = members.iter().copied().filter(|m| digest_of(b, *m) < digest_of(a, *m));
        ensure(report.newer.into_iter().eq(newer), "newer lists the members whose records were taken")?;
        ensure(report.older.into_iter().eq(older), "older lists the members whose records were behind")
    })
}

fn records_that_differ_are_those(cases: Cases) -> Result<(), String> {
    holds(cases, &(group_state(), group_state()), |(a, b)| {
        let stamps = |state: &GroupState| state.version_digests().collect::<BTreeMap<_, _>>();
        let (old, new) = (stamps(a), stamps(b));
        let members: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
        let slow: Vec<_> = members
            .into_iter()
            .map(|member| (member, old.get(&member).copied(), new.get(&member).copied()))
            .filter(|(_, old, new)| old != new)
            .collect();
        let mut found = Vec::new();
        b.each_changed_record(a, |old, new| {
            let member = new.or(old).map(crate::Record::member);
            found.extend(member.map(|m| {
                (m, old.map(crate::Record::version_digest), new.map(crate::Record::version_digest))
            }));
        });
        ensure(found == slow, "the records that differ, each once, in order")
    })
}

fn events_lead_from_one_state_to_the_other(cases: Cases) -> Result<(), String> {
    holds(cases, &(group_state(), group_state()), |(a, b)| {
        let items = |state: &GroupState| state.items().iter().map(|stamped| stamped.item).collect();
        let mut followed = items(a);
        super::invariants::follow(&mut followed, &b.events_since(a))?;
        ensure(followed == items(b), "the events of the difference")?;
        for limit in [0, 1, 2, 3, 7] {
            ensure(in_parts(a, b, limit) == b.events_since(a), "the same in parts")?;
        }
        ensure(a.events_since(&a.clone()).is_empty(), "without events if nothing changed")
    })
}

/// The events from one state to the other, in parts of about `limit`.
fn in_parts(a: &GroupState, b: &GroupState, limit: usize) -> Vec<crate::GroupEvent> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let (events, reached) = b.events_from(a, cursor, limit);
        // `Joined` comes with the first range of a member, and `Left` with the last.
        assert!(events.len() <= limit.max(1) + 2 && (reached.is_none() || !events.is_empty()));
        all.extend(events);
        if reached.is_none() {
            return all;
        }
        cursor = reached;
    }
}

#[test]
fn unshared_bytes_are_counted() {
    let me: gm_clock::NetId = "10.0.0.1:1".parse().unwrap();
    let mut replica = crate::Replica::new(me, "g".parse().unwrap());
    let serve = |start: u32| crate::Change::Serve {
        range: crate::KeyRange::new(start, start + 9).unwrap(),
        port: Some(1),
        priority: 1,
    };
    let changes: Vec<_> = (0..20_000).map(|at| serve(at * 10)).collect();
    let now = crate::WriteContext { unix_seconds: 1, entropy: 1, millis: 0 };
    replica.change(&changes, now).unwrap();
    let before = replica.state().unindexed();
    assert!(before.index().is_none() && before == *replica.state());
    let nothing = GroupState::new("g".parse().unwrap());
    let whole = before.unshared_bytes(&nothing);
    assert!((20_000 * 20..20_000 * 30).contains(&whole), "{whole}");
    assert_eq!((before.unshared_bytes(replica.state()), nothing.unshared_bytes(&before)), (0, 0));
    replica.change(&[serve(500_000)], now).unwrap();
    let one = before.unshared_bytes(replica.state());
    assert!((500..8_000).contains(&one), "{one}: a path from the root, and the record");
}

#[test]
fn merge_properties() {
    for law in [
        merge_is_the_least_upper_bound,
        fingerprints_tell_states_apart,
        merge_reports_what_it_did,
        events_lead_from_one_state_to_the_other,
        records_that_differ_are_those,
    ] {
        law(Cases(2_000)).unwrap();
    }
}

proptest! {
    #[test]
    fn a_snapshot_is_not_touched_by_what_follows(a in group_state(), b in group_state()) {
        let (mut state, before) = (a.clone(), format!("{a:?}"));
        let snapshot = state.clone();
        state.merge(&b).unwrap();
        state.purge(crate::PurgePolicy::EVERYTHING);
        for member in vec![0, 1].into_iter().map(crate::properties::world::id) {
            let _ = state.forget(member);
        }
        prop_assert_eq!(format!("{snapshot:?}"), before);
    }
}
