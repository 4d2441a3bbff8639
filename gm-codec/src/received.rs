//! Received bytes in shared buffers: chunks of a connection, whole frames, and opened frames.
//!
//! A slice of a buffer keeps the whole buffer in memory. So a value that may be kept long, such as
//! the content of a broadcast, shares the buffer in which it arrived only if it is most of it, and
//! is copied otherwise.

use bytes::{Buf, Bytes, BytesMut};

use crate::Limits;
use crate::frame::Seal;
use crate::payload::{Payload, PayloadError};

/// Whether a part is at least three quarters of the memory that it would keep.
pub(crate) const fn is_most_of(part: usize, whole: usize) -> bool {
    part >= whole - whole / 4
}

/// Bytes of a connection, as they were read. A [`FrameSplitter`](crate::FrameSplitter) takes them
/// from the front.
#[derive(Debug)]
pub struct ReceivedChunk {
    bytes: BytesMut,
    /// Size of the whole buffer in bytes.
    buffer: usize,
}

impl ReceivedChunk {
    /// The bytes that were not taken yet.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes up to `count` bytes from the front, for example those of a handshake.
    pub fn skip(&mut self, count: usize) {
        self.bytes.advance(count.min(self.bytes.len()));
    }

    /// Takes a frame from the front without copying it. There must be at least `length` bytes.
    pub(crate) fn take_frame(&mut self, length: usize) -> ReceivedFrame {
        let whole = length == self.bytes.len();
        let bytes = if whole { std::mem::take(&mut self.bytes) } else { self.bytes.split_to(length) };
        ReceivedFrame { bytes, buffer: self.buffer }
    }
}

impl From<Bytes> for ReceivedChunk {
    /// The buffer is used as it is if there is no other owner, and copied otherwise.
    fn from(bytes: Bytes) -> ReceivedChunk {
        let bytes = BytesMut::from(bytes);
        ReceivedChunk { buffer: bytes.capacity(), bytes }
    }
}

impl From<&[u8]> for ReceivedChunk {
    fn from(bytes: &[u8]) -> ReceivedChunk {
        ReceivedChunk { bytes: BytesMut::from(bytes), buffer: bytes.len() }
    }
}

/// A whole frame that is not opened yet: a datagram, or what a
/// [`FrameSplitter`](crate::FrameSplitter) returns.
#[derive(Debug)]
pub struct ReceivedFrame {
    pub(crate) bytes: BytesMut,
    /// Size of the buffer in which it lies, in bytes.
    pub(crate) buffer: usize,
}

impl ReceivedFrame {
    /// The bytes of the frame.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<Bytes> for ReceivedFrame {
    /// The buffer is used as it is if there is no other owner, and copied otherwise.
    fn from(bytes: Bytes) -> ReceivedFrame {
        let ReceivedChunk { bytes, buffer } = ReceivedChunk::from(bytes);
        ReceivedFrame { bytes, buffer }
    }
}

impl From<Vec<u8>> for ReceivedFrame {
    fn from(bytes: Vec<u8>) -> ReceivedFrame {
        ReceivedFrame::from(Bytes::from(bytes))
    }
}

/// An opened frame that owns its payload.
#[derive(Clone, Debug)]
pub struct OpenedFrame {
    /// The payload. It lies in the buffer of the frame, which may be much larger, or in a buffer of
    /// its own if it was compressed.
    pub payload: Bytes,
    /// The seal, or `None` if the frame was not sealed.
    pub seal: Option<Seal>,
    /// Whether the payload was compressed.
    pub compressed: bool,
    /// Size of the buffer in which the payload lies, in bytes.
    pub(crate) buffer: usize,
}

impl OpenedFrame {
    /// The payload, to be kept: it shares the buffer of the frame if it is at least three quarters
    /// of it, and is a copy otherwise.
    #[must_use]
    pub fn kept_payload(&self) -> Bytes {
        if self.is_shareable() { self.payload.clone() } else { Bytes::copy_from_slice(&self.payload) }
    }

    /// Decodes the payload. The content of an [`ApplicationPayload`](crate::ApplicationPayload) or
    /// of a [`Retransmission`](crate::Retransmission) shares the buffer of the frame if it is most
    /// of the payload, and the payload is most of the buffer. So it never keeps more than 16/9 of
    /// its own size in memory.
    ///
    /// # Errors
    /// As [`Payload::decode`].
    pub fn decode(&self, limits: &Limits) -> Result<Payload, PayloadError> {
        if self.is_shareable() {
            Payload::decode_shared(&self.payload, limits)
        } else {
            Payload::decode(&self.payload, limits)
        }
    }

    const fn is_shareable(&self) -> bool {
        is_most_of(self.payload.len(), self.buffer)
    }
}

#[cfg(test)]
mod tests;
