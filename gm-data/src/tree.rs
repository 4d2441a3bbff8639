//! A sorted tree that is cheap to clone: clones share their nodes, and a write copies only the path
//! that it changes and only where somebody shares it. Knows nothing of what its entries mean.
//!
//! A B+tree. Leaves are exactly as large as their entries, so memory follows the number of entries,
//! not the fill of the nodes; inner nodes carry the least key and the sum of each child, so that a
//! search can skip what cannot matter. Within a write nothing that is not shared is copied but the
//! one leaf that grows or shrinks.

mod build;
mod cursor;
mod difference;
mod edit;
mod range;
mod replace;

use alloc::sync::Arc;
use alloc::vec::Vec;

pub(crate) use cursor::Iter;

/// What a tree holds.
pub(crate) trait Entry: Clone {
    /// What the tree is sorted by; at most one entry has a key.
    type Key: Ord + Copy;
    /// What a subtree says of all its entries: combined by `add`, which is associative and
    /// commutative.
    type Sum: Copy;
    /// Entries of a leaf, at most. A leaf is copied when it grows, so large ones cost time, small
    /// ones memory.
    const LEAF: usize;

    fn key(&self) -> Self::Key;
    fn sum(&self) -> Self::Sum;
    fn add(left: Self::Sum, right: Self::Sum) -> Self::Sum;

    /// The sum of a subtree after an entry of sum `new` took the place of one of sum `old`, or is
    /// new. As it stands here it is for sums that are [`Idempotent`]; every other entry must say
    /// how to take `old` out again.
    fn update_sum(sum: Self::Sum, _old: Option<Self::Sum>, new: Self::Sum) -> Self::Sum {
        Self::add(sum, new)
    }
}

/// An entry whose `add` is idempotent, as a greatest value is. What is replaced is not taken out of
/// such a sum, so it may stay too large: then a search looks at more than it must, and finds the
/// same.
pub(crate) trait Idempotent: Entry {}

/// Children of an inner node, at most.
const FAN: usize = 32;

#[derive(Clone)]
enum Node<E: Entry> {
    Leaf(Arc<[E]>),
    Inner(Arc<Vec<Child<E>>>),
}

#[derive(Clone)]
struct Child<E: Entry> {
    /// The least key below.
    min: E::Key,
    sum: E::Sum,
    node: Node<E>,
}

/// The sorted entries. A clone is constant in time and shares everything.
#[derive(Clone)]
pub(crate) struct Tree<E: Entry> {
    // None if empty: no leaf and no inner node is ever empty.
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

    /// The entry with that key. Logarithmic.
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

    /// All entries, sorted.
    pub(crate) fn iter(&self) -> Iter<'_, E> {
        Iter::new(self.root.as_ref(), self.len)
    }

    /// Calls `see` for the sorted entries up to the key `last` that are wanted: whose own sum
    /// `wanted` accepts. Passes by whole subtrees whose sum it does not accept.
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

    /// The first entry whose key is `first` or above. Logarithmic.
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
            // It may be the first of the next child, if all below this one are lower.
            Node::Inner(children) => {
                let at = child_of(children, first);
                let next = children.get(at + 1);
                children[at].node.first_from(first).or_else(|| next?.node.first_from(first))
            }
        }
    }

    /// The node with what its parent keeps of it.
    fn child(node: Node<E>) -> Child<E> {
        let (min, sum) = match &node {
            Node::Leaf(entries) => (entries[0].key(), sum_of(entries.iter().map(E::sum), E::add)),
            Node::Inner(children) => {
                (children[0].min, sum_of(children.iter().map(|child| child.sum), E::add))
            }
        };
        Child { min, sum, node }
    }

    /// Whether it is one and the same node, and so has the same entries.
    fn is_same_node(&self, other: &Node<E>) -> bool {
        match (self, other) {
            (Node::Leaf(mine), Node::Leaf(theirs)) => Arc::ptr_eq(mine, theirs),
            (Node::Inner(mine), Node::Inner(theirs)) => Arc::ptr_eq(mine, theirs),
            (Node::Leaf(_), Node::Inner(_)) | (Node::Inner(_), Node::Leaf(_)) => false,
        }
    }
}

/// Below which child the key is, or would be put.
fn child_of<E: Entry>(children: &[Child<E>], key: E::Key) -> usize {
    children.partition_point(|child| child.min <= key).saturating_sub(1)
}

/// The sum of a node's entries or children, of which there is always one.
fn sum_of<S>(mut sums: impl Iterator<Item = S>, add: fn(S, S) -> S) -> S {
    let first = sums.next().expect("no node is empty");
    sums.fold(first, add)
}
