//! Sealing and opening of frames in the caller's buffers.
//!
//! `docs/WIRE.md`, "Frames" and "Sealing".

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use thiserror::Error;

use crate::aead::{self, Aead};
use crate::channel::{AssociatedData, Channel};
use crate::cluster::ClusterName;
use crate::compression::{self, Compressor};
use crate::frame_error::FrameError;
use crate::frame_header::FrameHeader;
use crate::keyring::Keyring;
use crate::limits::{CHECKSUM_BYTES, Limits, LimitsError, NONCE_BYTES, TAG_BYTES};
use crate::nonce::{Epoch, Nonce};
use crate::received::{OpenedFrame, ReceivedFrame};

/// Seals and opens the frames of one cluster, on all its channels.
pub struct FrameCodec {
    cluster: ClusterName,
    /// `None`: frames are neither encrypted nor authenticated.
    keyring: Option<Keyring>,
    limits: Limits,
    aead: &'static dyn Aead,
    compressor: Compressor,
}

/// A frame that was not made. The buffer is unchanged; the nonce is used up, which does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum SealError {
    /// The payload has more bytes than [`Limits::payload`].
    #[error("the payload has {bytes} bytes; at most {limit} are allowed")]
    PayloadTooLong {
        /// Length of the payload in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The frame would be longer than its channel allows: [`Limits::datagram`], [`Limits::frame`],
    /// or, for the first frame on a connection, [`Limits::first_frame`].
    #[error("the frame would have {bytes} bytes; at most {limit} are allowed")]
    FrameTooLong {
        /// Length of the whole frame in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The cipher refused the text. This never happens within the limits.
    #[error("the cipher refused the text")]
    Cipher,
}

impl SealError {
    /// The name of the error in `docs/WIRE.md` and in the vectors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SealError::PayloadTooLong { .. } => "PayloadTooLong",
            SealError::FrameTooLong { .. } => "FrameTooLong",
            SealError::Cipher => "Cipher",
        }
    }
}

/// The contents of an opened frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// The payload. It lies in the buffer of the frame or in the buffer for decompression.
    pub payload: &'a [u8],
    /// The seal, or `None` if the frame was not sealed.
    pub seal: Option<Seal>,
    /// Whether the payload was compressed.
    pub compressed: bool,
}

/// The seal of a frame. For a datagram, pass epoch and counter to a
/// [`ReplayWindow`](crate::ReplayWindow).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The id of the key.
    pub key_id: u8,
    /// The sender's epoch.
    pub epoch: Epoch,
    /// The frame's number within the epoch.
    pub counter: u32,
}

impl FrameCodec {
    /// A codec that seals its frames and accepts sealed frames only.
    ///
    /// # Errors
    /// A [`LimitsError`] if a limit is out of its range.
    pub fn new(cluster: ClusterName, keyring: Keyring, limits: Limits) -> Result<FrameCodec, LimitsError> {
        FrameCodec::make(cluster, Some(keyring), limits)
    }

    /// A codec that sends and accepts unsealed frames only: anyone on the network can read and
    /// forge them. Use it only where a user asks for it explicitly.
    ///
    /// # Errors
    /// A [`LimitsError`] if a limit is out of its range.
    pub fn insecure(cluster: ClusterName, limits: Limits) -> Result<FrameCodec, LimitsError> {
        FrameCodec::make(cluster, None, limits)
    }

    fn make(
        cluster: ClusterName,
        keyring: Option<Keyring>,
        limits: Limits,
    ) -> Result<FrameCodec, LimitsError> {
        let limits = limits.checked()?;
        Ok(FrameCodec { cluster, keyring, limits, aead: aead::DEFAULT, compressor: Compressor::new() })
    }

    /// The same codec with another implementation of the cipher. All implementations produce the
    /// same bytes.
    #[must_use]
    pub fn with_aead(self, aead: &'static dyn Aead) -> FrameCodec {
        FrameCodec { aead, ..self }
    }

    /// Replaces the keys of a codec that seals. An insecure codec stays insecure; then this does
    /// nothing.
    pub fn set_keyring(&mut self, keyring: Keyring) {
        if let Some(current) = &mut self.keyring {
            *current = keyring;
        }
    }

