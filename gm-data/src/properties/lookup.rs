//! Index queries compared with a linear scan of all items: every query, at every boundary, after
//! every change.

use std::collections::{BTreeMap, BTreeSet};
use std::string::String;
use std::vec::Vec;

use gm_clock::NetId;
use proptest::collection::vec;
use proptest::prelude::*;

use super::model::{member_hash, step};
use super::runner::{Cases, holds};
use super::world::{group, id};
use crate::{Change, Item, KeyRange, Op, Owner, PurgePolicy, Replica, View, WriteContext};

/// Checks the answers of a view against a scan.
pub(super) fn same_answers(view: &View) -> Result<(), String> {
    let items: Vec<Item> = view.items().iter().map(|stamped| stamped.item).collect();
    let served: Vec<Item> = items.iter().copied().filter(|item| item.op() == Op::Add).collect();
    let mut keys: BTreeSet<u32> = BTreeSet::from([0, u32::MAX]);
    for item in &items {
        for key in [item.range().start(), item.range().end()] {
            keys.extend([key.saturating_sub(1), key, key.saturating_add(1)]);
        }
    }
    for &key in &keys {
        let want = owners(&served, key);
        let found = view.locate(key);
        if found != want || view.first_owner(key) != want.first().copied() {
            return Err(format!("key {key:#x}: {found:?}, want {want:?}"));
        }
        // The next served key is the next key, if it is served, else the next start of a served
        // range.
        let candidates =
            key.checked_add(1).into_iter().chain(keys.iter().copied().filter(|next| *next > key));
        let next = candidates.min_by_key(|next| (owners(&served, *next).is_empty(), *next));
        let next = next.filter(|next| !owners(&served, *next).is_empty());
        if view.next_served_key(key) != next {
            return Err(format!("after {key:#x}: {:x?}, want {next:x?}", view.next_served_key(key)));
        }
    }
    let first = served.iter().map(|item| item.range().start()).min();
    if view.first_served_key() != first {
        return Err(format!("first: {:?}, want {first:?}", view.first_served_key()));
    }
    for (low, high) in keys.iter().zip(keys.iter().skip(3)).step_by(2) {
        same_range(view, &items, KeyRange::new(*low, *high).unwrap())?;
    }
    same_range(view, &items, KeyRange::WHOLE)?;
    same_coverage(view, &served, &keys)
}

fn same_range(view: &View, items: &[Item], range: KeyRange) -> Result<(), String> {
    let touching = |item: &&Item| item.range().start() <= range.end() && range.start() <= item.range().end();
    let mut served: Vec<Owner> =
        items.iter().filter(touching).filter(|item| item.op() == Op::Add).map(owner).collect();
    served.sort_by_key(|owner| (owner.range.start(), owner.range.end(), owner.member));
    let concerned: BTreeSet<NetId> = items.iter().filter(touching).map(Item::member).collect();
    if view.locate_range(range) != served || !view.affected_members(range).iter().eq(&concerned) {
        return Err(format!(
            "of {range}: {:?}, {:?}",
            view.locate_range(range),
            view.affected_members(range)
        ));
    }
    Ok(())
}

fn owner(item: &Item) -> Owner {
    Owner { member: item.member(), range: item.range(), port: item.port(), priority: item.priority() }
}

/// The owners of the key, by repeated search for the most preferred of the remaining ones.
fn owners(served: &[Item], key: u32) -> Vec<Owner> {
    let mut left: Vec<Owner> = served
        .iter()
        .filter(|item| item.range().start() <= key && key <= item.range().end())
        .map(owner)
        .collect();
    let weight = |member: NetId| step(step(7, member_hash(member)), u64::from(key));
    let better = |a: &Owner, b: &Owner| {
        if a.priority != b.priority {
            a.priority > b.priority
        } else if a.member != b.member {
            (weight(a.member), b.member) > (weight(b.member), a.member)
        } else {
            (a.range.start(), a.range.end()) < (b.range.start(), b.range.end())
        }
    };
    let mut owners = Vec::new();
    while let Some(best) = left.iter().copied().find(|a| left.iter().all(|b| a == b || better(a, b))) {
        owners.push(best);
        left.retain(|other| other.member != best.member);
    }
    owners
}

