//! Persistence: write-backs, failures and releases.

use gm_data::Record;

use super::*;
use crate::node::test_context::{at, context, group, node};

/// A store with given results, which notes its batches.
#[derive(Debug, Default)]
struct ScriptedStore {
    batches: Vec<Batch>,
    results: VecDeque<Result<(), StoreError>>,
}

impl Store for ScriptedStore {
    fn submit(&mut self, _: Time, batch: Batch) {
        self.batches.push(batch);
    }

    fn poll_finished(&mut self, _: Time) -> Option<Result<(), StoreError>> {
        self.results.pop_front()
    }

    fn next_poll(&self) -> Option<Time> {
        None
    }
}

fn broadcast_of(number: u8) -> BroadcastId {
    BroadcastId { origin: node(number), epoch: [1; 8], sequence: 1 }
}

fn full() -> Result<(), StoreError> {
    Err(StoreError { why: "disk full".into() })
}

#[test]
fn a_write_back_stores_what_was_merged_but_not_own_records() {
    let (mut persistence, mut cx) = (Persistence::new(ScriptedStore::default()), context());
    cx.host_with(&[1, 2, 3]);
    cx.groups.dirty.insert((group(), node(1)));
    persistence.write_back(&mut cx);
    let stored: Vec<NetId> =
        persistence.store().batches[0].records.iter().map(|(_, record)| Record::member(record)).collect();
    assert_eq!(stored, [node(2), node(3)]);
    assert!(cx.groups.dirty.is_empty());
}

#[test]
fn a_broadcast_is_acknowledged_once_its_content_is_stored() {
    let (mut persistence, mut cx) = (Persistence::new(ScriptedStore::default()), context());
    persistence.note_unstored(&cx, &group(), broadcast_of(2));
    persistence.on_persist_requested(&mut cx, broadcast_of(2));
    assert_eq!(cx.timers.get(&NodeTimer::WriteBack), Some(cx.now), "a peer waits");
    persistence.write_back(&mut cx);
    assert!(persistence.poll(&mut cx).is_none(), "the store works");
    persistence.store.results.push_back(Ok(()));
    let Some((PendingBatch::Learned(batch), Ok(()))) = persistence.poll(&mut cx) else { panic!("no result") };
    persistence.on_learned_stored(&mut cx, batch);
    let stored = format!("{:?}", cx.take_actions());
    assert!(stored.contains("Command(Stored("), "{stored}");
}

#[test]
fn an_ephemeral_store_acknowledges_nothing() {
    let (mut persistence, mut cx) =
        (Persistence::new(crate::store::memory::MemoryStore::ephemeral()), context());
    persistence.on_persist_requested(&mut cx, broadcast_of(2));
    let refused = format!("{:?}", cx.take_actions());
    assert!(refused.contains("Command(NotStored("), "{refused}");
}

#[test]
fn a_failed_write_back_is_retried_with_backoff() {
    let (mut persistence, mut cx) = (Persistence::new(ScriptedStore::default()), context());
    cx.host_with(&[2]);
    let mut delays = Vec::new();
    for _ in 0..8 {
        persistence.write_back(&mut cx);
        persistence.store.results.push_back(full());
        let Some((PendingBatch::Learned(batch), Err(_))) = persistence.poll(&mut cx) else {
            panic!("no result")
        };
        persistence.on_learned_failed(&mut cx, batch);
        let due = cx.timers.cancel(&NodeTimer::WriteBack).unwrap();
        delays.push(due.since(cx.now).as_secs());
        assert!(cx.groups.dirty.contains(&(group(), node(2))));
    }
    assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60]);
    let failures = cx.take_events();
    assert!(matches!(failures[..], [NodeEvent::StoreFailed { .. }]), "reported once: {failures:?}");
}

#[test]
fn a_released_group_leaves_the_store() {
    let (mut persistence, mut cx) = (Persistence::new(ScriptedStore::default()), context());
    persistence.note_unstored(&cx, &group(), broadcast_of(2));
    persistence.on_released(&mut cx, &group(), vec![node(2)]);
    assert_eq!(persistence.store().batches[0].removed, [(group(), node(2))]);
    assert_eq!(persistence.unstored(), 0);
    // For a while it is not known of which group a broadcast was.
    cx.now = at(59_000);
    persistence.on_persist_requested(&mut cx, broadcast_of(3));
    assert_eq!(persistence.unstored(), 0);
    cx.now = at(61_000);
    persistence.on_persist_requested(&mut cx, broadcast_of(3));
    assert_eq!(persistence.unstored(), 1);
}

#[test]
fn contacts_are_stored_at_most_every_half_minute() {
    let (mut persistence, mut cx) = (Persistence::new(ScriptedStore::default()), context());
    cx.groups.contacts.changed = true;
    persistence.write_back(&mut cx);
    assert!(persistence.store().batches[0].contacts.is_some());
    cx.groups.contacts.changed = true;
    persistence.write_back_if_changed(&mut cx);
    assert_eq!(cx.timers.get(&NodeTimer::WriteBack), Some(at(30_000)));
}