    /// Whether this codec seals frames and accepts sealed frames only.
    #[must_use]
    pub fn seals(&self) -> bool {
        self.keyring.is_some()
    }

    /// The limits of this codec.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Appends the frame of a payload to `out`. The nonce is used up; an unsealed frame does not
    /// contain it.
    ///
    /// On a connection, use [`Stream::seal`](crate::Stream::seal), which supplies the channel.
    ///
    /// # Errors
    /// A [`SealError`]; then `out` is unchanged.
    pub fn seal(
        &mut self,
        channel: &Channel,
        nonce: Nonce,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let start = out.len();
        let made = self.append(channel, &nonce, payload, out);
        if made.is_err() {
            out.truncate(start);
        }
        self.compressor.release();
        made
    }

    fn append(
        &mut self,
        channel: &Channel,
        nonce: &Nonce,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let Limits { payload: max_payload, compress_above, .. } = self.limits;
        if payload.len() > max_payload {
            return Err(SealError::PayloadTooLong { bytes: payload.len(), limit: max_payload });
        }
        let limit = match channel {
            Channel::Datagram | Channel::DatagramTo(_) => self.limits.datagram,
            Channel::Stream { number: 0, .. } => self.limits.first_frame(),
            Channel::Stream { .. } => self.limits.frame,
        };
        let key = self.keyring.as_ref().map(Keyring::sealing_key);
        let nonce_bytes = if key.is_some() { NONCE_BYTES } else { 0 };
        let compressed =
            if payload.len() > compress_above { self.compressor.compress(payload) } else { None };
        let text = compressed.unwrap_or(payload);
        let header = FrameHeader {
            key_id: key.map(super::key::Key::id),
            compressed: compressed.is_some(),
            body: text.len() + FrameHeader::overhead(key.is_some()),
        };
        let bytes = header.len() + header.body;
        if bytes > limit {
            return Err(SealError::FrameTooLong { bytes, limit });
        }
        let start = out.len();
        out.reserve(bytes);
        out.resize(start + header.len() + nonce_bytes, 0);
        out.extend_from_slice(text);
        let (head, rest) = out[start..].split_at_mut(header.len());
        header.write(head);
        let associated = AssociatedData::new(head, &self.cluster, channel);
        let (to, text) = rest.split_at_mut(nonce_bytes);
        match key {
            Some(key) => {
                let nonce = nonce.bytes();
                to.copy_from_slice(&nonce);
                let tag = self.aead.seal(key.secret(), &nonce, associated.as_slice(), text);
                out.extend(tag.ok_or(SealError::Cipher)?);
            }
            None => {
                let sum = checksum(&associated, text);
                out.extend(sum);
            }
        }
        Ok(())
    }

