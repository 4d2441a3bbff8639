//! Connections: any chunking gives the same frames, openings meet, and hostile bytes end it at once.

#![allow(clippy::cast_possible_truncation)]

mod common;

use common::{A, I, codec, nonce};
use gm_codec::{FrameError, Limits, Opening, OpeningEchoed, Side, Splitter, Stream};
use proptest::prelude::*;

fn opened(side: Side, own: [u8; 16], peer: [u8; 16]) -> Stream {
    let mut input = peer.as_slice();
    Opening::new(side, own).read(&mut input).expect("no echo").expect("16 bytes")
}

#[test]
fn openings_come_in_any_pieces_and_mirrors_are_refused() {
    let mut opening = Opening::new(Side::Acceptor, A);
    for byte in &I[..15] {
        assert!(opening.read(&mut [*byte].as_slice()).expect("no echo").is_none());
    }
    let mut last = [I[15], 1, 2].as_slice();
    let stream = opening.read(&mut last).expect("no echo").expect("whole");
    assert_eq!(last, [1, 2]);
    assert_eq!(stream.incoming(), opened(Side::Initiator, I, A).outgoing());
    assert_eq!(stream.outgoing(), opened(Side::Initiator, I, A).incoming());
    let echo = Opening::new(Side::Initiator, I).read(&mut I.as_slice()).map(|_| ());
    assert_eq!(echo, Err(OpeningEchoed));
}

#[test]
fn hostile_bytes_end_a_stream_at_once() {
    let splitter = || Splitter::new(&Limits::default());
    for (bytes, error) in [
        (vec![0x16], FrameError::BadMagic { byte: 0x16 }),
        (vec![0x67, 0x10], FrameError::UnknownVersion { version: 1 }),
        (vec![0x67, 0x05], FrameError::UnknownFlags { flags: 5 }),
        (vec![0x67, 0, 9], FrameError::KeyIdOfUnsealed { key_id: 9 }),
        (vec![0x67, 1, 9, 0x80, 0], FrameError::LengthOverLong),
        (vec![0x67, 1, 9, 27], FrameError::TooShort { declared: 27, least: 28 }),
        (
            vec![0x67, 1, 9, 0xfa, 0xff, 0xff, 7],
            FrameError::TooLong { declared: 16_777_210, limit: 16_777_209 },
        ),
    ] {
        let mut split = splitter();
        for byte in &bytes[..bytes.len() - 1] {
            assert!(split.read(&mut [*byte].as_slice()).expect("not yet").is_none(), "{error}");
        }
        assert_eq!(split.read(&mut bytes[bytes.len() - 1..].as_ref()), Err(error));
        assert_eq!(split.read(&mut [0x67].as_slice()), Err(error), "it stays so");
        assert_eq!(split.capacity(), 0);
    }
    // What is announced costs nothing, and a large frame's buffer is given back.
    let mut split = splitter();
    assert!(split.read(&mut [0x67, 1, 9, 0xf9, 0xff, 0xff, 7, 1, 2].as_slice()).expect("sound").is_none());
    assert!(split.capacity() <= 64 && split.pending() == 9);
    let mut rest = vec![0; (16 << 20) - 9];
    rest.extend([0x67, 1]);
    let mut rest = rest.as_slice();
    assert_eq!(split.read(&mut rest).expect("sound").expect("whole").len(), 16 << 20);
    assert_eq!(split.capacity(), 16 << 20);
    assert!(split.read(&mut rest).expect("sound").is_none());
    assert!(split.capacity() <= 64 && split.pending() == 2 && rest.is_empty());
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_frames(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 1..12),
        cuts in proptest::collection::vec(1_usize..500, 1..40),
    ) {
        let (mut ours, theirs) = (codec(&[1], "c"), codec(&[1], "c"));
        let (mut from, mut to) = (opened(Side::Initiator, I, A), opened(Side::Acceptor, A, I));
        let mut bytes = Vec::new();
        for (at, payload) in payloads.iter().enumerate() {
            from.seal(&mut ours, nonce(at as u32), payload, &mut bytes).expect("short");
        }
        let mut splitter = Splitter::new(&Limits::default());
        let (mut met, mut scratch, mut rest, mut cuts) = (Vec::new(), Vec::new(), bytes.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (mut chunk, after) = rest.split_at(rest.len().min(*cuts.next().expect("for ever")));
            while let Some(frame) = splitter.read(&mut chunk).expect("sound") {
                met.push(to.open(&theirs, frame, &mut scratch).expect("in its place").payload.to_vec());
            }
            prop_assert!(chunk.is_empty());
            rest = after;
        }
        prop_assert_eq!(met, payloads);
        prop_assert_eq!(splitter.pending(), 0);
    }

    #[test]
    fn no_stream_panics(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..10)) {
        let mut splitter = Splitter::new(&Limits::default());
        let mut start = [0x67, 1, 0].as_slice();
        let _ = splitter.read(&mut start);
        for chunk in &chunks {
            let mut chunk = chunk.as_slice();
            while let Ok(Some(_)) = splitter.read(&mut chunk) {}
        }
    }
}
