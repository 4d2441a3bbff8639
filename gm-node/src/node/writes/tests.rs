//! The write queue: ticks, drafts, probes and refutations.

use std::time::Duration;

use gm_data::VersionDigest;

use super::*;
use crate::event::NodeEvent;
use crate::node::test_context::{at, context, context_with, group, node, record, write};

/// A context in which first writes are not probed.
fn unprobed() -> Context {
    context_with(|config| config.timing.first_write_probe = Duration::ZERO)
}

/// Runs the write tick, and the commit of what needs no store. Returns the batch for the store.
fn tick(writes: &mut WriteQueue, cx: &mut Context) -> Option<usize> {
    writes.probe_first_writes(cx);
    writes.draft_queued(cx);
    cx.take_actions().into_iter().find_map(|action| match action {
        Action::SubmitDrafts(batch) => Some(batch.records.len()),
        _ => None,
    })
}

fn commit(writes: &mut WriteQueue, cx: &mut Context) -> usize {
    let drafts = writes.take_finished(cx);
    drafts.into_groups().map(|(group, draft)| writes.commit(cx, &group, draft)).count()
}

fn is_member(cx: &Context) -> bool {
    cx.groups.record(&group(), cx.me()).is_some_and(Record::is_member)
}

#[test]
fn a_write_after_a_pause_is_due_at_once() {
    let (mut writes, mut cx) = (WriteQueue::default(), unprobed());
    let window = cx.config.timing.write_batch_window;
    for number in 0..3 {
        cx.now = at(10 + 10 * number) + window;
        writes.on_write(&mut cx, write(number, (0, 9), 0), 0);
        assert_eq!(cx.timers.cancel(&NodeTimer::WriteTick), Some(cx.now));
        tick(&mut writes, &mut cx);
        commit(&mut writes, &mut cx);
    }
}

#[test]
fn writes_within_the_window_share_a_batch() {
    let (mut writes, mut cx) = (WriteQueue::default(), unprobed());
    let window = cx.config.timing.write_batch_window;
    let first = cx.now;
    let mut batches = 0;
    for number in 0..100 {
        cx.now = first + window * number / 100;
        writes.on_write(&mut cx, write(u64::from(number), (10 * number, 10 * number + 9), 0), 0);
        if number == 0 {
            cx.timers.cancel(&NodeTimer::WriteTick);
            batches += tick(&mut writes, &mut cx).unwrap();
            commit(&mut writes, &mut cx);
        }
        assert_eq!(cx.timers.get(&NodeTimer::WriteTick), (number > 0).then_some(first + window));
    }
    cx.now = first + window;
    cx.timers.cancel(&NodeTimer::WriteTick);
    batches += tick(&mut writes, &mut cx).unwrap();
    assert_eq!((batches, writes.len()), (2, 0), "one record for the first, one for the other 99");
}

#[test]
fn a_draft_is_invisible_until_it_is_stored() {
    let (mut writes, mut cx) = (WriteQueue::default(), unprobed());
    writes.on_write(&mut cx, write(1, (0, 9), 0), 0);
    tick(&mut writes, &mut cx);
    assert!(!is_member(&cx));
    assert_eq!(commit(&mut writes, &mut cx), 1);
    assert!(is_member(&cx));
}

#[test]
fn a_rejected_draft_changes_nothing_and_is_answered() {
    let (mut writes, mut cx) = (WriteQueue::default(), unprobed());
    writes.on_write(&mut cx, write(1, (0, 9), 0), 0);
    tick(&mut writes, &mut cx);
    let drafts = writes.take_finished(&mut cx);
    let error = StoreError { why: "disk full".into() };
    writes.reject(&mut cx, drafts, &error, Duration::from_secs(1));
    let answered =
        NodeEvent::Answered { tag: 1, group: Some(group()), result: Err(WriteError::Store(error)) };
    assert_eq!(cx.take_events(), [answered]);
    assert!(!is_member(&cx));
}

#[test]
fn no_tick_begins_while_the_store_works() {
    let (mut writes, mut cx) = (WriteQueue::default(), unprobed());
    writes.on_write(&mut cx, write(1, (0, 9), 0), 0);
    tick(&mut writes, &mut cx);
    cx.timers.cancel(&NodeTimer::WriteTick);
    writes.on_write(&mut cx, write(2, (10, 19), 0), 0);
    assert_eq!(cx.timers.get(&NodeTimer::WriteTick), None);
    commit(&mut writes, &mut cx);
    assert!(cx.timers.is_set(&NodeTimer::WriteTick));
}

