//! Tests of received buffers: what shares them, and what is copied.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use gm_clock::NetId;

use super::{OpenedFrame, ReceivedChunk, ReceivedFrame, is_most_of};
use crate::{
    ApplicationPayload, Body, Channel, Epoch, FrameCodec, FrameSplitter, Header, Key, Keyring, Limits,
    NonceSequence, Payload, Retransmission,
};

const OVERHEAD: usize = 3 + 2 + 12 + 16;

fn codec(compress_above: usize) -> FrameCodec {
    let limits = Limits { compress_above, datagram: 9_000, ..Limits::default() };
    FrameCodec::new("c".parse().unwrap(), Keyring::new(Key::new([7; 32])), limits).unwrap()
}

fn node(port: u16) -> NetId {
    NetId::new([10, 0, 0, 1].into(), port).unwrap()
}

/// An application's payload with a content of this many bytes, for this many targets.
fn payload(content: usize, targets: u16) -> Payload {
    let mut header = Header::own_broadcast(node(1), 0);
    header.neighbors_gained = (0..targets).map(|target| node(1_000 + 7 * target)).collect();
    let bytes = vec![7; content].into();
    Payload { header, body: Body::Application(ApplicationPayload { name: "n".to_owned(), bytes }) }
}

fn encoded(payload: &Payload) -> Vec<u8> {
    let mut bytes = Vec::new();
    payload.encode(&Limits::default(), &mut bytes).unwrap();
    bytes
}

fn frame(payload: &[u8], compress_above: usize) -> Vec<u8> {
    let nonce = NonceSequence::new(Epoch::new([1; 8]).unwrap()).next_nonce().unwrap();
    let mut frame = Vec::new();
    codec(compress_above).seal(&Channel::Datagram, nonce, payload, &mut frame).unwrap();
    frame
}

fn open(frame: ReceivedFrame) -> OpenedFrame {
    codec(0).open_received(&Channel::Datagram, frame).unwrap()
}

/// The content of a decoded payload.
fn content(payload: Payload) -> Bytes {
    match payload.body {
        Body::Application(ApplicationPayload { bytes, .. }) => bytes,
        Body::Retransmission(Retransmission { payload, .. }) => payload,
        body => panic!("{body:?}"),
    }
}

fn place(bytes: &[u8]) -> Range<*const u8> {
    bytes.as_ptr_range()
}

fn lies_in(part: &[u8], whole: &Range<*const u8>) -> bool {
    whole.start <= place(part).start && place(part).end <= whole.end
}

/// A buffer of this many bytes in all that begins with the frames.
fn buffer(frames: &[&[u8]], size: usize) -> Bytes {
    let mut bytes = BytesMut::with_capacity(size);
    frames.iter().for_each(|frame| bytes.extend_from_slice(frame));
    assert_eq!(bytes.capacity(), size);
    bytes.freeze()
}

#[test]
fn most_is_three_quarters() {
    assert!(is_most_of(75, 100) && !is_most_of(74, 100));
    assert!(is_most_of(0, 0) && is_most_of(1, 1) && !is_most_of(0, 1));
    assert!(is_most_of(3, 4) && is_most_of(3, 3) && !is_most_of(2, 3) && is_most_of(6, 7));
}

#[test]
fn payload_and_content_share_the_frame() {
    let sent = payload(1_000, 0);
    let received = ReceivedFrame::from(frame(&encoded(&sent), usize::MAX));
    let whole = place(received.as_slice());
    let opened = open(received);
    assert!(lies_in(&opened.payload, &whole) && !opened.compressed);
    assert_eq!(place(&opened.kept_payload()), place(&opened.payload));
    let decoded = opened.decode(&Limits::default()).unwrap();
    assert_eq!(decoded, sent);
    assert!(lies_in(&content(decoded), &whole));
    // Without permission it is copied.
    let decoded = Payload::decode(&opened.payload, &Limits::default()).unwrap();
    assert!(!lies_in(&content(decoded), &whole));
}

#[test]
fn content_shares_the_decompressed_payload() {
    let sent = payload(1_000, 0);
    let opened = open(ReceivedFrame::from(frame(&encoded(&sent), 0)));
    assert!(opened.compressed && opened.payload == encoded(&sent));
    assert_eq!(place(&opened.kept_payload()), place(&opened.payload));
    let decoded = opened.decode(&Limits::default()).unwrap();
    assert!(lies_in(&content(decoded), &place(&opened.payload)));
}

#[test]
fn retransmission_shares_the_frame() {
    let inner = Bytes::from(encoded(&payload(1_000, 0)));
    let (node, epoch) = (node(2), [3; 8]);
    let body =
        Body::Retransmission(Retransmission { node, epoch, multicast_sequence: 1, payload: inner.clone() });
    let sent = Payload { header: Header::direct(self::node(1)), body };
    let received = ReceivedFrame::from(frame(&encoded(&sent), usize::MAX));
    let whole = place(received.as_slice());
    let decoded = content(open(received).decode(&Limits::default()).unwrap());
    assert!(decoded == inner && lies_in(&decoded, &whole));
}

