//! With whom a node agrees on a group.

use std::time::Duration;

use gm_node::{Event, Wait, What};
use gm_sim::NodeIndex;

use crate::town::{disks, group, serve, settle, town, write};

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
