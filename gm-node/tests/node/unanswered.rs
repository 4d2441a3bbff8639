//! Waits for members that do not answer: dead, stopped, gone, or not there at all.

use std::time::Duration;

use gm_node::{Command, Count, End, Forget, Wait, What};
use gm_sim::NodeIndex;

use crate::town::{agree, disks, group, id, millis, serve, settle, town, write};
use crate::waits::{apart, ended};

#[test]
fn with_a_dead_member_all_settles_and_names_it() {
    let (mut town, told) = town(3, &disks(3), |_| {});
    settle(&mut town, 3);
    town.crash(NodeIndex(2));
    town.command(NodeIndex(0), write(1, serve(0, u32::MAX), Wait::all(Duration::from_secs(10))));
    town.run_for(Duration::from_secs(10));
    let waited = told.waited(1);
    assert_eq!((waited.end, waited.delivered, waited.unreachable), (End::Settled, 1, 1));
    assert_eq!((waited.members, waited.refused, waited.unknown), (2, 0, 0));
    assert_eq!(waited.names, [id(2)]);
}

/// A process stops for a moment, as by a signal, load or a collection of garbage: its host goes on, and accepts connections.
#[test]
fn a_member_that_stops_for_a_moment_is_waited_for() {
    for nodes in [2, 3, 9] {
        for (multicast, paused) in [(true, 1), (false, 1), (false, u32::from(nodes) - 1)] {
            let set = move |config: &mut gm_node::Config| config.broadcast.multicast = multicast;
            let (mut town, told) = town(nodes, &disks(nodes.into()), set);
            settle(&mut town, nodes);
            town.pause(NodeIndex(paused));
            let began = town.now();
            let all = Wait::all(Duration::from_secs(5));
            town.command(NodeIndex(0), write(1, serve(0, u32::MAX), all));
            town.run_for(millis(600));
            assert!(told.answer(1).is_none(), "{nodes} nodes: {:?}", told.answer(1));
            town.resume(NodeIndex(paused));
            town.run_for(Duration::from_secs(2));
            let (at, _) = told.answer(1).unwrap();
            assert_eq!(ended(&told, 1), (End::Satisfied, u64::from(nodes) - 1));
            assert!(at.since(began) < millis(1_500), "{nodes} nodes, {multicast}: {:?}", at.since(began));
        }
    }
}

#[test]
fn a_member_that_does_not_answer_is_waited_for_to_the_end() {
    let (mut town, told) = town(3, &disks(3), |_| {});
    settle(&mut town, 3);
    town.pause(NodeIndex(2));
    town.command(NodeIndex(0), write(1, serve(0, u32::MAX), Wait::all(Duration::from_secs(4))));
    town.run_for(millis(3_900));
    assert!(told.answer(1).is_none());
    town.run_for(millis(200));
    let waited = told.waited(1);
    assert_eq!((waited.end, waited.members, waited.delivered), (End::TimedOut, 2, 1));
    assert_eq!((waited.refused, waited.unreachable, waited.unknown), (0, 0, 1));
    assert_eq!(waited.silent, [id(2)]);
}

/// Of five others, one has it on disk, one has no disk, one is dead and its host says so, one is paused, and one is on a host that is off.
#[test]
fn an_answer_tells_what_became_of_each() {
    let disks = disks(5);
    let (mut town, told) = town(6, &disks, |_| {});
    settle(&mut town, 6);
    town.crash(NodeIndex(2));
    town.pause(NodeIndex(3));
    town.kill_host(NodeIndex(4));
    // Connections to it are given up, so that it is dialled.
    town.run_for(Duration::from_secs(90));
    let wait = Wait { count: Count::All, disk: true, within: Duration::from_secs(10) };
    town.command(NodeIndex(0), write(1, serve(0, u32::MAX), wait));
    town.run_for(Duration::from_secs(11));
    let waited = told.waited(1);
    assert_eq!((waited.end, waited.members, waited.delivered), (End::TimedOut, 5, 1), "{waited:?}");
    assert_eq!((waited.refused, waited.unreachable, waited.unknown), (1, 2, 1), "{waited:?}");
    assert_eq!((waited.names, waited.silent), (vec![id(2), id(4)], vec![id(3)]));
}

/// While the wait goes on, a dead member is started again.
#[test]
fn a_member_that_comes_back_is_asked_again() {
    let (mut town, told) = town(3, &disks(3), |_| {});
    settle(&mut town, 3);
    town.kill_host(NodeIndex(2));
    town.command(NodeIndex(0), write(1, serve(0, u32::MAX), Wait::all(Duration::from_secs(30))));
    town.run_for(Duration::from_secs(5));
    assert!(told.answer(1).is_none());
    town.start(NodeIndex(2));
    town.run_for(Duration::from_secs(20));
    assert_eq!(ended(&told, 1), (End::Satisfied, 2));
}

