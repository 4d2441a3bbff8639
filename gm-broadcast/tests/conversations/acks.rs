//! Acknowledgements: summaries of relays and reports to the origin.

use gm_broadcast::{AckPart, AckReport, BroadcastCommand, BroadcastRequest, RequestedAcks, Targets};

use crate::multicast::ACQUAINTED;
use crate::net::Net;
use crate::station::{Decisions, broadcast_of, ms, node};
use crate::trees::deep;

pub(crate) fn with_acks(tag: u64, what: &str) -> BroadcastRequest {
    BroadcastRequest {
        tag,
        acks: Some(RequestedAcks { within: ms(20_000), durable: false }),
        ..broadcast_of(what)
    }
}

fn durable(tag: u64, within: u64) -> BroadcastRequest {
    BroadcastRequest {
        tag,
        acks: Some(RequestedAcks { within: ms(within), durable: true }),
        ..broadcast_of("keep this")
    }
}

fn tree(count: usize) -> Net {
    Net::of(count, None, |config| config.path_costs = deep())
}

/// Checks that only the last report is settled, that each adds up to the targets, and that no
/// number decreases.
pub(crate) fn settled(net: &Net, tag: u64, targets: u64) -> AckReport {
    let reports = net.reports(0, tag);
    for (place, report) in reports.iter().enumerate() {
        assert_eq!(report.settled, place + 1 == reports.len(), "{reports:?}");
        assert_eq!(
            report.delivered + report.refused + report.missing + report.unknown,
            targets,
            "{reports:?}"
        );
    }
    (*reports.last().unwrap()).clone()
}

#[test]
fn all_of_seven_settle_delivered() {
    let mut net = tree(8);
    net.broadcast(0, with_acks(5, "all"));
    net.run(ms(5_000));
    assert_eq!(settled(&net, 5, 7), AckReport { delivered: 7, settled: true, ..AckReport::default() });
    for number in 0..8 {
        let left = ["ack aggregations", "awaited contents"].map(|what| net.usage(number, what));
        assert_eq!(left, [0, 0]);
    }
}

#[test]
fn without_targets_a_report_settles_at_once() {
    let mut net = tree(2);
    net.broadcast(0, BroadcastRequest { to: Targets::Nodes(vec![node(0)]), ..with_acks(5, "no target") });
    assert_eq!(settled(&net, 5, 0), AckReport { settled: true, ..AckReport::default() });
}

#[test]
fn a_refused_dial_is_missing_by_name() {
    for down in 1..8 {
        let mut net = tree(8);
        net.crash(down);
        net.broadcast(0, with_acks(5, "one is down"));
        net.run(ms(5_000));
        let expected = AckReport {
            delivered: 6,
            missing: 1,
            missing_nodes: vec![node(down)],
            settled: true,
            ..AckReport::default()
        };
        assert_eq!(settled(&net, 5, 7), expected);
    }
}

#[test]
fn all_that_are_down_are_missing() {
    let mut net = tree(8);
    for down in 1..8 {
        net.crash(down);
    }
    net.broadcast(0, with_acks(5, "all are down"));
    net.run(ms(5_000));
    let names = (1..8).map(node).collect();
    assert_eq!(
        settled(&net, 5, 7),
        AckReport { missing: 7, missing_nodes: names, settled: true, ..AckReport::default() }
    );
}

#[test]
fn refused_acks_are_counted_apart() {
    let mut net = tree(8);
    net.decide(3, Decisions { counts: false, ..Decisions::default() });
    net.broadcast(0, with_acks(5, "one does not count"));
    net.run(ms(5_000));
    assert_eq!(
        settled(&net, 5, 7),
        AckReport { delivered: 6, refused: 1, settled: true, ..AckReport::default() }
    );
}

#[test]
fn durable_waits_for_the_disk() {
    let mut net = tree(8);
    net.decide(2, Decisions { stored: true, ..Decisions::default() });
    let id = net.broadcast(0, durable(5, 20_000));
    net.run(ms(1_000));
    let report = (*net.reports(0, 5).last().unwrap()).clone();
    assert_eq!(report, AckReport { delivered: 1, unknown: 6, ..AckReport::default() });
    for number in (1..8).filter(|number| *number != 2) {
        assert_eq!(net.got(number, id).len(), 1);
        net.command(number, BroadcastCommand::Stored(id));
        net.run(ms(500));
    }
    net.run(ms(1_000));
    assert_eq!(settled(&net, 5, 7), AckReport { delivered: 7, settled: true, ..AckReport::default() });
}

