//! Promises of a simulated disk, one by one.

use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;

use super::*;
use crate::store::StoredState;

fn node(port: u16) -> NetId {
    format!("10.0.0.1:{port}").parse().unwrap()
}

fn batch(port: u16, durable: bool) -> Batch {
    Batch { peers: Some(vec![node(port)]), durable, ..Batch::default() }
}

fn peer(stored: &StoredState) -> u16 {
    stored.peers.first().map_or(0, NetId::port)
}

fn at(millis: u64) -> Time {
    Time::ZERO + Duration::from_millis(millis)
}

/// A disk on which batch 1 is safe, 2 is finished, and 3 (not durable) and 4 (durable) are waiting.
fn busy() -> (SimulatedDisk, MemoryStore) {
    let disk = SimulatedDisk::new();
    let (mut store, _) = disk.open();
    for (port, durable) in [(1, true), (2, false)] {
        store.submit(at(0), batch(port, durable));
        assert_eq!(store.poll_finished(at(0)), Some(Ok(())));
    }
    disk.set_latency(Duration::from_millis(10));
    store.submit(at(0), batch(3, false));
    store.submit(at(5), batch(4, true));
    (disk, store)
}

#[test]
fn batches_are_finished_in_order_when_they_are_due() {
    let (disk, mut store) = busy();
    disk.set_latency(Duration::ZERO);
    store.submit(at(6), batch(5, true));
    assert_eq!((store.next_poll(), store.poll_finished(at(9))), (Some(at(10)), None));
    assert_eq!(store.poll_finished(at(10)), Some(Ok(())));
    assert_eq!((store.next_poll(), store.poll_finished(at(14))), (Some(at(15)), None));
    assert_eq!(store.poll_finished(at(15)), Some(Ok(())));
    // Not before the earlier one.
    assert_eq!(
        (store.poll_finished(at(15)), store.poll_finished(at(99)), store.next_poll()),
        (Some(Ok(())), None, None)
    );
    assert_eq!(peer(&disk.stored()), 5);
}

#[test]
fn a_clean_stop_keeps_everything_and_ends_the_store() {
    let (disk, mut old) = busy();
    let (_new, stored) = disk.open();
    assert_eq!(peer(&stored), 4);
    old.submit(at(20), batch(9, true));
    assert_eq!((old.next_poll(), old.poll_finished(at(99)), peer(&disk.stored())), (None, None, 4));
    assert_eq!(disk.faults(), DiskFaults::default());
}

#[test]
fn a_crash_keeps_a_prefix() {
    let mut seen = Vec::new();
    for random in 0..8 {
        let (disk, mut old) = busy();
        disk.crash(random);
        assert_eq!((old.next_poll(), old.poll_finished(at(99))), (None, None));
        let (_, stored) = disk.open();
        let DiskFaults { unsynced, torn, unfinished, .. } = disk.faults();
        seen.push((peer(&stored), unsynced, torn, unfinished));
    }
    let whole = [(1, 1, 0, 2), (2, 0, 0, 2), (3, 0, 0, 1), (4, 0, 0, 0)];
    // The torn batch is the first waiting one that is lost.
    let torn = [(1, 1, 0, 2), (2, 0, 1, 1), (3, 0, 1, 0), (4, 0, 0, 0)];
    assert_eq!(seen, [whole, torn].concat());
}

#[test]
fn a_durable_batch_makes_those_before_it_safe() {
    for random in 0..8 {
        let (disk, mut store) = busy();
        while store.poll_finished(at(99)).is_some() {}
        disk.crash(random);
        assert_eq!((peer(&disk.open().1), disk.faults()), (4, DiskFaults::default()));
    }
}

#[test]
fn a_batch_that_failed_may_survive_a_crash() {
    let mut seen = Vec::new();
    for random in 0..3 {
        let disk = SimulatedDisk::new();
        let (mut store, _) = disk.open();
        disk.set_latency(Duration::from_millis(10));
        disk.set_full(true);
        store.submit(at(0), batch(1, true));
        disk.set_full(false);
        assert_eq!(store.poll_finished(at(9)), None);
        let StoreError { why } = store.poll_finished(at(10)).unwrap().unwrap_err();
        assert!(why.contains("no space left"));
        assert_eq!(peer(&disk.stored()), 0);
        store.submit(at(10), batch(2, true));
        disk.crash(random);
        let DiskFaults { failed, resurfaced, unfinished, .. } = disk.faults();
        seen.push((peer(&disk.open().1), failed, resurfaced, unfinished));
    }
    assert_eq!(seen, [(0, 1, 0, 1), (2, 1, 0, 0), (1, 1, 1, 1)]);
}

#[test]
fn a_failed_batch_is_gone_once_another_is_finished() {
    for random in 0..8 {
        let disk = SimulatedDisk::new();
        let (mut store, _) = disk.open();
        disk.set_full(true);
        store.submit(at(0), batch(1, true));
        disk.set_full(false);
        store.submit(at(0), Batch { me: Some(node(7)), durable: true, ..Batch::default() });
        while store.poll_finished(at(0)).is_some() {}
        disk.crash(random);
        assert_eq!((peer(&disk.open().1), disk.faults().resurfaced), (0, 0));
    }
}

#[test]
fn a_lie_loses_everything_after_the_last_sync() {
    for random in 0..8 {
        let disk = SimulatedDisk::new();
        let (mut store, _) = disk.open();
        store.submit(at(0), batch(1, true));
        disk.set_lies(true);
        store.submit(at(0), batch(2, false));
        store.submit(at(0), batch(3, true));
        while store.poll_finished(at(0)).is_some() {}
        assert_eq!(peer(&disk.stored()), 3);
        disk.crash(random);
        let DiskFaults { unsynced, lied, .. } = disk.faults();
        assert_eq!((peer(&disk.open().1), unsynced, lied), (1, 1, 1));
    }
}

#[test]
fn an_honest_sync_makes_up_for_lies() {
    let disk = SimulatedDisk::new();
    let (mut store, _) = disk.open();
    disk.set_lies(true);
    store.submit(at(0), batch(1, true));
    disk.set_lies(false);
    store.submit(at(0), batch(2, true));
    while store.poll_finished(at(0)).is_some() {}
    disk.crash(0);
    assert_eq!((peer(&disk.open().1), disk.faults()), (2, DiskFaults::default()));
}

#[test]
fn stale_and_lost_disks_are_counted_if_they_differ() {
    let (disk, mut store) = busy();
    let snapshot = disk.snapshot();
    disk.restore(snapshot.clone());
    assert_eq!((peer(&disk.stored()), disk.faults().stale), (2, 0));
    assert_eq!(store.poll_finished(at(99)), None);
    let (mut store, _) = disk.open();
    store.submit(at(0), batch(6, true));
    assert_eq!(store.poll_finished(at(99)), Some(Ok(())));
    disk.restore(snapshot);
    assert_eq!((peer(&disk.stored()), disk.faults().stale), (2, 1));
    disk.wipe();
    disk.wipe();
    assert_eq!((disk.open().1, disk.faults().wiped), (StoredState::default(), 1));
}

#[test]
fn an_ephemeral_store_keeps_nothing() {
    let mut store = MemoryStore::ephemeral();
    assert_eq!((store.next_poll(), store.poll_finished(at(0))), (None, None));
    store.submit(at(3), batch(1, true));
    assert_eq!(
        (store.next_poll(), store.poll_finished(at(3)), store.poll_finished(at(3))),
        (Some(at(0)), Some(Ok(())), None)
    );
}
