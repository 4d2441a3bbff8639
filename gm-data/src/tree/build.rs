//! Bulk construction of a tree from sorted entries.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Child, Entry, FAN, Node, Tree};

impl<E: Entry> Tree<E> {
    /// Builds the tree of the given entries, which must be sorted by key, each key once. Linear.
    pub(crate) fn from_sorted(entries: &[E]) -> Tree<E> {
        debug_assert!(entries.windows(2).all(|pair| pair[0].key() < pair[1].key()));
        let mut level: Vec<Child<E>> = even_cuts(entries.len(), E::LEAF)
            .map(|cut| Node::child(Node::Leaf(Arc::from(&entries[cut]))))
            .collect();
        while level.len() > 1 {
            let cuts = even_cuts(level.len(), FAN);
            let mut children = level.into_iter();
            level = cuts.map(|cut| inner(children.by_ref().take(cut.len()).collect())).collect();
        }
        Tree { root: level.pop().map(|child| child.node), len: entries.len() }
    }
}

fn inner<E: Entry>(children: Vec<Child<E>>) -> Child<E> {
    Node::child(Node::Inner(Arc::new(children)))
}

/// Divides `0..len` into as few parts of at most `limit` as possible, of nearly equal size.
fn even_cuts(len: usize, limit: usize) -> impl Iterator<Item = core::ops::Range<usize>> {
    let pieces = len.div_ceil(limit);
    (0..pieces).map(move |piece| len * piece / pieces..len * (piece + 1) / pieces)
}
