//! What two trees do not share. Changes nothing.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::ControlFlow;

use super::{Child, Entry, Node, Tree, child_of};

/// What an allocation that is shared costs besides its content: two counters.
const COUNTERS: usize = 2 * size_of::<usize>();

impl<E: Entry> Tree<E> {
    /// Walks both trees in the order of the keys and calls `see` for every key that is in one of
    /// them only, and for every key that is in both but not in a node that they share. Costs what
    /// the two do not share, not their size.
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

    /// As [`each_difference`](Tree::each_difference), for keys from `first` on, if there is one,
    /// until `see` breaks off. Returns the bytes of the nodes of this tree that were gone into:
    /// after a whole walk those that the other does not share, or a little more.
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
                // Whichever comes first goes down. Of two that begin alike an inner node goes
                // first: what it has below may be what the other is.
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

/// What is left of two leaves after a walk side by side.
type Rest<'a, E> = ControlFlow<(), (&'a [E], &'a [E])>;

/// Walks two leaves side by side until one ends, and returns what is left of both. Most of the time
/// goes here.
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

/// A place in a tree that may be a whole node.
struct Walk<'a, E: Entry> {
    // What is still to be walked, the nearest last; no part is empty.
    parts: Vec<Part<'a, E>>,
    /// Bytes of the nodes that were gone into.
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

    /// Goes to the first entry whose key is `first` or above. Only at the beginning of a walk.
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

    /// The least key that is still to come.
    fn next_key(&self) -> Option<E::Key> {
        self.parts.last().map(|part| match part {
            Part::Children(children) => children[0].min,
            Part::Entries(entries) => entries[0].key(),
        })
    }

    /// The node that comes next, if it is not an entry.
    fn child(&self) -> Option<&'a Child<E>> {
        match self.parts.last() {
            Some(Part::Children(children)) => Some(&children[0]),
            Some(Part::Entries(_)) | None => None,
        }
    }

    /// Passes the node that comes next.
    fn skip(&mut self) {
        if let Some(Part::Children(children)) = self.parts.last_mut() {
            *children = &children[1..];
            if children.is_empty() {
                self.parts.pop();
            }
        }
    }

    /// Replaces the node that comes next by what it has.
    fn descend(&mut self) {
        if let Some(child) = self.child() {
            self.skip();
            self.enter(&child.node);
        }
    }

    /// Goes on with what is left of the leaf.
    fn continue_with(&mut self, left: &'a [E]) {
        self.parts.pop();
        if !left.is_empty() {
            self.parts.push(Part::Entries(left));
        }
    }

    /// Passes the entry that comes next. There must be one.
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
