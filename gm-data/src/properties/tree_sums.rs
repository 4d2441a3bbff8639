//! The tree's exact sums compared with a scan of a plain map: between any two keys, after every
//! edit, regardless of sharing.

use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;

use super::runner::{Cases, holds};
use crate::tree::{Entry, Tree};

/// A small leaf, so that few entries make a deep tree. The sum counts, and wraps around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted(u16, u64);

type Sum = (usize, u64);

impl Entry for Counted {
    type Key = u16;
    type Sum = Sum;
    const LEAF: usize = 4;

    fn key(&self) -> u16 {
        self.0
    }

    fn sum(&self) -> Sum {
        (1, self.1)
    }

    fn add(left: Sum, right: Sum) -> Sum {
        (left.0 + right.0, left.1.wrapping_add(right.1))
    }

    fn update_sum(sum: Sum, old: Option<Sum>, new: Sum) -> Sum {
        let old = old.unwrap_or_default();
        (sum.0 - old.0 + new.0, sum.1.wrapping_sub(old.1).wrapping_add(new.1))
    }
}

type Map = BTreeMap<u16, u64>;

#[derive(Clone, Debug)]
enum SumEdit {
    Insert(u16, u64),
    Remove(u16),
    Snapshot,
    Rebuild,
}

fn edits() -> impl Strategy<Value = Vec<SumEdit>> {
    let key = || prop_oneof![5 => 0..400_u16, 1 => any::<u16>()];
    vec(
        prop_oneof![
            12 => (key(), any::<u64>()).prop_map(|(key, value)| SumEdit::Insert(key, value)),
            6 => key().prop_map(SumEdit::Remove),
            1 => Just(SumEdit::Snapshot),
            1 => Just(SumEdit::Rebuild),
        ],
        0..500,
    )
}

fn same(tree: &Tree<Counted>, map: &Map, first: u16, end: Option<u16>) -> Result<(), String> {
    let inside: Vec<Counted> = map
        .iter()
        .filter(|(key, _)| first <= **key && end.is_none_or(|end| **key < end))
        .map(|(key, value)| Counted(*key, *value))
        .collect();
    let sum = inside.iter().map(Counted::sum).fold((0, 0), Counted::add);
    let found = tree.sum_between(first, end);
    if found.unwrap_or_default() != sum || found.is_none() != inside.is_empty() {
        return Err(format!("from {first} to {end:?}: {found:?}, want {sum:?}"));
    }
    let between: Vec<Counted> = tree.between(first, end).copied().collect();
    if between != inside {
        return Err(format!("from {first} to {end:?}: {between:?}, want {inside:?}"));
    }
    Ok(())
}

fn same_everywhere(tree: &Tree<Counted>, map: &Map) -> Result<(), String> {
    for first in [0, 1, 77, 200, 399, u16::MAX] {
        for end in [Some(0), Some(1), Some(150), Some(201), Some(400), Some(u16::MAX), None] {
            same(tree, map, first, end)?;
        }
    }
    Ok(())
}

#[test]
fn sums_between_two_keys_are_those_of_a_scan() {
    holds(Cases(500), &edits(), |edits| {
        let (mut tree, mut map) = (Tree::new(), Map::new());
        let mut kept = (tree.clone(), map.clone());
        for edit in edits {
            match *edit {
                SumEdit::Insert(key, value) => {
                    match map.insert(key, value) {
                        // Cover both ways to replace an entry.
                        Some(old) if old.is_multiple_of(2) => tree.replace((1, old), Counted(key, value)),
                        _ => drop(tree.insert(Counted(key, value))),
                    }
                    same(&tree, &map, key, key.checked_add(1))?;
                    same(&tree, &map, key / 2, Some(key))?;
                }
                SumEdit::Remove(key) => {
                    tree.remove(key);
                    map.remove(&key);
                }
                SumEdit::Snapshot => {
                    same_everywhere(&kept.0, &kept.1)?;
                    kept = (tree.clone(), map.clone());
                }
                SumEdit::Rebuild => {
                    let entries: Vec<Counted> = tree.iter().copied().collect();
                    tree = Tree::from_sorted(&entries);
                }
            }
            same(&tree, &map, 0, None)?;
            same(&tree, &map, 100, Some(300))?;
        }
        same_everywhere(&tree, &map)?;
        same_everywhere(&kept.0, &kept.1)
    })
    .unwrap();
}

/// Whatever the size of the tree, a sum is computed from the nodes on two paths only.
#[test]
fn a_sum_is_taken_of_whole_subtrees() {
    std::thread_local! {
        static ADDED: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
    }
    #[derive(Clone)]
    struct Watched(u32);
    impl Entry for Watched {
        type Key = u32;
        type Sum = usize;
        const LEAF: usize = 32;
        fn key(&self) -> u32 {
            self.0
        }
        fn sum(&self) -> usize {
            1
        }
        fn add(left: usize, right: usize) -> usize {
            ADDED.set(ADDED.get() + 1);
            left + right
        }
    }
    let entries: Vec<Watched> = (0..100_000).map(Watched).collect();
    let tree = Tree::from_sorted(&entries);
    ADDED.set(0);
    assert_eq!(tree.sum_between(12_345, Some(98_765)), Some(98_765 - 12_345));
    assert!(ADDED.get() < 2 * 4 * 32, "{} additions", ADDED.get());
}
