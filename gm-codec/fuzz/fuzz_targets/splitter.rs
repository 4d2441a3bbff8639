//! Fuzz target of the splitter: in chunks of any size it finds the same frames and the same first
//! error as a slow reference that sees all bytes at once, and never uses more memory than the
//! received frames justify.
//!
//! An input is a byte (bit 0: the small limit; bits 1 and 2: number of chunk sizes that follow,
//! minus 1; bit 3: zeros follow the bytes, as many as one more byte times 512, and all chunks are
//! larger), the chunk sizes (the last one repeats), and the bytes of the connection.

#![no_main]

use gm_codec::{FrameError, FrameSplitter, Limits, ReceivedChunk};
use libfuzzer_sys::fuzz_target;

const SMALL: Limits = Limits { frame: 1_200, ..Limits::DEFAULT };

/// Maximum length of the first frame of a connection.
const FIRST: usize = 4_096;
/// Minimum capacity of a buffer.
const MIN_CAPACITY: usize = 64;

/// The end of the bytes: within a frame, of which this many bytes arrived, or with an error.
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

/// The size of a chunk: small values are bytes, greater ones grow in larger steps.
fn piece(size: u8) -> usize {
    match usize::from(size) {
        size @ 0..128 => size,
        size => (size - 127) * 509,
    }
}

/// Splits the bytes in chunks of these sizes, and checks the memory in use after each call.
fn split(bytes: &[u8], limits: &Limits, sizes: &[usize]) -> (Vec<Vec<u8>>, End) {
    let mut splitter = FrameSplitter::new(limits);
    let mut frames = Vec::new();
    // Start of the current frame, number of consumed bytes, and the memory that they justify.
    let (mut begin, mut taken, mut justified) = (0, 0, MIN_CAPACITY);
    let mut sizes = sizes.iter().chain(std::iter::repeat(sizes.last().expect("there is one")));
    while taken < bytes.len() {
        let size = *sizes.next().expect("they never end");
        // A connection does not deliver empty chunks; one must do no harm and must still make
        // progress here.
        let all = bytes.len() - taken;
        let mut input = ReceivedChunk::from(&bytes[taken..][..size.min(all)]);
        if size == 0 {
            assert_eq!(
                splitter.read(&mut input).map(|frame| frame.is_some()),
                Ok(false),
                "no bytes, but a frame"
            );
            input = ReceivedChunk::from(&bytes[taken..][..1]);
        }
        loop {
            let before = input.as_slice().len();
            let predicted = splitter.max_memory_after(input.as_slice());
            let read = splitter.read(&mut input).map(|frame| frame.map(|frame| frame.as_slice().to_vec()));
            taken += before - input.as_slice().len();
            assert!(
                splitter.capacity() <= predicted,
                "{} in use, {predicted} predicted",
                splitter.capacity()
            );
            match read {
                Ok(Some(frame)) => {
                    assert_eq!((splitter.capacity(), splitter.pending_bytes()), (0, 0), "after a frame");
                    begin += frame.len();
                    assert_eq!(begin, taken, "more bytes than the frame were consumed");
                    frames.push(frame);
                    justified = MIN_CAPACITY;
                }
                Ok(None) => {
                    assert!(input.as_slice().is_empty(), "input was left");
                    let arrived = taken - begin;
                    assert_eq!(splitter.pending_bytes(), arrived);
                    justified = justified.max(
                        announced(&bytes[begin..taken], max_frame(frames.len(), limits.frame))
                            .min(2 * arrived),
                    );
                    assert!(
                        splitter.capacity() <= justified,
                        "{} in use, {justified} justified",
                        splitter.capacity()
                    );
                    break;
                }
                Err(error) => return (frames, End::Wrong(ended(&mut splitter, input, error))),
            }
        }
    }
    (frames, End::Pending(splitter.pending_bytes()))
}

/// After an error the splitter returns only that error and holds nothing.
fn ended(splitter: &mut FrameSplitter, mut input: ReceivedChunk, error: FrameError) -> &'static str {
    let left = input.as_slice().len();
    assert_eq!(splitter.read(&mut input).map(drop), Err(error), "another error");
    assert_eq!(
        (input.as_slice().len(), splitter.capacity(), splitter.pending_bytes()),
        (left, 0, 0),
        "after an error"
    );
    error.name()
}

/// The frames of a connection by `docs/WIRE.md`, from all bytes at once.
fn reference(mut bytes: &[u8], limit: usize) -> (Vec<Vec<u8>>, End) {
    let mut frames = Vec::new();
    loop {
        match head(bytes, max_frame(frames.len(), limit)) {
            Err(name) => return (frames, End::Wrong(name)),
            Ok(Some(whole)) if bytes.len() >= whole => {
                frames.push(bytes[..whole].to_vec());
                bytes = &bytes[whole..];
            }
            Ok(_) => return (frames, End::Pending(bytes.len())),
        }
    }
}

/// Maximum length of the frame that follows this many frames.
fn max_frame(before: usize, limit: usize) -> usize {
    if before == 0 { limit.min(FIRST) } else { limit }
}

/// Length of the frame that begins here, as far as it is announced.
fn announced(bytes: &[u8], limit: usize) -> usize {
    head(bytes, limit).ok().flatten().unwrap_or(0)
}

/// Length of the whole frame that begins here, or `None` if its header is incomplete.
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
