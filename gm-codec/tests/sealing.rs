//! Properties of sealing: the cipher is that of RFC 8439, modified and foreign frames are refused,
//! keys stay secret.

#![allow(clippy::cast_possible_truncation)]

mod common;

use common::{A, I, backends, codec, epoch, forge, hex, insecure, key, nonce, secret, stream, unhex};
use gm_codec::{
    Aead, Channel, ClusterName, ClusterNameError, ConnectionSide, Epoch, FrameCodec, FrameError, Key,
    Keyring, Limits, NonceSequence, Portable, ReservedEpoch, SealError,
};
use proptest::prelude::*;

/// RFC 8439, section 2.8.2.
#[test]
fn cipher_matches_the_rfc() {
    let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
    let key = std::array::from_fn(|at| 0x80 + at as u8);
    let nonce = unhex("070000004041424344454647").try_into().expect("12 bytes");
    let associated = unhex("50515253c0c1c2c3c4c5c6c7");
    for aead in backends() {
        let mut sealed = text.to_vec();
        let tag = aead.seal(&key, &nonce, &associated, &mut sealed).expect("short");
        assert_eq!(hex(&tag), "1ae10b594f09e26a7e902ecbd0600691");
        assert_eq!(hex(&sealed[..16]), "d31a8d34648e60db7b86afbc53ef7ec2");
        assert_eq!(hex(&sealed[112..]), "6116");
        assert!(aead.open(&key, &nonce, &associated, &mut sealed, &tag));
        assert_eq!(sealed, text);
    }
}

fn open(codec: &FrameCodec, channel: &Channel, frame: &[u8]) -> Result<Vec<u8>, FrameError> {
    let (mut frame, mut scratch) = (frame.to_vec(), Vec::new());
    codec.open(channel, &mut frame, &mut scratch).map(|opened| opened.payload.to_vec())
}

#[test]
fn corrupted_or_truncated_frames_are_refused() {
    for aead in backends() {
        let mut codec = codec(&[1, 2], "production").with_aead(aead);
        for payload in [b"payload".to_vec(), vec![b'a'; 700]] {
            for channel in [Channel::Datagram, stream(ConnectionSide::Initiator, 3)] {
                let mut frame = Vec::new();
                codec.seal(&channel, nonce(1), &payload, &mut frame).expect("short");
                assert_eq!(open(&codec, &channel, &frame).as_ref(), Ok(&payload));
                for bit in 0..frame.len() * 8 {
                    let mut flipped = frame.clone();
                    flipped[bit / 8] ^= 1 << (bit % 8);
                    assert!(open(&codec, &channel, &flipped).is_err(), "bit {bit}");
                }
                for at in 0..frame.len() {
                    assert_eq!(open(&codec, &channel, &frame[..at]), Err(FrameError::Truncated));
                    let missing = [&frame[..at], &frame[at + 1..]].concat();
                    assert!(open(&codec, &channel, &missing).is_err(), "without byte {at}");
                }
            }
        }
    }
}

#[test]
fn frames_open_only_in_their_channel() {
    let here = stream(ConnectionSide::Initiator, 3);
    let other_openings = |initiator, acceptor| Channel::Stream {
        initiator,
        acceptor,
        from: ConnectionSide::Initiator,
        number: 3,
    };
    let places = [
        here,
        Channel::Datagram,
        stream(ConnectionSide::Acceptor, 3),
        stream(ConnectionSide::Initiator, 2),
        stream(ConnectionSide::Initiator, 4),
        other_openings(A, I),
        other_openings(I, I),
        other_openings(A, A),
    ];
    let mut sealer = codec(&[1], "production");
    for made in &places {
        let mut frame = Vec::new();
        sealer.seal(made, nonce(1), b"payload", &mut frame).expect("short");
        for other in &places {
            let expected =
                if other == made { Ok(b"payload".to_vec()) } else { Err(FrameError::NotAuthentic) };
            assert_eq!(open(&sealer, other, &frame), expected, "{made:?} {other:?}");
        }
        assert_eq!(open(&codec(&[1], "productio"), made, &frame), Err(FrameError::NotAuthentic));
        let key_id = key(1).id();
        assert_eq!(open(&codec(&[2], "production"), made, &frame), Err(FrameError::UnknownKey { key_id }));
        assert_eq!(open(&insecure("production"), made, &frame), Err(FrameError::UnknownKey { key_id }));
    }
}

