//! Push gossip for comparison (infect and die): a node that receives a new message forwards it once
//! to three random nodes. A plain loop over arrivals that shares no code with the protocol.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use gm_broadcast::{PathCost, Rng, Time};

use super::table::Row;

const FAN_OUT: u32 = 3;

/// Runs until no message is in flight.
pub(super) fn gossip(nodes: u32, cost: PathCost, optimum: Duration) -> Row {
    let mut rng = Rng::new([3; 32]);
    let mut has = vec![false; nodes as usize];
    has[0] = true;
    let mut arrivals = BinaryHeap::new();
    let (mut informed, mut copies, mut last) = (1_u64, 0, Time::ZERO);
    push(0, Time::ZERO, nodes, cost, &mut rng, &mut arrivals);
    while let Some(Reverse((at, node))) = arrivals.pop() {
        copies += 1;
        if !std::mem::replace(&mut has[node as usize], true) {
            informed += 1;
            last = at;
            push(node, at, nodes, cost, &mut rng, &mut arrivals);
        }
    }
    Row {
        label: "push gossip, fan-out 3".to_owned(),
        nodes,
        time: last.since(Time::ZERO),
        optimum: Some(optimum),
        copies: Some((copies, u64::from(nodes) - 1)),
        missed: u64::from(nodes) - informed,
        ..Row::default()
    }
}

fn push(
    node: u32,
    now: Time,
    nodes: u32,
    cost: PathCost,
    rng: &mut Rng,
    arrivals: &mut BinaryHeap<Reverse<(Time, u32)>>,
) {
    let mut receivers: Vec<u32> = Vec::new();
    while receivers.len() < FAN_OUT.min(nodes - 1) as usize {
        let other = u32::try_from(rng.below(u64::from(nodes))).unwrap_or(0);
        if other != node && !receivers.contains(&other) {
            receivers.push(other);
        }
    }
    for (index, other) in (0..).zip(receivers) {
        arrivals.push(Reverse((now + cost.gap * index + cost.latency, other)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_missed_and_each_node_sends_three() {
        let cost = PathCost { gap: Duration::from_millis(1), latency: Duration::from_millis(1) };
        let row = gossip(1_000, cost, Duration::from_millis(10));
        let (copies, _) = row.copies.unwrap();
        assert_eq!(copies, (1_000 - row.missed) * u64::from(FAN_OUT));
        assert!((20..150).contains(&row.missed), "{}", row.missed);
        let two = gossip(2, cost, cost.gap);
        assert_eq!((two.missed, two.copies), (0, Some((2, 1))));
    }
}
