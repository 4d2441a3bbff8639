//! Waits: none, some, all; in memory and on disk; with members that are dead.

use std::time::Duration;

use gm_node::{Count, End, Wait};
use gm_sim::NodeIndex;

use crate::town::{disks, id, millis, serve, settle, town, write};

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
    assert_eq!(told.waited(2).end, End::Satisfied, "the other agrees, and is not in the group");
}
