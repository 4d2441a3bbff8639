//! The tree compared with a plain map: equal entries after every edit, regardless of sharing.

use core::mem;
use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;

use super::runner::{Cases, holds};
use crate::tree::{Entry, Idempotent, Tree};

/// A small leaf, so that few entries make a deep tree. The sum is a maximum, as in both uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair(u16, u32);

impl Idempotent for Pair {}

impl Entry for Pair {
    type Key = u16;
    type Sum = u32;
    const LEAF: usize = 4;

    fn key(&self) -> u16 {
        self.0
    }

    fn sum(&self) -> u32 {
        self.1
    }

    fn add(left: u32, right: u32) -> u32 {
        left.max(right)
    }
}

#[derive(Clone, Debug)]
enum TreeEdit {
    Insert(u16, u32),
    Remove(u16),
    /// Replaces the existing ones of several consecutive keys, and counts the missing ones.
    Replace(u16, u16, u32),
    Snapshot,
    Rebuild,
}

fn edits() -> impl Strategy<Value = Vec<TreeEdit>> {
    let key = || prop_oneof![3 => 0..200_u16, 1 => any::<u16>()];
    vec(
        prop_oneof![
            12 => (key(), any::<u32>()).prop_map(|(key, value)| TreeEdit::Insert(key, value)),
            9 => key().prop_map(TreeEdit::Remove),
            2 => (key(), 0..80_u16, any::<u32>()).prop_map(|(key, count, value)| TreeEdit::Replace(key, count, value)),
            1 => Just(TreeEdit::Snapshot),
            1 => Just(TreeEdit::Rebuild),
        ],
        0..600,
    )
}

fn same(tree: &Tree<Pair>, map: &BTreeMap<u16, u32>) -> Result<(), String> {
    let entries: Vec<Pair> = map.iter().map(|(key, value)| Pair(*key, *value)).collect();
    let walked: Vec<Pair> = tree.iter().copied().collect();
    if walked != entries || tree.len() != map.len() || tree.iter().len() != map.len() {
        return Err(format!("walked {walked:?} of {}, want {entries:?}", tree.len()));
    }
    let limit = 1 << 31;
    for last in [0, 99, 150, u16::MAX] {
        let mut found = Vec::new();
        tree.each_up_to(last, |sum| sum >= limit, |pair| found.push(*pair));
        let wanted = entries.iter().copied().filter(|pair| pair.0 <= last && pair.1 >= limit);
        let wanted: Vec<Pair> = wanted.collect();
        if found != wanted {
            return Err(format!("found {found:?} up to {last}, want {wanted:?}"));
        }
        let first = entries.iter().find(|pair| pair.0 >= last);
        if tree.first_from(last) != first {
            return Err(format!("first from {last}: {:?}, want {first:?}", tree.first_from(last)));
        }
    }
    for key in (0..200).chain([u16::MAX]) {
        if tree.get(key).map(|pair| pair.1) != map.get(&key).copied() {
            return Err(format!("key {key}: {:?}", tree.get(key)));
        }
    }
    Ok(())
}

/// Checks that the differences of two trees, with equal or different ends, transform one map into
/// the other.
fn differs(
    old: (&Tree<Pair>, &BTreeMap<u16, u32>),
    new: (&Tree<Pair>, &BTreeMap<u16, u32>),
) -> Result<(), String> {
    let mut map = old.1.clone();
    let mut last = None;
    let mut wrong = None;
    old.0.each_difference(new.0, |from, to| {
        let key = from.or(to).map(|pair| pair.0);
        if key <= last || from.map(|p| p.1) != key.and_then(|key| map.get(&key).copied()) {
            wrong = Some(format!("{from:?} -> {to:?} after {last:?}"));
        }
        last = key;
        match (from, to) {
            (_, Some(pair)) => drop(map.insert(pair.0, pair.1)),
            (Some(pair), None) => drop(map.remove(&pair.0)),
            (None, None) => wrong = Some(String::from("nothing to nothing")),
        }
    });
    match wrong {
        Some(wrong) => Err(wrong),
        None if map != *new.1 => Err(format!("led to {map:?}, not to {:?}", new.1)),
        None => Ok(()),
    }
}

fn edit_in_step(edits: &[TreeEdit]) -> Result<(), String> {
    let (mut tree, mut map) = (Tree::new(), BTreeMap::new());
    let mut kept = (tree.clone(), map.clone());
    for edit in edits {
        let (found, expected) = match *edit {
            TreeEdit::Insert(key, value) => {
                (tree.insert(Pair(key, value)).map(|pair| pair.1), map.insert(key, value))
            }
            TreeEdit::Remove(key) => (tree.remove(key).map(|pair| pair.1), map.remove(&key)),
            TreeEdit::Replace(key, count, value) => {
                let keys = (key..=key.saturating_add(count)).step_by(3);
                let pairs: Vec<Pair> = keys.map(|key| Pair(key, value)).collect();
                let (mut replaced, mut absent) = (Vec::new(), Vec::new());
                tree.replace_sorted(
                    &pairs,
                    |old, new| replaced.push((old, *new)),
                    |pair| absent.push(pair.0),
                );
                for Pair(key, value) in pairs {
                    match map.get_mut(&key) {
                        Some(stored) => {
                            let old = Pair(key, mem::replace(stored, value));
                            if !replaced.contains(&(old, Pair(key, value))) {
                                return Err(format!("{edit:?} did not report that it replaced {old:?}"));
                            }
                        }
                        None if absent.contains(&key) => {}
                        None => return Err(format!("{edit:?} did not report that {key} is missing")),
                    }
                }
                same(&tree, &map)?;
                (None, None)
            }
            TreeEdit::Snapshot => {
                same(&kept.0, &kept.1)?;
                differs((&kept.0, &kept.1), (&tree, &map))?;
                differs((&tree, &map), (&kept.0, &kept.1))?;
                kept = (tree.clone(), map.clone());
                (None, None)
            }
            TreeEdit::Rebuild => {
                let entries: Vec<Pair> = tree.iter().copied().collect();
                tree = Tree::from_sorted(&entries);
                (None, None)
            }
        };
        if found != expected {
            return Err(format!("{edit:?} returned {found:?}, want {expected:?}"));
        }
    }
    same(&tree, &map)?;
    same(&kept.0, &kept.1)?;
    differs((&kept.0, &kept.1), (&tree, &map))
}

#[test]
fn a_tree_is_a_map() {
    holds(Cases(1_000), &edits(), |edits| edit_in_step(edits)).unwrap();
}

#[test]
fn a_difference_looks_only_at_what_is_not_shared() {
    let entries: Vec<Pair> = (0..20_000).map(|key| Pair(key, 0)).collect();
    let old = Tree::from_sorted(&entries);
    let mut new = old.clone();
    new.insert(Pair(7_777, 1));
    let mut looked = 0;
    old.each_difference(&new, |_, _| looked += 1);
    assert!((1..=Pair::LEAF).contains(&looked), "looked at {looked} entries");
}
