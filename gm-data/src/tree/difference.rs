//! Differences between two trees: a parallel walk that skips the nodes that both share.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::ControlFlow;

use super::{Child, Entry, Node, Tree, child_of};

/// Size of the two reference counters of a shared allocation.
const COUNTERS: usize = 2 * size_of::<usize>();

impl<E: Entry> Tree<E> {
    /// Walks both trees in the order of the keys. Calls `visit` for every key that is in only one
    /// of them, and for every key that is in both but not in a shared node. The cost is
    /// proportional to what the two do not share, not to their size.
    pub(crate) fn each_difference<'a>(
        &'a self,
        other: &'a Tree<E>,
        mut visit: impl FnMut(Option<&'a E>, Option<&'a E>),
    ) {
        self.walk_differences(other, None, |left, right| {
            visit(left, right);
            ControlFlow::Continue(())
        });
    }

    /// Same as [`each_difference`](Tree::each_difference), for keys at or above `first` if that is
    /// given, until `visit` breaks. Returns the bytes of the visited nodes of this tree, which
    /// after a complete walk are those that the other tree does not share, or slightly more.
    pub(crate) fn walk_differences<'a>(
        &'a self,
        other: &'a Tree<E>,
        first: Option<E::Key>,
        mut visit: impl FnMut(Option<&'a E>, Option<&'a E>) -> ControlFlow<()>,
    ) -> usize {
        if let (Some(mine), Some(theirs)) = (&self.root, &other.root)
            && mine.is_same_node(theirs)
        {
            return 0;
        }
        let (mut mine, mut theirs) = (Walk::new(self), Walk::new(other));
        if let Some(first) = first {
            mine.seek(first);
            theirs.seek(first);
        }
        loop {
            if let (Some(Part::Entries(left)), Some(Part::Entries(right))) =
                (mine.parts.last(), theirs.parts.last())
            {
                let ControlFlow::Continue((left, right)) = walk_entries(left, right, &mut visit) else {
                    return mine.bytes;
                };
                mine.continue_with(left);
                theirs.continue_with(right);
                continue;
            }
            let order = match (mine.next_key(), theirs.next_key()) {
                (None, None) => return mine.bytes,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) => left.cmp(&right),
            };
            match (mine.child(), theirs.child()) {
                (Some(left), Some(right)) if order.is_eq() && left.node.is_same_node(&right.node) => {
                    mine.skip();
                    theirs.skip();
                }
                // Descend into the walk with the lower next key. If both begin with the same key,
                // descend into an inner node before a leaf, because the inner node may contain that
                // leaf.
                (Some(left), Some(right)) if order.is_eq() => match (&left.node, &right.node) {
                    (Node::Inner(_), Node::Leaf(_)) => mine.descend(),
                    (Node::Leaf(_), Node::Inner(_)) => theirs.descend(),
                    (Node::Inner(_), Node::Inner(_)) | (Node::Leaf(_), Node::Leaf(_)) => {
                        mine.descend();
                        theirs.descend();
                    }
                },
                (Some(_), _) if order.is_le() => mine.descend(),
                (_, Some(_)) if order.is_ge() => theirs.descend(),
                _ => {
                    let left = order.is_le().then(|| mine.entry());
                    let right = order.is_ge().then(|| theirs.entry());
                    if visit(left, right).is_break() {
                        return mine.bytes;
                    }
                }
            }
        }
    }
}

/// The remaining entries of two leaves after a parallel walk.
type Rest<'a, E> = ControlFlow<(), (&'a [E], &'a [E])>;

/// Walks two leaves in parallel until one ends, and returns the remaining entries of both. Most of
/// the time is spent here.
fn walk_entries<'a, E: Entry>(
    mut mine: &'a [E],
    mut theirs: &'a [E],
    visit: &mut impl FnMut(Option<&'a E>, Option<&'a E>) -> ControlFlow<()>,
) -> Rest<'a, E> {
    while let ([left, left_rest @ ..], [right, right_rest @ ..]) = (mine, theirs) {
        let order = left.key().cmp(&right.key());
        visit(order.is_le().then_some(left), order.is_ge().then_some(right))?;
        mine = if order.is_le() { left_rest } else { mine };
        theirs = if order.is_ge() { right_rest } else { theirs };
    }
    ControlFlow::Continue((mine, theirs))
}

/// A position in a tree, at an entry or before a whole node.
struct Walk<'a, E: Entry> {
    // The parts still to be walked, the next one last; no part is empty.
    parts: Vec<Part<'a, E>>,
    /// Bytes of the visited nodes.
    bytes: usize,
}

enum Part<'a, E: Entry> {
    Children(&'a [Child<E>]),
    Entries(&'a [E]),
}

impl<'a, E: Entry> Walk<'a, E> {
    fn new(tree: &'a Tree<E>) -> Walk<'a, E> {
        let mut walk = Walk { parts: Vec::new(), bytes: 0 };
        if let Some(root) = &tree.root {
            walk.enter(root);
        }
        walk
    }

    fn enter(&mut self, node: &'a Node<E>) {
        self.bytes += COUNTERS;
        self.parts.push(match node {
            Node::Leaf(entries) => {
                self.bytes += size_of_val::<[E]>(entries);
                Part::Entries(entries)
            }
            Node::Inner(children) => {
                self.bytes += size_of::<Vec<Child<E>>>() + size_of_val::<[Child<E>]>(children);
                Part::Children(children)
            }
        });
    }

    /// Moves to the first entry whose key is at or above `first`. Valid only at the beginning of a
    /// walk.
    fn seek(&mut self, first: E::Key) {
        while let Some(Part::Children(children)) = self.parts.last_mut() {
            *children = &children[child_of(children, first)..];
            self.descend();
        }
        if let Some(Part::Entries(entries)) = self.parts.last() {
            let rest = &entries[entries.partition_point(|entry| entry.key() < first)..];
            self.continue_with(rest);
        }
    }

    /// The key of the next entry.
    fn next_key(&self) -> Option<E::Key> {
        self.parts.last().map(|part| match part {
            Part::Children(children) => children[0].min,
            Part::Entries(entries) => entries[0].key(),
        })
    }

    /// The next node, or `None` if an entry of a leaf is next.
    fn child(&self) -> Option<&'a Child<E>> {
        match self.parts.last() {
            Some(Part::Children(children)) => Some(&children[0]),
            Some(Part::Entries(_)) | None => None,
        }
    }

    /// Skips the next node.
    fn skip(&mut self) {
        if let Some(Part::Children(children)) = self.parts.last_mut() {
            *children = &children[1..];
            if children.is_empty() {
                self.parts.pop();
            }
        }
    }

    /// Replaces the next node by its contents.
    fn descend(&mut self) {
        if let Some(child) = self.child() {
            self.skip();
            self.enter(&child.node);
        }
    }

    /// Continues with the remaining entries of the leaf.
    fn continue_with(&mut self, left: &'a [E]) {
        self.parts.pop();
        if !left.is_empty() {
            self.parts.push(Part::Entries(left));
        }
    }

    /// Takes the next entry, which must exist.
    fn entry(&mut self) -> &'a E {
        let Some(Part::Entries(entries)) = self.parts.last_mut() else {
            unreachable!("asked for an entry where a node comes next")
        };
        let (first, rest) = entries.split_first().expect("no part is empty");
        *entries = rest;
        if rest.is_empty() {
            self.parts.pop();
        }
        first
    }
}
