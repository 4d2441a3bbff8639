//! The bytes of a connection, cut into frames. Knows nothing of keys: what it yields is whole, not yet authentic.
//!
//! `docs/WIRE.md`, "TCP".

use crate::frame_error::FrameError;
use crate::header::Header;
use crate::limits::Limits;

/// Bytes of buffer that are kept for the next frame; a larger one is given back.
const KEEP: usize = 64 << 10;

/// Cuts what comes, in pieces of any size, into whole frames. Holds one frame at most, and of that only what has come: what
/// a header announces costs nothing.
#[derive(Debug)]
pub struct Splitter {
    limit: usize,
    buffer: Vec<u8>,
    /// Whether the buffer holds a frame that was yielded.
    yielded: bool,
    failed: Option<FrameError>,
}

impl Splitter {
    /// Takes frames of at most [`Limits::frame`] bytes.
    #[must_use]
    pub fn new(limits: &Limits) -> Splitter {
        Splitter { limit: limits.frame, buffer: Vec::new(), yielded: false, failed: None }
    }

    /// Takes from the front of `input` what the present frame needs, and yields the frame once it is whole. Call it until it
    /// yields nothing: then all input is taken.
    ///
    /// # Errors
    /// A [`FrameError`] as soon as a header can only be wrong, and from then on the same one always: close the connection.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<&mut [u8]>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.yielded {
            self.yielded = false;
            self.buffer.clear();
            if self.buffer.capacity() > KEEP {
                self.buffer = Vec::new();
            }
        }
        loop {
            match Header::read(&self.buffer, self.limit) {
                Ok(header) => {
                    let whole = header.len() + header.body;
                    self.take(input, whole);
                    self.yielded = self.buffer.len() == whole;
                    return Ok(if self.yielded { Some(&mut self.buffer) } else { None });
                }
                Err(FrameError::Truncated) if input.is_empty() => return Ok(None),
                Err(FrameError::Truncated) => {
                    let next = self.buffer.len() + 1;
                    self.take(input, next);
                }
                Err(error) => {
                    self.failed = Some(error);
                    self.buffer = Vec::new();
                    return Err(error);
                }
            }
        }
    }

    /// Bytes that were taken of a frame that is not whole yet: at the end of a connection, 0 if it ended between frames.
    #[must_use]
    pub fn pending(&self) -> usize {
        if self.yielded { 0 } else { self.buffer.len() }
    }

    /// Bytes of memory held.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Moves bytes from the input until the buffer has `whole`. The buffer grows by doubling, never above `whole`.
    fn take(&mut self, input: &mut &[u8], whole: usize) {
        let held = self.buffer.len();
        let (taken, rest) = input.split_at(input.len().min(whole.saturating_sub(held)));
        let needed = held + taken.len();
        if needed > self.buffer.capacity() {
            let room = needed.max(2 * self.buffer.capacity()).min(whole.max(64));
            self.buffer.reserve_exact(room - held);
        }
        self.buffer.extend_from_slice(taken);
        *input = rest;
    }
}