#[test]
fn a_write_with_the_store_keeps_its_group() {
    let (mut writes, mut cx) = (WriteQueue::default(), unprobed());
    writes.on_write(&mut cx, write(1, (0, 9), 0), 0);
    assert!(writes.is_any_in(&group()), "it is queued");
    tick(&mut writes, &mut cx);
    assert!(writes.is_any_in(&group()), "the store works on it");
    commit(&mut writes, &mut cx);
    assert!(!writes.is_any_in(&group()));
}

#[test]
fn a_first_write_without_peers_asks_added_seeds() {
    let (mut writes, mut cx) = (WriteQueue::default(), context());
    writes.on_write(&mut cx, write(1, (0, 9), 0), 0);
    let turns = |writes: &mut WriteQueue, cx: &mut Context| {
        writes.probe_first_writes(cx);
        let actions = cx.take_actions().into_iter();
        let turns = actions.filter_map(|action| match action {
            Action::ProbeRecord { turn, .. } => Some(turn),
            _ => None,
        });
        turns.collect::<Vec<u32>>()
    };
    assert_eq!(turns(&mut writes, &mut cx), [0]);
    writes.probes().on_no_one_to_ask(&group());
    assert!(turns(&mut writes, &mut cx).is_empty(), "the next question has its time");
    cx.timers.cancel(&NodeTimer::WriteTick);
    writes.ask_found_peers(&mut cx);
    assert_eq!(cx.timers.get(&NodeTimer::WriteTick), Some(cx.now));
    assert_eq!(turns(&mut writes, &mut cx), [0], "it is still the first one");
    cx.timers.cancel(&NodeTimer::WriteTick);
    writes.ask_found_peers(&mut cx);
    assert_eq!(cx.timers.get(&NodeTimer::WriteTick), None, "a peer was asked");
}

#[test]
fn a_first_write_waits_for_its_probe() {
    let (mut writes, mut cx) = (WriteQueue::default(), context());
    writes.on_write(&mut cx, write(1, (0, 9), 0), 0);
    assert_eq!(tick(&mut writes, &mut cx), None);
    assert!(writes.is_probing(&group()) && writes.len() == 1);
    writes.on_record_probed(&mut cx, &group());
    assert_eq!(tick(&mut writes, &mut cx), Some(1));
}

#[test]
fn a_probe_without_an_answer_times_out() {
    let (mut writes, mut cx) = (WriteQueue::default(), context());
    writes.on_write(&mut cx, write(1, (0, 9), 0), 0);
    tick(&mut writes, &mut cx);
    cx.now = at(499);
    assert_eq!(tick(&mut writes, &mut cx), None);
    cx.now = at(500);
    assert_eq!(tick(&mut writes, &mut cx), Some(1));
}

#[test]
fn a_foreign_record_is_refuted_with_a_greater_version() {
    let (mut writes, mut cx) = (WriteQueue::default(), unprobed());
    cx.host_with(&[]);
    let foreign: VersionDigest = record(1, (0, 9)).version_digest();
    writes.on_foreign_record(&mut cx, &group(), (node(2), Path::Datagram), foreign);
    assert_eq!(tick(&mut writes, &mut cx), Some(1));
    commit(&mut writes, &mut cx);
    assert!(cx.groups.version(&group(), cx.me()) > Some(foreign.version));
}

#[test]
fn writes_beyond_the_limit_are_refused() {
    let mut cx = context_with(|config| config.limits.writes = 1);
    let mut writes = WriteQueue::default();
    writes.on_write(&mut cx, write(1, (0, 9), 0), 0);
    writes.on_write(&mut cx, write(2, (0, 9), 0), 0);
    let [NodeEvent::Answered { tag: 2, result: Err(WriteError::LimitReached { limit, .. }), .. }] =
        cx.take_events()[..]
    else {
        panic!("no refusal")
    };
    assert_eq!((limit, writes.len()), ("writes", 1));
}

#[test]
fn a_suspicion_ends_when_a_peer_reports_the_record() {
    let (mut writes, mut cx) = (WriteQueue::new(Some("older than its marker".into())), context());
    cx.host_with(&[1]);
    writes.load_own_record(&group());
    writes.start(&mut cx);
    assert!(matches!(cx.take_events()[..], [NodeEvent::StoreLossSuspected { groups: 1, .. }]));
    writes.on_record_probed(&mut cx, &group());
    let actions = cx.take_actions();
    assert!(
        matches!(actions[..], [Action::ExcludeLoss, Action::Emit(NodeEvent::StoreLossExcluded)]),
        "{actions:?}"
    );
}