/// A short content does not keep a long list of targets in memory.
#[test]
fn content_is_copied_from_a_long_header() {
    let (short, long) = (payload(100, 100), payload(4_000, 100));
    for (sent, shares) in [(short, false), (long, true)] {
        let received = ReceivedFrame::from(frame(&encoded(&sent), usize::MAX));
        let whole = place(received.as_slice());
        let decoded = open(received).decode(&Limits::default()).unwrap();
        assert_eq!(decoded, sent);
        assert_eq!(lies_in(&content(decoded), &whole), shares);
    }
}

/// Neither does a short frame keep a long buffer in memory, whether other frames follow or not.
#[test]
fn content_is_copied_from_a_long_buffer() {
    let sent = payload(1_000, 0);
    let frame = frame(&encoded(&sent), usize::MAX);
    let limit = encoded(&sent).len() / 3 * 4;
    for (size, shares) in [(limit, true), (limit + 4, false), (16 << 10, false)] {
        let received = ReceivedFrame::from(buffer(&[&frame], size));
        let whole = place(received.as_slice());
        let opened = open(received);
        assert!(lies_in(&opened.payload, &whole), "it is opened in place");
        assert_eq!(lies_in(&opened.kept_payload(), &whole), shares, "in {size} bytes");
        assert_eq!(opened.kept_payload(), encoded(&sent));
        let decoded = opened.decode(&Limits::default()).unwrap();
        assert_eq!(decoded, sent);
        assert_eq!(lies_in(&content(decoded), &whole), shares, "in {size} bytes");
    }

    let mut chunk = ReceivedChunk::from(buffer(&[&frame, &frame, &frame[..9]], 2 * frame.len() + 9));
    let whole = place(chunk.as_slice());
    let mut splitter = FrameSplitter::new(&Limits::default());
    for left in [frame.len() + 9, 9] {
        let received = splitter.read(&mut chunk).unwrap().unwrap();
        assert!(lies_in(received.as_slice(), &whole), "it stays in the chunk");
        assert_eq!((received.as_slice(), chunk.as_slice().len()), (frame.as_slice(), left));
        let decoded = open(received).decode(&Limits::default()).unwrap();
        assert!(content(decoded.clone()) == content(sent.clone()) && !lies_in(&content(decoded), &whole));
    }
    // The third frame is in no chunk as a whole, so it is copied into a buffer of its own.
    assert!(splitter.read(&mut chunk).unwrap().is_none());
    let received = splitter.read(&mut ReceivedChunk::from(&frame[9..])).unwrap().unwrap();
    let own = place(received.as_slice());
    assert_eq!(own.end as usize - own.start as usize, encoded(&sent).len() + OVERHEAD);
    assert!(lies_in(&content(open(received).decode(&Limits::default()).unwrap()), &own));
}

/// A frame that fills its chunk stays there and needs no other memory; one whose last byte is
/// missing does.
#[test]
fn a_frame_that_fills_its_chunk_stays_there() {
    let frame = frame(&encoded(&payload(1_000, 0)), usize::MAX);
    let mut splitter = FrameSplitter::new(&Limits::default());
    let mut chunk = ReceivedChunk::from(frame.as_slice());
    let whole = place(chunk.as_slice());
    assert_eq!(splitter.max_memory_after(&frame), 0);
    let received = splitter.read(&mut chunk).unwrap().unwrap();
    assert_eq!((place(received.as_slice()), splitter.capacity()), (whole, 0));

    let (begin, end) = frame.split_at(frame.len() - 1);
    assert_eq!(splitter.max_memory_after(begin), begin.len());
    assert!(splitter.read(&mut ReceivedChunk::from(begin)).unwrap().is_none());
    assert_eq!(splitter.max_memory_after(end), frame.len());
    assert!(splitter.read(&mut ReceivedChunk::from(end)).unwrap().is_some());
}

/// A frame with another owner is copied before it is opened in place.
#[test]
fn other_owners_keep_their_bytes() {
    let sealed = Bytes::from(frame(&encoded(&payload(1_000, 0)), usize::MAX));
    let before = sealed.to_vec();
    let opened = open(ReceivedFrame::from(sealed.clone()));
    assert_eq!(opened.decode(&Limits::default()).unwrap(), payload(1_000, 0));
    assert_eq!(sealed, before);
    let mut chunk = ReceivedChunk::from(sealed.clone());
    chunk.skip(3);
    assert_eq!(chunk.as_slice(), &before[3..]);
    chunk.skip(usize::MAX);
    assert!(chunk.as_slice().is_empty());
}
