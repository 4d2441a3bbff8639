//! Connections: any chunking gives the same frames, handshakes complete, and hostile bytes end the
//! connection at once.

#![allow(clippy::cast_possible_truncation)]

mod common;

use common::{A, I, codec, nonce};
use gm_codec::{
    ConnectionSide, FrameError, FrameSplitter, Handshake, HandshakeEchoed, Limits, ReceivedChunk,
    ReceivedFrame, SealError, Stream,
};
use proptest::prelude::*;

fn opened(side: ConnectionSide, own: [u8; 16], peer: [u8; 16]) -> Stream {
    let mut input = peer.as_slice();
    Handshake::new(side, own).read(&mut input).expect("no echo").expect("16 bytes")
}

fn chunk(bytes: &[u8]) -> ReceivedChunk {
    ReceivedChunk::from(bytes)
}

/// Reads a frame from a chunk and returns its length.
fn read(splitter: &mut FrameSplitter, chunk: &mut ReceivedChunk) -> Result<Option<usize>, FrameError> {
    splitter.read(chunk).map(|frame| frame.map(|frame| frame.as_slice().len()))
}

#[test]
fn handshake_takes_chunks_and_refuses_mirrors() {
    let mut handshake = Handshake::new(ConnectionSide::Acceptor, A);
    for byte in &I[..15] {
        assert!(handshake.read(&mut [*byte].as_slice()).expect("no echo").is_none());
    }
    let mut last = [I[15], 1, 2].as_slice();
    let stream = handshake.read(&mut last).expect("no echo").expect("whole");
    assert_eq!(last, [1, 2]);
    assert_eq!(stream.incoming(), opened(ConnectionSide::Initiator, I, A).outgoing());
    assert_eq!(stream.outgoing(), opened(ConnectionSide::Initiator, I, A).incoming());
    let echo = Handshake::new(ConnectionSide::Initiator, I).read(&mut I.as_slice()).map(|_| ());
    assert_eq!(echo, Err(HandshakeEchoed));
}

#[test]
fn hostile_bytes_fail_at_once() {
    let splitter = || FrameSplitter::new(&Limits::default());
    for (bytes, error) in [
        (vec![0x16], FrameError::BadMagic { byte: 0x16 }),
        (vec![0x67, 0x10], FrameError::UnknownVersion { version: 1 }),
        (vec![0x67, 0x05], FrameError::UnknownFlags { flags: 5 }),
        (vec![0x67, 0, 9], FrameError::KeyIdOfUnsealed { key_id: 9 }),
        (vec![0x67, 1, 9, 0x80, 0], FrameError::LengthOverLong),
        (vec![0x67, 1, 9, 27], FrameError::TooShort { declared: 27, min: 28 }),
        (vec![0x67, 1, 9, 0xfa, 0xff, 0xff, 7], FrameError::TooLong { declared: 16_777_210, limit: 4_089 }),
    ] {
        let mut splitter = splitter();
        for byte in &bytes[..bytes.len() - 1] {
            assert_eq!(read(&mut splitter, &mut chunk(&[*byte])), Ok(None), "{error}");
        }
        assert_eq!(read(&mut splitter, &mut chunk(&bytes[bytes.len() - 1..])), Err(error));
        assert_eq!(read(&mut splitter, &mut chunk(&[0x67])), Err(error), "the error is permanent");
        assert_eq!(splitter.capacity(), 0);
    }
    // An announced length costs no memory, and the buffer of a frame leaves with it.
    let mut splitter = after_first_frame();
    assert_eq!(read(&mut splitter, &mut chunk(&[0x67, 1, 9, 0xf9, 0xff, 0xff, 7, 1, 2])), Ok(None));
    assert!(splitter.capacity() <= 64 && splitter.pending_bytes() == 9);
    let mut rest = vec![0; (16 << 20) - 9];
    rest.extend([0x67, 1]);
    let mut rest = chunk(&rest);
    assert_eq!(read(&mut splitter, &mut rest), Ok(Some(16 << 20)));
    assert_eq!((splitter.capacity(), splitter.pending_bytes()), (0, 0));
    assert_eq!(read(&mut splitter, &mut rest), Ok(None));
    assert!(splitter.capacity() <= 64 && splitter.pending_bytes() == 2 && rest.as_slice().is_empty());
}