#[test]
fn keys_rotate_without_downtime() {
    let udp = Channel::Datagram;
    let (mut one, mut two) = (codec(&[1], "c"), codec(&[1], "c"));
    let ring = |first, second| Keyring::new(key(first)).with(key(second)).expect("another");
    let passes = |from: &mut FrameCodec, to: &FrameCodec| {
        let mut frame = Vec::new();
        from.seal(&udp, nonce(1), b"x", &mut frame).expect("short");
        assert_eq!(open(to, &udp, &frame), Ok(b"x".to_vec()));
    };
    for keys in [ring(1, 2), ring(2, 1), key(2).into()] {
        one.set_keyring(keys.clone());
        passes(&mut one, &two);
        passes(&mut two, &one);
        two.set_keyring(keys);
        passes(&mut one, &two);
    }
    let old = forge(1, 1, "c", &udp, nonce(1).bytes(), b"x");
    assert!(matches!(open(&one, &udp, &old), Err(FrameError::UnknownKey { .. })));
}

/// A cipher that destroys the text which it refuses, as some do.
#[derive(Debug)]
struct Spoiler;

impl Aead for Spoiler {
    fn seal(&self, key: &[u8; 32], nonce: &[u8; 12], associated: &[u8], text: &mut [u8]) -> Option<[u8; 16]> {
        Portable.seal(key, nonce, associated, text)
    }

    fn open(
        &self,
        key: &[u8; 32],
        nonce: &[u8; 12],
        associated: &[u8],
        text: &mut [u8],
        tag: &[u8; 16],
    ) -> bool {
        let opened = Portable.open(key, nonce, associated, text, tag);
        if !opened {
            text.fill(0);
        }
        opened
    }
}

#[test]
fn all_keys_with_an_id_are_tried() {
    let same = |id: u8| (0..=255_u8).filter(move |number| key(*number).id() == id);
    let keys = (0..=255).map(|id| same(id).collect::<Vec<_>>()).max_by_key(Vec::len).expect("some");
    assert!(keys.len() >= 3, "{keys:?}");
    let codec = codec(&keys, "c").with_aead(&Spoiler);
    for number in &keys {
        let frame = forge(1, *number, "c", &Channel::Datagram, nonce(1).bytes(), b"payload");
        assert_eq!(open(&codec, &Channel::Datagram, &frame), Ok(b"payload".to_vec()));
    }
}

#[test]
fn keys_are_not_printed() {
    let codec = codec(&[1, 2], "production");
    let shown = format!("{codec:?} {codec:#?} {:?} {:?}", key(1), Keyring::new(key(2)));
    assert!(shown.contains(&format!("Key(id {:#04x})", key(1).id())), "{shown}");
    for secret in [secret(1), secret(2)] {
        let list = format!("{secret:?}");
        assert!(!shown.contains(&hex(&secret[..4])) && !shown.contains(&list[1..list.len() - 1]), "{shown}");
    }
    assert!(key(1) == key(1) && key(1) != key(2));
}

#[test]
fn nonces_run_out_and_the_zero_epoch_is_refused() {
    assert_eq!(Epoch::new([0; 8]), Err(ReservedEpoch));
    let mut nonces = NonceSequence::starting_at(epoch(1), u32::MAX - 1);
    assert_eq!(nonces.remaining(), 2);
    let counters: Vec<_> = (0..2).map(|_| nonces.next_nonce().expect("two are left").counter()).collect();
    assert_eq!(counters, [u32::MAX - 1, u32::MAX]);
    assert!(nonces.next_nonce().is_err() && nonces.next_nonce().is_err() && nonces.remaining() == 0);
    assert_eq!(NonceSequence::new(epoch(1)).next_nonce().expect("the first").counter(), 0);
}

