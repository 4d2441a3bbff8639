//! The number that each sealed frame has alone: a random epoch and a counter. Draws nothing: epochs
//! are handed in.
//!
//! `docs/WIRE.md`, "Nonces", says why they cannot repeat.

use std::fmt;

use thiserror::Error;

use crate::limits::NONCE_BYTES;

/// The random part of a nonce: 8 bytes, not all zero, which a sender draws at each start and
/// whenever it cannot be sure that it did not already use what it would use next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch([u8; Epoch::BYTES]);

/// The epoch of eight zeros, in which key ids are made. Draw another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("the epoch of zeros is reserved for key ids")]
pub struct ReservedEpoch;

/// All counters of an epoch are used. Nothing was sealed: draw a new epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("epoch {epoch} has sealed its 2^32 frames: a new one is needed")]
pub struct Exhausted {
    /// The epoch that is used up.
    pub epoch: Epoch,
}

impl Epoch {
    /// Bytes of an epoch.
    pub const BYTES: usize = 8;

    /// The epoch of these bytes. They must come from the system's generator of secrets: two
    /// senders, or two starts of one, that have an epoch in common break the sealing.
    ///
    /// # Errors
    /// [`ReservedEpoch`] if all are zero.
    pub fn new(bytes: [u8; Epoch::BYTES]) -> Result<Epoch, ReservedEpoch> {
        if bytes == [0; Epoch::BYTES] { Err(ReservedEpoch) } else { Ok(Epoch(bytes)) }
    }

    /// The bytes, as they stand on the wire.
    #[must_use]
    pub fn bytes(self) -> [u8; Epoch::BYTES] {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

/// The nonce of one frame. Neither `Clone` nor `Copy`: sealing consumes it, so that it seals once.
#[derive(Debug, PartialEq, Eq)]
pub struct Nonce {
    epoch: Epoch,
    counter: u32,
}

impl Nonce {
    /// A nonce of given parts, for whoever makes a frame anew (vectors, tools). A node takes its
    /// own from [`NonceSequence`].
    #[must_use]
    pub fn from_parts(epoch: Epoch, counter: u32) -> Nonce {
        Nonce { epoch, counter }
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How many nonces of the epoch came before.
    #[must_use]
    pub fn counter(&self) -> u32 {
        self.counter
    }

    /// The 12 bytes of the wire: the epoch, then the counter, most significant byte first.
    #[must_use]
    pub fn bytes(&self) -> [u8; NONCE_BYTES] {
        let mut bytes = [0; NONCE_BYTES];
        bytes[..Epoch::BYTES].copy_from_slice(&self.epoch.0);
        bytes[Epoch::BYTES..].copy_from_slice(&self.counter.to_be_bytes());
        bytes
    }

    /// The nonce of 12 bytes that came.
    pub(crate) fn read(bytes: [u8; NONCE_BYTES]) -> Result<Nonce, ReservedEpoch> {
        let [a, b, c, d, e, f, g, h, counter @ ..] = bytes;
        Ok(Nonce { epoch: Epoch::new([a, b, c, d, e, f, g, h])?, counter: u32::from_be_bytes(counter) })
    }
}

/// The nonces of one epoch, each given once. Not `Clone`: a copy would give the same ones again.
#[derive(Debug)]
pub struct NonceSequence {
    epoch: Epoch,
    /// The next counter; 2^32 once all are given.
    next: u64,
}

impl NonceSequence {
    /// Nonces one epoch holds.
    pub const PER_EPOCH: u64 = 1 << 32;

    /// All nonces of an epoch that nothing was sealed in yet.
    #[must_use]
    pub fn new(epoch: Epoch) -> NonceSequence {
        NonceSequence { epoch, next: 0 }
    }

    /// The nonces from a counter on, for whoever has given away those before.
    #[must_use]
    pub fn starting_at(epoch: Epoch, counter: u32) -> NonceSequence {
        NonceSequence { epoch, next: counter.into() }
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How many are left: whoever does not want to see [`Exhausted`] asks for a new epoch in good
    /// time.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        Self::PER_EPOCH - self.next
    }

    /// The next nonce.
    ///
    /// # Errors
    /// [`Exhausted`] after 2^32 of them, for ever.
    pub fn next_nonce(&mut self) -> Result<Nonce, Exhausted> {
        let counter = u32::try_from(self.next).map_err(|_| Exhausted { epoch: self.epoch })?;
        self.next += 1;
        Ok(Nonce { epoch: self.epoch, counter })
    }
}