#[test]
fn what_is_not_stored_in_time_is_unknown() {
    let mut net = tree(8);
    let id = net.broadcast(0, durable(5, 2_000));
    net.run(ms(1_000));
    net.command(4, BroadcastCommand::Stored(id));
    net.run(ms(900));
    assert!(net.reports(0, 5).iter().all(|report| !report.settled));
    net.run(ms(200));
    assert_eq!(
        settled(&net, 5, 7),
        AckReport { delivered: 1, unknown: 6, settled: true, ..AckReport::default() }
    );
}

/// Neighbors that confirmed reception are still asked for acks, by announcements.
#[test]
fn an_island_acknowledges_announcements() {
    let mut net = Net::of(5, Some(1), |_| {});
    net.run(ACQUAINTED);
    let before = net.wire.len();
    let id = net.broadcast(0, with_acks(5, "near"));
    net.run(ms(2_000));
    assert_eq!(settled(&net, 5, 4), AckReport { delivered: 4, settled: true, ..AckReport::default() });
    let tapped = &net.wire[before..];
    assert_eq!(tapped.iter().filter(|tapped| tapped.is_content(id)).count(), 1, "the multicast");
    assert_eq!(tapped.iter().filter(|tapped| tapped.is_announcement(id)).count(), 4);
}

#[test]
fn an_island_without_multicast_acknowledges_too() {
    let mut net = Net::of(5, Some(1), |_| {});
    net.run(ACQUAINTED);
    net.lose(|tapped, _| tapped.broadcast().is_some());
    let id = net.broadcast(0, with_acks(5, "near"));
    net.run(ms(3_000));
    assert_eq!(settled(&net, 5, 4), AckReport { delivered: 4, settled: true, ..AckReport::default() });
    assert!((1..5).all(|number| net.got(number, id).len() == 1));
}

#[test]
fn acks_beyond_the_limit_are_unknown_at_once() {
    let mut net = Net::of(2, None, |config| config.limits.ack_aggregations = 1);
    net.pause(1);
    net.broadcast(0, with_acks(5, "first"));
    net.broadcast(0, with_acks(6, "second"));
    let reports = net.reports(0, 6);
    assert_eq!(reports.len(), 1);
    assert!(reports[0].settled);
    assert_eq!(reports[0].unknown, 1, "one target, of which nothing is known");
}

/// Checks that all but the named nodes acknowledged, and that each of those is a part of its own.
fn apart(net: &Net, tag: u64) -> Vec<AckPart> {
    let parts = net.parts(0, tag);
    let full = |part: &AckPart| part.delivered == part.nodes.len() as u64;
    parts.into_iter().filter(|part| !full(part)).collect()
}

#[test]
fn a_settled_report_names_the_missing() {
    for down in 1..8 {
        let mut net = tree(8);
        net.crash(down);
        net.broadcast(0, with_acks(5, "one is down"));
        net.run(ms(5_000));
        let missing = AckPart { nodes: vec![node(down)], missing: 1, ..AckPart::default() };
        assert_eq!(apart(&net, 5), [missing]);
        let told: usize = net.parts(0, 5).iter().map(|part| part.nodes.len()).sum();
        assert_eq!(told, 7, "every target is in a part");
    }
}

/// Three refusals in a row, and no fewer. After a sign of life a node may be reachable again.
#[test]
fn a_host_that_refuses_repeatedly_is_marked_closed() {
    let mut net = tree(2);
    net.crash(1);
    let closed = |net: &mut Net, tag| {
        net.broadcast(0, with_acks(tag, "ping"));
        net.run(ms(5_000));
        apart(net, tag).iter().map(|part| part.closed).collect::<Vec<_>>()
    };
    assert_eq!(closed(&mut net, 1), [false]);
    assert_eq!(closed(&mut net, 2), [false]);
    assert_eq!(closed(&mut net, 3), [true]);
    net.start(1);
    net.introduce();
    net.broadcast(1, broadcast_of("here I am"));
    net.run(ms(5_000));
    assert_eq!(closed(&mut net, 4), [false; 0]);
    net.crash(1);
    net.command(0, BroadcastCommand::Close);
    net.run(ms(100));
    assert_eq!(closed(&mut net, 5), [false]);
}

#[test]
fn a_broadcast_without_multicast_uses_connections_only() {
    let mut net = Net::of(5, Some(1), |_| {});
    net.run(ACQUAINTED);
    let before = net.wire.len();
    let to = Targets::Nodes(vec![node(2), node(3)]);
    let id = net.broadcast(0, BroadcastRequest { to, multicast: false, ..with_acks(5, "for two") });
    net.run(ms(2_000));
    assert_eq!(settled(&net, 5, 2).delivered, 2);
    assert!((1..5).all(|number| net.got(number, id).len() == usize::from(number == 2 || number == 3)));
    assert!(net.wire[before..].iter().all(|tapped| !tapped.is_announcement(id)));
}
