//! Writes, the storage behind them, bounds, watchers.

use std::time::Duration;

use gm_data::{Change, ChangeError};
use gm_node::{Command, Event, Wait, What, WriteError};
use gm_sim::NodeIndex;

use crate::town::{agree, disks, group, id, millis, range, serve, settle, town, write};

#[test]
fn nobody_sees_a_write_before_it_is_stored() {
    let disks = disks(2);
    let (mut town, told) = town(2, &disks, |_| {});
    settle(&mut town, 2);
    disks[0].set_latency(millis(300));
    let began = town.now();
    town.command(NodeIndex(0), write(1, serve(70_000, 80_000), Wait::all(millis(900))));
    let served = |town: &crate::town::Town, node| {
        town.machine(NodeIndex(node)).unwrap().view(&group()).unwrap().first_owner(75_000).is_some()
    };
    while town.now() < began + millis(299) {
        town.run_for(millis(1));
        assert!(!served(&town, 0) && !served(&town, 1), "seen at {}", town.now());
    }
    town.run_for(millis(200));
    assert!(served(&town, 0) && served(&town, 1));
    assert!(told.answer(1).unwrap().0.since(began) >= millis(300));
}

#[test]
fn writes_of_a_tick_leave_in_one_record_and_one_sync() {
    let disks = disks(2);
    let (mut town, told) = town(2, &disks, |_| {});
    settle(&mut town, 2);
    let clock = |town: &crate::town::Town| {
        let own =
            town.machine(NodeIndex(1)).unwrap().view(&group()).unwrap().record(id(0)).unwrap().version();
        own.clock
    };
    let before = clock(&town);
    for tag in 0..10_u32 {
        town.command(NodeIndex(0), write(tag.into(), serve(tag * 10, tag * 10 + 9), Wait::NONE));
    }
    let sent = town.traffic().of(gm_sim::Flow::Multicast).sent;
    town.run_for(millis(20));
    assert_eq!(clock(&town), before + 10);
    assert!(town.traffic().of(gm_sim::Flow::Multicast).sent <= sent + 1, "one broadcast");
    assert!((0..10).all(|tag| told.answer(tag).unwrap().1.unwrap().changed));
}

#[test]
fn what_the_storage_refuses_changes_nothing_and_is_said() {
    let disks = disks(2);
    let (mut town, told) = town(2, &disks, |_| {});
    settle(&mut town, 2);
    disks[0].set_full(true);
    town.command(NodeIndex(0), write(1, serve(70_000, 80_000), Wait::NONE));
    town.run_for(millis(100));
    assert!(matches!(told.answer(1).unwrap().1, Err(WriteError::Store(_))));
    assert!(told.any(|event| matches!(event, Event::StorageFails { .. })));
    assert!(town.machine(NodeIndex(0)).unwrap().view(&group()).unwrap().first_owner(75_000).is_none());
    disks[0].set_full(false);
    town.command(NodeIndex(0), write(2, serve(70_000, 80_000), Wait::NONE));
    town.run_for(millis(100));
    assert!(told.answer(2).unwrap().1.is_ok());
    assert!(told.any(|event| matches!(event, Event::StorageWorks)));
    assert!(agree(&town, 2));
}

#[test]
fn a_callers_mistakes_are_typed_and_change_nothing() {
    let (mut town, told) = town(1, &disks(1), |config| {
        config.alone = true;
        config.bounds.items = 2;
        config.bounds.groups = 1;
    });
    town.command(NodeIndex(0), write(1, What::Leave, Wait::NONE));
    town.command(NodeIndex(0), write(2, serve(0, 9), Wait::NONE));
    town.command(NodeIndex(0), write(3, serve(10, 19), Wait::NONE));
    town.command(NodeIndex(0), write(4, serve(20, 29), Wait::NONE));
    town.command(NodeIndex(0), write(5, What::Change(vec![Change::Unserve(range(5, 6))]), Wait::NONE));
    let other =
        gm_node::Write { tag: 6, group: "Orders".parse().unwrap(), what: serve(0, 9), wait: Wait::NONE };
    town.run_for(millis(10));
    town.command(NodeIndex(0), Command::Write(other));
    town.run_for(millis(10));
    let error = |tag| told.answer(tag).unwrap().1.unwrap_err();
    assert_eq!(error(1), WriteError::Change(ChangeError::NotAMember));
    assert!(matches!(error(4), WriteError::Full { bound: "items", most: 2, .. }));
    assert!(matches!(error(5), WriteError::Change(ChangeError::NotServed { .. })));
    assert!(matches!(error(6), WriteError::Full { bound: "groups", .. }));
    assert_eq!(town.machine(NodeIndex(0)).unwrap().view(&group()).unwrap().live_item_count(), 2);
}

/// One name stands for all groups between nodes.
#[test]
fn the_reserved_name_is_no_groups() {
    let (mut town, told) = town(2, &disks(2), |_| {});
    let group: gm_data::GroupName = "\u{10ffff}".parse().unwrap();
    let write = gm_node::Write { tag: 1, group: group.clone(), what: serve(0, 9), wait: Wait::NONE };
    town.command(NodeIndex(0), Command::Write(write));
    town.run_for(millis(10));
    assert_eq!(told.answer(1).unwrap().1, Err(WriteError::ReservedName { group }));
    assert_eq!(town.machine(NodeIndex(0)).unwrap().held().count(), 0);
}

