//! Nodes that die and come back: with their disk, without, with an old one, under another address; and two of one address.

use std::time::Duration;

use gm_node::store::memory::Disk;
use gm_node::{Event, Wait, What};
use gm_sim::NodeIndex;

use crate::town::{agree, disks, group, id, millis, serve, settle, town, write};

#[test]
fn with_its_disk_it_goes_on_and_its_first_write_opens_a_new_life() {
    let disks = disks(2);
    let (mut town, told) = town(2, &disks, |_| {});
    settle(&mut town, 2);
    let version = |town: &crate::town::Town, node| {
        town.machine(NodeIndex(node)).unwrap().view(&group()).unwrap().record(id(0)).unwrap().version()
    };
    let before = version(&town, 1);
    town.crash(NodeIndex(0));
    disks[0].crash(0);
    town.start(NodeIndex(0));
    town.run_for(Duration::from_secs(3));
    assert_eq!(version(&town, 0), before, "what stood stands");
    town.command(NodeIndex(0), write(1, serve(50_000, 60_000), Wait::NONE));
    town.run_for(Duration::from_secs(1));
    let after = version(&town, 1);
    assert!(told.answer(1).unwrap().1.is_ok());
    assert!(after.incarnation > before.incarnation && after.clock == before.clock + 1);
    assert!(agree(&town, 2));
}

#[test]
fn without_its_disk_it_rises_above_what_it_no_longer_serves() {
    let disks = disks(2);
    let (mut town, told) = town(2, &disks, |_| {});
    settle(&mut town, 2);
    town.crash(NodeIndex(0));
    disks[0].wipe();
    town.start(NodeIndex(0));
    town.command(NodeIndex(0), write(1, serve(50_000, 60_000), Wait::NONE));
    town.run_for(Duration::from_secs(5));
    assert!(told.answer(1).unwrap().1.is_ok());
    let view = town.machine(NodeIndex(1)).unwrap().view(&group()).unwrap();
    let items: Vec<_> = view.record(id(0)).unwrap().items().map(|item| item.range().start()).collect();
    assert_eq!(items, [50_000]);
    assert!(agree(&town, 2));
}

/// The version of the first node's own record, as the node holds it.
fn version(town: &crate::town::Town, holder: u32) -> gm_data::Version {
    town.machine(NodeIndex(holder)).unwrap().view(&group()).unwrap().record(id(0)).unwrap().version()
}

/// Two nodes agree; then the first loses the last thing that it wrote, and its storage knows that or not.
fn loses_its_last_write(is_doubted: bool) -> (crate::town::Town, crate::town::Told, Vec<Disk>) {
    let disks = disks(2);
    let (mut town, told) = town(2, &disks, |_| {});
    settle(&mut town, 2);
    let before = disks[0].snapshot();
    town.command(NodeIndex(0), write(1, serve(50_000, 60_000), Wait::NONE));
    town.run_for(Duration::from_secs(2));
    assert!(told.answer(1).unwrap().1.is_ok() && agree(&town, 2));
    town.crash(NodeIndex(0));
    disks[0].restore(before);
    disks[0].set_doubted(is_doubted);
    town.start(NodeIndex(0));
    town.command(NodeIndex(0), write(2, serve(70_000, 80_000), Wait::NONE));
    (town, told, disks)
}

#[test]
fn a_storage_that_is_doubted_is_asked_about_before_it_is_written_to() {
    let (mut town, told, disks) = loses_its_last_write(true);
    town.run_for(Duration::from_secs(3));
    let at = |what: &str, wanted: fn(&Event) -> bool| {
        let told = told.0.borrow();
        told.iter().position(|(_, node, event)| *node == NodeIndex(0) && wanted(event)).expect(what)
    };
    let doubted = at("doubted", |event| matches!(event, Event::StorageDoubted { groups: 1, .. }));
    let lacked = at(
        "lacked",
        |event| matches!(event, Event::StorageLacked { stored: Some(stored), known, .. } if stored < known),
    );
    let answered = at("answered", |event| matches!(event, Event::Answered { tag: 2, result: Ok(_), .. }));
    let trusted = at("trusted", |event| matches!(event, Event::StorageTrusted));
    assert!(doubted < lacked && lacked < answered && doubted < trusted, "{:?}", told.0.borrow());
    assert!(agree(&town, 2));
    // It is over, also for the next start.
    town.crash(NodeIndex(0));
    assert_eq!(disks[0].open().1.doubt, None);
}

/// The same storage, but it does not know: the node writes at once, over what others know better.
#[test]
fn a_storage_that_is_not_doubted_is_written_to_at_once() {
    let (mut town, told, _disks) = loses_its_last_write(false);
    town.run_for(millis(20));
    assert!(told.answer(2).unwrap().1.is_ok());
    town.run_for(Duration::from_secs(3));
    assert!(!told.any(|event| matches!(event, Event::StorageDoubted { .. } | Event::StorageLacked { .. })));
    assert!(agree(&town, 2));
}

