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
        ensure(a.events_since(&a.clone()).is_empty(), "quiet where nothing changed")
    })
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
