//! Recovery from forged records. Any holder of the key can write any record, also of other members.
//! Once it is gone, the group is usable again: a living member can always refute a record, and
//! forgotten members do not take up space for ever.

use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::{CEILING, Incarnation, NetId};
use gm_data::{HORIZON, Record, Version};
use gm_node::store::Batch;
use gm_node::store::Store as _;
use gm_node::store::memory::SimulatedDisk;
use gm_node::{Forget, NodeCommand, NodeEvent, Wait, WriteError};
use gm_sim::{Action, NodeIndex};

use crate::cluster::{Cluster, disks, group, id, in_sync, new_cluster, serve, write};

/// A forged record without items.
fn claim(member: NetId, incarnation: u64, forgotten: bool, clock: u64) -> Record {
    let version = Version::new(Incarnation::new(incarnation).unwrap(), forgotten, clock).unwrap();
    Record::from_parts(member, version, None, 0, []).unwrap()
}

/// Puts forged records on a node's disk.
fn plant(disk: &SimulatedDisk, node: u8, records: impl IntoIterator<Item = Record>) {
    let records = records.into_iter().map(|record| (group(), record)).collect();
    let (mut store, _) = disk.open();
    store.submit(Time::ZERO, Batch { me: Some(id(node)), records, durable: true, ..Batch::default() });
    store.poll_finished(Time::ZERO).unwrap().unwrap();
}

fn records(cluster: &Cluster, node: u32) -> usize {
    cluster.machine(NodeIndex(node)).unwrap().view(&group()).map_or(0, |view| view.records().len())
}

/// Whether every node knows what node 1 serves.
fn is_seen(cluster: &Cluster, start: u32) -> bool {
    cluster.indices().all(|node| {
        let view = cluster.machine(node).unwrap().view(&group()).unwrap();
        view.first_owner(start).is_some_and(|owner| owner.member == id(1))
    })
}

#[test]
fn a_living_member_refutes_any_record() {
    for (incarnation, forgotten, clock) in [
        (1 << 50, false, CEILING),
        (1 << 50, true, CEILING),
        (HORIZON - 1, false, 1),
        (HORIZON, false, 1),
        (CEILING, false, 7),
        (CEILING, true, CEILING),
    ] {
        let disks = disks(4);
        plant(&disks[2], 2, [claim(id(1), incarnation, forgotten, clock)]);
        let (mut cluster, log) = new_cluster(4, &disks, |_| {});
        for node in 0..4 {
            cluster
                .command(NodeIndex(node), write(node.into(), serve(node * 100, node * 100 + 99), Wait::NONE));
        }
        cluster.run_for(Duration::from_secs(10));
        let what = format!("{incarnation} {forgotten} {clock}");
        assert!(in_sync(&cluster, 4) && is_seen(&cluster, 100), "{what}");
        let returned = log.any(|event| matches!(event, NodeEvent::HorizonClaimEvicted { .. }));
        assert_eq!(returned, incarnation >= HORIZON, "{what}");
        // It remains visible, and nothing forged returns from a disk.
        cluster.command(NodeIndex(1), write(10, serve(5_000, 5_099), Wait::all(Duration::from_secs(5))));
        cluster.run_for(Duration::from_secs(5));
        assert!(is_seen(&cluster, 5_000), "{what}");
        assert_eq!(log.waited(10).outcome, gm_node::WaitOutcome::Satisfied, "{what}");
        for node in 0..4 {
            cluster.apply(Action::Restart(NodeIndex(node), Duration::from_millis(100)));
        }
        cluster.run_for(Duration::from_secs(10));
        cluster.command(NodeIndex(1), write(11, serve(6_000, 6_099), Wait::NONE));
        cluster.run_for(Duration::from_secs(5));
        assert!(in_sync(&cluster, 4) && is_seen(&cluster, 6_000), "{what}");
    }
}

