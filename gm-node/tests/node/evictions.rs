//! Whoever holds the key may write anything, also about others; once it is gone the group is usable again: no record is the last word about a member that lives, and
//! no forgotten member takes room for ever.

use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::{CEILING, Incarnation, NetId};
use gm_data::{HORIZON, Record, Version};
use gm_node::store::Batch;
use gm_node::store::Store as _;
use gm_node::store::memory::Disk;
use gm_node::{Command, Event, Forget, Wait, WriteError};
use gm_sim::{Action, NodeIndex};

use crate::town::{Town, agree, disks, group, id, serve, town, write};

/// A record without items that somebody made up.
fn claim(member: NetId, incarnation: u64, gone: bool, clock: u64) -> Record {
    let version = Version::new(Incarnation::new(incarnation).unwrap(), gone, clock).unwrap();
    Record::from_parts(member, version, None, 0, []).unwrap()
}

/// Somebody left these records on the disk of that node.
fn plant(disk: &Disk, node: u8, records: impl IntoIterator<Item = Record>) {
    let records = records.into_iter().map(|record| (group(), record)).collect();
    let (mut store, _) = disk.open();
    store.submit(Time::ZERO, Batch { me: Some(id(node)), records, durable: true, ..Batch::default() });
    store.finished(Time::ZERO).unwrap().unwrap();
}

fn records(town: &Town, node: u32) -> usize {
    town.machine(NodeIndex(node)).unwrap().view(&group()).map_or(0, |view| view.records().len())
}

/// Everybody sees what node 1 serves.
fn is_seen(town: &Town, start: u32) -> bool {
    town.indices().all(|node| {
        let view = town.machine(node).unwrap().view(&group()).unwrap();
        view.first_owner(start).is_some_and(|owner| owner.member == id(1))
    })
}

#[test]
fn no_record_is_the_last_word_about_a_member_that_lives() {
    for (incarnation, gone, clock) in [
        (1 << 50, false, CEILING),
        (1 << 50, true, CEILING),
        (HORIZON - 1, false, 1),
        (HORIZON, false, 1),
        (CEILING, false, 7),
        (CEILING, true, CEILING),
    ] {
        let disks = disks(4);
        plant(&disks[2], 2, [claim(id(1), incarnation, gone, clock)]);
        let (mut town, told) = town(4, &disks, |_| {});
        for node in 0..4 {
            town.command(NodeIndex(node), write(node.into(), serve(node * 100, node * 100 + 99), Wait::NONE));
        }
        town.run_for(Duration::from_secs(10));
        let what = format!("{incarnation} {gone} {clock}");
        assert!(agree(&town, 4) && is_seen(&town, 100), "{what}");
        let returned = told.any(|event| matches!(event, Event::Returned { .. }));
        assert_eq!(returned, incarnation >= HORIZON, "{what}");
        // It goes on to be seen, and nothing of it comes back from a disk.
        town.command(NodeIndex(1), write(10, serve(5_000, 5_099), Wait::all(Duration::from_secs(5))));
        town.run_for(Duration::from_secs(5));
        assert!(is_seen(&town, 5_000), "{what}");
        assert_eq!(told.waited(10).end, gm_node::End::Satisfied, "{what}");
        for node in 0..4 {
            town.act(Action::Restart(NodeIndex(node), Duration::from_millis(100)));
        }
        town.run_for(Duration::from_secs(10));
        town.command(NodeIndex(1), write(11, serve(6_000, 6_099), Wait::NONE));
        town.run_for(Duration::from_secs(5));
        assert!(agree(&town, 4) && is_seen(&town, 6_000), "{what}");
    }
}

