//! Writes, the store behind them, limits, and watchers.

use std::time::Duration;

use gm_data::{Change, ChangeError};
use gm_node::{Forget, NodeCommand, NodeEvent, Wait, WriteError, WriteKind};
use gm_sim::NodeIndex;

use crate::cluster::{disks, group, id, in_sync, millis, new_cluster, range, serve, settle, write};

#[test]
fn a_write_is_stored_before_it_is_visible() {
    let disks = disks(2);
    let (mut cluster, log) = new_cluster(2, &disks, |_| {});
    settle(&mut cluster, 2);
    disks[0].set_latency(millis(300));
    let began = cluster.now();
    cluster.command(NodeIndex(0), write(1, serve(70_000, 80_000), Wait::all(millis(900))));
    let served = |cluster: &crate::cluster::Cluster, node| {
        cluster.machine(NodeIndex(node)).unwrap().view(&group()).unwrap().first_owner(75_000).is_some()
    };
    while cluster.now() < began + millis(299) {
        cluster.run_for(millis(1));
        assert!(!served(&cluster, 0) && !served(&cluster, 1), "seen at {}", cluster.now());
    }
    cluster.run_for(millis(200));
    assert!(served(&cluster, 0) && served(&cluster, 1));
    assert!(log.answer(1).unwrap().0.since(began) >= millis(300));
}

#[test]
fn writes_that_follow_on_one_leave_in_one_record() {
    let disks = disks(2);
    let (mut cluster, log) = new_cluster(2, &disks, |_| {});
    settle(&mut cluster, 2);
    let clock = |cluster: &crate::cluster::Cluster| {
        let own =
            cluster.machine(NodeIndex(1)).unwrap().view(&group()).unwrap().record(id(0)).unwrap().version();
        own.clock
    };
    let before = clock(&cluster);
    let sent = cluster.traffic().get(gm_sim::TrafficKind::Multicast).sent;
    for tag in 0..100_u32 {
        cluster.command(NodeIndex(0), write(tag.into(), serve(tag * 10, tag * 10 + 9), Wait::NONE));
    }
    // Before the first sequence beacon.
    cluster.run_for(millis(7));
    assert_eq!(clock(&cluster), before + 100);
    let broadcasts = cluster.traffic().get(gm_sim::TrafficKind::Multicast).sent - sent;
    assert!(broadcasts <= 2, "{broadcasts} broadcasts: the first write, and the other 99");
    assert!((0..100).all(|tag| log.answer(tag).unwrap().1.unwrap().changed));
}

#[test]
fn an_answer_has_the_fingerprint_of_its_own_write() {
    let (mut cluster, log) = new_cluster(2, &disks(2), |_| {});
    settle(&mut cluster, 2);
    cluster.crash(NodeIndex(1));
    let fingerprint = |cluster: &crate::cluster::Cluster| {
        cluster.machine(NodeIndex(0)).unwrap().view(&group()).unwrap().fingerprint()
    };
    cluster.command(NodeIndex(0), write(1, serve(70_000, 80_000), Wait::some(1, Duration::from_secs(3))));
    cluster.run_for(millis(500));
    let first = fingerprint(&cluster);
    // A write after a pause is committed by itself, and what follows is gathered.
    cluster.command(NodeIndex(0), write(5, serve(60_000, 61_000), Wait::NONE));
    cluster.command(NodeIndex(0), write(2, serve(90_000, 99_000), Wait::NONE));
    cluster.command(
        NodeIndex(0),
        NodeCommand::Forget(Forget { tag: 3, group: None, member: id(1), wait: Wait::NONE }),
    );
    cluster.run_for(Duration::from_secs(5));
    let own = |tag| log.answer(tag).unwrap().1.unwrap().fingerprint;
    assert_eq!(own(1), first, "it was answered after the second write");
    assert_eq!((own(2), own(3)), (fingerprint(&cluster), fingerprint(&cluster)), "one commit");
    cluster.command(NodeIndex(0), write(4, serve(90_000, 99_000), Wait::NONE));
    cluster.run_for(millis(100));
    let unchanged = log.answer(4).unwrap().1.unwrap();
    assert_eq!((unchanged.changed, unchanged.fingerprint), (false, fingerprint(&cluster)));
}

