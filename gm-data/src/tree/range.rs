//! Range queries between two keys: the entries one by one, or their sum.

use super::{Entry, Iter, Node, Tree, child_of};

impl<E: Entry> Tree<E> {
    /// The sorted entries from the key `first` up to and excluding the key `end`, where `None` is
    /// the end of the tree. The cost is logarithmic, plus the number of entries taken.
    pub(crate) fn between(&self, first: E::Key, end: Option<E::Key>) -> impl Iterator<Item = &E> {
        let before_end = move |entry: &&E| end.is_none_or(|end| entry.key() < end);
        Iter::from(self.root.as_ref(), self.len, first).take_while(before_end)
    }

    /// The sum of those entries; `None` if there are none. Logarithmic. Exact, unless sums are
    /// [`Idempotent`](super::Idempotent).
    pub(crate) fn sum_between(&self, first: E::Key, end: Option<E::Key>) -> Option<E::Sum> {
        self.root.as_ref()?.sum_between(first, end)
    }
}

impl<E: Entry> Node<E> {
    fn sum_between(&self, first: E::Key, end: Option<E::Key>) -> Option<E::Sum> {
        let before_end = |key: E::Key| end.is_none_or(|end| key < end);
        match self {
            Node::Leaf(entries) => {
                let from = entries.partition_point(|entry| entry.key() < first);
                let inside = entries[from..].iter().take_while(|entry| before_end(entry.key()));
                inside.map(E::sum).reduce(E::add)
            }
            Node::Inner(children) => {
                let sum = |at: usize| {
                    let child = &children[at];
                    // A child lies inside if it begins inside and the next child begins no later
                    // than at the end. The end of the last child is unknown here. So the walk
                    // descends into at most one child on each side.
                    let ends_inside =
                        end.is_none_or(|end| children.get(at + 1).is_some_and(|next| next.min <= end));
                    if first <= child.min && ends_inside {
                        return Some(child.sum);
                    }
                    child.node.sum_between(first, end)
                };
                let touched = child_of(children, first)..children.len();
                touched.take_while(|&at| before_end(children[at].min)).filter_map(sum).reduce(E::add)
            }
        }
    }
}
