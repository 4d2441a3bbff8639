//! Frames that come: whatever their bytes are, they are opened or refused and nothing breaks; and
//! what was changed after it was made is refused.
//!
//! An input is a byte and what is done with the others. Bits 0 and 1: they are a frame (0), a
//! change and a payload (1), or the text of a sound frame, which may be no sound block (2: as a
//! payload, 3: as a compressed one). Bit 2: sealed; 3: on a connection, 4: sent by its acceptor; 5:
//! small limits; 6 and 7: the frame's number on the connection.

#![no_main]

use std::cell::RefCell;

use gm_codec::{Aead, Channel, Epoch, FrameCodec, Key, Keyring, Limits, Nonce, Portable, Side, varint};
use libfuzzer_sys::fuzz_target;

// Key, cluster and connection are those of most of the vectors.
const CLUSTER: &str = "production";
const OTHER_CLUSTER: &str = "productioN";
const INITIATOR: [u8; 16] = *b"initiator opens.";
const ACCEPTOR: [u8; 16] = *b"acceptor answers";
const EPOCH: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
const COUNTER: u32 = 9;

const WIDE: Limits = Limits { datagram: 65_507, ..Limits::DEFAULT };
/// Limits that short inputs reach.
const SMALL: Limits = Limits { frame: 1_200, payload: 600, compress_above: 16, ..Limits::DEFAULT };

/// What the bits of the first byte say of where a frame travels.
#[derive(Clone, Copy, PartialEq)]
struct Place {
    sealed: bool,
    small: bool,
    channel: Channel,
}

/// Codecs of one cluster, by whether they seal and have small limits.
struct Codecs([[FrameCodec; 2]; 2]);

thread_local! {
    static OWN: RefCell<Codecs> = RefCell::new(Codecs::of(CLUSTER));
    static OTHERS: RefCell<Codecs> = RefCell::new(Codecs::of(OTHER_CLUSTER));
}

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let place = Place::of(*first);
    OWN.with_borrow_mut(|codecs| {
        let codec = codecs.at(place);
        match first & 3 {
            0 => raw(codec, place, rest),
            1 => changed(codec, place, rest),
            kind => forged(codec, place, kind == 3, rest),
        }
    });
});

/// Any bytes. One that opens is one that was sound: made anew of its payload, it opens to that.
fn raw(codec: &mut FrameCodec, place: Place, bytes: &[u8]) {
    let (mut frame, mut scratch) = (bytes.to_vec(), Vec::new());
    let Ok(opened) = codec.open(&place.channel, &mut frame, &mut scratch) else { return };
    assert_eq!(opened.seal.is_some(), place.sealed);
    let payload = opened.payload.to_vec();
    let again = seal(codec, place, &payload).expect("what fits once, fits again");
    opens(codec, place, &again, &payload);
}

/// A frame that was made, and then changed in one of eight ways or not: a kind, a place (2 bytes),
/// a byte, how often the payload is repeated, the payload.
fn changed(codec: &mut FrameCodec, place: Place, input: &[u8]) {
    let Some(([kind, high, low, byte, repeat], payload)) = input.split_first_chunk() else { return };
    let payload = payload.repeat(usize::from(repeat % 16) + 1);
    let Some(frame) = seal(codec, place, &payload) else {
        assert!(place.small, "{} bytes are refused", payload.len());
        return;
    };
    opens(codec, place, &frame, &payload);

    let (mut other, mut elsewhere, mut stranger) = (frame.clone(), place, false);
    let at = usize::from(u16::from_be_bytes([*high, *low])) % frame.len();
    match kind % 8 {
        0 => other[at] ^= byte,
        1 => other.truncate(at),
        2 => other.resize(frame.len() + 1 + at % 8, *byte),
        3 => drop(other.remove(at)),
        4 => other.insert(at, *byte),
        5 => elsewhere = place.elsewhere(*byte),
        6 => stranger = true,
        _ => {
            for step in 0..4 {
                let at = (at + step * usize::from(*byte)) % frame.len();
                other[at] = other[at].wrapping_add(*repeat);
            }
        }
    }
    // What a checksum of 32 bits finds for certain is a change of up to 32 bits in a row.
    let for_certain = place.sealed || kind % 8 != 7;
    if stranger {
        OTHERS.with_borrow_mut(|codecs| refuses(codecs.at(place), place, &frame));
    } else if for_certain && (other != frame || elsewhere != place) {
        refuses(codec, elsewhere, &other);
    }
}

