//! Tests of write batches: which frames are copied, and what is left after a partial write.

use super::*;

fn frame(byte: u8, length: usize) -> Bytes {
    vec![byte; length].into()
}

/// The lengths of a batch's parts, and which of them are the frames themselves; the rest of the
/// frames stays in the queue.
fn parts(frames: &[Bytes]) -> (Vec<(usize, bool)>, usize) {
    let mut waiting: VecDeque<Bytes> = frames.iter().cloned().collect();
    let batch = take_batch(&mut waiting);
    let left = waiting.len();
    let sent = frames[..frames.len() - left].concat();
    assert_eq!(batch.iter().flatten().copied().collect::<Vec<u8>>(), sent, "in order, and complete");
    let is_frame = |part: &Bytes| frames.iter().any(|frame| frame.as_ptr() == part.as_ptr());
    (batch.iter().map(|part| (part.len(), is_frame(part))).collect(), left)
}

#[test]
fn a_single_frame_is_not_copied() {
    for length in [1, COPIED_BYTES, WRITE_BATCH_BYTES + 1] {
        assert_eq!(parts(&[frame(1, length)]), (vec![(length, true)], 0));
    }
}

#[test]
fn short_frames_are_joined_and_long_ones_are_not() {
    let (short, long) = (COPIED_BYTES, COPIED_BYTES + 1);
    let lengths = [short, 3, long, long, 5, 1];
    let frames: Vec<Bytes> = (0..).zip(lengths).map(|(byte, length)| frame(byte, length)).collect();
    assert_eq!(parts(&frames), (vec![(short + 3, false), (long, true), (long, true), (6, false)], 0));
    assert_eq!(parts(&[frame(1, long), frame(2, 7)]), (vec![(long, true), (7, false)], 0));
}

#[test]
fn a_batch_ends_at_its_limit() {
    let half = WRITE_BATCH_BYTES / 2;
    let frames: Vec<Bytes> = (0..4).map(|byte| frame(byte, half)).collect();
    assert_eq!(parts(&frames), (vec![(half, true); 2], 2));
    let frames = [frame(1, WRITE_BATCH_BYTES - 1), frame(2, 9), frame(3, 9)];
    assert_eq!(parts(&frames), (vec![(WRITE_BATCH_BYTES - 1, true), (9, false)], 1));
}

#[test]
fn partial_writes_leave_the_rest() {
    let mut batch = take_batch(&mut [frame(1, 4_000), frame(2, 5_000)].into());
    remove_written(&mut batch, 1);
    assert_eq!(batch.iter().map(Bytes::len).collect::<Vec<_>>(), [3_999, 5_000]);
    remove_written(&mut batch, 3_999);
    assert_eq!(batch, [frame(2, 5_000)]);
    batch.push_back(Bytes::new());
    remove_written(&mut batch, 5_000);
    assert!(batch.is_empty(), "nothing is left that a write could not send");
}

#[test]
fn an_idle_queue_has_no_buffer() {
    let (outgoing, mut batch) = (Outgoing::default(), VecDeque::new());
    let (task, context) = (outgoing.for_task(), Context::from_waker(Waker::noop()));
    for count in [1, 2, 100] {
        (0..count).for_each(|_| outgoing.send(frame(1, 9)));
        assert_eq!(task.poll(&context, Some(&mut batch)), Orders::default());
        assert_eq!(lock(&outgoing.0).frames.capacity(), 0);
        remove_written(&mut batch, 9 * count);
        assert_eq!(batch.capacity(), 0);
    }
}

#[test]
fn the_task_takes_the_last_frames_after_the_close() {
    let (outgoing, mut batch) = (Outgoing::default(), VecDeque::new());
    let (task, context) = (outgoing.for_task(), Context::from_waker(Waker::noop()));
    outgoing.authenticate();
    assert_eq!(task.poll(&context, Some(&mut batch)), Orders { authenticated: true, close: false });
    outgoing.send(frame(7, 3));
    drop(outgoing);
    assert_eq!(task.poll(&context, Some(&mut batch)), Orders { authenticated: true, close: true });
    assert_eq!(batch, [frame(7, 3)]);
}
