//! Relays that take a subtree and go silent: replaced once, and no node is counted twice.

use gm_broadcast::{AckReport, BroadcastEvent, Counter};
use gm_codec::{Ack, AckStatus, Body};
use gm_sim::broadcast::tap::TappedFrame;

use crate::acks::{settled, with_acks};
use crate::net::{Net, at, number_of};
use crate::station::{broadcast_of, ms, node};
use crate::trees::deep;

/// A tree in which the first relay with targets is paused: before it gets them, or once it has
/// forwarded the broadcast.
fn silenced(count: usize, after_passing_on: bool) -> (Net, usize) {
    let mut net = Net::of(count, None, |config| {
        config.path_costs = deep();
        config.timings.opening = ms(60_000);
    });
    let id = net.broadcast(0, with_acks(5, "to all"));
    let until = net.now() + ms(10_000);
    let relay = loop {
        assert!(net.step(until));
        let list = |tapped: &&TappedFrame| tapped.broadcast().is_some_and(|it| it.targets.len() > 1);
        let given = net.wire.iter().filter(list).find(|tapped| tapped.from == at(0) && tapped.is_content(id));
        if let Some(relay) = given.and_then(|tapped| tapped.to) {
            let passed =
                net.wire.iter().filter(|tapped| tapped.from == relay && tapped.is_content(id)).count();
            if !after_passing_on || passed > 1 {
                break number_of(relay);
            }
        }
    };
    net.pause(relay);
    net.run(ms(30_000));
    (net, relay)
}

#[test]
fn a_silent_relay_is_replaced_once() {
    let (net, relay) = silenced(8, false);
    let report = settled(&net, 5, 7);
    assert_eq!(report, AckReport { delivered: 6, unknown: 1, settled: true, ..AckReport::default() });
    assert_eq!(net.count(0, Counter::SubtreesReassigned), 1);
    let alone: Vec<_> = net.parts(0, 5).into_iter().filter(|part| part.delivered == 0).collect();
    assert_eq!(
        alone,
        [gm_broadcast::AckPart { nodes: vec![node(relay)], ..gm_broadcast::AckPart::default() }]
    );
    for number in (1..8).filter(|number| *number != relay) {
        assert_eq!(net.texts(number), ["to all"]);
    }
}

/// It has forwarded its subtree already: its targets are asked for acks again, by announcements,
/// and are counted once.
#[test]
fn targets_of_a_dead_relay_are_counted_once() {
    let (net, relay) = silenced(8, true);
    let report = settled(&net, 5, 7);
    assert_eq!(report, AckReport { delivered: 6, unknown: 1, settled: true, ..AckReport::default() });
    for number in (1..8).filter(|number| *number != relay) {
        assert_eq!(net.texts(number), ["to all"], "{number}, target of {relay}");
    }
    let again = net.wire.iter().filter(|tapped| {
        tapped.broadcast().and_then(|it| it.ack_request).is_some_and(|receipts| receipts.reassigned)
    });
    assert!(again.clone().count() > 0);
    assert!(
        again.into_iter().all(|tapped| tapped.payload.body == Body::HeaderOnly),
        "content is not sent twice without a request"
    );
}

/// A summary of a relay that was replaced is ignored.
#[test]
fn a_late_summary_of_a_replaced_relay_is_ignored() {
    let (mut net, relay) = silenced(8, false);
    let before = net.reports(0, 5).len();
    net.resume(relay);
    net.run(ms(30_000));
    assert_eq!(net.reports(0, 5).len(), before);
}

/// A relay cannot count nodes outside of its subtree.
#[test]
fn summaries_never_exceed_the_targets() {
    let (net, _) = silenced(12, true);
    let report = settled(&net, 5, 11);
    assert_eq!(report, AckReport { delivered: 10, unknown: 1, settled: true, ..AckReport::default() });
    for tapped in &net.wire {
        if let Body::Ack(Ack { status: AckStatus::Summary(sum), .. }) = &tapped.payload.body {
            assert!(sum.delivered + sum.refused + sum.missing <= 11);
        }
    }
    assert_eq!(net.count(0, Counter::AcksImplausible), 0);
    assert!(net.reports(0, 5).iter().all(|report| report.missing_nodes.iter().all(|name| *name != node(0))));
}

/// Without acks, a relay may have died with its subtree if its connection ends soon afterwards; a
/// target that refuses is not reached either. Both are left to the caller.
#[test]
fn what_may_be_lost_is_doubted() {
    let doubts = |net: &Net| {
        net.stations[0].events.iter().filter(|event| **event == BroadcastEvent::DeliveryDoubtful).count()
    };
    let mut net = Net::of(4, None, |config| config.datagram_hops = false);
    net.broadcast(0, broadcast_of("first"));
    net.run(ms(1_000));
    assert_eq!(doubts(&net), 0, "all have it");
    net.crash(1);
    net.run(ms(1_000));
    assert_eq!((doubts(&net), net.count(0, Counter::RelaysGone)), (1, 1));
    net.run(ms(20_000));
    net.crash(2);
    net.run(ms(1_000));
    assert_eq!((doubts(&net), net.count(0, Counter::RelaysGone)), (1, 1), "it had it long before");
    net.broadcast(0, broadcast_of("second"));
    net.run(ms(5_000));
    assert_eq!(net.texts(3), ["first", "second"]);
    assert!(doubts(&net) > 1, "two targets refuse");
    assert_eq!(net.count(0, Counter::RelaysGone), 1);
}