#[test]
fn a_storage_that_is_doubted_and_lacks_nothing_is_trusted_when_others_say_so() {
    let disks = disks(2);
    let (mut town, told) = town(2, &disks, |_| {});
    settle(&mut town, 2);
    let before = version(&town, 0);
    town.crash(NodeIndex(0));
    disks[0].set_doubted(true);
    town.start(NodeIndex(0));
    town.run_for(Duration::from_secs(5));
    assert!(told.any(|event| matches!(event, Event::StorageTrusted)));
    assert!(!told.any(|event| matches!(event, Event::StorageLacked { .. })));
    assert_eq!(version(&town, 1), before, "nothing was written for it");
}

#[test]
fn a_doubted_storage_does_not_hold_up_who_is_alone() {
    let disks = disks(1);
    let (mut town, told) = town(1, &disks, |_| {});
    settle(&mut town, 1);
    town.crash(NodeIndex(0));
    disks[0].set_doubted(true);
    town.start(NodeIndex(0));
    town.command(NodeIndex(0), write(1, serve(70_000, 80_000), Wait::NONE));
    town.run_for(millis(400));
    assert!(told.answer(1).is_none(), "others are waited for");
    town.run_for(millis(400));
    assert!(told.answer(1).unwrap().1.is_ok());
    assert!(told.any(|event| matches!(event, Event::StorageTrusted)));
}

#[test]
fn under_another_address_the_former_self_leaves_and_the_ranges_move() {
    let disks = disks(3);
    let (mut town, _) = town(3, &disks, |_| {});
    town.crash(NodeIndex(2));
    settle_two(&mut town);
    town.crash(NodeIndex(1));
    disks[1].crash(0);
    // The third place starts with the disk of the second.
    town.set_param(NodeIndex(2), 2);
    town.start(NodeIndex(2));
    town.run_for(Duration::from_secs(5));
    let view = town.machine(NodeIndex(0)).unwrap().view(&group()).unwrap();
    assert!(view.members().eq([id(0), id(2)]));
    assert_eq!(view.first_owner(2_000).unwrap().member, id(2));
}

fn settle_two(town: &mut crate::town::Town) {
    for node in [0, 1_u32] {
        let write = write(node.into(), serve(node * 1_000, node * 1_000 + 1_500), Wait::NONE);
        town.command(NodeIndex(node), write);
    }
    town.run_for(Duration::from_secs(5));
    assert!(agree(town, 2));
}

#[test]
fn two_live_nodes_with_one_address_are_noticed() {
    let disks = disks(3);
    // The third claims to be the second.
    let (mut town, told) = town(3, &disks, |config| {
        if config.broadcast.me == id(2) {
            config.broadcast.me = id(1);
        }
    });
    for round in 0..8_u32 {
        for node in 0..3 {
            let start = (round * 3 + node) * 1_000;
            town.command(NodeIndex(node), write(u64::from(start), serve(start, start + 10), Wait::NONE));
        }
        town.run_for(Duration::from_secs(3));
    }
    assert!(told.any(|event| matches!(event, Event::Clash)));
}

#[test]
fn who_leaves_is_told_of_and_keeps_its_own_record_only() {
    let disks = disks(3);
    let (mut town, _) = town(3, &disks, |_| {});
    settle(&mut town, 3);
    town.command(NodeIndex(2), write(1, What::Leave, Wait::NONE));
    town.run_for(Duration::from_secs(120));
    assert!(agree(&town, 2));
    let left = town.machine(NodeIndex(2)).unwrap();
    assert!(left.view(&group()).is_none() && left.own(&group()).is_some());
    assert_eq!(left.contacts().count(), 1);
    let clock = left.own(&group()).unwrap().version().clock;
    town.command(NodeIndex(2), write(2, serve(0, 9), Wait::NONE));
    town.run_for(Duration::from_secs(20));
    assert!(agree(&town, 3));
    assert_eq!(town.machine(NodeIndex(2)).unwrap().own(&group()).unwrap().version().clock, clock + 1);
}

/// The last member leaves and, while its storage is slow, writes again: what is known of the others stays known.
#[test]
fn a_group_that_is_written_next_is_not_let_go_before() {
    let disks = disks(2);
    let (mut town, told) = town(2, &disks, |_| {});
    settle(&mut town, 2);
    town.command(NodeIndex(1), write(1, What::Leave, Wait::NONE));
    town.run_for(Duration::from_secs(10));
    town.crash(NodeIndex(1));
    disks[0].set_latency(millis(500));
    town.command(NodeIndex(0), write(2, What::Leave, Wait::NONE));
    town.run_for(millis(100));
    town.command(NodeIndex(0), write(3, serve(0, 9), Wait::NONE));
    town.run_for(Duration::from_secs(2));
    assert!((2..=3).all(|tag| told.answer(tag).unwrap().1.is_ok()));
    let view = town.machine(NodeIndex(0)).unwrap().view(&group()).unwrap();
    assert!(view.is_member(id(0)) && view.record(id(1)).is_some());
    // What was written last has no more to wait for: now nobody is to be told, and it is let go.
    town.command(NodeIndex(0), write(4, What::Leave, Wait::NONE));
    town.run_for(Duration::from_secs(2));
    assert!(town.machine(NodeIndex(0)).unwrap().view(&group()).is_none());
}
