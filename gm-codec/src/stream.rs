//! A connection: its handshake, and the position of each frame on it. The caller does the I/O and
//! passes bytes in and out.
//!
//! `docs/WIRE.md`, "TCP".

use thiserror::Error;

use crate::channel::{Channel, ConnectionSide};
use crate::frame::{FrameCodec, SealError};
use crate::frame_error::FrameError;
use crate::limits::HANDSHAKE_BYTES;
use crate::nonce::Nonce;
use crate::received::{OpenedFrame, ReceivedFrame};

/// The peer sent our own random bytes back, as a mirror does. Close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("the peer sent our own random bytes back")]
pub struct HandshakeEchoed;

/// A connection before the peer's random bytes have arrived.
#[derive(Debug)]
pub struct Handshake {
    side: ConnectionSide,
    own: [u8; HANDSHAKE_BYTES],
    peer: [u8; HANDSHAKE_BYTES],
    received: usize,
}

impl Handshake {
    /// Number of random bytes that each side sends first.
    pub const BYTES: usize = HANDSHAKE_BYTES;

    /// The handshake of a new connection. `own` are random bytes drawn for this connection alone.
    /// Send them first, at once, and without waiting for the peer's.
    #[must_use]
    pub fn new(side: ConnectionSide, own: [u8; Handshake::BYTES]) -> Handshake {
        Handshake { side, own, peer: [0; HANDSHAKE_BYTES], received: 0 }
    }

    /// The bytes to send.
    #[must_use]
    pub fn own_bytes(&self) -> &[u8; Handshake::BYTES] {
        &self.own
    }

    /// Takes from the front of `input` the bytes that it needs, and returns the stream once it has
    /// all of them. The rest of the input is for a [`FrameSplitter`](crate::FrameSplitter). Do not
    /// call it again after it returned a stream or an error.
    ///
    /// # Errors
    /// [`HandshakeEchoed`].
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Stream>, HandshakeEchoed> {
        let (taken, rest) = input.split_at(input.len().min(HANDSHAKE_BYTES - self.received));
        for (to, from) in self.peer.iter_mut().skip(self.received).zip(taken) {
            *to = *from;
        }
        self.received += taken.len();
        *input = rest;
        if self.received < HANDSHAKE_BYTES {
            return Ok(None);
        }
        if self.peer == self.own {
            return Err(HandshakeEchoed);
        }
        let (initiator, acceptor) = match self.side {
            ConnectionSide::Initiator => (self.own, self.peer),
            ConnectionSide::Acceptor => (self.peer, self.own),
        };
        Ok(Some(Stream { initiator, acceptor, side: self.side, sent: 0, received: 0 }))
    }
}

/// A connection after its handshake. It counts the frames of both directions. Each frame is bound
/// to its position, so an attacker cannot reflect, repeat, reorder or omit one.
#[derive(Debug)]
pub struct Stream {
    initiator: [u8; HANDSHAKE_BYTES],
    acceptor: [u8; HANDSHAKE_BYTES],
    side: ConnectionSide,
    sent: u64,
    received: u64,
}

impl Stream {
    fn channel(&self, from: ConnectionSide, number: u64) -> Channel {
        Channel::Stream { initiator: self.initiator, acceptor: self.acceptor, from, number }
    }

    /// The position of the next outgoing frame.
    #[must_use]
    pub fn outgoing(&self) -> Channel {
        self.channel(self.side, self.sent)
    }

    /// The position of the next incoming frame.
    #[must_use]
    pub fn incoming(&self) -> Channel {
        self.channel(self.side.other(), self.received)
    }

    /// Appends the next frame to `out`. The frame must be sent, and in this order: seal a payload
    /// when it is written to the connection, not when it is queued.
    ///
    /// # Errors
    /// A [`SealError`]; then nothing was appended, and the next frame takes this position.
    pub fn seal(
        &mut self,
        codec: &mut FrameCodec,
        nonce: Nonce,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        codec.seal(&self.outgoing(), nonce, payload, out)?;
        self.sent += 1;
        Ok(())
    }

    /// Opens the next frame, as [`FrameCodec::open_received`] does. No replay window is needed,
    /// because every frame has one position.
    ///
    /// # Errors
    /// A [`FrameError`]; after it the connection is unusable.
    pub fn open(&mut self, codec: &FrameCodec, frame: ReceivedFrame) -> Result<OpenedFrame, FrameError> {
        let opened = codec.open_received(&self.incoming(), frame)?;
        self.received += 1;
        Ok(opened)
    }
}
