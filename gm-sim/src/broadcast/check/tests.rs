//! Each checker is fed a history that must not be, and one that may.

use std::rc::Rc;

use gm_broadcast::{AckReport, Event, Path, Time};
use gm_clock::NetId;
use gm_codec::{AckStatus, BroadcastId};

use super::super::book::{Book, Said, Shared};
use super::super::node::{Mail, Node};
use super::super::scenario::{Say, Whom, plan};
use super::super::tap::{Frame, Says};
use super::{cost, delivery, outsider, receipts, shares};
use crate::checker::{Checker, Wrong};
use crate::node::NodeIndex;
use crate::watch::{Flow, Seen, Where};

const LENGTH: usize = 64;

fn at(second: u64) -> Time {
    Time::from_nanos(second * 1_000_000_000)
}

fn place(second: u64, node: u32) -> Where {
    Where { at: at(second), node: NodeIndex(node) }
}

fn see(checker: &mut impl Checker<Node>, place: Where, seen: &Seen<'_, Node>) -> Option<String> {
    checker.see(place, seen).err().map(|violation| violation.what)
}

/// A book in which all nodes are up, and the first says number 1 to all at second 1.
fn book() -> (Shared, Vec<NetId>, BroadcastId) {
    let mut plan = plan("one-island", 1).unwrap();
    let ids: Vec<NetId> = plan.places.iter().map(|place| place.id).collect();
    let say = Say {
        at: at(1),
        node: NodeIndex(0),
        number: 1,
        length: LENGTH,
        to: Whom::All,
        wanted: None,
        within: Some(std::time::Duration::from_secs(1)),
        excused: Vec::new(),
        exact: false,
    };
    plan.says = vec![say];
    let book = Book::shared(&Rc::new(plan));
    for node in 0..u32::try_from(ids.len()).unwrap() {
        assert_eq!(see(&mut Rc::clone(&book), place(0, node), &Seen::Started { restarts: 0 }), None);
    }
    let id = BroadcastId { origin: ids[0], epoch: [1; 8], sequence: 0 };
    let began = Event::Started { tag: 1, id };
    assert_eq!(see(&mut Rc::clone(&book), place(1, 0), &Seen::Event(&began)), None);
    book.borrow_mut().said.get_mut(&1).unwrap().targets = ids[1..].to_vec();
    (book, ids, id)
}

fn mail(book: &Shared, id: BroadcastId) -> Mail {
    let hash = book.borrow().said[&1].hash;
    Mail { from: id.origin, broadcast: Some(id), path: Path::Connection, number: 1, length: LENGTH, hash }
}

#[test]
fn what_comes_twice_or_is_not_what_was_said_is_found() {
    let (book, _, id) = book();
    let good = mail(&book, id);
    let told =
        |mail: &Mail, node| see(&mut delivery::Delivery::new(&book), place(1, node), &Seen::Delivered(mail));
    assert_eq!(told(&good, 1), None);
    assert!(told(&good, 0).unwrap().contains("itself"));
    assert!(told(&Mail { hash: 7, ..good.clone() }, 1).unwrap().contains("not those"));
    assert!(told(&Mail { number: 9, ..good.clone() }, 1).unwrap().contains("nobody"));
    assert!(told(&Mail { broadcast: None, ..good.clone() }, 1).unwrap().contains("name"));
    let mut delivery = delivery::Delivery::new(&book);
    assert_eq!(see(&mut delivery, place(1, 1), &Seen::Delivered(&good)), None);
    assert!(see(&mut delivery, place(1, 1), &Seen::Delivered(&good)).unwrap().contains("before"));
}