/// Two groups are begun in one tick, and there is room for one.
#[test]
fn of_two_new_groups_one_takes_the_last_place() {
    let (mut town, told) = town(1, &disks(1), |config| {
        config.alone = true;
        config.bounds.groups = 1;
    });
    let orders: gm_data::GroupName = "Orders".parse().unwrap();
    town.command(NodeIndex(0), write(1, serve(0, 9), Wait::NONE));
    let other = gm_node::Write { tag: 2, group: orders.clone(), what: serve(0, 9), wait: Wait::NONE };
    town.command(NodeIndex(0), Command::Write(other.clone()));
    town.run_for(millis(10));
    assert!(told.answer(1).unwrap().1.is_ok());
    assert!(matches!(told.answer(2).unwrap().1, Err(WriteError::Full { bound: "groups", most: 1, .. })));
    assert!(town.machine(NodeIndex(0)).unwrap().own(&orders).is_none());
    town.command(NodeIndex(0), write(3, What::Leave, Wait::NONE));
    town.run_for(millis(10));
    town.command(NodeIndex(0), Command::Write(gm_node::Write { tag: 4, ..other }));
    town.run_for(millis(10));
    assert!(told.answer(4).unwrap().1.is_ok(), "the place is free again");
}

#[test]
fn a_slow_watcher_is_told_one_difference_and_misses_nothing() {
    let (mut town, told) = town(2, &disks(2), |_| {});
    settle(&mut town, 2);
    town.command(NodeIndex(1), Command::Watch { tag: 9, group: group() });
    let told = || told.count(|event| matches!(event, Event::Changed { tag: 9, .. }));
    let take = |town: &mut crate::town::Town| {
        let part = town.machine(NodeIndex(1)).unwrap().difference(9).unwrap().part(usize::MAX);
        town.command(NodeIndex(1), Command::Took { tag: 9, until: Box::new(part.cursor) });
        town.run_for(millis(10));
        part.events.unwrap().len()
    };
    assert_eq!(told(), 1, "what is there already");
    for step in 0..5 {
        town.command(
            NodeIndex(0),
            write(step.into(), serve(step * 10 + 100_000, step * 10 + 100_009), Wait::NONE),
        );
        town.run_for(millis(50));
    }
    assert_eq!(told(), 1, "it has not taken in the first yet");
    assert_eq!((take(&mut town), told()), (2 * 2 + 5, 1), "all that is there now, as one difference");
    town.command(NodeIndex(0), write(7, serve(0, 4), Wait::NONE));
    town.run_for(millis(50));
    assert_eq!(told(), 2);
    assert_eq!((take(&mut town), told()), (1, 2));
    town.command(NodeIndex(1), Command::Unwatch { tag: 9 });
    town.command(NodeIndex(0), write(8, serve(0, 5), Wait::NONE));
    town.run_for(Duration::from_secs(1));
    assert_eq!(told(), 2);
    assert!(town.machine(NodeIndex(1)).unwrap().difference(9).is_none());
}

/// One member writes on and on: another's bounds hold whether it hears of it write by write or as a whole, and what replaces needs no room.
#[test]
fn increments_of_others_keep_within_the_bounds() {
    for bound in ["items", "group_items"] {
        let (mut town, told) = town(2, &disks(2), move |config| {
            if config.broadcast.me == id(1) {
                let bounds = &mut config.bounds;
                *(if bound == "items" { &mut bounds.items } else { &mut bounds.group_items }) = 5;
            }
        });
        town.command(NodeIndex(1), write(1, What::Join(vec![]), Wait::NONE));
        town.run_for(Duration::from_secs(2));
        for step in 0..12 {
            let start = (step % 4) * 10;
            town.command(NodeIndex(0), write(10, serve(start, start + 9), Wait::NONE));
            town.run_for(millis(100));
        }
        let items = |town: &crate::town::Town| {
            town.machine(NodeIndex(1)).unwrap().view(&group()).unwrap().live_item_count()
        };
        assert_eq!(items(&town), 5, "four of the other's, and one of its own");
        let full = |event: &Event| matches!(event, Event::Full { bound: of, .. } if *of == bound);
        assert!(!told.any(full));
        for start in [100, 200, 300] {
            town.command(NodeIndex(0), write(11, serve(start, start + 9), Wait::NONE));
            town.run_for(Duration::from_secs(20));
        }
        assert!(items(&town) <= 6 && told.any(full), "{bound}: {}", items(&town));
        assert!(town.machine(NodeIndex(1)).unwrap().status(town.now(), &group()).unwrap().full);
    }
}

#[test]
fn a_watcher_too_many_is_named() {
    let (mut town, told) = town(1, &disks(1), |config| config.bounds.watchers = 1);
    for tag in [4, 5, 4] {
        town.command(NodeIndex(0), Command::Watch { tag, group: group() });
    }
    town.run_for(millis(10));
    let refused = |wanted: u64| {
        told.any(|event| matches!(event, Event::Unwatched { tag, most: 1, .. } if *tag == wanted))
    };
    assert!(refused(5) && !refused(4));
}
