//! A persistent sorted tree: clones share their nodes, and a write copies only nodes on its path
//! that are shared.
//!
//! It is a B+tree. Leaves are exactly as large as their entries, so memory is proportional to the
//! number of entries rather than to the fill of the nodes. Inner nodes store the least key and the
//! sum of each child, so that a search can skip irrelevant subtrees. Within a write no unshared
//! node is copied except the one leaf that grows or shrinks.

mod build;
mod cursor;
mod difference;
mod edit;
mod range;
mod replace;

use alloc::sync::Arc;
use alloc::vec::Vec;

pub(crate) use cursor::Iter;

/// An entry of a tree.
pub(crate) trait Entry: Clone {
    /// The sort key; at most one entry has a given key.
    type Key: Ord + Copy;
    /// The aggregate of a subtree's entries, combined by `add`, which is associative and
    /// commutative.
    type Sum: Copy;
    /// Maximum number of entries of a leaf. A leaf is copied when it grows, so large leaves cost
    /// time, small ones memory.
    const LEAF: usize;

    fn key(&self) -> Self::Key;
    fn sum(&self) -> Self::Sum;
    fn add(left: Self::Sum, right: Self::Sum) -> Self::Sum;

    /// The sum of a subtree after an entry with sum `new` replaced one with sum `old`, or was
    /// added. The default is for [`Idempotent`] sums; every other entry type must override it to
    /// subtract `old`.
    fn update_sum(sum: Self::Sum, _old: Option<Self::Sum>, new: Self::Sum) -> Self::Sum {
        Self::add(sum, new)
    }
}

/// An entry whose `add` is idempotent, such as a maximum. A replaced entry is not subtracted from
/// such a sum, so the sum may be too large: then a search visits more nodes than necessary, with
/// the same result.
pub(crate) trait Idempotent: Entry {}

/// Maximum number of children of an inner node.
const FAN: usize = 32;

#[derive(Clone)]
enum Node<E: Entry> {
    Leaf(Arc<[E]>),
    Inner(Arc<Vec<Child<E>>>),
}

#[derive(Clone)]
struct Child<E: Entry> {
    /// The least key of the subtree.
    min: E::Key,
    sum: E::Sum,
    node: Node<E>,
}

/// A set of sorted entries. A clone takes constant time and shares all data.
#[derive(Clone)]
pub(crate) struct Tree<E: Entry> {
    // `None` if empty: no leaf and no inner node is ever empty.
    root: Option<Node<E>>,
    len: usize,
}

impl<E: Entry> Tree<E> {
    pub(crate) const fn new() -> Tree<E> {
        Tree { root: None, len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The entry with the given key. Logarithmic.
    pub(crate) fn get(&self, key: E::Key) -> Option<&E> {
        let mut node = self.root.as_ref()?;
        loop {
            match node {
                Node::Leaf(entries) => {
                    return entries.binary_search_by_key(&key, E::key).ok().map(|at| &entries[at]);
                }
                Node::Inner(children) => node = &children[child_of(children, key)].node,
            }
        }
    }

    /// Iterates over the sorted entries.
    pub(crate) fn iter(&self) -> Iter<'_, E> {
        Iter::new(self.root.as_ref(), self.len)
    }

    /// Calls `visit` for the entries with keys up to `last` whose own sum `wanted` accepts, in
    /// order. Skips subtrees whose sum it does not accept.
    pub(crate) fn each_up_to(
        &self,
        last: E::Key,
        wanted: impl Fn(E::Sum) -> bool,
        mut visit: impl FnMut(&E),
    ) {
        if let Some(root) = &self.root {
            root.each_up_to(last, &wanted, &mut visit);
        }
    }

    /// The first entry whose key is at or above `first`. Logarithmic.
    pub(crate) fn first_from(&self, first: E::Key) -> Option<&E> {
        self.root.as_ref()?.first_from(first)
    }
}

impl<E: Entry> Node<E> {
    fn each_up_to(&self, last: E::Key, wanted: &impl Fn(E::Sum) -> bool, visit: &mut impl FnMut(&E)) {
        match self {
            Node::Leaf(entries) => entries
                .iter()
                .take_while(|entry| entry.key() <= last)
                .filter(|entry| wanted(entry.sum()))
                .for_each(visit),
            Node::Inner(children) => children
                .iter()
                .take_while(|child| child.min <= last)
                .filter(|child| wanted(child.sum))
                .for_each(|child| child.node.each_up_to(last, wanted, visit)),
        }
    }

    fn first_from(&self, first: E::Key) -> Option<&E> {
        match self {
            Node::Leaf(entries) => entries.get(entries.partition_point(|entry| entry.key() < first)),
            // It may be the first entry of the next child, if all entries of this one are lower.
            Node::Inner(children) => {
                let at = child_of(children, first);
                let next = children.get(at + 1);
                children[at].node.first_from(first).or_else(|| next?.node.first_from(first))
            }
        }
    }

    /// Creates the parent's entry for the node.
    fn child(node: Node<E>) -> Child<E> {
        let (min, sum) = match &node {
            Node::Leaf(entries) => (entries[0].key(), sum_of(entries.iter().map(E::sum), E::add)),
            Node::Inner(children) => {
                (children[0].min, sum_of(children.iter().map(|child| child.sum), E::add))
            }
        };
        Child { min, sum, node }
    }

    /// Whether both are one shared node, and therefore have the same entries.
    fn is_same_node(&self, other: &Node<E>) -> bool {
        match (self, other) {
            (Node::Leaf(mine), Node::Leaf(theirs)) => Arc::ptr_eq(mine, theirs),
            (Node::Inner(mine), Node::Inner(theirs)) => Arc::ptr_eq(mine, theirs),
            (Node::Leaf(_), Node::Inner(_)) | (Node::Inner(_), Node::Leaf(_)) => false,
        }
    }
}

/// The index of the child whose subtree has the key, or would have it.
fn child_of<E: Entry>(children: &[Child<E>], key: E::Key) -> usize {
    children.partition_point(|child| child.min <= key).saturating_sub(1)
}

/// The sum over a node's entries or children, of which there is at least one.
fn sum_of<S>(mut sums: impl Iterator<Item = S>, add: fn(S, S) -> S) -> S {
    let first = sums.next().expect("no node is empty");
    sums.fold(first, add)
}
