//! Epochs after new entropy, and frames without encryption.

use gm_broadcast::{BroadcastCommand, BroadcastEvent, Input, Path};
use gm_codec::{Key, Keyring};

use crate::multicast::ACQUAINTED;
use crate::net::Net;
use crate::station::{broadcast_of, insecure, ms, node};
use crate::trees::deep;

#[test]
fn broadcasts_before_and_after_new_entropy_differ() {
    for island in [None, Some(1)] {
        let mut net = Net::of(5, island, |config| config.path_costs = deep());
        net.introduce();
        net.run(ACQUAINTED);
        let before = net.broadcast(0, broadcast_of("before"));
        net.feed(0, Input::Entropy([99; 32]));
        let after = net.broadcast(0, broadcast_of("after"));
        assert_eq!((before.origin, before.sequence), (after.origin, after.sequence));
        assert_ne!(before.epoch, after.epoch);
        net.run(ms(2_000));
        for number in 1..5 {
            assert_eq!(
                (net.got(number, before).len(), net.got(number, after).len()),
                (1, 1),
                "{number}, {island:?}"
            );
        }
        assert!(
            !net.stations[0].events.contains(&BroadcastEvent::IdentityClash),
            "datagrams of earlier epochs are recognized as own"
        );
    }
}

/// A broadcast that waits for a connection during a change of entropy keeps its epoch.
#[test]
fn a_waiting_broadcast_keeps_its_epoch() {
    let mut net = Net::of(2, None, |config| config.datagram_hops = false);
    let id = net.broadcast(0, broadcast_of("begun before"));
    net.feed(0, Input::Entropy([99; 32]));
    net.run(ms(100));
    assert_eq!(net.got(1, id).len(), 1);
    let tapped = net.wire.iter().find(|tapped| tapped.is_content(id)).unwrap();
    assert!(tapped.epoch.is_some_and(|epoch| epoch != id.epoch));
}

#[test]
fn equal_entropy_gives_equal_epochs() {
    let epoch = |seed| {
        let mut net = Net::of(2, None, |_| {});
        net.feed(0, Input::Entropy([seed; 32]));
        net.broadcast(0, broadcast_of("one")).epoch
    };
    assert_eq!(epoch(1), epoch(1));
    assert_ne!(epoch(1), epoch(2));
}

#[test]
fn keys_are_changed_while_running() {
    let mut net = Net::of(2, None, |_| {});
    let keyring = || Keyring::new(Key::new([7; 32]));
    net.command(0, BroadcastCommand::SetKeys(keyring()));
    let id = net.broadcast(0, broadcast_of("with the same key"));
    net.run(ms(100));
    assert_eq!(net.got(1, id).len(), 1);
    net.command(0, BroadcastCommand::SetKeys(Keyring::new(Key::new([8; 32]))));
    let id = net.broadcast(0, broadcast_of("with another"));
    net.run(ms(100));
    assert!(net.got(1, id).is_empty());
}

#[test]
fn an_unsealed_pair_works() {
    for island in [None, Some(1)] {
        let mut net = Net::new(insecure);
        for _ in 0..2 {
            net.add(island, |_| {});
        }
        net.introduce();
        net.run(ACQUAINTED);
        for number in [0, 1] {
            let id = net.broadcast(number, broadcast_of("in the open"));
            net.run(ms(500));
            let paths: Vec<Path> = net.got(1 - number, id).iter().map(|got| got.path).collect();
            assert_eq!(paths, [if island.is_some() { Path::Multicast } else { Path::Connection }]);
            assert!(net.got(number, id).is_empty());
            assert!(!net.stations[number].events.contains(&BroadcastEvent::IdentityClash));
        }
        assert_eq!(net.broadcaster(0).island_id(), island.map(|_| node(0)));
    }
}

/// Another process with this node's NetId is reported.
#[test]
fn an_identity_clash_is_reported() {
    let mut net = Net::of(2, Some(1), |_| {});
    let model = net.add(Some(1), |config| config.me = node(0));
    net.run(ACQUAINTED);
    assert!(net.stations[0].events.contains(&BroadcastEvent::IdentityClash));
    assert!(net.stations[model].events.contains(&BroadcastEvent::IdentityClash));
    assert!(!net.stations[1].events.contains(&BroadcastEvent::IdentityClash));
}
