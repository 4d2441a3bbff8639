//! Buckets compared with a linear scan of all records: every relevant bucket, after every change.

#![allow(clippy::cast_possible_truncation)] // Numbers are cut to 64 bits on purpose.

use std::string::String;
use std::vec::Vec;

use gm_clock::NetId;
use proptest::collection::vec;
use proptest::prelude::*;

use super::model::{member_hash, step};
use super::runner::{Cases, holds};
use super::world::group;
use crate::{Bucket, Change, GroupState, KeyRange, PurgePolicy, Record, Replica, View, WriteContext};

/// Hash position, member and fingerprint summand of each record, in the order of the positions.
fn scan(view: &View) -> Vec<(u64, NetId, u64)> {
    let of = |record: &Record| {
        let (member, version) = (record.member(), record.version());
        let clock = u64::from(version.forgotten) * (1 << 63) + version.clock;
        let words = [member_hash(member), version.incarnation.get(), clock, record.digest()];
        (step(9, member_hash(member)), member, words.iter().fold(3, |h, word| step(h, *word)))
    };
    let mut all: Vec<_> = view.records().map(of).collect();
    all.sort_unstable();
    all
}

/// The index of the position among `16^level` equal parts of all positions.
fn index(position: u64, level: u8) -> u128 {
    (u128::from(position) * 16_u128.pow(level.into())) >> 64
}

/// Checks the buckets of a view against a scan.
pub(super) fn same_buckets(view: &View) -> Result<(), String> {
    let all = scan(view);
    for level in 0..=16 {
        same_bucket(view, &all, level, 0)?;
        same_bucket(view, &all, level, u64::MAX)?;
        for (position, ..) in &all {
            let index = index(*position, level) as u64;
            for index in [index.saturating_sub(1), index, index.saturating_add(1)] {
                same_bucket(view, &all, level, index)?;
            }
        }
    }
    let low = view.bucket(0, 0);
    if (low.records, low.fingerprint) != (view.records().len(), view.fingerprint() as u64) {
        return Err(format!("all: {low:?}, want {:#x}", view.fingerprint()));
    }
    let positions =
        all.iter().flat_map(|(position, ..)| [position.wrapping_sub(1), *position, position.wrapping_add(1)]);
    for position in positions.chain([0, u64::MAX]) {
        let next =
            all.iter().find(|(other, ..)| *other >= position).or(all.first()).map(|(_, member, _)| *member);
        let found = view.record_from_position(position).map(Record::member);
        if found != next {
            return Err(format!("from position {position:#x}: {found:?}, want {next:?}"));
        }
    }
    Ok(())
}

fn same_bucket(view: &View, all: &[(u64, NetId, u64)], level: u8, at: u64) -> Result<(), String> {
    let want = |level: u8, at: u128| {
        let inside = all.iter().filter(|(position, ..)| index(*position, level) == at);
        inside.fold(Bucket::default(), |sum, (_, _, share)| Bucket {
            records: sum.records + 1,
            fingerprint: sum.fingerprint.wrapping_add(*share),
        })
    };
    let here = want(level, at.into());
    if view.bucket(level, at) != here {
        return Err(format!("level {level}, {at:#x}: {:?}, want {here:?}", view.bucket(level, at)));
    }
    let members = all
        .iter()
        .filter(|(position, ..)| index(*position, level) == at.into())
        .map(|(_, member, _)| *member);
    if !view.bucket_records(level, at).map(Record::member).eq(members) {
        return Err(format!("wrong records at level {level}, {at:#x}"));
    }
    let child = |child: u128| {
        if level < 16 { want(level + 1, u128::from(at) * 16 + child) } else { Bucket::default() }
    };
    let children: Vec<Bucket> = (0..16).map(child).collect();
    if view.bucket_children(level, at).as_slice() != children {
        return Err(format!("wrong children at level {level}, {at:#x}"));
    }
    Ok(())
}

/// Enough authors for a tree of hash positions with three levels.
const AUTHORS: usize = 48;

