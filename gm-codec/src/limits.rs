//! The limits of the wire format. They are checked before memory is allocated.

use thiserror::Error;

/// Bytes of the magic, the version and flags, and the key id, which precede the length.
pub(crate) const FIXED_HEADER_BYTES: usize = 3;
/// Bytes of a nonce: 8 of the epoch, 4 of the counter.
pub(crate) const NONCE_BYTES: usize = 12;
/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 16;
/// Bytes of the checksum of an unsealed frame.
pub(crate) const CHECKSUM_BYTES: usize = 4;
/// Bytes that each side of a connection sends first.
pub(crate) const HANDSHAKE_BYTES: usize = 16;
/// Upper bound of snappy's expansion per byte: its best element turns 3 bytes into 64.
pub(crate) const MAX_SNAPPY_RATIO: u64 = 22;

/// The configurable limits of a node. All but the last three are in bytes.
///
/// Nodes may have different limits, but a node must not send more than its peers accept. So if one
/// node has smaller limits than others, it refuses their larger frames and payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Maximum length of a frame, header included, sent or received. Default 16 MiB; range 1,200
    /// bytes to 1 GiB. A peer with a lower limit closes the connection on which a longer frame
    /// arrives.
    pub frame: usize,
    /// Maximum length of a frame that is sent as a datagram, header included. Default 1,200, which
    /// passes every IPv6 path unfragmented, with room for tunnels; range 64 to 65,507 (the maximum
    /// of UDP), and at most `frame`. A higher value risks fragmentation and loss; a lower one moves
    /// more payloads to TCP. Received datagrams of any length are accepted.
    pub datagram: usize,
    /// Maximum length of an uncompressed payload, sent or received. Default 16 MiB; range 1 byte to
    /// 1 GiB.
    pub payload: usize,
    /// Payloads of at most this many bytes are not compressed. Default 128, below which snappy
    /// gains less than it costs; any value is valid.
    pub compress_above: usize,
    /// Number of epochs that a replay window remembers, at about 160 bytes each. Default 4,096;
    /// range 1 to 2^20. If it is below the number of senders, old datagrams can be replayed.
    pub replay_epochs: usize,
    /// Maximum number of entries in a payload's table, of nodes in one of its lists, and of
    /// members, islands, groups, buckets and the like in it. Default 100,000; range 1 to 2^24. A
    /// decoder needs up to 264 bytes for each.
    pub nodes: usize,
    /// Maximum number of items of all members in a payload. Default 2^20; range 1 to 2^28. A
    /// decoder needs 20 bytes for each.
    pub items: usize,
}

/// A limit that is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("the limit `{name}` is {value}; it must be between {min} and {max}")]
pub struct LimitsError {
    /// The field of [`Limits`].
    pub name: &'static str,
    /// The refused value.
    pub value: usize,
    /// Minimum of the limit.
    pub min: usize,
    /// Maximum of the limit.
    pub max: usize,
}

impl Limits {
    /// Maximum length, header included, of the first frame that each side of a connection sends. It
    /// is fixed and the same for all nodes. Until a frame opens, the peer has not proven that it
    /// has the key, and no more than this is buffered for it.
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

    /// Maximum length in bytes of the first frame that each side of a connection sends:
    /// [`FIRST_FRAME`](Limits::FIRST_FRAME), or `frame` if that is less.
    #[must_use]
    pub const fn first_frame(&self) -> usize {
        if self.frame < Limits::FIRST_FRAME { self.frame } else { Limits::FIRST_FRAME }
    }

    /// Length of the longest payload that fits into the first frame of a connection, even if it is
    /// incompressible.
    #[must_use]
    pub const fn first_frame_payload(&self) -> usize {
        // The length field of a first frame takes at most 2 bytes.
        self.first_frame().saturating_sub(FIXED_HEADER_BYTES + 2 + NONCE_BYTES + TAG_BYTES)
    }

    /// Length of the longest payload that fits into a sealed datagram.
    #[must_use]
    pub const fn datagram_payload(&self) -> usize {
        // The length field of a datagram takes at most 3 bytes.
        self.datagram.saturating_sub(FIXED_HEADER_BYTES + 3 + NONCE_BYTES + TAG_BYTES)
    }

    /// The same limits, if each is within its range.
    ///
    /// # Errors
    /// The first limit that is out of its range, in the order of the fields.
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

/// Maximum of `frame` and of `payload`.
const MAX_FRAME: usize = 1 << 30;
/// Maximum payload of a UDP datagram over IPv4.
const MAX_DATAGRAM: usize = 65_507;

// Relations between the limits.
const _: () = {
    assert!(Limits::DEFAULT.checked().is_ok());
    assert!(FIXED_HEADER_BYTES + crate::varint::MAX_BYTES + NONCE_BYTES + TAG_BYTES < 64);
    assert!(Limits::DEFAULT.compress_above < Limits::DEFAULT.datagram);
    // Snappy counts the bytes of a block in 32 bits, including the growth of an incompressible one.
    assert!(MAX_FRAME as u64 * 7 / 6 + 32 < u32::MAX as u64);
    assert!(MAX_SNAPPY_RATIO * 3 > 64);
};
