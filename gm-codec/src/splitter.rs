//! The bytes of a connection, cut into frames. Knows nothing of keys: what it yields is whole, not
//! yet authentic.
//!
//! `docs/WIRE.md`, "TCP".

use crate::frame_error::FrameError;
use crate::frame_header::FrameHeader;
use crate::limits::{FIXED_HEADER_BYTES, Limits};
use crate::varint;

/// Bytes of buffer that are kept for the next frame; a larger one is given back.
const KEPT_CAPACITY: usize = Limits::FIRST_FRAME;
/// Bytes of the longest header.
const MAX_HEADER_BYTES: usize = FIXED_HEADER_BYTES + varint::MAX_BYTES;
/// Bytes of the smallest buffer, of frames that have so many.
const MIN_CAPACITY: usize = 64;

/// Cuts what comes, in pieces of any size, into whole frames. Holds one frame at most, and of that
/// only what has come: what a header announces costs nothing.
///
/// The first frame has at most [`Limits::first_frame`] bytes, so whoever sends less than a frame
/// that opens makes it hold no more than that. Open the first one before more is read: those after
/// it may have [`Limits::frame`].
#[derive(Debug)]
pub struct FrameSplitter {
    /// Bytes of the present frame, at most.
    limit: usize,
    /// The same of those after it.
    later_limit: usize,
    buffer: Vec<u8>,
    /// Whether the buffer holds a frame that was yielded.
    yielded: bool,
    failed: Option<FrameError>,
}

impl FrameSplitter {
    /// Takes a first frame of at most [`Limits::first_frame`] bytes, then frames of at most
    /// [`Limits::frame`].
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

    /// Takes from the front of `input` what the present frame needs, and yields the frame once it
    /// is whole. Call it until it yields nothing: then all input is taken.
    ///
    /// # Errors
    /// A [`FrameError`] as soon as a header can only be wrong, and from then on the same one
    /// always: close the connection.
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

    /// The frame that was yielded is not needed any longer: a large buffer is given back at once,
    /// not only when more comes.
    pub fn release(&mut self) {
        if std::mem::take(&mut self.yielded) {
            self.buffer.clear();
            if self.buffer.capacity() > KEPT_CAPACITY {
                self.buffer = Vec::new();
            }
        }
    }

    /// Bytes of memory that are held at most once [`read`](FrameSplitter::read) was called with
    /// this input: for whoever has to make room before.
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

    /// Bytes that were taken of a frame that is not whole yet: at the end of a connection, 0 if it
    /// ended between frames.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        if self.yielded { 0 } else { self.buffer.len() }
    }

    /// Bytes of memory held.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Moves bytes from the input until the buffer has `whole`. The buffer grows by doubling, never
    /// above `whole`.
    fn fill(&mut self, input: &mut &[u8], whole: usize) {
        let held = self.buffer.len();
        let (taken, rest) = input.split_at(input.len().min(whole.saturating_sub(held)));
        let room = grown_capacity(self.buffer.capacity(), held + taken.len(), whole);
        if room > self.buffer.capacity() {
            self.buffer.reserve_exact(room - held);
        }
        self.buffer.extend_from_slice(taken);
        *input = rest;
    }
}

/// Bytes of a buffer that has to hold `needed` of a frame of `whole`.
fn grown_capacity(capacity: usize, needed: usize, whole: usize) -> usize {
    if needed > capacity { needed.max(2 * capacity).min(whole.max(MIN_CAPACITY)) } else { capacity }
}
