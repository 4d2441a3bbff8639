//! Iteration over a tree in the order of its keys.

use alloc::vec::Vec;
use core::slice;

use super::{Child, Entry, Node, child_of};

/// Iterator over the sorted entries of a tree.
pub(crate) struct Iter<'a, E: Entry> {
    // Remaining children on the path, the lowest level last.
    above: Vec<slice::Iter<'a, Child<E>>>,
    leaf: slice::Iter<'a, E>,
    left: usize,
}

impl<'a, E: Entry> Iter<'a, E> {
    pub(super) fn new(root: Option<&'a Node<E>>, len: usize) -> Iter<'a, E> {
        let mut iter = Iter { above: Vec::new(), leaf: [].iter(), left: len };
        if let Some(root) = root {
            iter.enter(root);
        }
        iter
    }

    /// Iterates over the entries whose key is at or above `first`. Their number is unknown, so
    /// `len` is only an upper bound.
    pub(super) fn from(root: Option<&'a Node<E>>, len: usize, first: E::Key) -> impl Iterator<Item = &'a E> {
        let mut iter = Iter { above: Vec::new(), leaf: [].iter(), left: len };
        if let Some(root) = root {
            iter.seek(root, first);
        }
        core::iter::from_fn(move || iter.next())
    }

    /// Descends to the position of the key, or to where it would be inserted.
    fn seek(&mut self, mut node: &'a Node<E>, first: E::Key) {
        loop {
            match node {
                Node::Leaf(entries) => {
                    self.leaf = entries[entries.partition_point(|entry| entry.key() < first)..].iter();
                    return;
                }
                Node::Inner(children) => {
                    let at = child_of(children, first);
                    self.above.push(children[at + 1..].iter());
                    node = &children[at].node;
                }
            }
        }
    }

    /// Descends to the first leaf of the node.
    fn enter(&mut self, mut node: &'a Node<E>) {
        loop {
            match node {
                Node::Leaf(entries) => {
                    self.leaf = entries.iter();
                    return;
                }
                Node::Inner(children) => {
                    let mut children = children.iter();
                    let first = children.next().expect("no node is empty");
                    self.above.push(children);
                    node = &first.node;
                }
            }
        }
    }
}

impl<E: Entry> Clone for Iter<'_, E> {
    fn clone(&self) -> Self {
        Iter { above: self.above.clone(), leaf: self.leaf.clone(), left: self.left }
    }
}

impl<'a, E: Entry> Iterator for Iter<'a, E> {
    type Item = &'a E;

    fn next(&mut self) -> Option<&'a E> {
        loop {
            if let Some(entry) = self.leaf.next() {
                self.left -= 1;
                return Some(entry);
            }
            let child = self.above.last_mut()?.next();
            match child {
                Some(child) => self.enter(&child.node),
                None => drop(self.above.pop()),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<E: Entry> ExactSizeIterator for Iter<'_, E> {}