fn author(number: usize) -> NetId {
    let text = if number.is_multiple_of(5) {
        format!("[fd00::{number:x}]:7")
    } else {
        format!("10.1.0.{number}:29999")
    };
    text.parse().unwrap()
}

#[derive(Clone, Debug)]
enum BucketOperation {
    /// An author writes, and the replica receives the increment if there is one and `whole` is
    /// false, else the whole record.
    Author {
        number: usize,
        key: u32,
        whole: bool,
    },
    /// Several consecutive authors write, and the replica merges all their records at once.
    Authors {
        first: usize,
        count: usize,
        key: u32,
    },
    Write(u32),
    Unserve(u32),
    Leave,
    Forget(usize),
    Purge,
    KeepOwn,
    /// The replica writes on a draft, merges an author's record meanwhile, and commits the draft.
    Install {
        key: u32,
        number: usize,
    },
    /// The replica receives a foreign record of itself.
    Reassert,
}

fn operations() -> impl Strategy<Value = Vec<BucketOperation>> {
    let number = || 0..AUTHORS;
    let key = || 0..6_u32;
    vec(
        prop_oneof![
            9 => (number(), key(), any::<bool>()).prop_map(|(number, key, whole)| BucketOperation::Author { number, key, whole }),
            4 => (number(), 1..AUTHORS, key()).prop_map(|(first, count, key)| BucketOperation::Authors { first, count, key }),
            3 => key().prop_map(BucketOperation::Write),
            2 => key().prop_map(BucketOperation::Unserve),
            1 => Just(BucketOperation::Leave),
            3 => number().prop_map(BucketOperation::Forget),
            2 => Just(BucketOperation::Purge),
            1 => prop::bool::weighted(0.3).prop_map(|it| if it { BucketOperation::KeepOwn } else { BucketOperation::Purge }),
            3 => (key(), number()).prop_map(|(key, number)| BucketOperation::Install { key, number }),
            1 => Just(BucketOperation::Reassert),
        ],
        1..30,
    )
}

fn serve(key: u32) -> Change {
    Change::Serve { range: KeyRange::single(key), port: Some(1), priority: 1 }
}

struct SmallGroup {
    here: Replica,
    authors: Vec<Replica>,
    now: u64,
}

impl SmallGroup {
    fn context(&self) -> WriteContext {
        WriteContext { millis: self.now * 61_000, ..WriteContext::default() }
    }

    /// Lets the author serve the key, or stop serving it if it does already.
    fn write(&mut self, number: usize, key: u32) -> Option<crate::Increment> {
        let (context, author) = (self.context(), &mut self.authors[number]);
        let serves =
            author.own_record().is_some_and(|own| own.items().any(|item| item.range().contains(key)));
        let change = if serves { Change::Unserve(KeyRange::single(key)) } else { serve(key) };
        author.change(&[change], context).ok()?.increment
    }

    fn execute(&mut self, act: &BucketOperation) {
        self.now += 1;
        let context = self.context();
        // Refused operations change nothing; other tests check that.
        match *act {
            BucketOperation::Author { number, key, whole } => {
                let increment = self.write(number, key).filter(|_| !whole);
                match increment {
                    Some(increment) => drop(self.here.apply_increment(&increment, context)),
                    None => drop(self.here.merge(self.authors[number].state(), context)),
                }
            }
            BucketOperation::Authors { first, count, key } => {
                let mut state = GroupState::new(group());
                for number in (first..first + count).map(|number| number % AUTHORS) {
                    self.write(number, key);
                    state.merge(self.authors[number].state()).unwrap();
                }
                self.here.merge_others(&state).unwrap();
            }
            BucketOperation::Write(key) => drop(self.here.change(&[serve(key)], context)),
            BucketOperation::Unserve(key) => {
                drop(self.here.change(&[Change::Unserve(KeyRange::single(key))], context))
            }
            BucketOperation::Leave => drop(self.here.leave(context)),
            BucketOperation::Forget(number) => drop(self.here.forget(author(number))),
            BucketOperation::Purge => drop(self.here.purge(PurgePolicy::EVERYTHING)),
            BucketOperation::KeepOwn => self.here.retain_own_record(),
            BucketOperation::Install { key, number } => {
                let mut draft = self.here.clone();
                let _ = draft.change(&[serve(key)], context);
                self.write(number, key);
                self.here.merge_others(self.authors[number].state()).unwrap();
                self.here.commit(draft);
            }
            BucketOperation::Reassert => {
                if let Some(mut seen) = self.here.own_record().map(Record::version_digest) {
                    seen.version.clock += 1;
                    self.here.observe_own_record(seen, context);
                }
            }
        }
    }
}

