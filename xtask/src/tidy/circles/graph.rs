//! Directed graph of files: strongly connected parts, and a shortest circle of each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A graph of numbered nodes, without edges from a node to itself.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    next: BTreeMap<usize, BTreeSet<usize>>,
}

impl Graph {
    pub(crate) fn add(&mut self, from: usize, to: usize) {
        if from != to {
            self.next.entry(from).or_default().insert(to);
        }
    }

    /// The number of edges.
    pub(crate) fn edges(&self) -> usize {
        self.next.values().map(BTreeSet::len).sum()
    }

    fn has(&self, from: usize, to: usize) -> bool {
        self.next.get(&from).is_some_and(|next| next.contains(&to))
    }

    /// The pairs of nodes with edges in both directions.
    pub(crate) fn mutual_pairs(&self) -> Vec<(usize, usize)> {
        let edges = self.next.iter().flat_map(|(from, next)| next.iter().map(|to| (*from, *to)));
        edges.filter(|(from, to)| from < to && self.has(*to, *from)).collect()
    }

    /// The sets of nodes that reach each other: strongly connected components of more than one
    /// node.
    pub(crate) fn cyclic_sets(&self) -> Vec<BTreeSet<usize>> {
        let reached: BTreeMap<usize, BTreeSet<usize>> =
            self.next.keys().map(|node| (*node, self.reach(*node))).collect();
        let mut cyclic_sets: Vec<BTreeSet<usize>> = Vec::new();
        for (node, far) in &reached {
            if !far.contains(node) || cyclic_sets.iter().any(|set| set.contains(node)) {
                continue;
            }
            let returns = |other: &&usize| reached.get(*other).is_some_and(|far| far.contains(node));
            cyclic_sets.push(far.iter().filter(returns).copied().collect());
        }
        cyclic_sets
    }

    /// The nodes that can be reached from a node by at least one edge.
    fn reach(&self, from: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![from];
        while let Some(node) = waiting.pop() {
            waiting.extend(self.next.get(&node).into_iter().flatten().filter(|next| reached.insert(**next)));
        }
        reached
    }

    /// A shortest circle among nodes that reach each other: its nodes, each used by the one before.
    pub(crate) fn shortest_circle(&self, set: &BTreeSet<usize>) -> Vec<usize> {
        set.iter().filter_map(|node| self.circle_through(*node)).min_by_key(Vec::len).unwrap_or_default()
    }

    fn circle_through(&self, node: usize) -> Option<Vec<usize>> {
        let mut before: BTreeMap<usize, usize> = BTreeMap::new();
        let mut waiting = VecDeque::from([node]);
        while let Some(at) = waiting.pop_front() {
            for next in self.next.get(&at).into_iter().flatten() {
                if before.contains_key(next) {
                    continue;
                }
                before.insert(*next, at);
                if *next == node {
                    let mut circle = vec![at];
                    while circle.last().is_some_and(|last| *last != node) {
                        circle.extend(circle.last().and_then(|last| before.get(last)).copied());
                    }
                    circle.reverse();
                    return Some(circle);
                }
                waiting.push_back(*next);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(usize, usize)]) -> Graph {
        let mut graph = Graph::default();
        edges.iter().for_each(|(from, to)| graph.add(*from, *to));
        graph
    }

    #[test]
    fn a_tree_and_a_diamond_have_no_circle() {
        let graph = graph(&[(0, 1), (0, 2), (1, 3), (2, 3), (3, 3)]);
        assert_eq!((graph.edges(), graph.cyclic_sets().len(), graph.mutual_pairs().len()), (4, 0, 0));
    }

    #[test]
    fn each_cyclic_set_has_a_shortest_circle() {
        let graph = graph(&[(0, 1), (1, 2), (2, 3), (3, 1), (3, 0), (0, 4), (4, 5), (5, 4)]);
        let cyclic_sets = graph.cyclic_sets();
        assert_eq!(cyclic_sets, [BTreeSet::from([0, 1, 2, 3]), BTreeSet::from([4, 5])]);
        assert_eq!(graph.shortest_circle(&cyclic_sets[0]), [1, 2, 3]);
        assert_eq!(graph.shortest_circle(&cyclic_sets[1]), [4, 5]);
        assert_eq!(graph.mutual_pairs(), [(4, 5)]);
    }
}
