//! Peer discovery: which nodes learn of which.

use gm_broadcast::{BroadcastCommand, BroadcastEvent, Counter};
use gm_clock::NetId;

use crate::net::Net;
use crate::station::{ms, node, sealed};

fn all_but(number: usize, count: usize) -> Vec<NetId> {
    (0..count).filter(|other| *other != number).map(node).collect()
}

#[test]
fn nodes_with_a_common_seed_find_each_other() {
    for island in [None, Some(7)] {
        let mut net = Net::new(sealed);
        net.add(island, |_| {});
        for number in 1..4 {
            // Each node is on an island of its own, if on any.
            let island = island.map(|island| island + u32::try_from(number).unwrap());
            net.add(island, |config| config.seeds = vec![node(0), node(number)]);
        }
        net.run(ms(600_000));
        for number in 0..4 {
            assert_eq!(net.broadcaster(number).known(), all_but(number, 4));
            let found = net.stations[number].events.iter().filter_map(|event| match event {
                BroadcastEvent::NodeFound(node) => Some(*node),
                _ => None,
            });
            let mut found: Vec<NetId> = found.collect();
            found.sort_unstable();
            // Each node is found once, a seed when it replies.
            assert_eq!(found, all_but(number, 4));
        }
    }
}

/// A node introduces only nodes that it knows, with their islands.
#[test]
fn nodes_are_introduced() {
    let mut net = Net::new(sealed);
    for number in 0..5 {
        // The last two are neighbors.
        net.add(Some(number.min(3)), |config| config.timings.exchange = ms(10_000_000));
    }
    for (number, known) in [(0, vec![node(1), node(3), node(4)]), (1, vec![node(0)])] {
        net.command(number, BroadcastCommand::AddNodes(known));
    }
    net.run(ms(10_000));
    let nodes = vec![node(4), node(3), node(2), node(1), node(0)];
    net.command(0, BroadcastCommand::Introduce { to: node(1), nodes });
    net.run(ms(10));
    assert_eq!(net.broadcaster(1).known(), [node(0), node(3), node(4)], "the sender does not know the third");
    let found = |number| net.stations[1].events.contains(&BroadcastEvent::NodeFound(node(number)));
    assert!(found(3) && found(4));
}

#[test]
fn a_seed_is_dialed_until_it_replies() {
    let mut net = Net::new(sealed);
    for number in 0..3 {
        net.add(None, |config| config.seeds = if number == 0 { vec![] } else { vec![node(0)] });
    }
    net.crash(0);
    net.run(ms(3_600_000));
    assert!(net.broadcaster(1).known().len() <= 1, "only the seed is known");
    let calls = net.dials.len();
    assert!(calls > 60, "it is dialed again and again");
    assert!(calls < 2 * 3_600, "but not all the time: {calls}");
    net.start(0);
    net.run(ms(600_000));
    for number in 0..3 {
        assert_eq!(net.broadcaster(number).known(), all_but(number, 3));
    }
}

#[test]
fn seeds_can_be_added_later() {
    let mut net = Net::new(sealed);
    net.add(None, |_| {});
    net.add(None, |_| {});
    net.command(1, BroadcastCommand::AddSeeds(vec![node(0), node(1)]));
    net.run(ms(1_000));
    assert_eq!(net.broadcaster(0).known(), [node(1)]);
    assert_eq!(net.broadcaster(1).known(), [node(0)]);
    assert!(net.dials.iter().all(|(_, to)| *to == node(0)), "no node dials itself");
}

/// Two islands without multicast between them, and one seed: all nodes know all, with the ids of
/// their islands.
#[test]
fn islands_are_exchanged() {
    let mut net = Net::new(sealed);
    for number in 0..6 {
        let seeds = if number == 0 { vec![] } else { vec![node(0)] };
        net.add(Some(number / 3), |config| config.seeds.clone_from(&seeds));
    }
    net.run(ms(1_200_000));
    for number in 0..6 {
        assert_eq!(net.broadcaster(number).known(), all_but(number, 6));
        assert_eq!(net.broadcaster(number).island_id(), Some(node(number / 3 * 3)));
    }
    assert_eq!(net.count(0, Counter::EncodingFailures), 0);
}
