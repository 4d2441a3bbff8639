//! Tests of the checkers, each with a valid and an invalid history.

use std::rc::Rc;

use gm_broadcast::{AckReport, BroadcastEvent, Path, Time};
use gm_clock::NetId;
use gm_codec::{AckStatus, BroadcastId};

use super::super::capture::{CapturedFrame, FrameContent};
use super::super::history::{BroadcastHistory, SendHistory, SharedHistory};
use super::super::node::{DeliveredMessage, SimBroadcaster};
use super::super::scenario::{PlannedSend, Recipients, plan};
use super::{acks, cost, delivery, forwarding, outsider};
use crate::checker::{Checker, ViolationKind};
use crate::node::NodeIndex;
use crate::observation::{Observation, ObservationContext, TrafficKind};

const LENGTH: usize = 64;

fn at(second: u64) -> Time {
    Time::from_nanos(second * 1_000_000_000)
}

fn context(second: u64, node: u32) -> ObservationContext {
    ObservationContext { at: at(second), node: NodeIndex(node) }
}

fn see(
    checker: &mut impl Checker<SimBroadcaster>,
    context: ObservationContext,
    seen: &Observation<'_, SimBroadcaster>,
) -> Option<String> {
    checker.observe(context, seen).err().map(|violation| violation.message)
}

/// A history in which all nodes are up, and the first sends broadcast 1 to all at second 1.
fn history() -> (SharedHistory, Vec<NetId>, BroadcastId) {
    let mut plan = plan("one-island", 1).unwrap();
    let ids: Vec<NetId> = plan.locations.iter().map(|location| location.id).collect();
    let send = PlannedSend {
        at: at(1),
        node: NodeIndex(0),
        number: 1,
        length: LENGTH,
        to: Recipients::All,
        acks: None,
        deliver_within: Some(std::time::Duration::from_secs(1)),
        excused: Vec::new(),
        exact_acks: false,
    };
    plan.sends = vec![send];
    let history = BroadcastHistory::shared(&Rc::new(plan));
    for node in 0..u32::try_from(ids.len()).unwrap() {
        assert_eq!(
            see(&mut Rc::clone(&history), context(0, node), &Observation::Started { restarts: 0 }),
            None
        );
    }
    let id = BroadcastId { origin: ids[0], epoch: [1; 8], sequence: 0 };
    let began = BroadcastEvent::Started { tag: 1, id };
    assert_eq!(see(&mut Rc::clone(&history), context(1, 0), &Observation::Event(&began)), None);
    history.borrow_mut().sends.get_mut(&1).unwrap().targets = ids[1..].to_vec();
    (history, ids, id)
}

fn message(history: &SharedHistory, id: BroadcastId) -> DeliveredMessage {
    let hash = history.borrow().sends[&1].hash;
    DeliveredMessage {
        from: id.origin,
        broadcast: Some(id),
        path: Path::Connection,
        number: 1,
        length: LENGTH,
        hash,
    }
}

#[test]
fn duplicate_and_altered_deliveries_are_found() {
    let (history, _, id) = history();
    let good = message(&history, id);
    let error = |message: &DeliveredMessage, node| {
        see(&mut delivery::DeliveryChecker::new(&history), context(1, node), &Observation::Delivered(message))
    };
    assert_eq!(error(&good, 1), None);
    assert!(error(&good, 0).unwrap().contains("itself"));
    assert!(error(&DeliveredMessage { hash: 7, ..good.clone() }, 1).unwrap().contains("differ"));
    assert!(error(&DeliveredMessage { number: 9, ..good.clone() }, 1).unwrap().contains("never sent"));
    assert!(error(&DeliveredMessage { broadcast: None, ..good.clone() }, 1).unwrap().contains("id is not"));
    let mut delivery = delivery::DeliveryChecker::new(&history);
    assert_eq!(see(&mut delivery, context(1, 1), &Observation::Delivered(&good)), None);
    assert!(see(&mut delivery, context(1, 1), &Observation::Delivered(&good)).unwrap().contains("before"));
}