#[test]
fn a_failed_store_changes_nothing_and_is_reported() {
    let disks = disks(2);
    let (mut cluster, log) = new_cluster(2, &disks, |_| {});
    settle(&mut cluster, 2);
    disks[0].set_full(true);
    cluster.command(NodeIndex(0), write(1, serve(70_000, 80_000), Wait::NONE));
    cluster.run_for(millis(100));
    assert!(matches!(log.answer(1).unwrap().1, Err(WriteError::Store(_))));
    assert!(log.any(|event| matches!(event, NodeEvent::StoreFailed { .. })));
    assert!(cluster.machine(NodeIndex(0)).unwrap().view(&group()).unwrap().first_owner(75_000).is_none());
    disks[0].set_full(false);
    cluster.command(NodeIndex(0), write(2, serve(70_000, 80_000), Wait::NONE));
    cluster.run_for(millis(100));
    assert!(log.answer(2).unwrap().1.is_ok());
    assert!(log.any(|event| matches!(event, NodeEvent::StoreRecovered)));
    assert!(in_sync(&cluster, 2));
}

#[test]
fn a_callers_mistakes_are_typed_and_change_nothing() {
    let (mut cluster, log) = new_cluster(1, &disks(1), |config| {
        config.single_node = true;
        config.limits.items = 2;
        config.limits.groups = 1;
    });
    cluster.command(NodeIndex(0), write(1, WriteKind::Leave, Wait::NONE));
    cluster.command(NodeIndex(0), write(2, serve(0, 9), Wait::NONE));
    cluster.command(NodeIndex(0), write(3, serve(10, 19), Wait::NONE));
    cluster.command(NodeIndex(0), write(4, serve(20, 29), Wait::NONE));
    cluster
        .command(NodeIndex(0), write(5, WriteKind::Change(vec![Change::Unserve(range(5, 6))]), Wait::NONE));
    let other =
        gm_node::Write { tag: 6, group: "Orders".parse().unwrap(), kind: serve(0, 9), wait: Wait::NONE };
    cluster.run_for(millis(10));
    cluster.command(NodeIndex(0), NodeCommand::Write(other));
    cluster.run_for(millis(10));
    let error = |tag| log.answer(tag).unwrap().1.unwrap_err();
    assert_eq!(error(1), WriteError::Change(ChangeError::NotAMember));
    assert!(matches!(error(4), WriteError::LimitReached { limit: "items", max: 2, .. }));
    assert!(matches!(error(5), WriteError::Change(ChangeError::NotServed { .. })));
    assert!(matches!(error(6), WriteError::LimitReached { limit: "groups", .. }));
    assert_eq!(cluster.machine(NodeIndex(0)).unwrap().view(&group()).unwrap().live_item_count(), 2);
}

/// In messages between nodes, one name stands for all groups.
#[test]
fn the_reserved_name_is_refused() {
    let (mut cluster, log) = new_cluster(2, &disks(2), |_| {});
    let group: gm_data::GroupName = "\u{10ffff}".parse().unwrap();
    let write = gm_node::Write { tag: 1, group: group.clone(), kind: serve(0, 9), wait: Wait::NONE };
    cluster.command(NodeIndex(0), NodeCommand::Write(write));
    cluster.run_for(millis(10));
    assert_eq!(log.answer(1).unwrap().1, Err(WriteError::ReservedName { group }));
    assert_eq!(cluster.machine(NodeIndex(0)).unwrap().hosted_groups().count(), 0);
}

/// Two groups are created in one tick, and the limit allows one.
#[test]
fn of_two_new_groups_one_takes_the_last_slot() {
    let (mut cluster, log) = new_cluster(1, &disks(1), |config| {
        config.single_node = true;
        config.limits.groups = 1;
    });
    let orders: gm_data::GroupName = "Orders".parse().unwrap();
    cluster.command(NodeIndex(0), write(1, serve(0, 9), Wait::NONE));
    let other = gm_node::Write { tag: 2, group: orders.clone(), kind: serve(0, 9), wait: Wait::NONE };
    cluster.command(NodeIndex(0), NodeCommand::Write(other.clone()));
    cluster.run_for(millis(10));
    assert!(log.answer(1).unwrap().1.is_ok());
    assert!(matches!(
        log.answer(2).unwrap().1,
        Err(WriteError::LimitReached { limit: "groups", max: 1, .. })
    ));
    assert!(cluster.machine(NodeIndex(0)).unwrap().own_record(&orders).is_none());
    cluster.command(NodeIndex(0), write(3, WriteKind::Leave, Wait::NONE));
    cluster.run_for(millis(10));
    cluster.command(NodeIndex(0), NodeCommand::Write(gm_node::Write { tag: 4, ..other }));
    cluster.run_for(millis(10));
    assert!(log.answer(4).unwrap().1.is_ok(), "the slot is free again");
}

