//! The laws of joining, on generated states: idempotent, commutative, associative, monotone; and what fingerprints promise.

use std::collections::{BTreeMap, BTreeSet};
use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::generate::message;
use super::runner::{Cases, holds};
use crate::{Message, Stamp};

fn joined(a: &Message, b: &Message) -> Message {
    let mut joined = a.clone();
    joined.merge(b).unwrap();
    joined
}

/// As the slow twin would: of every member the greatest stamp, and nothing else.
fn greatest(states: &[&Message]) -> Vec<(gm_clock::NetId, Stamp)> {
    let mut all: Vec<_> = states.iter().flat_map(|state| state.stamps()).collect();
    all.sort();
    let mut greatest: Vec<(gm_clock::NetId, Stamp)> = Vec::new();
    for (member, stamp) in all {
        greatest.retain(|(other, _)| *other != member);
        greatest.push((member, stamp));
    }
    greatest
}

fn ensure(holds: bool, law: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("not {law}")) }
}

pub(super) fn join_is_a_least_upper_bound(cases: Cases) -> Result<(), String> {
    holds(cases, &(message(), message(), message()), |(a, b, c)| {
        let ab = joined(a, b);
        ensure(joined(a, a) == *a, "idempotent")?;
        ensure(joined(&ab, b) == ab && joined(&ab, a) == ab, "an upper bound")?;
        ensure(ab == joined(b, a), "commutative")?;
        ensure(joined(&ab, c) == joined(a, &joined(b, c)), "associative")?;
        ensure(ab.stamps().eq(greatest(&[a, b])), "the greatest of each member")?;
        let taken = |member, by: &Message| by.record(member).map(crate::Record::stamp);
        for (member, stamp) in ab.stamps() {
            ensure(taken(member, a) <= Some(stamp), "monotone")?;
            ensure(
                ab.record(member) == a.record(member) || ab.record(member) == b.record(member),
                "whole: a record is taken or kept as it is",
            )?;
        }
        // A part of a state is a state: joining the parts in any order is joining the whole.
        let parts: Vec<Message> = b.stamps().map(|(member, _)| b.records_for([member])).collect();
        let by_parts = parts.iter().rev().chain(&parts).fold(a.clone(), |sum, part| joined(&sum, part));
        ensure(by_parts == ab, "the same by parts")
    })
}

pub(super) fn fingerprints_tell_states_apart(cases: Cases) -> Result<(), String> {
    holds(cases, &(message(), message()), |(a, b)| {
        ensure(
            (a.fingerprint() == b.fingerprint()) == (a == b),
            "equal fingerprints where states are equal",
        )?;
        let rebuilt = Message::from_records(a.name().clone(), a.records().cloned());
        ensure(rebuilt.fingerprint() == a.fingerprint() && rebuilt == *a, "the fingerprint of a fresh build")
    })
}

pub(super) fn merge_reports_what_it_did(cases: Cases) -> Result<(), String> {
    holds(cases, &(message(), message()), |(a, b)| {
        let mut merged = a.clone();
        let report = merged.merge(b).unwrap();
        let stamp = |state: &Message, member| state.record(member).map(crate::Record::stamp);
        let members: Vec<_> = b.stamps().map(|(member, _)| member).collect();
        let newer = members.iter().copied().filter(|m| stamp(b, *m) > stamp(a, *m));
        let older = members.iter().copied().filter(|m| stamp(b, *m) < stamp(a, *m));
        ensure(report.newer.into_iter().eq(newer), "newer names who was taken")?;
        ensure(report.older.into_iter().eq(older), "older names who was behind")
    })
}

pub(super) fn records_that_differ_are_those(cases: Cases) -> Result<(), String> {
    holds(cases, &(message(), message()), |(a, b)| {
        let stamps = |state: &Message| state.stamps().collect::<BTreeMap<_, _>>();
        let (old, new) = (stamps(a), stamps(b));
        let members: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
        let slow: Vec<_> = members
            .into_iter()
            .map(|member| (member, old.get(&member).copied(), new.get(&member).copied()))
            .filter(|(_, old, new)| old != new)
            .collect();
        let mut found = Vec::new();
        b.each_record_since(a, |old, new| {
            let member = new.or(old).map(crate::Record::member);
            found.extend(member.map(|m| (m, old.map(crate::Record::stamp), new.map(crate::Record::stamp))));
        });
        ensure(found == slow, "the records that differ, each once, in order")
    })
}

pub(super) fn events_lead_from_one_state_to_the_other(cases: Cases) -> Result<(), String> {
    holds(cases, &(message(), message()), |(a, b)| {
        let items = |state: &Message| state.topology().iter().map(|timed| timed.item).collect();
        let mut followed = items(a);
        super::check::follow(&mut followed, &b.events_since(a))?;
        ensure(followed == items(b), "the events of the difference")?;
        for most in [0, 1, 2, 3, 7] {
            ensure(in_parts(a, b, most) == b.events_since(a), "the same in parts")?;
        }
        ensure(a.events_since(&a.clone()).is_empty(), "quiet where nothing changed")
    })
}

/// The events from one state to the other, about so many at a time.
fn in_parts(a: &Message, b: &Message, most: usize) -> Vec<crate::Event> {
    let (mut all, mut told) = (Vec::new(), None);
    loop {
        let (events, reached) = b.events_from(a, told, most);
        // With the first range of a member comes that it joined, and with the last that it left.
        assert!(events.len() <= most.max(1) + 2 && (reached.is_none() || !events.is_empty()));
        all.extend(events);
        if reached.is_none() {
            return all;
        }
        told = reached;
    }
}

#[test]
fn what_two_states_do_not_share_is_counted() {
    let me: gm_clock::NetId = "10.0.0.1:1".parse().unwrap();
    let mut replica = crate::Replica::new(me, "g".parse().unwrap());
    let serve = |start: u32| crate::Change::Serve {
        range: crate::KeyRange::new(start, start + 9).unwrap(),
        port: Some(1),
        priority: 1,
    };
    let changes: Vec<_> = (0..20_000).map(|at| serve(at * 10)).collect();
    let now = crate::Moment { unix_seconds: 1, chance: 1, millis: 0 };
    replica.change(&changes, now).unwrap();
    let before = replica.state().unindexed();
    assert!(before.index().is_none() && before == *replica.state());
    let nothing = Message::new("g".parse().unwrap());
    let whole = before.bytes_unlike(&nothing);
    assert!((20_000 * 20..20_000 * 30).contains(&whole), "{whole}");
    assert_eq!((before.bytes_unlike(replica.state()), nothing.bytes_unlike(&before)), (0, 0));
    replica.change(&[serve(500_000)], now).unwrap();
    let one = before.bytes_unlike(replica.state());
    assert!((500..8_000).contains(&one), "{one}: a path from the root, and the record");
}

#[test]
fn laws_of_joining() {
    for law in [
        join_is_a_least_upper_bound,
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
    fn a_snapshot_is_not_touched_by_what_follows(a in message(), b in message()) {
        let (mut state, before) = (a.clone(), format!("{a:?}"));
        let snapshot = state.clone();
        state.merge(&b).unwrap();
        state.purge(crate::PurgePolicy::EVERYTHING);
        for member in vec![0, 1].into_iter().map(super::world::id) {
            let _ = state.forget(member);
        }
        prop_assert_eq!(format!("{snapshot:?}"), before);
    }
}