#[test]
fn what_does_not_come_in_time_is_found_unless_the_node_was_down() {
    let (book, ids, id) = book();
    let good = mail(&book, id);
    for node in 2..u32::try_from(ids.len()).unwrap() {
        assert_eq!(see(&mut Rc::clone(&book), place(1, node), &Seen::Delivered(&good)), None);
    }
    let mut delivery = delivery::Delivery::new(&book);
    let violation = delivery.see(place(3, 2), &Seen::<Node>::Paused).unwrap_err();
    assert_eq!(violation.wrong, Wrong::Liveness);
    assert!(violation.what.contains("n1"), "{violation}");
    assert_eq!(see(&mut Rc::clone(&book), place(1, 1), &Seen::Ended), None);
    assert_eq!(see(&mut delivery::Delivery::new(&book), place(3, 2), &Seen::Paused), None);
}

#[test]
fn reports_that_are_not_true_are_found() {
    let (book, ids, _) = book();
    let targets = ids.len() as u64 - 1;
    let mut book = book.borrow_mut();
    book.said.get_mut(&1).unwrap().got.insert(NodeIndex(1), (0, at(1)));
    let said: Said = book.said[&1].clone();
    let untrue = |report: AckReport| receipts::untrue(&book, &said, &report);
    let good = AckReport { delivered: 1, unknown: targets - 1, ..AckReport::default() };
    assert_eq!(untrue(good.clone()), None);
    assert!(untrue(AckReport { unknown: targets, ..good.clone() }).unwrap().contains("are not"));
    let two = AckReport { delivered: 2, unknown: targets - 2, ..AckReport::default() };
    assert!(untrue(two).unwrap().contains("do"));
    let refused = AckReport { refused: 1, unknown: targets - 1, ..AckReport::default() };
    assert!(untrue(refused).unwrap().contains("refuse"));
    let missing = |names: Vec<NetId>| AckReport {
        missing: 1,
        unknown: targets - 1,
        missing_nodes: names,
        ..AckReport::default()
    };
    assert!(untrue(missing(vec![ids[2]])).unwrap().contains("in reach"));
    assert!(untrue(missing(vec![ids[0]])).unwrap().contains("no target"));
    assert!(untrue(missing(vec![ids[1], ids[2]])).unwrap().contains("names"));
    assert!(receipts::inexact(&book, &said, &good).is_some(), "the others are up, and are not counted");
    let all = AckReport { delivered: targets, ..AckReport::default() };
    assert_eq!(receipts::inexact(&book, &said, &all), None);
}

#[test]
fn parts_that_are_not_of_the_report_are_found() {
    let (_, ids, _) = book();
    let targets = &ids[1..];
    let settled = AckReport { delivered: 1, missing: 1, settled: true, ..AckReport::default() };
    let part = |node: usize, delivered, missing| gm_broadcast::AckPart {
        nodes: vec![ids[node]],
        delivered,
        missing,
        ..gm_broadcast::AckPart::default()
    };
    let scattered =
        |report: &AckReport, parts: &[gm_broadcast::AckPart]| receipts::scattered(targets, report, parts);
    assert_eq!(scattered(&settled, &[part(1, 1, 0), part(2, 0, 1)]), None);
    assert!(scattered(&settled, &[part(1, 1, 0), part(1, 0, 1)]).unwrap().contains("different"));
    assert!(scattered(&settled, &[part(1, 1, 0), part(0, 0, 1)]).unwrap().contains("no target"));
    assert!(scattered(&settled, &[part(1, 1, 0)]).unwrap().contains("add up"));
    let open = AckReport { settled: false, ..settled };
    assert_eq!(scattered(&open, &[]), None);
    assert!(scattered(&open, &[part(1, 1, 0)]).is_some());
}

#[test]
fn a_second_settled_report_is_found() {
    let (book, ids, _) = book();
    let report = AckReport { unknown: ids.len() as u64 - 1, settled: true, ..AckReport::default() };
    let event = Event::Acks { tag: 1, report, parts: Vec::new() };
    let mut receipts = receipts::Receipts::new(&book);
    assert_eq!(receipts.judge(place(1, 0), 1, report_of(&event), &[]), None);
    assert!(receipts.judge(place(1, 0), 1, report_of(&event), &[]).unwrap().contains("before"));
    let mut late = receipts::Receipts::new(&book);
    assert!(late.judge(place(100, 0), 1, report_of(&event), &[]).unwrap().contains("deadline"));
}

