//! Fuzz target of received frames: any bytes are either opened or refused, without a panic, and a
//! frame that was modified after sealing is refused.
//!
//! The first byte of an input selects what happens with the others. Bits 0 and 1: they are a frame
//! (0), a modification and a payload (1), or the text of a valid frame that may not be a valid
//! block (2: as a payload, 3: as a compressed one). Bit 2: sealed; 3: on a connection, 4: sent by
//! its acceptor; 5: small limits; 6 and 7: the position of the frame on the connection.

#![no_main]

use std::cell::RefCell;

use gm_codec::{
    Aead, Channel, ConnectionSide, Epoch, FrameCodec, Key, Keyring, Limits, Nonce, Portable, ReceivedFrame,
    varint,
};
use libfuzzer_sys::fuzz_target;

// Key, cluster and connection of most vectors.
const CLUSTER: &str = "production";
const OTHER_CLUSTER: &str = "productioN";
const INITIATOR: [u8; 16] = *b"initiator opens.";
const ACCEPTOR: [u8; 16] = *b"acceptor answers";
const EPOCH: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
const COUNTER: u32 = 9;

const WIDE: Limits = Limits { datagram: 65_507, ..Limits::DEFAULT };
/// Limits that short inputs reach.
const SMALL: Limits = Limits { frame: 1_200, payload: 600, compress_above: 16, ..Limits::DEFAULT };

/// The channel of a frame and its codec, from the bits of the first byte.
#[derive(Clone, Copy, PartialEq)]
struct Setup {
    sealed: bool,
    small: bool,
    channel: Channel,
}

/// Codecs of one cluster, by whether they seal and whether their limits are small.
struct Codecs([[FrameCodec; 2]; 2]);

thread_local! {
    static OWN: RefCell<Codecs> = RefCell::new(Codecs::of(CLUSTER));
    static OTHERS: RefCell<Codecs> = RefCell::new(Codecs::of(OTHER_CLUSTER));
}

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let setup = Setup::of(*first);
    OWN.with_borrow_mut(|codecs| {
        let codec = codecs.at(setup);
        match first & 3 {
            0 => raw(codec, setup, rest),
            1 => changed(codec, setup, rest),
            kind => forged(codec, setup, kind == 3, rest),
        }
    });
});

/// Opens any bytes. If they open, the frame is valid: sealing its payload again and opening that
/// gives the same payload.
fn raw(codec: &mut FrameCodec, setup: Setup, bytes: &[u8]) {
    let (mut frame, mut scratch) = (bytes.to_vec(), Vec::new());
    let opened = codec.open(&setup.channel, &mut frame, &mut scratch);
    let shared = codec.open_received(&setup.channel, ReceivedFrame::from(bytes.to_vec()));
    assert_eq!(
        shared.as_ref().map(|shared| (&shared.payload[..], shared.seal, shared.compressed)),
        opened.as_ref().map(|opened| (opened.payload, opened.seal, opened.compressed)),
        "another result in a shared buffer"
    );
    let Ok(opened) = opened else { return };
    assert_eq!(opened.seal.is_some(), setup.sealed);
    let payload = opened.payload.to_vec();
    match seal(codec, setup, &payload) {
        Some(again) => opens(codec, setup, &again, &payload),
        // The frame may have been compressed better than the codec does it.
        None => assert!(setup.is_first(), "a payload of {} bytes fits no more", payload.len()),
    }
}

/// Makes a frame, modifies it in one of eight ways or not at all, and opens it. The input is the
/// kind of modification, an offset (2 bytes), a byte, the number of repetitions of the payload, and
/// the payload.
fn changed(codec: &mut FrameCodec, setup: Setup, input: &[u8]) {
    let Some(([kind, high, low, byte, repeat], payload)) = input.split_first_chunk() else { return };
    let payload = payload.repeat(usize::from(repeat % 16) + 1);
    let Some(frame) = seal(codec, setup, &payload) else {
        assert!(setup.small || setup.is_first(), "{} bytes are refused", payload.len());
        return;
    };
    opens(codec, setup, &frame, &payload);

    let (mut other, mut elsewhere, mut stranger) = (frame.clone(), setup, false);
    let at = usize::from(u16::from_be_bytes([*high, *low])) % frame.len();
    match kind % 8 {
        0 => other[at] ^= byte,
        1 => other.truncate(at),
        2 => other.resize(frame.len() + 1 + at % 8, *byte),
        3 => drop(other.remove(at)),
        4 => other.insert(at, *byte),
        5 => elsewhere = setup.elsewhere(*byte),
        6 => stranger = true,
        _ => {
            for step in 0..4 {
                let at = (at + step * usize::from(*byte)) % frame.len();
                other[at] = other[at].wrapping_add(*repeat);
            }
        }
    }
    // A checksum of 32 bits always detects a change of up to 32 consecutive bits.
    let for_certain = setup.sealed || kind % 8 != 7;
    if stranger {
        OTHERS.with_borrow_mut(|codecs| refuses(codecs.at(setup), setup, &frame));
    } else if for_certain && (other != frame || elsewhere != setup) {
        refuses(codec, elsewhere, &other);
    }
}

/// Opens a frame that is valid except, possibly, for its text.
fn forged(codec: &mut FrameCodec, setup: Setup, compressed: bool, text: &[u8]) {
    let mut frame = forge(setup, compressed, text);
    let mut scratch = Vec::new();
    let opened = codec.open(&setup.channel, &mut frame, &mut scratch);
    let fits = text.len() <= codec.limits().payload;
    match opened {
        Err(error) => assert!(compressed || !fits || setup.small || setup.is_first(), "{}", error.name()),
        Ok(opened) if compressed => {
            let (bytes, _) = varint::read(text).expect("a block begins with a length");
            let payload = opened.payload.to_vec();
            assert_eq!(payload.len() as u64, bytes, "not the announced length");
            assert!(
                payload.len() > text.len() && payload.len() <= 22 * text.len(),
                "{} bytes",
                payload.len()
            );
            assert!(payload.len() <= codec.limits().payload, "{} bytes", payload.len());
        }
        Ok(opened) => {
            assert_eq!(opened.payload, text);
            assert!(fits);
        }
    }
}