/// Checks coverage, gaps, overlaps, redundancy and member coverage, segment by segment between
/// adjacent boundaries.
fn same_coverage(view: &View, served: &[Item], keys: &BTreeSet<u32>) -> Result<(), String> {
    // All keys between two adjacent entries of `keys` are served by the same items.
    let starts: Vec<u32> = keys.iter().copied().collect();
    let mut redundancy: BTreeMap<usize, u64> = BTreeMap::new();
    let mut shares: BTreeMap<NetId, (u64, u64)> = BTreeMap::new();
    for (at, &start) in starts.iter().enumerate() {
        let end = starts.get(at + 1).map_or(1 << 32, |next| u64::from(*next));
        let width = end - u64::from(start);
        let here = owners(served, start);
        *redundancy.entry(here.len()).or_default() += width;
        for owner in &here {
            let share = shares.entry(owner.member).or_default();
            share.0 += width;
            share.1 += if here.len() == 1 { width } else { 0 };
        }
    }
    if view.redundancy() != redundancy {
        return Err(format!("redundancy {:?}, want {redundancy:?}", view.redundancy()));
    }
    let found: BTreeMap<NetId, (u64, u64)> =
        view.member_coverage().iter().map(|share| (share.member, (share.keys, share.sole_keys))).collect();
    if found != shares {
        return Err(format!("member coverage {found:?}, want {shares:?}"));
    }
    for members in 0..4 {
        let ranges = if members == 0 { view.gaps() } else { view.overlaps(members) };
        let inside = |count: usize| if members == 0 { count == 0 } else { count >= members };
        let wrong = starts.iter().find(|key| {
            ranges.iter().any(|range| range.contains(**key)) != inside(owners(served, **key).len())
        });
        let touching = ranges.windows(2).any(|two| u64::from(two[0].end()) + 1 >= u64::from(two[1].start()));
        if wrong.is_some() || touching {
            return Err(format!("{members} members: {ranges:?}, wrong at {wrong:?}"));
        }
    }
    let mut next = 0_u64;
    for segment in view.coverage() {
        let mut want: Vec<Owner> =
            served.iter().filter(|item| item.range().contains(segment.range.start())).map(owner).collect();
        want.sort_by_key(|o| (core::cmp::Reverse(o.priority), o.member, o.range));
        let cut = served.iter().any(|item| {
            let (start, end) = (item.range().start(), item.range().end());
            (segment.range.start() < start && start <= segment.range.end())
                || (segment.range.start() <= end && end < segment.range.end())
        });
        if u64::from(segment.range.start()) != next || cut || segment.owners != want {
            return Err(format!("segment {segment:?} after {next:#x}, want {want:?}"));
        }
        next = u64::from(segment.range.end()) + 1;
    }
    if next == 1 << 32 { Ok(()) } else { Err(format!("the segments end at {next:#x}")) }
}

#[derive(Clone, Debug)]
enum LookupOperation {
    Serve(usize, KeyRange, u16),
    Interest(usize, KeyRange),
    Unserve(usize, usize),
    Leave(usize),
    Forget(usize, usize),
    /// The first node receives the second one's record, as an increment or as a whole.
    Take(usize, usize),
    Purge(usize),
}

fn range() -> impl Strategy<Value = KeyRange> {
    let key = || prop_oneof![4 => 0..60_u32, 1 => (u32::MAX - 9)..=u32::MAX, 1 => any::<u32>()];
    prop_oneof![
        8 => (key(), key()).prop_map(|(a, b)| KeyRange::new(a.min(b), a.max(b)).unwrap()),
        1 => key().prop_map(KeyRange::single),
        1 => Just(KeyRange::WHOLE),
    ]
}

fn operations() -> impl Strategy<Value = Vec<LookupOperation>> {
    let node = || 0..3_usize;
    vec(
        prop_oneof![
            9 => (node(), range(), 1..4_u16).prop_map(|(node, range, prio)| LookupOperation::Serve(node, range, prio)),
            2 => (node(), range()).prop_map(|(node, range)| LookupOperation::Interest(node, range)),
            4 => (node(), any::<usize>()).prop_map(|(node, at)| LookupOperation::Unserve(node, at)),
            1 => node().prop_map(LookupOperation::Leave),
            1 => (node(), node()).prop_map(|(node, other)| LookupOperation::Forget(node, other)),
            9 => (node(), node()).prop_map(|(node, other)| LookupOperation::Take(node, other)),
            1 => node().prop_map(LookupOperation::Purge),
        ],
        1..50,
    )
}