/// A splitter that has returned the first frame of its connection.
fn after_first_frame() -> FrameSplitter {
    let mut splitter = FrameSplitter::new(&Limits::default());
    let first = [[0x67, 0, 0, 4].as_slice(), &[0; 4]].concat();
    assert_eq!(read(&mut splitter, &mut chunk(&first)), Ok(Some(8)));
    splitter
}

/// A first frame of maximum length is accepted, and a longer one is refused at the byte that shows
/// it; later frames may be longer.
#[test]
fn first_frame_size_is_limited() {
    let longest = Limits::FIRST_FRAME;
    let mut splitter = FrameSplitter::new(&Limits::default());
    let mut frame = vec![0x67, 1, 9, 0xfb, 0x1f];
    frame.resize(longest, 0);
    for piece in frame[..longest - 1].chunks(7) {
        assert_eq!(read(&mut splitter, &mut chunk(piece)), Ok(None));
        assert!(splitter.capacity() <= longest);
    }
    assert_eq!(splitter.capacity(), longest);
    assert_eq!(read(&mut splitter, &mut chunk(&frame[longest - 1..])), Ok(Some(longest)));
    assert_eq!((splitter.capacity(), splitter.pending_bytes()), (0, 0));

    let mut splitter = FrameSplitter::new(&Limits::default());
    assert_eq!(read(&mut splitter, &mut chunk(&[0x67, 1, 9, 0xfc])), Ok(None));
    let error = FrameError::TooLong { declared: 4_092, limit: 4_091 };
    assert_eq!(read(&mut splitter, &mut chunk(&[0x1f])), Err(error));
    assert_eq!(splitter.capacity(), 0);

    let mut splitter = after_first_frame();
    let mut frame = vec![0x67, 1, 9, 0xfc, 0x1f];
    frame.resize(longest + 1, 0);
    assert_eq!(read(&mut splitter, &mut chunk(&frame)), Ok(Some(longest + 1)));

    let small = Limits { frame: 1_200, ..Limits::default() };
    let error = FrameError::TooLong { declared: 1_196, limit: 1_195 };
    assert_eq!(read(&mut FrameSplitter::new(&small), &mut chunk(&[0x67, 1, 9, 0xac, 9])), Err(error));
    assert_eq!((small.first_frame(), Limits::default().first_frame()), (1_200, 4_096));
}

/// The prediction holds for short pieces too, which let the buffer grow from its smallest size.
#[test]
fn memory_of_short_pieces_is_predicted() {
    let mut frame = vec![0x67, 1, 9, 0x7f];
    frame.resize(131, 0);
    for size in 1..=131 {
        let mut splitter = FrameSplitter::new(&Limits::default());
        for piece in frame.chunks(size) {
            let predicted = splitter.max_memory_after(piece);
            let received = read(&mut splitter, &mut chunk(piece)).expect("valid");
            let used = splitter.capacity();
            assert!(used <= predicted, "{used} in use, {predicted} predicted, pieces of {size}");
            assert!(received.is_some() || used == predicted, "pieces of {size}");
        }
    }
}