fn seal(codec: &mut FrameCodec, setup: Setup, payload: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0xa5];
    let made = codec.seal(&setup.channel, nonce(), payload, &mut out);
    assert_eq!(out[0], 0xa5, "the bytes before the frame were changed");
    match made {
        Ok(()) => Some(out.split_off(1)),
        Err(_) => {
            assert_eq!(out.len(), 1, "a failed call left bytes behind");
            None
        }
    }
}

fn opens(codec: &FrameCodec, setup: Setup, frame: &[u8], payload: &[u8]) {
    let (mut frame, mut scratch) = (frame.to_vec(), Vec::new());
    let opened = codec.open(&setup.channel, &mut frame, &mut scratch).expect("a valid frame opens");
    assert_eq!(opened.payload, payload);
    let seal = opened.seal.map(|seal| (seal.epoch.bytes(), seal.counter));
    assert_eq!(seal, setup.sealed.then_some((EPOCH, COUNTER)));
}

fn refuses(codec: &FrameCodec, setup: Setup, frame: &[u8]) {
    let (mut frame, mut scratch) = (frame.to_vec(), Vec::new());
    assert!(codec.open(&setup.channel, &mut frame, &mut scratch).is_err(), "a modified frame was opened");
}

fn nonce() -> Nonce {
    Nonce::from_parts(Epoch::new(EPOCH).expect("not zero"), COUNTER)
}

fn secret() -> [u8; Key::BYTES] {
    std::array::from_fn(|at| 31 + at as u8)
}

/// A frame with this text, built from `docs/WIRE.md`.
fn forge(setup: Setup, compressed: bool, text: &[u8]) -> Vec<u8> {
    let flags = u8::from(setup.sealed) | u8::from(compressed) << 1;
    let key_id = if setup.sealed { Key::new(secret()).id() } else { 0 };
    let mut frame = vec![b'g', flags, key_id];
    varint::write(text.len() as u64 + if setup.sealed { 12 + 16 } else { 4 }, &mut frame);
    let mut associated = frame.clone();
    associated.push(CLUSTER.len() as u8);
    associated.extend(CLUSTER.bytes());
    match setup.channel {
        Channel::Datagram => associated.push(0),
        Channel::DatagramTo(_) => unreachable!("not used by this target"),
        Channel::Stream { initiator, acceptor, from, number } => {
            associated.push(if from == ConnectionSide::Initiator { 1 } else { 2 });
            associated.extend(initiator);
            associated.extend(acceptor);
            associated.extend(number.to_be_bytes());
        }
    }
    if setup.sealed {
        let mut text = text.to_vec();
        let nonce = nonce().bytes();
        let tag = Portable.seal(&secret(), &nonce, &associated, &mut text).expect("short");
        frame.extend(nonce);
        frame.extend(text);
        frame.extend(tag);
    } else {
        associated.extend(text);
        frame.extend(text);
        frame.extend(crc32fast::hash(&associated).to_be_bytes());
    }
    frame
}

impl Setup {
    fn of(bits: u8) -> Setup {
        let from = if bits & 0x10 == 0 { ConnectionSide::Initiator } else { ConnectionSide::Acceptor };
        let number = u64::from(bits >> 6);
        let on_connection = Channel::Stream { initiator: INITIATOR, acceptor: ACCEPTOR, from, number };
        let channel = if bits & 8 == 0 { Channel::Datagram } else { on_connection };
        Setup { sealed: bits & 4 != 0, small: bits & 0x20 != 0, channel }
    }

    /// Whether the frame is the first one on a connection, which has a smaller limit of its own.
    fn is_first(self) -> bool {
        matches!(self.channel, Channel::Stream { number: 0, .. })
    }

    /// Another channel, or the same one if the byte is 0.
    fn elsewhere(self, byte: u8) -> Setup {
        let setup = |from, number| Channel::Stream { initiator: INITIATOR, acceptor: ACCEPTOR, from, number };
        let channel = match self.channel {
            channel if byte == 0 => channel,
            Channel::Datagram | Channel::DatagramTo(_) => setup(ConnectionSide::Acceptor, u64::from(byte)),
            Channel::Stream { .. } if byte == 1 => Channel::Datagram,
            Channel::Stream { from, number, .. } if byte == 2 => setup(from.other(), number),
            Channel::Stream { initiator, acceptor, from, number } if byte == 3 => {
                Channel::Stream { initiator: acceptor, acceptor: initiator, from, number }
            }
            Channel::Stream { from, number, .. } => setup(from, number ^ u64::from(byte) << 32),
        };
        Setup { channel, ..self }
    }
}

impl Codecs {
    fn of(cluster: &str) -> Codecs {
        let name = || cluster.parse().expect("a name");
        let pair = |limits| {
            let sealing = FrameCodec::new(name(), Keyring::new(Key::new(secret())), limits);
            [FrameCodec::insecure(name(), limits), sealing].map(|codec| codec.expect("limits in range"))
        };
        Codecs([pair(WIDE), pair(SMALL)])
    }

    fn at(&mut self, setup: Setup) -> &mut FrameCodec {
        &mut self.0[usize::from(setup.small)][usize::from(setup.sealed)]
    }
}
