//! Edits of a tree, one entry at a time. Shared nodes are copied first (copy-on-write).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use super::{Child, Entry, FAN, Node, Tree, child_of};

impl<E: Entry> Tree<E> {
    /// Inserts the entry and returns the one with its key that it replaced. Logarithmic.
    pub(crate) fn insert(&mut self, entry: E) -> Option<E> {
        let Some(root) = &mut self.root else {
            self.root = Some(Node::Leaf(Arc::from([entry])));
            self.len = 1;
            return None;
        };
        let (old, split) = root.insert(entry);
        if let Some(right) = split
            && let Some(left) = self.root.take()
        {
            let children = Vec::from([Node::child(left), right]);
            self.root = Some(Node::Inner(Arc::new(children)));
        }
        self.len += usize::from(old.is_none());
        old
    }

    /// Removes and returns the entry with the given key, if there is one. Logarithmic.
    pub(crate) fn remove(&mut self, key: E::Key) -> Option<E> {
        let root = self.root.as_mut()?;
        let old = root.remove(key)?;
        self.len -= 1;
        if self.len == 0 {
            self.root = None;
        } else if let Node::Inner(children) = root
            && let [only] = children.as_slice()
        {
            *root = only.node.clone();
        }
        Some(old)
    }

    /// Replaces the entry with the same key, which must exist and have the sum `old`. Descends once
    /// and never splits a node, so it is cheaper than [`insert`](Tree::insert). Logarithmic.
    pub(crate) fn replace(&mut self, old: E::Sum, entry: E) {
        let (key, new) = (entry.key(), entry.sum());
        let mut node = self.root.as_mut().expect("there is an entry to replace");
        loop {
            match node {
                Node::Leaf(entries) => {
                    let at = entries.binary_search_by_key(&key, E::key);
                    Arc::make_mut(entries)[at.expect("there is an entry to replace")] = entry;
                    return;
                }
                Node::Inner(children) => {
                    let at = child_of(children, key);
                    let child = &mut Arc::make_mut(children)[at];
                    child.sum = E::update_sum(child.sum, Some(old), new);
                    node = &mut child.node;
                }
            }
        }
    }

    /// The entry with the given key for an edit in place, which must change neither its key nor its
    /// sum. Logarithmic.
    pub(crate) fn get_mut(&mut self, key: E::Key) -> Option<&mut E> {
        let mut node = self.root.as_mut()?;
        loop {
            match node {
                Node::Leaf(entries) => {
                    let at = entries.binary_search_by_key(&key, E::key).ok()?;
                    return Some(&mut Arc::make_mut(entries)[at]);
                }
                Node::Inner(children) => {
                    let at = child_of(children, key);
                    node = &mut Arc::make_mut(children)[at].node;
                }
            }
        }
    }
}

impl<E: Entry> Node<E> {
    /// Inserts the entry. Returns the entry that it replaced, and the right half if the node had to
    /// be split.
    fn insert(&mut self, entry: E) -> (Option<E>, Option<Child<E>>) {
        match self {
            Node::Leaf(entries) => match entries.binary_search_by_key(&entry.key(), E::key) {
                Ok(at) => (Some(mem::replace(&mut Arc::make_mut(entries)[at], entry)), None),
                Err(at) => (None, insert_into_leaf(entries, at, entry)),
            },
            Node::Inner(children) => {
                let at = child_of(children, entry.key());
                let children = Arc::make_mut(children);
                let (key, sum) = (entry.key(), entry.sum());
                let (old, split) = children[at].node.insert(entry);
                match split {
                    Some(right) => {
                        let left = mem::replace(&mut children[at], right);
                        children.insert(at, Node::child(left.node));
                    }
                    None => {
                        let child = &mut children[at];
                        child.min = child.min.min(key);
                        child.sum = E::update_sum(child.sum, old.as_ref().map(E::sum), sum);
                    }
                }
                let split = (children.len() > FAN).then(|| {
                    let right = children.split_off(children.len() / 2);
                    Node::child(Node::Inner(Arc::new(right)))
                });
                (old, split)
            }
        }
    }