#[test]
fn oversized_first_frame_is_neither_sealed_nor_opened() {
    let mut ours = codec(&[1], "c");
    let mut noise = 1_u32;
    let mut noise = |bytes: usize| -> Vec<u8> {
        let next = |_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        };
        (0..bytes).map(next).collect()
    };
    let (fits, beyond) =
        (noise(ours.limits().first_frame_payload()), noise(ours.limits().first_frame_payload() + 1));
    let (mut from, mut to) =
        (opened(ConnectionSide::Initiator, I, A), opened(ConnectionSide::Acceptor, A, I));
    let mut frame = Vec::new();
    let refused = from.seal(&mut ours, nonce(1), &beyond, &mut frame);
    assert_eq!(refused, Err(SealError::FrameTooLong { bytes: 4_097, limit: 4_096 }));
    assert!(frame.is_empty());
    from.seal(&mut ours, nonce(2), &fits, &mut frame).expect("it fits");
    let first = frame.clone();
    assert_eq!(to.open(&ours, ReceivedFrame::from(first)).expect("valid").payload, fits);
    frame.clear();
    from.seal(&mut ours, nonce(3), &beyond, &mut frame).expect("the second may be longer");
    assert_eq!(to.open(&ours, ReceivedFrame::from(frame)).expect("valid").payload, beyond);
    // A peer that exceeds the limit.
    let mut frame = vec![0x67, 1, 9, 0xfc, 0x1f];
    frame.resize(4_097, 0);
    let error = FrameError::TooLong { declared: 4_092, limit: 4_091 };
    let received = opened(ConnectionSide::Acceptor, A, I).open(&ours, ReceivedFrame::from(frame)).map(|_| ());
    assert_eq!(received, Err(error));
}

proptest! {
    #[test]
    fn chunking_does_not_change_frames(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 1..12),
        cuts in proptest::collection::vec(1_usize..500, 1..40),
    ) {
        let (mut ours, theirs) = (codec(&[1], "c"), codec(&[1], "c"));
        let (mut from, mut to) = (opened(ConnectionSide::Initiator, I, A), opened(ConnectionSide::Acceptor, A, I));
        let mut bytes = Vec::new();
        for (at, payload) in payloads.iter().enumerate() {
            from.seal(&mut ours, nonce(at as u32), payload, &mut bytes).expect("short");
        }
        let mut splitter = FrameSplitter::new(&Limits::default());
        let (mut received, mut rest, mut cuts) = (Vec::new(), bytes.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (now, after) = rest.split_at(rest.len().min(*cuts.next().expect("an endless iterator")));
            let mut chunk = chunk(now);
            while let Some(frame) = splitter.read(&mut chunk).expect("valid") {
                received.push(to.open(&theirs, frame).expect("in its place").payload.to_vec());
            }
            prop_assert!(chunk.as_slice().is_empty());
            rest = after;
        }
        prop_assert_eq!(received, payloads);
        prop_assert_eq!(splitter.pending_bytes(), 0);
    }

    /// A caller that must free memory can compute the bound in advance.
    #[test]
    fn memory_stays_within_the_predicted_bound(
        lengths in proptest::collection::vec(4_usize..6_000, 1..12),
        cuts in proptest::collection::vec(1_usize..3_000, 1..40),
    ) {
        let mut bytes = vec![0x67, 0, 0, 4, 0, 0, 0, 0];
        for length in &lengths {
            bytes.extend([0x67, 0, 0]);
            bytes.extend(gm_codec::varint::bytes(*length as u64));
            bytes.resize(bytes.len() + length, 0);
        }
        let (mut splitter, mut rest, mut frames) = (FrameSplitter::new(&Limits::default()), bytes.as_slice(), 0);
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let (now, after) = rest.split_at(rest.len().min(*cuts.next().expect("an endless iterator")));
            let mut chunk = chunk(now);
            loop {
                let needed = splitter.max_memory_after(chunk.as_slice());
                let received = splitter.read(&mut chunk).expect("valid").is_some();
                prop_assert!(splitter.capacity() <= needed, "{} in use, {needed} predicted", splitter.capacity());
                prop_assert!(needed <= 64.max(2 * splitter.pending_bytes()) || received || needed <= Limits::FIRST_FRAME);
                frames += usize::from(received);
                if !received {
                    break;
                }
            }
            rest = after;
        }
        prop_assert_eq!(frames, lengths.len() + 1);
    }

    #[test]
    fn arbitrary_streams_do_not_panic(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..10)) {
        let mut splitter = FrameSplitter::new(&Limits::default());
        let _ = splitter.read(&mut chunk(&[0x67, 1, 0]));
        for bytes in &chunks {
            let mut chunk = chunk(bytes);
            while let Ok(Some(_)) = splitter.read(&mut chunk) {}
        }
    }
}