#[test]
fn a_slow_watcher_gets_one_difference_without_loss() {
    let (mut cluster, log) = new_cluster(2, &disks(2), |_| {});
    settle(&mut cluster, 2);
    cluster.command(NodeIndex(1), NodeCommand::Watch { tag: 9, group: group() });
    let log = || log.count(|event| matches!(event, NodeEvent::Changed { tag: 9, .. }));
    let take = |cluster: &mut crate::cluster::Cluster| {
        let part = cluster.machine(NodeIndex(1)).unwrap().difference(9).unwrap().part(usize::MAX);
        cluster.command(NodeIndex(1), NodeCommand::AdvanceWatch { tag: 9, cursor: Box::new(part.cursor) });
        cluster.run_for(millis(10));
        part.events.unwrap().len()
    };
    assert_eq!(log(), 1, "the current state");
    for step in 0..5 {
        cluster.command(
            NodeIndex(0),
            write(step.into(), serve(step * 10 + 100_000, step * 10 + 100_009), Wait::NONE),
        );
        cluster.run_for(millis(50));
    }
    assert_eq!(log(), 1, "it has not read the first one yet");
    assert_eq!((take(&mut cluster), log()), (2 * 2 + 5, 1), "the whole state, as one difference");
    cluster.command(NodeIndex(0), write(7, serve(0, 4), Wait::NONE));
    cluster.run_for(millis(50));
    assert_eq!(log(), 2);
    assert_eq!((take(&mut cluster), log()), (1, 2));
    cluster.command(NodeIndex(1), NodeCommand::Unwatch { tag: 9 });
    cluster.command(NodeIndex(0), write(8, serve(0, 5), Wait::NONE));
    cluster.run_for(Duration::from_secs(1));
    assert_eq!(log(), 2);
    assert!(cluster.machine(NodeIndex(1)).unwrap().difference(9).is_none());
}

/// A member writes repeatedly: another's limits hold for increments as for whole records, and
/// replaced items need no space.
#[test]
fn increments_of_others_keep_within_the_limits() {
    for limit in ["items", "group_items"] {
        let (mut cluster, log) = new_cluster(2, &disks(2), move |config| {
            if config.broadcast.me == id(1) {
                let limits = &mut config.limits;
                *(if limit == "items" { &mut limits.items } else { &mut limits.group_items }) = 5;
            }
        });
        cluster.command(NodeIndex(1), write(1, WriteKind::Join(vec![]), Wait::NONE));
        cluster.run_for(Duration::from_secs(2));
        for step in 0..12 {
            let start = (step % 4) * 10;
            cluster.command(NodeIndex(0), write(10, serve(start, start + 9), Wait::NONE));
            cluster.run_for(millis(100));
        }
        let items = |cluster: &crate::cluster::Cluster| {
            cluster.machine(NodeIndex(1)).unwrap().view(&group()).unwrap().live_item_count()
        };
        assert_eq!(items(&cluster), 5, "four of the other member, and one own");
        let full =
            |event: &NodeEvent| matches!(event, NodeEvent::LimitReached { limit: of, .. } if *of == limit);
        assert!(!log.any(full));
        for start in [100, 200, 300] {
            cluster.command(NodeIndex(0), write(11, serve(start, start + 9), Wait::NONE));
            cluster.run_for(Duration::from_secs(20));
        }
        assert!(items(&cluster) <= 6 && log.any(full), "{limit}: {}", items(&cluster));
        assert!(cluster.machine(NodeIndex(1)).unwrap().status(cluster.now(), &group()).unwrap().is_at_limit);
    }
}

#[test]
fn a_watcher_above_the_limit_is_refused() {
    let (mut cluster, log) = new_cluster(1, &disks(1), |config| config.limits.watchers = 1);
    for tag in [4, 5, 4] {
        cluster.command(NodeIndex(0), NodeCommand::Watch { tag, group: group() });
    }
    cluster.run_for(millis(10));
    let refused = |wanted: u64| {
        log.any(|event| matches!(event, NodeEvent::WatchRefused { tag, max: 1, .. } if *tag == wanted))
    };
    assert!(refused(5) && !refused(4));
}
