//! Every maximum of the wire, in one place, checked before memory is asked for. Knows nothing of
//! what they are maxima of.

use thiserror::Error;

/// Bytes of a frame's magic, version, flags and key id, before its length.
pub(crate) const FIXED_HEADER_BYTES: usize = 3;
/// Bytes of a nonce: 8 of the epoch, 4 of the counter.
pub(crate) const NONCE_BYTES: usize = 12;
/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 16;
/// Bytes of the checksum of an unsealed frame.
pub(crate) const CHECKSUM_BYTES: usize = 4;
/// Bytes that each side sends first on a connection.
pub(crate) const HANDSHAKE_BYTES: usize = 16;
/// What snappy makes of one byte is less than this: its best element makes 64 bytes of 3.
pub(crate) const MAX_SNAPPY_RATIO: u64 = 22;

/// The maxima that a node can be configured with. All are bytes, but for the last three.
///
/// They need not be equal on all nodes: what a sender may make and what a receiver may take are
/// separate lines here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Of a frame made or taken, with its header. Default 16 MiB. Range 1,200 bytes to 1 GiB.
    pub frame: usize,
    /// Of a frame made for a datagram, with its header. Default 1,200: what passes every IPv6 path
    /// unfragmented, with room for tunnels. Range 64 to 65,507 (what UDP can carry) and not above
    /// `frame`. Taken is whatever arrives.
    pub datagram: usize,
    /// Of a payload made or taken, before compression and after decompression. Default 16 MiB.
    /// Range 1 byte to 1 GiB.
    pub payload: usize,
    /// Payloads of at most so many bytes are not compressed. Default 128: below, snappy gains less
    /// than it costs. Any value.
    pub compress_above: usize,
    /// Epochs that a replay window remembers, about 160 bytes each. Default 4,096. Range 1 to 2^20.
    pub replay_epochs: usize,
    /// Nodes that a payload names, nodes of one of its lists, and members, islands, groups, buckets
    /// and the like in it. Default 100,000. Range 1 to 2^24; a decoder takes up to 264 bytes for
    /// each.
    pub nodes: usize,
    /// Items of all members in a payload. Default 2^20. Range 1 to 2^28; a decoder takes 20 bytes
    /// for each.
    pub items: usize,
}

/// A limit that is out of its range. Nothing was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("the limit `{name}` is {value}, not within {min} and {max}")]
pub struct LimitsError {
    /// The field of [`Limits`].
    pub name: &'static str,
    /// What it was set to.
    pub value: usize,
    /// The least that it may be.
    pub min: usize,
    /// The most that it may be.
    pub max: usize,
}

impl Limits {
    /// Bytes, with its header, of the first frame that a side of a connection sends, at most:
    /// fixed, the same for all. Until a frame opened, the peer has not proven that it has the key,
    /// and no more than this is kept of what it sent.
    pub const FIRST_FRAME: usize = 4_096;

    /// The defaults.
    pub const DEFAULT: Limits = Limits {
        frame: 16 << 20,
        datagram: 1_200,
        payload: 16 << 20,
        compress_above: 128,
        replay_epochs: 4_096,
        nodes: 100_000,
        items: 1 << 20,
    };

    /// Bytes of the first frame that a side of a connection sends, at most:
    /// [`FIRST_FRAME`](Limits::FIRST_FRAME), or `frame` if that is less.
    #[must_use]
    pub const fn first_frame(&self) -> usize {
        if self.frame < Limits::FIRST_FRAME { self.frame } else { Limits::FIRST_FRAME }
    }

    /// Bytes of payload that the first frame of a connection has room for, however badly it
    /// compresses.
    #[must_use]
    pub const fn first_frame_payload(&self) -> usize {
        // The length of a body within a first frame takes 2 bytes at most.
        self.first_frame().saturating_sub(FIXED_HEADER_BYTES + 2 + NONCE_BYTES + TAG_BYTES)
    }

    /// Bytes of payload that a sealed datagram has room for.
    #[must_use]
    pub const fn datagram_payload(&self) -> usize {
        // The length of a body within a datagram takes 3 bytes at most.
        self.datagram.saturating_sub(FIXED_HEADER_BYTES + 3 + NONCE_BYTES + TAG_BYTES)
    }

    /// The same limits, if each is within its range.
    ///
    /// # Errors
    /// The first that is not, in the order of the fields.
    pub const fn checked(self) -> Result<Limits, LimitsError> {
        let max_datagram = if self.frame < MAX_DATAGRAM { self.frame } else { MAX_DATAGRAM };
        let rows = [
            ("frame", self.frame, 1_200, MAX_FRAME),
            ("datagram", self.datagram, 64, max_datagram),
            ("payload", self.payload, 1, MAX_FRAME),
            ("replay_epochs", self.replay_epochs, 1, 1 << 20),
            ("nodes", self.nodes, 1, 1 << 24),
            ("items", self.items, 1, 1 << 28),
        ];
        let mut at = 0;
        while at < rows.len() {
            let (name, value, min, max) = rows[at];
            if value < min || value > max {
                return Err(LimitsError { name, value, min, max });
            }
            at += 1;
        }
        Ok(self)
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::DEFAULT
    }
}

/// The most that `frame` and `payload` may be set to.
const MAX_FRAME: usize = 1 << 30;
/// The most that a UDP datagram carries over IPv4.
const MAX_DATAGRAM: usize = 65_507;

// How the limits hang together.
const _: () = {
    assert!(Limits::DEFAULT.checked().is_ok());
    assert!(FIXED_HEADER_BYTES + crate::varint::MAX_BYTES + NONCE_BYTES + TAG_BYTES < 64);
    assert!(Limits::DEFAULT.compress_above < Limits::DEFAULT.datagram);
    // Snappy's blocks count their bytes in 32 bits, also with what an incompressible one adds.
    assert!(MAX_FRAME as u64 * 7 / 6 + 32 < u32::MAX as u64);
    assert!(MAX_SNAPPY_RATIO * 3 > 64);
};
