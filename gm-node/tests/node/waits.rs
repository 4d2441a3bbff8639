//! Waits: none, some, all; in memory and on disk; with members that are dead.

use std::time::Duration;

use gm_node::{Count, End, Event, Wait, What};
use gm_sim::NodeIndex;

use crate::town::{disks, group, id, millis, serve, settle, town, write};

#[test]
fn a_wait_for_all_has_all_whom_it_concerns() {
    let (mut town, told) = town(4, &disks(4), |_| {});
    settle(&mut town, 4);
    // Of the four, nodes 0 and 1 overlap this range; whoever writes it is not counted.
    town.command(NodeIndex(3), write(1, serve(0, 1_400), Wait::all(Duration::from_secs(2))));
    town.run_for(Duration::from_secs(2));
    let waited = told.waited(1);
    assert_eq!((waited.end, waited.delivered), (End::Satisfied, 2));
}

#[test]
fn a_wait_for_more_than_there_are_settles() {
    let (mut town, told) = town(3, &disks(3), |_| {});
    settle(&mut town, 3);
    town.command(NodeIndex(0), write(1, serve(0, u32::MAX), Wait::some(2, Duration::from_secs(2))));
    town.command(NodeIndex(1), write(2, serve(0, u32::MAX), Wait::some(3, Duration::from_secs(2))));
    town.run_for(Duration::from_secs(1));
    assert_eq!(told.waited(1).end, End::Satisfied);
    let waited = told.waited(2);
    assert_eq!((waited.end, waited.delivered), (End::Settled, 2));
}

#[test]
fn with_a_dead_member_all_settles_and_names_it() {
    let (mut town, told) = town(3, &disks(3), |_| {});
    settle(&mut town, 3);
    town.crash(NodeIndex(2));
    town.command(NodeIndex(0), write(1, serve(0, u32::MAX), Wait::all(Duration::from_secs(10))));
    town.run_for(Duration::from_secs(10));
    let waited = told.waited(1);
    assert_eq!((waited.end, waited.delivered, waited.unreachable), (End::Settled, 1, 1));
    assert_eq!(waited.names, [id(2)]);
}

#[test]
fn on_disk_counts_who_has_it_on_disk_and_who_has_none_never_does() {
    let disks = disks(2);
    let (mut town, told) = town(3, &disks, |_| {});
    settle(&mut town, 3);
    disks[1].set_latency(millis(400));
    let wait = |count| Wait { count, disk: true, within: Duration::from_secs(5) };
    let began = town.now();
    town.command(NodeIndex(0), write(1, serve(0, u32::MAX), wait(Count::Some(1))));
    town.run_for(Duration::from_secs(3));
    let (at, _) = told.answer(1).unwrap();
    assert!(at.since(began) >= millis(400), "answered after {:?}", at.since(began));
    town.command(NodeIndex(0), write(2, serve(1, u32::MAX), wait(Count::All)));
    town.run_for(Duration::from_secs(3));
    // The third node keeps nothing on disk.
    let waited = told.waited(2);
    assert_eq!((waited.end, waited.delivered, waited.unreachable), (End::Settled, 1, 1));
}

#[test]
fn all_is_not_known_before_somebody_agreed() {
    let (mut town, told) = town(2, &disks(2), |_| {});
    town.crash(NodeIndex(0));
    town.crash(NodeIndex(1));
    town.start(NodeIndex(1));
    town.command(NodeIndex(1), write(1, serve(0, 9), Wait::all(Duration::from_secs(3))));
    town.run_for(Duration::from_secs(4));
    let waited = told.waited(1);
    assert_eq!((waited.end, waited.delivered), (End::TimedOut, 0));
    town.start(NodeIndex(0));
    town.run_for(Duration::from_secs(15));
    town.command(NodeIndex(1), write(2, serve(10, 19), Wait::all(Duration::from_secs(3))));
    town.run_for(Duration::from_secs(4));
    assert_eq!(told.waited(2).end, End::TimedOut, "the other is up, and does not hold the group");
}

fn agreed(town: &crate::town::Town, node: u32) -> bool {
    town.machine(NodeIndex(node)).unwrap().status(town.now(), &group()).unwrap().agreed
}

/// The one member of a group compares with a node that knows nothing of it: that is no agreement.
#[test]
fn nobody_agrees_who_does_not_hold_the_group() {
    let (mut town, told) = town(3, &disks(3), |_| {});
    town.command(NodeIndex(0), write(1, serve(0, 9), Wait::NONE));
    town.run_for(Duration::from_secs(60));
    assert!(!agreed(&town, 0));
    town.command(NodeIndex(1), write(2, serve(0, 9), Wait::NONE));
    town.run_for(Duration::from_secs(10));
    assert!(agreed(&town, 0) && agreed(&town, 1));
    assert!(told.any(|event| matches!(event, Event::Agreed { .. })));
}

/// A member lost its disk, and nobody tells it to join again: it holds nothing, although all others think that it is a member.
#[test]
fn a_member_that_lost_the_group_does_not_agree_on_it() {
    let disks = disks(3);
    let (mut town, _) = town(3, &disks, |_| {});
    settle(&mut town, 3);
    for node in 0..3 {
        town.crash(NodeIndex(node));
    }
    disks[1].wipe();
    town.start(NodeIndex(0));
    town.start(NodeIndex(1));
    town.run_for(Duration::from_secs(60));
    assert!(!agreed(&town, 0), "with a node that holds nothing");
    town.start(NodeIndex(2));
    town.run_for(Duration::from_secs(20));
    assert!(agreed(&town, 0) && agreed(&town, 2));
}

/// Once a peer was asked, a group that nobody else is in is let go when it is left.
#[test]
fn a_sole_member_that_leaves_lets_go() {
    let (mut town, told) = town(2, &disks(2), |_| {});
    town.command(NodeIndex(0), write(1, serve(0, 9), Wait::NONE));
    town.run_for(Duration::from_secs(20));
    town.command(NodeIndex(0), write(2, What::Leave, Wait::NONE));
    town.run_for(Duration::from_secs(1));
    assert!(told.answer(2).unwrap().1.is_ok());
    assert!(town.machine(NodeIndex(0)).unwrap().view(&group()).is_none());
}
