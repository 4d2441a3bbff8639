//! The bytes of a connection, in pieces of any size: the same frames and the same first error as a
//! slow reference finds that sees them all at once, and never more memory than frames that came
//! account for.
//!
//! An input is a byte (bit 0: the small limit; bits 1 and 2: how many pieces' sizes follow, less
//! one; bit 3: zeros follow the bytes, as many as one more byte says, times 512, and all in larger
//! pieces), those sizes (the last is kept to), and the bytes of the connection.

#![no_main]

use gm_codec::{FrameError, FrameSplitter, Limits};
use libfuzzer_sys::fuzz_target;

const SMALL: Limits = Limits { frame: 1_200, ..Limits::DEFAULT };

/// The first frame of a connection has no more bytes, and a buffer that has no more is kept from
/// frame to frame.
const FIRST: usize = 4_096;
/// The least that a buffer has.
const LEAST: usize = 64;

/// How the bytes end: within a frame, of which there are so many, or with an error.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Pending(usize),
    Wrong(&'static str),
}

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let limits = if first & 1 == 0 { Limits::DEFAULT } else { SMALL };
    let sizes = usize::from(first >> 1 & 3) + 1;
    let zeros = usize::from(first >> 3 & 1);
    let Some((sizes, rest)) = rest.split_at_checked(sizes) else { return };
    let Some((zeros, bytes)) = rest.split_at_checked(zeros) else { return };
    let zeros = zeros.first().map_or(0, |zeros| usize::from(*zeros) * 512);
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len() + zeros, 0);

    let expected = reference(&bytes, limits.frame);
    assert_eq!(split(&bytes, &limits, &[usize::MAX]), expected, "all at once");
    let larger = |size| if zeros == 0 { size } else { (size + 1) * 256 };
    let sizes: Vec<usize> = sizes.iter().map(|size| larger(piece(*size))).collect();
    assert_eq!(split(&bytes, &limits, &sizes), expected, "in pieces of {sizes:?}");
});

/// The size of a piece: small ones byte by byte, then in greater steps.
fn piece(size: u8) -> usize {
    match usize::from(size) {
        size @ 0..128 => size,
        size => (size - 127) * 509,
    }
}

/// What the splitter makes of the bytes in pieces of those sizes. What it holds is looked at after
/// each call.
fn split(bytes: &[u8], limits: &Limits, sizes: &[usize]) -> (Vec<Vec<u8>>, End) {
    let mut splitter = FrameSplitter::new(limits);
    let mut frames = Vec::new();
    // Where the present frame begins, how much of all was taken, and how much memory that accounts
    // for.
    let (mut begin, mut taken, mut held) = (0, 0, LEAST);
    let mut sizes = sizes.iter().chain(std::iter::repeat(sizes.last().expect("there is one")));
    while taken < bytes.len() {
        let size = *sizes.next().expect("they never end");
        // A piece without bytes is one that a connection does not deliver; it must do no harm, and
        // bring the end nearer.
        let all = bytes.len() - taken;
        let mut input = &bytes[taken..][..size.min(all)];
        if size == 0 {
            assert_eq!(
                splitter.read(&mut input).map(|frame| frame.is_some()),
                Ok(false),
                "no bytes, a frame"
            );
            input = &bytes[taken..][..1];
        }
        loop {
            let before = input.len();
            let read = splitter.read(&mut input).map(|frame| frame.map(|frame| frame.to_vec()));
            taken += before - input.len();
            match read {
                Ok(Some(frame)) => {
                    held = held.max(frame.len());
                    assert!(splitter.capacity() <= held, "{} held, {held} come", splitter.capacity());
                    assert_eq!(splitter.pending_bytes(), 0);
                    begin += frame.len();
                    assert_eq!(begin, taken, "more was taken than the frame has");
                    frames.push(frame);
                    held = if held > FIRST { LEAST } else { held };
                }
                Ok(None) => {
                    assert!(input.is_empty(), "input was left");
                    let come = taken - begin;
                    assert_eq!(splitter.pending_bytes(), come);
                    held = held
                        .max(announced(&bytes[begin..taken], most(frames.len(), limits.frame)).min(2 * come));
                    assert!(splitter.capacity() <= held, "{} held, {held} come", splitter.capacity());
                    break;
                }
                Err(error) => return (frames, End::Wrong(ended(&mut splitter, input, error))),
            }
        }
    }
    (frames, End::Pending(splitter.pending_bytes()))
}

/// After an error there is only that error, and nothing is held.
fn ended(splitter: &mut FrameSplitter, mut input: &[u8], error: FrameError) -> &'static str {
    let left = input.len();
    assert_eq!(splitter.read(&mut input), Err(error), "another error");
    assert_eq!((input.len(), splitter.capacity(), splitter.pending_bytes()), (left, 0, 0), "after an error");
    error.name()
}

/// The frames of a connection by `docs/WIRE.md`, all bytes at hand.
fn reference(mut bytes: &[u8], limit: usize) -> (Vec<Vec<u8>>, End) {
    let mut frames = Vec::new();
    loop {
        match head(bytes, most(frames.len(), limit)) {
            Err(name) => return (frames, End::Wrong(name)),
            Ok(Some(whole)) if bytes.len() >= whole => {
                frames.push(bytes[..whole].to_vec());
                bytes = &bytes[whole..];
            }
            Ok(_) => return (frames, End::Pending(bytes.len())),
        }
    }
}

/// Bytes of the frame that follows so many, at most.
fn most(before: usize, limit: usize) -> usize {
    if before == 0 { limit.min(FIRST) } else { limit }
}

/// Bytes of the frame that begins here, as far as they are announced.
fn announced(bytes: &[u8], limit: usize) -> usize {
    head(bytes, limit).ok().flatten().unwrap_or(0)
}

/// Bytes of the whole frame that begins here; nothing if its header is not whole.
fn head(bytes: &[u8], limit: usize) -> Result<Option<usize>, &'static str> {
    let mut bytes = bytes.iter().copied();
    let Some(magic) = bytes.next() else { return Ok(None) };
    if magic != b'g' {
        return Err("BadMagic");
    }
    let Some(second) = bytes.next() else { return Ok(None) };
    if second / 16 != 0 {
        return Err("UnknownVersion");
    }
    if second % 16 > 3 {
        return Err("UnknownFlags");
    }
    let sealed = second % 2 == 1;
    let Some(key_id) = bytes.next() else { return Ok(None) };
    if !sealed && key_id != 0 {
        return Err("KeyIdOfUnsealed");
    }
    let (mut header, mut weight, mut body) = (3, 1_u128, 0);
    loop {
        let Some(byte) = bytes.next() else { return Ok(None) };
        header += 1;
        body += u128::from(byte % 128) * weight;
        weight *= 128;
        if body > u128::from(u64::MAX) || header == 13 && byte > 127 {
            return Err("LengthTooLarge");
        }
        if byte == 0 && header > 4 {
            return Err("LengthOverLong");
        }
        if byte < 128 {
            break;
        }
    }
    let whole = usize::try_from(header + body).ok().filter(|whole| *whole <= limit).ok_or("TooLong")?;
    if body < if sealed { 12 + 16 } else { 4 } {
        return Err("TooShort");
    }
    Ok(Some(whole))
}