    /// Opens a frame in place; nothing may follow it. The payload of a compressed frame is written
    /// to `scratch`, whose previous contents are lost in any case.
    ///
    /// After an error, neither buffer contains any part of an unauthenticated payload.
    ///
    /// # Errors
    /// A [`FrameError`]. If the frame is a datagram, count the error and drop the datagram. On a
    /// connection, close the connection.
    pub fn open<'a>(
        &self,
        channel: &Channel,
        frame: &'a mut [u8],
        scratch: &'a mut Vec<u8>,
    ) -> Result<Opened<'a>, FrameError> {
        let (place, seal) = self.open_in_place(channel, frame, scratch)?;
        let compressed = place.is_none();
        let payload = match place {
            Some(place) => &frame[place],
            None => scratch.as_slice(),
        };
        Ok(Opened { payload, seal, compressed })
    }

    /// Opens a frame in the buffer in which it arrived; nothing may follow it.
    ///
    /// # Errors
    /// As [`open`](FrameCodec::open).
    pub fn open_received(
        &self,
        channel: &Channel,
        mut frame: ReceivedFrame,
    ) -> Result<OpenedFrame, FrameError> {
        let mut scratch = Vec::new();
        let (place, seal) = self.open_in_place(channel, &mut frame.bytes, &mut scratch)?;
        let compressed = place.is_none();
        let (payload, buffer) = match place {
            Some(place) => (frame.bytes.freeze().slice(place), frame.buffer),
            None => {
                let buffer = scratch.capacity();
                (Bytes::from(scratch), buffer)
            }
        };
        Ok(OpenedFrame { payload, seal, compressed, buffer })
    }

    /// Opens a frame in place, and returns the place of its payload. A compressed payload is
    /// written to `scratch` and has no place.
    fn open_in_place(
        &self,
        channel: &Channel,
        frame: &mut [u8],
        scratch: &mut Vec<u8>,
    ) -> Result<(Option<Range<usize>>, Option<Seal>), FrameError> {
        let limit = match channel {
            Channel::Stream { number: 0, .. } => self.limits.first_frame(),
            Channel::Datagram | Channel::DatagramTo(_) | Channel::Stream { .. } => self.limits.frame,
        };
        let header = FrameHeader::read(frame, limit)?;
        let bytes = header.len() + header.body;
        if frame.len() < bytes {
            return Err(FrameError::Truncated);
        }
        if frame.len() > bytes {
            return Err(FrameError::TrailingBytes { extra: frame.len() - bytes });
        }
        let (head, body) = frame.split_at_mut(header.len());
        let associated = AssociatedData::new(head, &self.cluster, channel);
        let (text, seal) = match (header.key_id, &self.keyring) {
            (Some(key_id), Some(keyring)) => {
                let (text, nonce) = self.unseal(keyring, key_id, &associated, body, scratch)?;
                (text, Some(Seal { key_id, epoch: nonce.epoch(), counter: nonce.counter() }))
            }
            (Some(key_id), None) => return Err(FrameError::UnknownKey { key_id }),
            (None, Some(_)) => return Err(FrameError::NotSealed),
            (None, None) => {
                let (text, sum) =
                    body.split_last_chunk_mut::<CHECKSUM_BYTES>().ok_or(FrameError::Truncated)?;
                if *sum != checksum(&associated, text) {
                    return Err(FrameError::BadChecksum);
                }
                (text, None)
            }
        };
        if header.compressed {
            compression::decompress(text, self.limits.payload, scratch)?;
            return Ok((None, seal));
        }
        if text.len() > self.limits.payload {
            let (declared, limit) = (text.len() as u64, self.limits.payload as u64);
            return Err(FrameError::PayloadTooLong { declared, limit });
        }
        let from = header.len() + if seal.is_some() { NONCE_BYTES } else { 0 };
        Ok((Some(from..from + text.len()), seal))
    }

    /// Decrypts with each key that has the key id, until one authenticates the text.
    fn unseal<'a>(
        &self,
        keyring: &Keyring,
        key_id: u8,
        associated: &AssociatedData,
        body: &'a mut [u8],
        scratch: &mut Vec<u8>,
    ) -> Result<(&'a mut [u8], Nonce), FrameError> {
        let (nonce, rest) = body.split_first_chunk_mut::<NONCE_BYTES>().ok_or(FrameError::Truncated)?;
        let (text, tag) = rest.split_last_chunk_mut::<TAG_BYTES>().ok_or(FrameError::Truncated)?;
        let mut keys = keyring.keys_with_id(key_id).peekable();
        if keys.peek().is_none() {
            return Err(FrameError::UnknownKey { key_id });
        }
        let parts = Nonce::read(*nonce).map_err(|_| FrameError::ReservedEpoch)?;
        let mut saved = false;
        while let Some(key) = keys.next() {
            // A failed attempt may destroy the text. Almost always only one key has the id, and
            // then there is nothing to save.
            if saved {
                text.copy_from_slice(scratch);
            } else if keys.peek().is_some() {
                scratch.clear();
                scratch.extend_from_slice(text);
                saved = true;
            }
            if self.aead.open(key.secret(), nonce, associated.as_slice(), text, tag) {
                return Ok((text, parts));
            }
        }
        Err(FrameError::NotAuthentic)
    }
}

/// CRC-32 (IEEE) over the bytes that the tag of a sealed frame would cover, most significant byte
/// first.
fn checksum(associated: &AssociatedData, text: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(associated.as_slice());
    sum.update(text);
    sum.finalize().to_be_bytes()
}

impl fmt::Debug for FrameCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FrameCodec { cluster, keyring, limits, aead, compressor: _ } = self;
        f.debug_struct("FrameCodec")
            .field("cluster", cluster)
            .field("keyring", keyring)
            .field("limits", limits)
            .field("aead", aead)
            .finish_non_exhaustive()
    }
}