fn buckets_are_those_of_a_scan(cases: Cases) -> Result<(), String> {
    holds(cases, &operations(), |acts| {
        let me = "10.9.9.9:29999".parse().unwrap();
        let authors = (0..AUTHORS).map(|number| Replica::new(author(number), group())).collect();
        let mut small = SmallGroup { here: Replica::new(me, group()), authors, now: 0 };
        same_buckets(small.here.view())?;
        let mut kept: Option<(View, Bucket)> = None;
        for step in acts {
            small.execute(step);
            let view = small.here.view();
            same_buckets(view).map_err(|why| format!("after {step:?}: {why}"))?;
            // A reader's view must not change.
            if let Some((view, bucket)) = kept.replace((view.clone(), view.bucket(0, 0)))
                && view.bucket(0, 0) != bucket
            {
                return Err(format!("{step:?} changed a reader's view"));
            }
        }
        kept.map_or(Ok(()), |(view, _)| same_buckets(&view))
    })
}

#[test]
fn buckets() {
    buckets_are_those_of_a_scan(Cases(150)).unwrap();
}

#[test]
fn buckets_that_are_built_are_those_that_followed() {
    holds(Cases(300), &super::generate::group_state(), |state| {
        same_buckets(&View::new(state.clone()))?;
        let mut followed = View::new(GroupState::new(group()));
        followed.state_mut().merge(state).unwrap();
        same_buckets(&followed)
    })
    .unwrap();
}

#[test]
fn levels_and_indexes_that_are_not_there_are_empty() {
    let mut replica = Replica::new(author(1), group());
    assert_eq!(replica.view().record_from_position(7), None);
    replica.change(&[serve(1)], WriteContext::default()).unwrap();
    let view = replica.view();
    let outside = [
        (0, 1),
        (0, u64::MAX),
        (1, 16),
        (2, 256),
        (15, 1 << 60),
        (15, u64::MAX),
        (17, 0),
        (u8::MAX, u64::MAX),
    ];
    for (level, index) in outside {
        assert_eq!(view.bucket(level, index), Bucket::default(), "{level}, {index}");
        assert_eq!(view.bucket_children(level, index), [Bucket::default(); 16], "{level}, {index}");
        assert_eq!(view.bucket_records(level, index).count(), 0, "{level}, {index}");
    }
    let position = crate::hash_position(author(1));
    assert_eq!(view.bucket(16, position), view.bucket(0, 0));
    assert_eq!(view.bucket_children(16, position), [Bucket::default(); 16]);
    assert_eq!(view.bucket(16, position.wrapping_add(1)), Bucket::default());
}

#[test]
fn deltas_have_neither_index_nor_buckets() {
    let mut replica = Replica::new(author(1), group());
    replica.change(&[serve(1)], WriteContext::default()).unwrap();
    let delta = replica.state().records_for([author(1)]);
    let parts = GroupState::from_records(group(), replica.own_record().cloned());
    let mut merged = GroupState::new(group());
    merged.merge(replica.state()).unwrap();
    for state in [delta, parts, merged, GroupState::new(group())] {
        assert!(state.buckets().is_none() && state.index().is_none(), "{state:?}");
    }
    assert!(replica.state().buckets().is_some() && replica.state().index().is_some());
}
