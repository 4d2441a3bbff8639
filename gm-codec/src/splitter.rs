//! Splits the byte stream of a connection into frames. The frames are complete, but not yet
//! authenticated.
//!
//! `docs/WIRE.md`, "TCP".

use crate::frame_error::FrameError;
use crate::frame_header::FrameHeader;
use crate::limits::{FIXED_HEADER_BYTES, Limits};
use crate::received::{ReceivedChunk, ReceivedFrame};
use crate::varint;

/// Maximum length of a header.
const MAX_HEADER_BYTES: usize = FIXED_HEADER_BYTES + varint::MAX_BYTES;
/// Capacity of the smallest buffer, for frames of at least this length.
const MIN_CAPACITY: usize = 64;

/// Splits received bytes, in chunks of any size, into whole frames. A frame that lies in one chunk
/// stays there; the splitter buffers only a frame that does not, and of it only the bytes that
/// arrived: a length that a header only announces costs no memory.
///
/// The first frame has at most [`Limits::first_frame`] bytes, so a peer that has not yet sent a
/// frame that opens occupies no more memory than that. Open the first frame before you read more:
/// later frames may have [`Limits::frame`] bytes.
#[derive(Debug)]
pub struct FrameSplitter {
    /// Maximum length of the current frame.
    limit: usize,
    /// Maximum length of later frames.
    later_limit: usize,
    /// The first bytes of an incomplete frame.
    buffer: Vec<u8>,
    failed: Option<FrameError>,
}

impl FrameSplitter {
    /// A splitter that accepts a first frame of at most [`Limits::first_frame`] bytes, then frames
    /// of at most [`Limits::frame`] bytes.
    #[must_use]
    pub fn new(limits: &Limits) -> FrameSplitter {
        FrameSplitter {
            limit: limits.first_frame(),
            later_limit: limits.frame,
            buffer: Vec::new(),
            failed: None,
        }
    }

    /// Takes from the front of `input` the bytes that the current frame needs, and returns the
    /// frame once it is complete. Call it until it returns `None`; then the whole input was
    /// consumed.
    ///
    /// # Errors
    /// A [`FrameError`] as soon as the header is known to be wrong. Every later call returns the
    /// same error: close the connection.
    pub fn read(&mut self, input: &mut ReceivedChunk) -> Result<Option<ReceivedFrame>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        loop {
            let is_first = self.buffer.is_empty();
            let begin = if is_first { input.as_slice() } else { &self.buffer };
            match FrameHeader::read(begin, self.limit) {
                Ok(header) => {
                    let whole = header.len() + header.body;
                    let frame = if is_first && input.as_slice().len() >= whole {
                        input.take_frame(whole)
                    } else {
                        self.fill(input, whole);
                        if self.buffer.len() < whole {
                            return Ok(None);
                        }
                        ReceivedFrame::from(std::mem::take(&mut self.buffer))
                    };
                    self.limit = self.later_limit;
                    return Ok(Some(frame));
                }
                Err(FrameError::Truncated) if input.as_slice().is_empty() => return Ok(None),
                Err(FrameError::Truncated) => {
                    let next = self.buffer.len() + 1;
                    self.fill(input, next);
                }
                Err(error) => {
                    self.failed = Some(error);
                    self.buffer = Vec::new();
                    return Err(error);
                }
            }
        }
    }

    /// Maximum memory in bytes after a call of [`read`](FrameSplitter::read) with this input, for
    /// callers that must free memory before the call.
    #[must_use]
    pub fn max_memory_after(&self, input: &[u8]) -> usize {
        let (before, kept) = (self.buffer.len(), self.buffer.capacity());
        let arrived = before.saturating_add(input.len());
        let mut head = [0; MAX_HEADER_BYTES];
        let bytes = self.buffer.iter().chain(input);
        let available = head.iter_mut().zip(bytes).map(|(to, from)| *to = *from).count();
        let header = head.get(..available).map(|head| FrameHeader::read(head, self.limit));
        match header.and_then(Result::ok).map(|header| header.len() + header.body) {
            Some(whole) if before == 0 && whole <= arrived => 0,
            Some(whole) => grown_capacity(kept.max(MIN_CAPACITY), whole.min(arrived), whole),
            None => kept.max(MIN_CAPACITY),
        }
    }

    /// Number of bytes buffered for an incomplete frame. At the end of a connection, 0 means that
    /// it ended between frames.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Memory in use, in bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Moves bytes from the input until the buffer has `whole` bytes. The buffer grows by doubling,
    /// never above `whole`.
    fn fill(&mut self, input: &mut ReceivedChunk, whole: usize) {
        let buffered = self.buffer.len();
        let available = input.as_slice();
        let taken = &available[..available.len().min(whole.saturating_sub(buffered))];
        let kept = self.buffer.capacity().max(MIN_CAPACITY);
        let room = grown_capacity(kept, buffered + taken.len(), whole);
        if room > self.buffer.capacity() {
            self.buffer.reserve_exact(room - buffered);
        }
        self.buffer.extend_from_slice(taken);
        let count = taken.len();
        input.skip(count);
    }
}

/// Capacity of a buffer that must hold `needed` bytes of a frame of `whole` bytes.
fn grown_capacity(capacity: usize, needed: usize, whole: usize) -> usize {
    if needed > capacity { needed.max(2 * capacity).min(whole.max(MIN_CAPACITY)) } else { capacity }
}
