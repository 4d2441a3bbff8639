//! What is written is read again, in its order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gm_broadcast::Time;
use gm_node::store::disk::DiskStore;
use gm_node::store::memory::SimulatedDisk;
use gm_node::store::{Batch, Store, StoredState};

use crate::fixture::{Directory, batch, contact_batch, node, put, record, text, wait};

#[test]
fn all_of_it_is_there_again_as_on_a_disk_in_memory() {
    let dir = Directory::new("all");
    let twin = SimulatedDisk::new();
    let (store, stored) = dir.open();
    assert_eq!(stored, StoredState::default());
    drop(store);
    for round in 0..6 {
        let ((mut store, _), (mut in_memory, _)) = (dir.open(), twin.open());
        let numbers = round * 30..(round + 1) * 30;
        for number in numbers.clone() {
            store.submit(Time::ZERO, batch(number));
            in_memory.submit(Time::ZERO, batch(number));
        }
        numbers.for_each(|_| assert_eq!(wait(&mut store), Ok(())));
        assert_eq!(store.poll_finished(Time::ZERO), None);
        drop(store);
        let (_, stored) = dir.open();
        assert_eq!(text(&stored), text(&twin.open().1), "round {round}");
        assert!(stored.groups.is_sorted_by(|a, b| a.name() < b.name()));
    }
    let (_, stored) = dir.open();
    assert!(stored.groups.len() > 2 && !stored.contacts.is_empty() && !stored.peers.is_empty());
}

#[test]
fn the_last_write_counts_whether_it_waits_or_not() {
    let dir = Directory::new("last");
    let peers = |port: u32, durable| Batch { peers: Some(vec![node(port)]), durable, ..Batch::default() };
    for durable in [[true, true, false], [false, true, false], [true, false, true]] {
        let (mut store, _) = dir.open();
        for (number, durable) in (1..).zip(durable) {
            put(&mut store, peers(number, durable)).unwrap();
        }
        drop(store);
        assert_eq!(dir.open().1.peers, [node(3)]);
    }
}

#[test]
fn a_record_in_a_batch_is_there_though_it_is_dropped_too() {
    let dir = Directory::new("dropped");
    let (mut store, _) = dir.open();
    let batch = contact_batch(1, true);
    let dropped = batch.records.iter().map(|(group, record)| (group.clone(), record.member())).collect();
    put(&mut store, Batch { removed: dropped, ..batch.clone() }).unwrap();
    drop(store);
    let (mut store, stored) = dir.open();
    assert_eq!(stored.groups.len(), 1);
    let dropped = batch.records.iter().map(|(group, record)| (group.clone(), record.member())).collect();
    put(&mut store, Batch { removed: dropped, durable: true, ..Batch::default() }).unwrap();
    drop(store);
    assert_eq!(dir.open().1, StoredState::default());
}

#[test]
fn a_record_of_many_items() {
    let dir = Directory::new("items");
    let (mut store, _) = dir.open();
    let record = record(node(2), 6, 20_000);
    let records = vec![("large".parse().unwrap(), record.clone())];
    put(&mut store, Batch { records, durable: true, ..Batch::default() }).unwrap();
    drop(store);
    assert_eq!(dir.open().1.groups[0].record(node(2)), Some(&record));
}

#[test]
fn what_waits_is_committed_together() {
    let dir = Directory::new("together");
    let (mut store, _) = dir.open();
    let woken = counted(&mut store);
    let started = Instant::now();
    (0..1_000).for_each(|number| store.submit(Time::ZERO, contact_batch(number, true)));
    let submitted = started.elapsed();
    (0..1_000).for_each(|_| wait(&mut store).unwrap());
    drop(store);
    // Its owner is woken once for each commit.
    let commits = woken.load(Ordering::SeqCst);
    println!("{commits} commits for 1,000 batches, submitted in {submitted:?}");
    assert!(commits < 100, "{commits} commits");
}

/// How often the owner of the store is woken.
fn counted(store: &mut DiskStore) -> Arc<AtomicUsize> {
    let woken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&woken);
    store.wake_by(Box::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    }));
    woken
}

#[test]
fn who_waits_is_woken() {
    let dir = Directory::new("woken");
    let (mut store, _) = dir.open();
    let woken = counted(&mut store);
    for number in 0..3 {
        for durable in [true, false] {
            let before = woken.load(Ordering::SeqCst);
            put(&mut store, contact_batch(number, durable)).unwrap();
            let until = Instant::now() + Duration::from_secs(20);
            while woken.load(Ordering::SeqCst) <= before {
                assert!(Instant::now() < until, "nobody was woken");
                std::thread::yield_now();
            }
        }
    }
}

#[test]
fn what_need_not_be_durable_is_on_the_disk_after_a_while() {
    let dir = Directory::new("lazy");
    let (mut store, _) = dir.open();
    let before = std::fs::read(dir.file()).unwrap();
    put(&mut store, contact_batch(3, false)).unwrap();
    assert!(before == std::fs::read(dir.file()).unwrap());
    let until = Instant::now() + Duration::from_secs(20);
    while before == std::fs::read(dir.file()).unwrap() {
        assert!(Instant::now() < until, "nothing is written");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt;

    let dir = Directory::new("private");
    drop(dir.open());
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.file()), mode(&dir.join("lock"))), (0o700, 0o600, 0o600));
}
