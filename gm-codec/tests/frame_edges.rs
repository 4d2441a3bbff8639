//! Frames at the limits, and the text output of the public types.

mod common;

use common::{codec, epoch, insecure, key, nonce};
use gm_codec::{Channel, ClusterName, Epoch, FrameCodec, FrameError, Keyring, Limits, SealError};

fn sealing(limits: Limits) -> FrameCodec {
    let cluster = "production".parse().expect("a name");
    FrameCodec::new(cluster, Keyring::new(key(1)), limits).expect("valid limits")
}

fn seal(codec: &mut FrameCodec, channel: &Channel, payload: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut frame = Vec::new();
    codec.seal(channel, nonce(1), payload, &mut frame).map(|()| frame)
}

fn open(codec: &FrameCodec, channel: &Channel, frame: &[u8]) -> Result<Vec<u8>, FrameError> {
    let (mut frame, mut scratch) = (frame.to_vec(), Vec::new());
    codec.open(channel, &mut frame, &mut scratch).map(|opened| opened.payload.to_vec())
}

/// Incompressible bytes.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn payload_of_maximum_size_round_trips() {
    let stream = common::stream(gm_codec::ConnectionSide::Initiator, 0);
    let wide = Limits::default();
    let narrow = Limits { payload: 1_000, ..wide };
    for (payload, kind) in [(noise(1_000), "as it is"), (vec![7; 1_000], "compressed")] {
        let longer = [&*payload, &[7]].concat();
        let mut codec = sealing(narrow);
        let frame = seal(&mut codec, &stream, &payload).expect(kind);
        assert_eq!(open(&codec, &stream, &frame).as_ref(), Ok(&payload), "{kind}");
        assert_eq!(
            seal(&mut codec, &stream, &longer),
            Err(SealError::PayloadTooLong { bytes: 1_001, limit: 1_000 }),
            "{kind}"
        );
        // Made by a codec with greater limits.
        for more in [&*longer, &[&*longer, &*payload].concat()] {
            let frame = seal(&mut sealing(wide), &stream, more).expect(kind);
            let refused = FrameError::PayloadTooLong { declared: more.len() as u64, limit: 1_000 };
            assert_eq!(open(&codec, &stream, &frame), Err(refused), "{kind}");
        }
    }
}

/// `datagram_payload` is exact, to the byte at which the length field grows to three bytes.
#[test]
fn datagram_payload_size_is_exact() {
    for datagram in [64, 1_200, 20_000, 65_507] {
        let limits = Limits { datagram, ..Limits::default() };
        let (mut codec, room) = (sealing(limits), limits.datagram_payload());
        assert_eq!(room, datagram - 3 - 3 - 12 - 16);
        let frame = seal(&mut codec, &Channel::Datagram, &noise(room)).expect("it fits");
        assert!(frame.len() <= datagram);
        if datagram > 1 << 14 {
            assert_eq!(frame.len(), datagram);
            let refused = Err(SealError::FrameTooLong { bytes: datagram + 1, limit: datagram });
            assert_eq!(seal(&mut codec, &Channel::Datagram, &noise(room + 1)), refused);
        }
    }
}

/// A payload that compression makes only slightly smaller still results in an accepted frame: a
/// receiver refuses a block that is not smaller.
#[test]
fn incompressible_payloads_are_not_compressed() {
    let mut codec = sealing(Limits::default());
    let (mut even, mut gained) = (0, 0);
    for repeated in 0..64 {
        let start = noise(200);
        let payload = [&start[..70], &start[..repeated], &start[70..]].concat();
        let block = snap::raw::Encoder::new().compress_vec(&payload).expect("short").len();
        even += u32::from(block == payload.len());
        gained += u32::from(block < payload.len());
        let mut frame = seal(&mut codec, &Channel::Datagram, &payload).expect("short");
        let mut scratch = Vec::new();
        let opened = codec.open(&Channel::Datagram, &mut frame, &mut scratch).expect("it opens");
        assert_eq!((opened.payload, opened.compressed), (&*payload, block < payload.len()), "{repeated}");
    }
    assert!(even > 0 && gained > 0, "{even} of equal length, {gained} shorter");
}

/// The buffer of a frame is not much larger than its payload.
#[test]
fn frame_buffer_is_not_oversized() {
    let stream = common::stream(gm_codec::ConnectionSide::Initiator, 1);
    for payload in [noise(100_000), vec![7; 100_000]] {
        let mut frame = Vec::with_capacity(1);
        sealing(Limits::default()).seal(&stream, nonce(1), &payload, &mut frame).expect("short");
        assert!(frame.capacity() < 300_000, "{} bytes", frame.capacity());
    }
}

#[test]
fn trailing_bytes_are_counted() {
    let mut codec = sealing(Limits::default());
    for extra in [1, 2, 700] {
        let mut frame = seal(&mut codec, &Channel::Datagram, &[7; 40]).expect("short");
        frame.extend(vec![0; extra]);
        assert_eq!(open(&codec, &Channel::Datagram, &frame), Err(FrameError::TrailingBytes { extra }));
    }
}

#[test]
fn codec_reports_sealing_and_its_cipher() {
    let sealing = codec(&[1], "production");
    let open = insecure("production");
    assert!(sealing.seals() && !open.seals());
    let text = format!("{sealing:?}");
    assert!(
        text.starts_with("FrameCodec") && text.contains("production") && text.contains("limits"),
        "{text}"
    );
}

#[test]
fn names_and_epochs_display() {
    let cluster: ClusterName = "production".parse().expect("a name");
    assert_eq!((cluster.to_string(), cluster.as_str()), ("production".to_owned(), "production"));
    assert!(format!("{cluster:?}").contains("production"));
    let bytes = *b"8 random";
    let epoch_of = Epoch::new(bytes).expect("not reserved");
    assert_eq!(epoch_of.bytes(), bytes);
    assert!(!format!("{:?}", epoch(7)).is_empty());
    assert_ne!(format!("{:?}", epoch(7)), format!("{:?}", epoch(8)));
    let errors = [
        SealError::PayloadTooLong { bytes: 2, limit: 1 },
        SealError::FrameTooLong { bytes: 2, limit: 1 },
        SealError::Cipher,
    ];
    assert_eq!(errors.map(|error| error.name()), ["PayloadTooLong", "FrameTooLong", "Cipher"]);
}
