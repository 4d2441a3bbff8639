//! Nonces: a random epoch and a counter, unique for each sealed frame. The caller supplies the
//! epochs.
//!
//! `docs/WIRE.md`, "Nonces", explains why nonces do not repeat.

use std::fmt;

use thiserror::Error;

use crate::limits::NONCE_BYTES;

/// The random part of a nonce: 8 bytes, not all zero. A sender draws a new epoch at each start, and
/// whenever it may have used its next nonce before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch([u8; Epoch::BYTES]);

/// The epoch of eight zeros, which is reserved for key ids. Draw another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("the epoch of zeros is reserved for key ids")]
pub struct ReservedEpoch;

/// Every counter of an epoch is used. Nothing was sealed; draw a new epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("epoch {epoch} has sealed 2^32 frames; draw a new epoch")]
pub struct Exhausted {
    /// The epoch that is used up.
    pub epoch: Epoch,
}

impl Epoch {
    /// Length of an epoch in bytes.
    pub const BYTES: usize = 8;

    /// The epoch of these bytes. They must come from the operating system's secure generator: if
    /// two senders, or two starts of one sender, ever have the same epoch, the encryption is
    /// broken.
    ///
    /// # Errors
    /// [`ReservedEpoch`] if all are zero.
    pub fn new(bytes: [u8; Epoch::BYTES]) -> Result<Epoch, ReservedEpoch> {
        if bytes == [0; Epoch::BYTES] { Err(ReservedEpoch) } else { Ok(Epoch(bytes)) }
    }

    /// The bytes, as on the wire.
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

/// The nonce of one frame. It is neither `Clone` nor `Copy`: sealing consumes it, so it seals only
/// once.
#[derive(Debug, PartialEq, Eq)]
pub struct Nonce {
    epoch: Epoch,
    counter: u32,
}

impl Nonce {
    /// A nonce of given parts, for tools and vectors that reproduce a frame. A node takes its
    /// nonces from [`NonceSequence`].
    #[must_use]
    pub fn from_parts(epoch: Epoch, counter: u32) -> Nonce {
        Nonce { epoch, counter }
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Number of earlier nonces in this epoch.
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

    /// The nonce of 12 received bytes.
    pub(crate) fn read(bytes: [u8; NONCE_BYTES]) -> Result<Nonce, ReservedEpoch> {
        let [a, b, c, d, e, f, g, h, counter @ ..] = bytes;
        Ok(Nonce { epoch: Epoch::new([a, b, c, d, e, f, g, h])?, counter: u32::from_be_bytes(counter) })
    }
}

/// The nonces of one epoch, each returned once. It is not `Clone`, because a copy would return the
/// same nonces again.
#[derive(Debug)]
pub struct NonceSequence {
    epoch: Epoch,
    /// The next counter; 2^32 once all are used.
    next: u64,
}

impl NonceSequence {
    /// Number of nonces in one epoch.
    pub const PER_EPOCH: u64 = 1 << 32;

    /// The nonces of an epoch in which nothing was sealed yet.
    #[must_use]
    pub fn new(epoch: Epoch) -> NonceSequence {
        NonceSequence { epoch, next: 0 }
    }

    /// The nonces from a counter on, for a sender that has used all those before it.
    #[must_use]
    pub fn starting_at(epoch: Epoch, counter: u32) -> NonceSequence {
        NonceSequence { epoch, next: counter.into() }
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Number of nonces that remain. To avoid [`Exhausted`], draw a new epoch before it reaches 0.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        Self::PER_EPOCH - self.next
    }

    /// The next nonce.
    ///
    /// # Errors
    /// [`Exhausted`] once all 2^32 nonces are used, and on every later call.
    pub fn next_nonce(&mut self) -> Result<Nonce, Exhausted> {
        let counter = u32::try_from(self.next).map_err(|_| Exhausted { epoch: self.epoch })?;
        self.next += 1;
        Ok(Nonce { epoch: self.epoch, counter })
    }
}