#[test]
fn where_nobody_else_is_a_wait_uses_its_time_and_says_so() {
    let (mut town, told) = town(2, &disks(2), |_| {});
    let waits = [Wait::some(1, Duration::from_secs(3)), Wait::all(Duration::from_secs(3))];
    for (tag, wait) in (1..).zip(waits) {
        town.command(NodeIndex(0), write(tag, serve(0, 9), wait));
    }
    town.run_for(millis(2_900));
    assert!(told.answer(1).is_none() && told.answer(2).is_none());
    town.run_for(millis(700));
    for tag in [1, 2] {
        let waited = told.waited(tag);
        assert_eq!((waited.end, waited.members, waited.delivered), (End::TimedOut, 0, 0));
    }
    // It leaves, and there is nobody who could have that. Then it lets go.
    town.command(NodeIndex(0), write(3, What::Leave, waits[1]));
    town.run_for(millis(2_900));
    assert!(told.answer(3).is_none());
    town.run_for(millis(200));
    assert_eq!(told.waited(3).end, End::TimedOut);
    assert!(town.machine(NodeIndex(0)).unwrap().view(&group()).is_none());
}

#[test]
fn a_node_that_is_alone_by_configuration_waits_for_nobody() {
    let (mut town, told) = town(1, &disks(1), |config| config.alone = true);
    town.command(NodeIndex(0), write(1, serve(0, 9), Wait::all(Duration::from_secs(3))));
    town.command(NodeIndex(0), write(2, serve(0, 9), Wait::some(1, Duration::from_secs(3))));
    town.run_for(millis(100));
    assert_eq!((ended(&told, 1), ended(&told, 2)), ((End::Satisfied, 0), (End::Settled, 0)));
}

/// The group is held until the wait is over, although somebody has the leave already.
#[test]
fn a_leave_waits_for_all_whom_it_concerns() {
    let (mut town, told) = town(4, &disks(4), |_| {});
    settle(&mut town, 4);
    town.pause(NodeIndex(2));
    // Of the others, the second and the third overlap what it served.
    town.command(NodeIndex(1), write(1, What::Leave, Wait::all(Duration::from_secs(20))));
    town.run_for(Duration::from_secs(12));
    assert!(told.answer(1).is_none());
    town.resume(NodeIndex(2));
    town.run_for(Duration::from_secs(2));
    assert_eq!(ended(&told, 1), (End::Satisfied, 2));
    town.run_for(Duration::from_secs(20));
    assert!(town.machine(NodeIndex(1)).unwrap().view(&group()).is_none());
    assert!(agree(&town, 3));
}

/// A member leaves while it is waited for: then the write does not concern it any more.
#[test]
fn a_member_that_leaves_is_not_waited_for() {
    let (mut town, told) = town(3, &disks(3), |_| {});
    settle(&mut town, 3);
    town.pause(NodeIndex(2));
    town.command(NodeIndex(2), write(1, What::Leave, Wait::NONE));
    town.command(NodeIndex(0), write(2, serve(0, u32::MAX), Wait::all(Duration::from_secs(20))));
    town.run_for(Duration::from_secs(3));
    assert!(told.answer(2).is_none());
    town.resume(NodeIndex(2));
    town.run_for(Duration::from_secs(5));
    let waited = told.waited(2);
    assert_eq!(waited.end, End::Satisfied, "{waited:?}");
}

/// The forgotten member may be dead, or stopped, or alive: it is not waited for.
#[test]
fn a_forgetting_is_waited_for_with_all_others() {
    for dead in [true, false] {
        let (mut town, told) = town(4, &disks(4), |_| {});
        apart(&mut town, 4);
        if dead {
            town.crash(NodeIndex(3))
        } else {
            town.pause(NodeIndex(3))
        }
        town.pause(NodeIndex(2));
        let wait = Wait::all(Duration::from_secs(5));
        let forget = |tag, wait| Command::Forget(Forget { tag, group: Some(group()), member: id(3), wait });
        town.command(NodeIndex(0), forget(1, wait));
        town.run_for(millis(600));
        assert!(told.answer(1).is_none());
        town.resume(NodeIndex(2));
        town.run_for(Duration::from_secs(1));
        let waited = told.waited(1);
        assert_eq!((waited.end, waited.members, waited.delivered), (End::Satisfied, 2, 2));
    }
}