/// A frame that is sound as a frame, whatever its text is.
fn forged(codec: &mut FrameCodec, place: Place, compressed: bool, text: &[u8]) {
    let mut frame = forge(place, compressed, text);
    let mut scratch = Vec::new();
    let opened = codec.open(&place.channel, &mut frame, &mut scratch);
    let fits = text.len() <= codec.limits().payload;
    match opened {
        Err(error) => assert!(compressed || !fits || place.small, "{}", error.name()),
        Ok(opened) if compressed => {
            let (bytes, _) = varint::read(text).expect("a block begins with a length");
            let payload = opened.payload.to_vec();
            assert_eq!(payload.len() as u64, bytes, "not what was announced");
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

fn seal(codec: &mut FrameCodec, place: Place, payload: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0xa5];
    let made = codec.seal(&place.channel, nonce(), payload, &mut out);
    assert_eq!(out[0], 0xa5, "what stood before the frame was changed");
    match made {
        Ok(()) => Some(out.split_off(1)),
        Err(_) => {
            assert_eq!(out.len(), 1, "what was not made left something behind");
            None
        }
    }
}

fn opens(codec: &FrameCodec, place: Place, frame: &[u8], payload: &[u8]) {
    let (mut frame, mut scratch) = (frame.to_vec(), Vec::new());
    let opened = codec.open(&place.channel, &mut frame, &mut scratch).expect("it was made so");
    assert_eq!(opened.payload, payload);
    let seal = opened.seal.map(|seal| (seal.epoch.bytes(), seal.counter));
    assert_eq!(seal, place.sealed.then_some((EPOCH, COUNTER)));
}

fn refuses(codec: &FrameCodec, place: Place, frame: &[u8]) {
    let (mut frame, mut scratch) = (frame.to_vec(), Vec::new());
    assert!(codec.open(&place.channel, &mut frame, &mut scratch).is_err(), "a changed frame was opened");
}

fn nonce() -> Nonce {
    Nonce::from_parts(Epoch::new(EPOCH).expect("not zero"), COUNTER)
}

fn secret() -> [u8; Key::BYTES] {
    std::array::from_fn(|at| 31 + at as u8)
}

/// A frame with that text, by `docs/WIRE.md`.
fn forge(place: Place, compressed: bool, text: &[u8]) -> Vec<u8> {
    let flags = u8::from(place.sealed) | u8::from(compressed) << 1;
    let key_id = if place.sealed { Key::new(secret()).id() } else { 0 };
    let mut frame = vec![b'g', flags, key_id];
    varint::write(text.len() as u64 + if place.sealed { 12 + 16 } else { 4 }, &mut frame);
    let mut associated = frame.clone();
    associated.push(CLUSTER.len() as u8);
    associated.extend(CLUSTER.bytes());
    match place.channel {
        Channel::Datagram => associated.push(0),
        Channel::DatagramTo(_) => unreachable!("no place has it"),
        Channel::Stream { initiator, acceptor, from, number } => {
            associated.push(if from == Side::Initiator { 1 } else { 2 });
            associated.extend(initiator);
            associated.extend(acceptor);
            associated.extend(number.to_be_bytes());
        }
    }
    if place.sealed {
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

impl Place {
    fn of(bits: u8) -> Place {
        let from = if bits & 0x10 == 0 { Side::Initiator } else { Side::Acceptor };
        let number = u64::from(bits >> 6);
        let on_connection = Channel::Stream { initiator: INITIATOR, acceptor: ACCEPTOR, from, number };
        let channel = if bits & 8 == 0 { Channel::Datagram } else { on_connection };
        Place { sealed: bits & 4 != 0, small: bits & 0x20 != 0, channel }
    }

    /// Another place, or the same if the byte is 0.
    fn elsewhere(self, byte: u8) -> Place {
        let place = |from, number| Channel::Stream { initiator: INITIATOR, acceptor: ACCEPTOR, from, number };
        let channel = match self.channel {
            channel if byte == 0 => channel,
            Channel::Datagram | Channel::DatagramTo(_) => place(Side::Acceptor, u64::from(byte)),
            Channel::Stream { .. } if byte == 1 => Channel::Datagram,
            Channel::Stream { from, number, .. } if byte == 2 => place(from.other(), number),
            Channel::Stream { initiator, acceptor, from, number } if byte == 3 => {
                Channel::Stream { initiator: acceptor, acceptor: initiator, from, number }
            }
            Channel::Stream { from, number, .. } => place(from, number ^ u64::from(byte) << 32),
        };
        Place { channel, ..self }
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

    fn at(&mut self, place: Place) -> &mut FrameCodec {
        &mut self.0[usize::from(place.small)][usize::from(place.sealed)]
    }
}
