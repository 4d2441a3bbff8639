//! One connection: its opening, and the place of each frame on it. Knows no socket: bytes are
//! handed in and out.
//!
//! `docs/WIRE.md`, "TCP".

use thiserror::Error;

use crate::channel::{Channel, ConnectionSide};
use crate::frame::{FrameCodec, Opened, SealError};
use crate::frame_error::FrameError;
use crate::limits::HANDSHAKE_BYTES;
use crate::nonce::Nonce;

/// The peer began with our own random bytes: a mirror. Close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("the peer began the connection with our own random bytes")]
pub struct HandshakeEchoed;

/// A connection until the peer's random bytes have come.
#[derive(Debug)]
pub struct Handshake {
    side: ConnectionSide,
    own: [u8; HANDSHAKE_BYTES],
    peer: [u8; HANDSHAKE_BYTES],
    received: usize,
}

impl Handshake {
    /// Random bytes that each side sends first.
    pub const BYTES: usize = HANDSHAKE_BYTES;

    /// A connection that was just made. `own`: random bytes, drawn for this connection alone; send
    /// them first, at once, and without waiting for the peer's.
    #[must_use]
    pub fn new(side: ConnectionSide, own: [u8; Handshake::BYTES]) -> Handshake {
        Handshake { side, own, peer: [0; HANDSHAKE_BYTES], received: 0 }
    }

    /// The bytes to send.
    #[must_use]
    pub fn own_bytes(&self) -> &[u8; Handshake::BYTES] {
        &self.own
    }

    /// Takes from the front of `input` what it needs, and is done once it has all. What is left is
    /// for a [`FrameSplitter`](crate::FrameSplitter). Once done, or after the error, there is
    /// nothing more to call.
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

/// A connection that both sides have opened. Counts the frames of both directions: each is bound to
/// its place, so a frame cannot be sent back, again, in another order, or with one before it left
/// out.
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

    /// Where the next frame that is sent will stand.
    #[must_use]
    pub fn outgoing(&self) -> Channel {
        self.channel(self.side, self.sent)
    }

    /// Where the next frame that comes stands.
    #[must_use]
    pub fn incoming(&self) -> Channel {
        self.channel(self.side.other(), self.received)
    }

    /// Appends the next frame to `out`. It must be sent, and in this order: seal what is written,
    /// not what is queued.
    ///
    /// # Errors
    /// A [`SealError`]; nothing was made, and the next frame takes this one's place.
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

    /// Opens the next frame, as [`FrameCodec::open`] does. No replay window is needed: every frame
    /// has one place.
    ///
    /// # Errors
    /// A [`FrameError`]; the connection is of no more use.
    pub fn open<'a>(
        &mut self,
        codec: &FrameCodec,
        frame: &'a mut [u8],
        scratch: &'a mut Vec<u8>,
    ) -> Result<Opened<'a>, FrameError> {
        let opened = codec.open(&self.incoming(), frame, scratch)?;
        self.received += 1;
        Ok(opened)
    }
}
