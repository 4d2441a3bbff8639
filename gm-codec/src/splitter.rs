//! Splits the byte stream of a connection into frames. The frames are complete, but not yet
//! authenticated.
//!
//! `docs/WIRE.md`, "TCP".

use crate::frame_error::FrameError;
use crate::frame_header::FrameHeader;
use crate::limits::{FIXED_HEADER_BYTES, Limits};
use crate::varint;

/// Buffer capacity that is kept for the next frame. A larger buffer is freed.
const KEPT_CAPACITY: usize = Limits::FIRST_FRAME;
/// Maximum length of a header.
const MAX_HEADER_BYTES: usize = FIXED_HEADER_BYTES + varint::MAX_BYTES;
/// Capacity of the smallest buffer, for frames of at least this length.
const MIN_CAPACITY: usize = 64;

/// Splits received bytes, in chunks of any size, into whole frames. It buffers at most one frame,
/// and of it only the bytes that arrived: a length that a header only announces costs no memory.
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
    buffer: Vec<u8>,
    /// Whether the buffer holds a frame that was returned.
    yielded: bool,
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
            yielded: false,
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
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<&mut [u8]>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.release();
        loop {
            match FrameHeader::read(&self.buffer, self.limit) {
                Ok(header) => {
                    let whole = header.len() + header.body;
                    self.fill(input, whole);
                    self.yielded = self.buffer.len() == whole;
                    if self.yielded {
                        self.limit = self.later_limit;
                    }
                    return Ok(if self.yielded { Some(&mut self.buffer) } else { None });
                }
                Err(FrameError::Truncated) if input.is_empty() => return Ok(None),
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

    /// Signals that the returned frame is no longer needed: a large buffer is freed at once, not
    /// only when more bytes arrive.
    pub fn release(&mut self) {
        if std::mem::take(&mut self.yielded) {
            self.buffer.clear();
            if self.buffer.capacity() > KEPT_CAPACITY {
                self.buffer = Vec::new();
            }
        }
    }

    /// Maximum memory in bytes after a call of [`read`](FrameSplitter::read) with this input, for
    /// callers that must free memory before the call.
    #[must_use]
    pub fn max_memory_after(&self, input: &[u8]) -> usize {
        let (before, kept) = if self.yielded {
            (&[][..], if self.buffer.capacity() > KEPT_CAPACITY { 0 } else { self.buffer.capacity() })
        } else {
            (self.buffer.as_slice(), self.buffer.capacity())
        };
        let mut head = [0; MAX_HEADER_BYTES];
        let available = head.iter_mut().zip(before.iter().chain(input)).map(|(to, from)| *to = *from).count();
        let header = head.get(..available).map(|head| FrameHeader::read(head, self.limit));
        match header {
            Some(Ok(header)) => {
                let whole = header.len() + header.body;
                grown_capacity(
                    kept.max(MIN_CAPACITY),
                    whole.min(before.len().saturating_add(input.len())),
                    whole,
                )
            }
            _ => kept.max(MIN_CAPACITY),
        }
    }

    /// Number of bytes buffered for an incomplete frame. At the end of a connection, 0 means that
    /// it ended between frames.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        if self.yielded { 0 } else { self.buffer.len() }
    }

    /// Memory in use, in bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Moves bytes from the input until the buffer has `whole` bytes. The buffer grows by doubling,
    /// never above `whole`.
    fn fill(&mut self, input: &mut &[u8], whole: usize) {
        let buffered = self.buffer.len();
        let (taken, rest) = input.split_at(input.len().min(whole.saturating_sub(buffered)));
        let room = grown_capacity(self.buffer.capacity(), buffered + taken.len(), whole);
        if room > self.buffer.capacity() {
            self.buffer.reserve_exact(room - buffered);
        }
        self.buffer.extend_from_slice(taken);
        *input = rest;
    }
}

/// Capacity of a buffer that must hold `needed` bytes of a frame of `whole` bytes.
fn grown_capacity(capacity: usize, needed: usize, whole: usize) -> usize {
    if needed > capacity { needed.max(2 * capacity).min(whole.max(MIN_CAPACITY)) } else { capacity }
}