fn report_of(event: &Event) -> AckReport {
    match event {
        Event::Acks { report, .. } => report.clone(),
        _ => AckReport::default(),
    }
}

fn frame(flow: Flow, id: BroadcastId, says: Says) -> Frame {
    Frame { from: NodeIndex(0), flow, id, says }
}

fn share(list: &[NetId], again: bool) -> Says {
    Says::Share { notice: false, list: list.to_vec(), asks: again, again }
}

#[test]
fn a_share_that_nobody_gave_or_that_is_given_twice_is_found() {
    let (_, ids, id) = book();
    let (one, two, three) = (ids[1], ids[2], ids[3]);
    let stream = |list: &[NetId], again| frame(Flow::Stream, id, share(list, again));
    let mut life = shares::Life::default();
    // A multicast gives nobody anything to pass on.
    life.got(at(1), Some(ids[0]), &frame(Flow::Multicast, id, share(&[one], false)));
    assert!(life.sent(at(1), Some(one), false, &stream(&[], false)).unwrap().contains("nobody gave"));

    let mut life = shares::Life::default();
    life.got(at(1), Some(ids[0]), &stream(&[one, two], false));
    assert_eq!(life.sent(at(1), Some(one), false, &stream(&[two], false)), None);
    assert!(life.sent(at(1), Some(two), false, &stream(&[], false)).unwrap().contains("twice"));
    life.got(at(2), Some(ids[0]), &stream(&[three], false));
    assert!(life.sent(at(2), Some(three), false, &stream(&[], false)).unwrap().contains("again"));
    // Who asks is answered, and what was another's share may be given again.
    life.got(at(2), Some(three), &frame(Flow::Stream, id, Says::Answer(AckStatus::ContentWanted)));
    assert_eq!(life.sent(at(2), Some(three), false, &stream(&[], false)), None);
    assert_eq!(life.sent(at(2), Some(two), false, &stream(&[], true)), None);

    let multicast = frame(Flow::Multicast, id, share(&[], false));
    assert_eq!(life.sent(at(2), None, true, &multicast), None);
    assert!(life.sent(at(2), None, true, &multicast).unwrap().contains("multicasts"));
}

#[test]
fn too_many_copies_and_rounds_are_found() {
    let (_, _, id) = book();
    let stream = frame(Flow::Stream, id, share(&[], false));
    let mut got = cost::Got::default();
    assert_eq!(got.more(&stream, 0, 3), None);
    assert_eq!(got.more(&frame(Flow::Multicast, id, share(&[], false)), 0, 3), None);
    assert_eq!(got.more(&frame(Flow::Multicast, id, share(&[], false)), 0, 3), None);
    assert!(got.more(&stream, 0, 3).unwrap().contains("copies"));
    assert!(cost::Got::default().more(&stream, 3, 3).unwrap().contains("rounds"));
}

#[test]
fn a_node_that_is_nobody_and_a_clash_are_found() {
    let (book, ids, _) = book();
    let mut outsider = outsider::Outsider::new(&book);
    assert_eq!(see(&mut outsider, place(1, 1), &Seen::Event(&Event::NodeFound(ids[0]))), None);
    let nobody = NetId::new(std::net::Ipv4Addr::new(10, 9, 9, 9).into(), 1).unwrap();
    assert!(
        see(&mut outsider, place(1, 1), &Seen::Event(&Event::NodeFound(nobody))).unwrap().contains("nobody")
    );
    assert!(see(&mut outsider, place(1, 1), &Seen::Event(&Event::IdentityClash)).unwrap().contains("name"));
}