#[test]
fn oversized_payloads_leave_the_buffer_unchanged() {
    let limits = Limits { payload: 2_000, frame: 1_500, ..Limits::default() };
    let ring = Keyring::new(key(1));
    let mut small = FrameCodec::new("c".parse().expect("a name"), ring.clone(), limits).expect("in range");
    let mut out = b"before".to_vec();
    let noise = common::noise(2_001);
    let mut seal = |channel, bytes: usize| small.seal(&channel, nonce(1), &noise[..bytes], &mut out);
    assert_eq!(seal(Channel::Datagram, 2_001), Err(SealError::PayloadTooLong { bytes: 2_001, limit: 2_000 }));
    assert_eq!(seal(Channel::Datagram, 1_168), Err(SealError::FrameTooLong { bytes: 1_201, limit: 1_200 }));
    assert_eq!(
        seal(stream(ConnectionSide::Initiator, 0), 1_468),
        Err(SealError::FrameTooLong { bytes: 1_501, limit: 1_500 })
    );
    assert_eq!(seal(Channel::Datagram, 1_167), Ok(()));
    assert_eq!((out.len(), &out[..6]), (1_206, b"before".as_slice()));
    let bad = Limits { datagram: 65_508, ..Limits::default() };
    assert_eq!(
        FrameCodec::new("c".parse().expect("a name"), ring, bad).expect_err("too large").name,
        "datagram"
    );
    assert_eq!(ClusterName::new(&"x".repeat(65)), Err(ClusterNameError::TooLong { bytes: 65 }));
    assert_eq!(ClusterName::new(""), Err(ClusterNameError::Empty));
    assert!(ClusterName::new("c\n").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn sealed_frames_open(
        secret: [u8; 32],
        name in "[a-zé]{1,32}",
        epoch in 1_u64..,
        counter: u32,
        place in proptest::option::of((any::<bool>(), any::<u64>())),
        payload in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..1_100),
            proptest::collection::vec(0_u8..2, 0..1_100),
        ],
    ) {
        let channel = place.map_or(Channel::Datagram, |(from, number)| {
            stream(if from { ConnectionSide::Initiator } else { ConnectionSide::Acceptor }, number)
        });
        let mut made = Vec::new();
        for aead in backends() {
            let ring = Keyring::new(Key::new(secret));
            let codec = FrameCodec::new(name.parse().expect("a name"), ring, Limits::default());
            let mut codec = codec.expect("in range").with_aead(aead);
            let nonce = gm_codec::Nonce::from_parts(common::epoch(epoch), counter);
            let mut frame = Vec::new();
            codec.seal(&channel, nonce, &payload, &mut frame).expect("short");
            prop_assert_eq!(open(&codec, &channel, &frame), Ok(payload.clone()));
            made.push(frame);
        }
        prop_assert!(made.iter().all(|frame| *frame == made[0]));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        flags in 0_u8..4,
        text in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let (sealing, bare) = (codec(&[1], "c"), insecure("c"));
        let udp = Channel::Datagram;
        let mut started = vec![0x67, flags, 0, bytes.len() as u8 & 0x7f];
        started.extend(&bytes);
        // Authentic frames whose compressed text is arbitrary.
        let sealed = forge(flags | 1, 1, "c", &udp, nonce(1).bytes(), &text);
        let unsealed = common::unsealed(flags & 2, "c", &udp, &text);
        for frame in [&bytes, &started, &sealed, &unsealed] {
            for codec in [&sealing, &bare] {
                let _ = open(codec, &udp, frame);
            }
        }
        prop_assert_eq!(open(&sealing, &udp, &forge(1, 1, "c", &udp, nonce(1).bytes(), &text)), Ok(text));
    }
}
