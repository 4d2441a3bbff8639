//! Bulk replacement of entries: one descent for all entries of a leaf, instead of one for each
//! entry.

use alloc::sync::Arc;
use core::mem;

use super::{Idempotent, Node, Tree};

impl<E: Idempotent> Tree<E> {
    /// Replaces every entry whose key is among those of `entries`, which must be sorted by key,
    /// each key once. Calls `replaced` with the old and the new entry. Calls `missing` with each
    /// entry that is not in the tree; the caller must insert these.
    pub(crate) fn replace_sorted(
        &mut self,
        entries: &[E],
        mut replaced: impl FnMut(E, &E),
        mut missing: impl FnMut(&E),
    ) {
        debug_assert!(entries.windows(2).all(|pair| pair[0].key() < pair[1].key()));
        match &mut self.root {
            Some(root) => root.replace_sorted(entries, &mut replaced, &mut missing),
            None => entries.iter().for_each(missing),
        }
    }
}

impl<E: Idempotent> Node<E> {
    fn replace_sorted(
        &mut self,
        mut entries: &[E],
        replaced: &mut impl FnMut(E, &E),
        missing: &mut impl FnMut(&E),
    ) {
        match self {
            Node::Leaf(leaf) => {
                let leaf = Arc::make_mut(leaf);
                let mut from = 0;
                for entry in entries {
                    match leaf[from..].binary_search_by_key(&entry.key(), E::key) {
                        Ok(at) => {
                            from += at;
                            replaced(mem::replace(&mut leaf[from], entry.clone()), entry);
                        }
                        Err(at) => {
                            from += at;
                            missing(entry);
                        }
                    }
                }
            }
            Node::Inner(children) => {
                let children = Arc::make_mut(children);
                let mut at = 0;
                while let Some(first) = entries.first() {
                    at += children[at + 1..].partition_point(|child| child.min <= first.key());
                    // All entries below the next child's least key belong to this child.
                    let inside = match children.get(at + 1) {
                        Some(next) => entries.partition_point(|entry| entry.key() < next.min),
                        None => entries.len(),
                    };
                    let (mine, rest) = entries.split_at(inside);
                    let child = &mut children[at];
                    child.node.replace_sorted(mine, replaced, missing);
                    // The sum may include missing entries too: then a search visits more nodes than
                    // necessary, with the same result.
                    child.sum = mine.iter().fold(child.sum, |sum, entry| E::add(sum, entry.sum()));
                    entries = rest;
                }
            }
        }
    }
}