#[test]
fn late_deliveries_are_found_unless_the_node_was_down() {
    let (history, ids, id) = history();
    let good = message(&history, id);
    for node in 2..u32::try_from(ids.len()).unwrap() {
        assert_eq!(see(&mut Rc::clone(&history), context(1, node), &Observation::Delivered(&good)), None);
    }
    let mut delivery = delivery::DeliveryChecker::new(&history);
    let violation = delivery.observe(context(3, 2), &Observation::<SimBroadcaster>::Paused).unwrap_err();
    assert_eq!(violation.kind, ViolationKind::Liveness);
    assert!(violation.message.contains("n1"), "{violation}");
    assert_eq!(see(&mut Rc::clone(&history), context(1, 1), &Observation::Ended), None);
    assert_eq!(see(&mut delivery::DeliveryChecker::new(&history), context(3, 2), &Observation::Paused), None);
}

#[test]
fn false_reports_are_found() {
    let (history, ids, _) = history();
    let targets = ids.len() as u64 - 1;
    let mut history = history.borrow_mut();
    history.sends.get_mut(&1).unwrap().delivered_to.insert(NodeIndex(1), (0, at(1)));
    let send: SendHistory = history.sends[&1].clone();
    let false_count = |report: AckReport| acks::false_count(&history, &send, &report);
    let good = AckReport { delivered: 1, unknown: targets - 1, ..AckReport::default() };
    assert_eq!(false_count(good.clone()), None);
    assert!(false_count(AckReport { unknown: targets, ..good.clone() }).unwrap().contains("add up"));
    let two = AckReport { delivered: 2, unknown: targets - 2, ..AckReport::default() };
    assert!(false_count(two).unwrap().contains("but"));
    let refused = AckReport { refused: 1, unknown: targets - 1, ..AckReport::default() };
    assert!(false_count(refused).unwrap().contains("refuse"));
    let missing = |names: Vec<NetId>| AckReport {
        missing: 1,
        unknown: targets - 1,
        missing_nodes: names,
        ..AckReport::default()
    };
    assert!(false_count(missing(vec![ids[2]])).unwrap().contains("in reach"));
    assert!(false_count(missing(vec![ids[0]])).unwrap().contains("no target"));
    assert!(false_count(missing(vec![ids[1], ids[2]])).unwrap().contains("names"));
    assert!(acks::inexact_count(&history, &send, &good).is_some(), "the others are up, but are not counted");
    let all = AckReport { delivered: targets, ..AckReport::default() };
    assert_eq!(acks::inexact_count(&history, &send, &all), None);
}

#[test]
fn parts_that_do_not_match_the_report_are_found() {
    let (_, ids, _) = history();
    let targets = &ids[1..];
    let settled = AckReport { delivered: 1, missing: 1, settled: true, ..AckReport::default() };
    let part = |node: usize, delivered, missing| gm_broadcast::AckPart {
        nodes: vec![ids[node]],
        delivered,
        missing,
        ..gm_broadcast::AckPart::default()
    };
    let wrong_parts =
        |report: &AckReport, parts: &[gm_broadcast::AckPart]| acks::wrong_parts(targets, report, parts);
    assert_eq!(wrong_parts(&settled, &[part(1, 1, 0), part(2, 0, 1)]), None);
    assert!(wrong_parts(&settled, &[part(1, 1, 0), part(1, 0, 1)]).unwrap().contains("distinct"));
    assert!(wrong_parts(&settled, &[part(1, 1, 0), part(0, 0, 1)]).unwrap().contains("no target"));
    assert!(wrong_parts(&settled, &[part(1, 1, 0)]).unwrap().contains("add up"));
    let open = AckReport { settled: false, ..settled };
    assert_eq!(wrong_parts(&open, &[]), None);
    assert!(wrong_parts(&open, &[part(1, 1, 0)]).is_some());
}

#[test]
fn a_second_settled_report_is_found() {
    let (history, ids, _) = history();
    let report = AckReport { unknown: ids.len() as u64 - 1, settled: true, ..AckReport::default() };
    let event = BroadcastEvent::Acks { tag: 1, report, parts: Vec::new() };
    let mut acks_checker = acks::AcksChecker::new(&history);
    assert_eq!(acks_checker.check_report(context(1, 0), 1, report_of(&event), &[]), None);
    assert!(acks_checker.check_report(context(1, 0), 1, report_of(&event), &[]).unwrap().contains("before"));
    let mut late = acks::AcksChecker::new(&history);
    assert!(late.check_report(context(100, 0), 1, report_of(&event), &[]).unwrap().contains("deadline"));
}