    fn remove(&mut self, key: E::Key) -> Option<E> {
        match self {
            Node::Leaf(entries) => {
                let at = entries.binary_search_by_key(&key, E::key).ok()?;
                let old = entries[at].clone();
                *entries = concat(&[&entries[..at], &entries[at + 1..]]);
                Some(old)
            }
            Node::Inner(children) => {
                let at = child_of(children, key);
                let children = Arc::make_mut(children);
                let old = children[at].node.remove(key)?;
                if children[at].node.is_small() && children.len() > 1 {
                    rebalance(children, at);
                } else {
                    let node = children[at].node.clone();
                    children[at] = Node::child(node);
                }
                Some(old)
            }
        }
    }

    fn width(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.len(),
            Node::Inner(children) => children.len(),
        }
    }

    /// Whether the node is below a quarter of its capacity. The usual threshold is a half; a lower
    /// one avoids alternating splits and joins when a range is added and removed repeatedly.
    fn is_small(&self) -> bool {
        match self {
            Node::Leaf(entries) => entries.len() < E::LEAF.div_ceil(4),
            Node::Inner(children) => children.len() < FAN / 4,
        }
    }
}

/// Inserts into a leaf. Returns the right half if the leaf was full. If the entry is the last one,
/// the left half stays full, so that entries inserted in order fill their leaves.
fn insert_into_leaf<E: Entry>(entries: &mut Arc<[E]>, at: usize, entry: E) -> Option<Child<E>> {
    let one = core::slice::from_ref(&entry);
    if entries.len() < E::LEAF {
        *entries = concat(&[&entries[..at], one, &entries[at..]]);
        return None;
    }
    if at == entries.len() {
        return Some(Node::child(Node::Leaf(Arc::from([entry]))));
    }
    let half = entries.len() / 2;
    let (left, right) = if at <= half {
        (concat(&[&entries[..at], one, &entries[at..half]]), Arc::from(&entries[half..]))
    } else {
        (Arc::from(&entries[..half]), concat(&[&entries[half..at], one, &entries[at..]]))
    };
    *entries = left;
    Some(Node::child(Node::Leaf(right)))
}

/// Joins a child that has become small with a neighbor, or distributes the entries of both evenly
/// if one node cannot hold them.
fn rebalance<E: Entry>(children: &mut Vec<Child<E>>, at: usize) {
    let left = at.saturating_sub(1);
    let right = children.remove(left + 1).node;
    let first = children[left].node.clone();
    let total = first.width() + right.width();
    let (first, second) = match (first, right) {
        (Node::Leaf(first), Node::Leaf(right)) => {
            let all = concat(&[&first, &right]);
            if total <= E::LEAF {
                (Node::Leaf(all), None)
            } else {
                let (first, second) = all.split_at(total / 2);
                (Node::Leaf(Arc::from(first)), Some(Node::Leaf(Arc::from(second))))
            }
        }
        (Node::Inner(first), Node::Inner(right)) => {
            let mut first = Arc::unwrap_or_clone(first);
            first.extend(right.iter().cloned());
            let second = (total > FAN).then(|| Node::Inner(Arc::new(first.split_off(total / 2))));
            (Node::Inner(Arc::new(first)), second)
        }
        (Node::Leaf(_), Node::Inner(_)) | (Node::Inner(_), Node::Leaf(_)) => {
            unreachable!("all leaves are equally deep")
        }
    };
    children[left] = Node::child(first);
    if let Some(second) = second {
        children.insert(left + 1, Node::child(second));
    }
}

/// Creates a leaf of the pieces, exactly as large as they are. It goes through a `Vec`, which
/// copies whole pieces at once; an exact iterator over them would copy entry by entry.
fn concat<E: Entry>(pieces: &[&[E]]) -> Arc<[E]> {
    Arc::from(pieces.concat())
}