#[test]
fn a_member_at_the_end_of_its_clock_is_forgotten() {
    let disks = disks(2);
    plant(&disks[0], 0, [claim(id(9), CEILING, false, CEILING)]);
    let (mut cluster, log) = new_cluster(2, &disks, |_| {});
    for node in 0..2 {
        cluster.command(NodeIndex(node), write(node.into(), serve(0, 99), Wait::NONE));
    }
    cluster.run_for(Duration::from_secs(5));
    let forget = Forget { tag: 7, group: Some(group()), member: id(9), wait: Wait::NONE };
    cluster.command(NodeIndex(1), NodeCommand::Forget(forget));
    cluster.run_for(Duration::from_secs(5));
    assert!(log.answer(7).unwrap().1.is_ok());
    for node in 0..2 {
        let view = cluster.machine(NodeIndex(node)).unwrap().view(&group()).unwrap();
        assert!(view.record(id(9)).unwrap().version().forgotten);
    }
    assert!(in_sync(&cluster, 2));
}

/// Forged members, forgotten or not, fill a group: a purge removes them everywhere, and newcomers
/// are admitted.
#[test]
fn a_full_group_admits_newcomers_after_a_purge() {
    for include_absent in [false, true] {
        let disks = disks(5);
        let fakes = || (100..107).map(|fake| claim(id(fake), 1 << 47, !include_absent, 5));
        for node in [0, 4] {
            plant(&disks[usize::from(node)], node, fakes());
        }
        let (mut cluster, log) = new_cluster(5, &disks, |config| {
            config.limits.records = 9;
            // These two know the members before they write.
            config.observe = [id(2), id(4)].contains(&config.broadcast.me);
        });
        // This node is down during the purge, and reintroduces the records.
        cluster.crash(NodeIndex(4));
        for node in 0..3 {
            cluster
                .command(NodeIndex(node), write(node.into(), serve(node * 100, node * 100 + 99), Wait::NONE));
            cluster.run_for(Duration::from_secs(5));
        }
        let full = |tag| {
            matches!(log.answer(tag), Some((_, Err(WriteError::LimitReached { limit: "records", .. }))))
        };
        assert!(full(2) && log.any(|event| matches!(event, NodeEvent::NearRecordLimit { .. })));
        assert_eq!(records(&cluster, 0), 9);
        let machine = cluster.machine(NodeIndex(0)).unwrap();
        assert_eq!(machine.purgeable(&group(), include_absent).len(), 7);

        cluster.command(NodeIndex(0), NodeCommand::Purge { group: group(), include_absent });
        cluster.command(NodeIndex(2), write(12, serve(200, 299), Wait::NONE));
        cluster.run_for(Duration::from_secs(5));
        assert!(log.answer(12).unwrap().1.is_ok());
        assert!(in_sync(&cluster, 3));
        assert!((0..3).all(|node| records(&cluster, node) == 3));
        let status = cluster.machine(NodeIndex(0)).unwrap().status(cluster.now(), &group()).unwrap();
        assert!(!status.is_near_limit && !status.is_at_limit);

        cluster.apply(Action::Start(NodeIndex(4)));
        cluster.run_for(Duration::from_secs(10));
        let counts: Vec<usize> = (0..5).map(|node| records(&cluster, node)).collect();
        assert_eq!(counts, [3, 3, 3, 0, 3], "its records are evicted");
        // Nor do they return from the disks.
        for node in 0..5 {
            cluster.apply(Action::Restart(NodeIndex(node), Duration::from_millis(100)));
        }
        cluster.run_for(Duration::from_secs(10));
        assert!((0..3).all(|node| records(&cluster, node) == 3));
        assert!(in_sync(&cluster, 3));
    }
}

#[test]
fn a_living_member_comes_back_after_a_purge() {
    let (mut cluster, _) = new_cluster(3, &disks(3), |_| {});
    for node in 0..3 {
        cluster.command(NodeIndex(node), write(node.into(), serve(node * 100, node * 100 + 99), Wait::NONE));
    }
    cluster.run_for(Duration::from_secs(5));
    cluster.crash(NodeIndex(1));
    cluster.run_for(Duration::from_secs(1));
    let forget = Forget { tag: 7, group: Some(group()), member: id(1), wait: Wait::NONE };
    cluster.command(NodeIndex(0), NodeCommand::Forget(forget));
    cluster.run_for(Duration::from_secs(2));
    cluster.command(NodeIndex(2), NodeCommand::Purge { group: group(), include_absent: false });
    cluster.run_for(Duration::from_secs(2));
    assert_eq!((records(&cluster, 0), records(&cluster, 2)), (2, 2));
    cluster.apply(Action::Start(NodeIndex(1)));
    cluster.run_for(Duration::from_secs(10));
    assert!(in_sync(&cluster, 3) && is_seen(&cluster, 100));
}