#[test]
fn a_member_at_the_end_of_its_clock_is_forgotten() {
    let disks = disks(2);
    plant(&disks[0], 0, [claim(id(9), CEILING, false, CEILING)]);
    let (mut town, told) = town(2, &disks, |_| {});
    for node in 0..2 {
        town.command(NodeIndex(node), write(node.into(), serve(0, 99), Wait::NONE));
    }
    town.run_for(Duration::from_secs(5));
    let forget = Forget { tag: 7, group: Some(group()), member: id(9), wait: Wait::NONE };
    town.command(NodeIndex(1), Command::Forget(forget));
    town.run_for(Duration::from_secs(5));
    assert!(told.answer(7).unwrap().1.is_ok());
    for node in 0..2 {
        let view = town.machine(NodeIndex(node)).unwrap().view(&group()).unwrap();
        assert!(view.record(id(9)).unwrap().version().forgotten);
    }
    assert!(agree(&town, 2));
}

/// Made-up members fill a group, and are forgotten or not: an order drops them everywhere, and newcomers get in.
#[test]
fn a_group_that_was_full_takes_newcomers_after_a_purge() {
    for unheard in [false, true] {
        let disks = disks(5);
        let fakes = || (100..107).map(|fake| claim(id(fake), 1 << 47, !unheard, 5));
        for node in [0, 4] {
            plant(&disks[usize::from(node)], node, fakes());
        }
        let (mut town, told) = town(5, &disks, |config| {
            config.bounds.records = 9;
            // The last one to write knows the others, and so does the one that is away.
            config.observe = [id(2), id(4)].contains(&config.broadcast.me);
        });
        // This one is away while the others are purged, and brings them back.
        town.crash(NodeIndex(4));
        for node in 0..3 {
            town.command(NodeIndex(node), write(node.into(), serve(node * 100, node * 100 + 99), Wait::NONE));
            town.run_for(Duration::from_secs(5));
        }
        let full =
            |tag| matches!(told.answer(tag), Some((_, Err(WriteError::Full { bound: "records", .. }))));
        assert!(full(2) && told.any(|event| matches!(event, Event::Crowded { .. })));
        assert_eq!(records(&town, 0), 9);
        let machine = town.machine(NodeIndex(0)).unwrap();
        assert_eq!(machine.purgeable(&group(), unheard).len(), 7);

        town.command(NodeIndex(0), Command::Purge { group: group(), unheard });
        town.command(NodeIndex(2), write(12, serve(200, 299), Wait::NONE));
        town.run_for(Duration::from_secs(5));
        assert!(told.answer(12).unwrap().1.is_ok());
        assert!(agree(&town, 3));
        assert!((0..3).all(|node| records(&town, node) == 3));
        let status = town.machine(NodeIndex(0)).unwrap().status(town.now(), &group()).unwrap();
        assert!(!status.crowded && !status.full);

        town.act(Action::Start(NodeIndex(4)));
        town.run_for(Duration::from_secs(10));
        let counts: Vec<usize> = (0..5).map(|node| records(&town, node)).collect();
        assert_eq!(counts, [3, 3, 3, 0, 3], "it brought them back");
        // Neither do they come back from the disks.
        for node in 0..5 {
            town.act(Action::Restart(NodeIndex(node), Duration::from_millis(100)));
        }
        town.run_for(Duration::from_secs(10));
        assert!((0..3).all(|node| records(&town, node) == 3));
        assert!(agree(&town, 3));
    }
}

#[test]
fn a_member_that_lives_comes_back_after_a_purge() {
    let (mut town, _) = town(3, &disks(3), |_| {});
    for node in 0..3 {
        town.command(NodeIndex(node), write(node.into(), serve(node * 100, node * 100 + 99), Wait::NONE));
    }
    town.run_for(Duration::from_secs(5));
    town.crash(NodeIndex(1));
    town.run_for(Duration::from_secs(1));
    let forget = Forget { tag: 7, group: Some(group()), member: id(1), wait: Wait::NONE };
    town.command(NodeIndex(0), Command::Forget(forget));
    town.run_for(Duration::from_secs(2));
    town.command(NodeIndex(2), Command::Purge { group: group(), unheard: false });
    town.run_for(Duration::from_secs(2));
    assert_eq!((records(&town, 0), records(&town, 2)), (2, 2));
    town.act(Action::Start(NodeIndex(1)));
    town.run_for(Duration::from_secs(10));
    assert!(agree(&town, 3) && is_seen(&town, 100));
}