fn execute(replicas: &mut [Replica], act: &LookupOperation, millis: u64) {
    let context = WriteContext { millis, ..WriteContext::default() };
    // Refused operations change nothing; other tests check that.
    match *act {
        LookupOperation::Serve(node, range, priority) => {
            let _ = replicas[node].change(&[Change::Serve { range, port: Some(1), priority }], context);
        }
        LookupOperation::Interest(node, range) => {
            drop(replicas[node].change(&[Change::Interest(range)], context))
        }
        LookupOperation::Unserve(node, at) => {
            let items: Vec<Item> =
                replicas[node].own_record().map(|own| own.items().collect()).unwrap_or_default();
            if let Some(item) = items.get(at % items.len().max(1)) {
                let _ = replicas[node].change(&[Change::Unserve(item.range())], context);
            }
        }
        LookupOperation::Leave(node) => drop(replicas[node].leave(context)),
        LookupOperation::Forget(node, other) => drop(replicas[node].forget(id(other))),
        LookupOperation::Take(node, other) => {
            let known = replicas[node].state().record(id(other)).map(crate::Record::version);
            match replicas[other].state().transfer_for(id(other), known) {
                crate::Transfer::Increment(increment) => {
                    replicas[node].apply_increment(&increment, context);
                }
                _ => drop(replicas[node].merge(&replicas[other].state().clone(), context)),
            }
        }
        LookupOperation::Purge(node) => drop(replicas[node].purge(PurgePolicy::EVERYTHING)),
    }
}

fn the_index_answers_as_a_scan(cases: Cases) -> Result<(), String> {
    holds(cases, &operations(), |acts| {
        let mut replicas: Vec<Replica> = (0..3).map(|node| Replica::new(id(node), group())).collect();
        let mut kept: Option<(View, Vec<Owner>)> = None;
        for (at, step) in (0..).zip(acts) {
            execute(&mut replicas, step, at * 61_000);
            for replica in &replicas {
                same_answers(replica.view()).map_err(|why| format!("after {step:?}: {why}"))?;
            }
            // A reader's view must not change.
            if let Some((view, owners)) = kept.take()
                && (view.locate(30) != owners || same_answers(&view).is_err())
            {
                return Err(format!("{step:?} changed a reader's view"));
            }
            let view = replicas[0].view().clone();
            let owners = view.locate(30);
            kept = Some((view, owners));
        }
        Ok(())
    })
}

#[test]
fn the_index_answers_as_a_scan_does() {
    the_index_answers_as_a_scan(Cases(600)).unwrap();
}

#[test]
fn an_index_that_is_built_answers_as_one_that_followed() {
    holds(Cases(300), &super::generate::group_state(), |state| {
        same_answers(&View::new(state.clone()))?;
        let mut followed = View::new(crate::GroupState::new(group()));
        followed.state_mut().merge(state).unwrap();
        same_answers(&followed)
    })
    .unwrap();
}

#[test]
fn members_of_equal_priority_share_the_keys_evenly() {
    let mut replica = Replica::new(id(0), group());
    let context = WriteContext::default();
    for node in [0, 2, 3] {
        let mut other = Replica::new(id(node), group());
        let serve = Change::Serve { range: KeyRange::WHOLE, port: Some(1), priority: 1 };
        other.change(&[serve], context).unwrap();
        if node == 0 { replica = other } else { drop(replica.merge(other.state(), context).unwrap()) }
    }
    let mut keys: BTreeMap<NetId, u32> = BTreeMap::new();
    for key in (0..30_000_u32).map(|key| key.wrapping_mul(143_165)) {
        *keys.entry(replica.view().first_owner(key).unwrap().member).or_default() += 1;
    }
    // The standard deviation of each count is 82.
    assert!(keys.len() == 3 && keys.values().all(|count| count.abs_diff(10_000) < 400), "{keys:?}");
}

#[test]
fn thousands_of_ranges_over_one_key() {
    let mut replica = Replica::new(id(0), group());
    let nested = |n: u32| KeyRange::new(5_000 - n, 5_000 + n).unwrap();
    let serve = |n: u32| Change::Serve {
        range: nested(n),
        port: Some(1),
        priority: 1 + u16::try_from(n % 7).unwrap(),
    };
    let batch: Vec<Change> = (0..3_000).map(serve).collect();
    replica.change(&batch, WriteContext::default()).unwrap();
    let view = replica.view();
    assert_eq!(view.locate(5_000).len(), 1, "one member");
    assert_eq!(view.locate_range(KeyRange::single(5_000)).len(), 3_000);
    assert_eq!(view.redundancy(), BTreeMap::from([(0, (1 << 32) - 5_999), (1, 5_999)]));
    assert_eq!(view.member_coverage()[0].keys, 5_999);
    assert_eq!(view.gaps().len(), 2);
}
