//! Durability: what is written is read again, in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gm_broadcast::Time;
use gm_node::store::disk::DiskStore;
use gm_node::store::memory::SimulatedDisk;
use gm_node::store::{Batch, Store, StoredState};

use crate::fixture::{Directory, batch, contact_batch, node, put, record, text, wait};

#[test]
fn a_reopened_store_equals_a_simulated_disk() {
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
fn the_last_write_counts_durable_or_not() {
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
fn a_record_both_removed_and_written_is_kept() {
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
fn a_record_with_many_items_is_stored() {
    let dir = Directory::new("items");
    let (mut store, _) = dir.open();
    let record = record(node(2), 6, 20_000);
    let records = vec![("large".parse().unwrap(), record.clone())];
    put(&mut store, Batch { records, durable: true, ..Batch::default() }).unwrap();
    drop(store);
    assert_eq!(dir.open().1.groups[0].record(node(2)), Some(&record));
}

#[test]
fn waiting_batches_are_committed_together() {
    let dir = Directory::new("together");
    let (mut store, _) = dir.open();
    let woken = counted(&mut store);
    let started = Instant::now();
    (0..1_000).for_each(|number| store.submit(Time::ZERO, contact_batch(number, true)));
    let submitted = started.elapsed();
    (0..1_000).for_each(|_| wait(&mut store).unwrap());
    drop(store);
    // The owner is woken once for each commit.
    let commits = woken.load(Ordering::SeqCst);
    println!("{commits} commits for 1,000 batches, submitted in {submitted:?}");
    assert!(commits < 100, "{commits} commits");
}

/// Counts how often the owner of the store is woken.
fn counted(store: &mut DiskStore) -> Arc<AtomicUsize> {
    let woken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&woken);
    store.wake_by(Box::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    }));
    woken
}

#[test]
fn the_owner_is_woken_for_each_result() {
    let dir = Directory::new("woken");
    let (mut store, _) = dir.open();
    let woken = counted(&mut store);
    for number in 0..3 {
        for durable in [true, false] {
            let before = woken.load(Ordering::SeqCst);
            put(&mut store, contact_batch(number, durable)).unwrap();
            let until = Instant::now() + Duration::from_secs(20);
            while woken.load(Ordering::SeqCst) <= before {
                assert!(Instant::now() < until, "the owner was not woken");
                std::thread::yield_now();
            }
        }
    }
}

#[test]
fn a_deferred_batch_is_on_disk_after_a_while() {
    let dir = Directory::new("lazy");
    let (mut store, _) = dir.open();
    let before = std::fs::read(dir.file()).unwrap();
    put(&mut store, contact_batch(3, false)).unwrap();
    assert!(before == std::fs::read(dir.file()).unwrap());
    let until = Instant::now() + Duration::from_secs(20);
    while before == std::fs::read(dir.file()).unwrap() {
        assert!(Instant::now() < until, "nothing was written");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(unix)]
#[test]
fn files_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let dir = Directory::new("private");
    drop(dir.open());
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.file()), mode(&dir.join("lock"))), (0o700, 0o600, 0o600));
}