fn report_of(event: &BroadcastEvent) -> AckReport {
    match event {
        BroadcastEvent::Acks { report, .. } => report.clone(),
        _ => AckReport::default(),
    }
}

fn frame(flow: TrafficKind, id: BroadcastId, content: FrameContent) -> CapturedFrame {
    CapturedFrame { from: NodeIndex(0), flow, id, content }
}

fn subtree(targets: &[NetId], reassigned: bool) -> FrameContent {
    FrameContent::Broadcast {
        is_announcement: false,
        targets: targets.to_vec(),
        wants_acks: reassigned,
        reassigned,
    }
}

#[test]
fn forwarding_without_order_or_twice_is_found() {
    let (_, ids, id) = history();
    let (one, two, three) = (ids[1], ids[2], ids[3]);
    let stream = |targets: &[NetId], reassigned| frame(TrafficKind::Stream, id, subtree(targets, reassigned));
    let mut life = forwarding::ForwardingState::default();
    // A multicast assigns no targets to its receivers.
    life.receive(at(1), Some(ids[0]), &frame(TrafficKind::Multicast, id, subtree(&[one], false)));
    assert!(life.send(at(1), Some(one), false, &stream(&[], false)).unwrap().contains("never given"));

    let mut life = forwarding::ForwardingState::default();
    life.receive(at(1), Some(ids[0]), &stream(&[one, two], false));
    assert_eq!(life.send(at(1), Some(one), false, &stream(&[two], false)), None);
    assert!(life.send(at(1), Some(two), false, &stream(&[], false)).unwrap().contains("twice"));
    life.receive(at(2), Some(ids[0]), &stream(&[three], false));
    assert!(life.send(at(2), Some(three), false, &stream(&[], false)).unwrap().contains("again"));
    // A request for the content is answered, and a reassigned subtree may be sent again.
    life.receive(
        at(2),
        Some(three),
        &frame(TrafficKind::Stream, id, FrameContent::Answer(AckStatus::ContentWanted)),
    );
    assert_eq!(life.send(at(2), Some(three), false, &stream(&[], false)), None);
    assert_eq!(life.send(at(2), Some(two), false, &stream(&[], true)), None);

    let multicast = frame(TrafficKind::Multicast, id, subtree(&[], false));
    assert_eq!(life.send(at(2), None, true, &multicast), None);
    assert!(life.send(at(2), None, true, &multicast).unwrap().contains("multicasts"));
}

#[test]
fn excess_copies_and_rounds_are_found() {
    let (_, _, id) = history();
    let stream = frame(TrafficKind::Stream, id, subtree(&[], false));
    let mut got = cost::ReceiveCounts::default();
    assert_eq!(got.add(&stream, 0, 3), None);
    assert_eq!(got.add(&frame(TrafficKind::Multicast, id, subtree(&[], false)), 0, 3), None);
    assert_eq!(got.add(&frame(TrafficKind::Multicast, id, subtree(&[], false)), 0, 3), None);
    assert!(got.add(&stream, 0, 3).unwrap().contains("copies"));
    assert!(cost::ReceiveCounts::default().add(&stream, 3, 3).unwrap().contains("rounds"));
}

#[test]
fn an_unknown_node_and_a_clash_are_found() {
    let (history, ids, _) = history();
    let mut outsider = outsider::OutsiderChecker::new(&history);
    assert_eq!(
        see(&mut outsider, context(1, 1), &Observation::Event(&BroadcastEvent::NodeFound(ids[0]))),
        None
    );
    let unknown = NetId::new(std::net::Ipv4Addr::new(10, 9, 9, 9).into(), 1).unwrap();
    assert!(
        see(&mut outsider, context(1, 1), &Observation::Event(&BroadcastEvent::NodeFound(unknown)))
            .unwrap()
            .contains("not a node")
    );
    assert!(
        see(&mut outsider, context(1, 1), &Observation::Event(&BroadcastEvent::IdentityClash))
            .unwrap()
            .contains("clash")
    );
}
