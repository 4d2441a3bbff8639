//! The wire format of gm: payloads, sealed frames, keys, nonces, replay windows, streams.
//!
//! `gm-broadcast` sends and receives its frames. The crate is sans-I/O: the caller supplies bytes,
//! random epochs and random handshake bytes. `docs/WIRE.md` specifies the format; `vectors/` holds
//! test vectors.
//!
//! - A [`Payload`] is one message: a [`Header`] with sender, origin and routing, and a [`Body`]
//!   with updates of a group, an application's own payload, or a message of membership, repair or
//!   anti-entropy. One value has exactly one encoding. [`split_state`] splits a group state into
//!   datagrams; [`Payload::decode_traced`] decodes with diagnostics.
//! - A [`FrameCodec`] seals payloads into frames and opens them, in the caller's buffers, with the
//!   keys of a [`Keyring`]. It binds each frame to a [`ClusterName`] and to a [`Channel`].
//! - A [`ReceivedFrame`] is opened in the buffer in which it arrived, and becomes an
//!   [`OpenedFrame`]; what is decoded from it shares that buffer where it is most of it.
//! - A [`NonceSequence`] numbers the frames that a sender seals in an [`Epoch`]; a [`ReplayWindow`]
//!   detects datagrams that arrived before.
//! - On a connection a [`Handshake`] exchanges random bytes and becomes a [`Stream`]; a
//!   [`FrameSplitter`] splits each [`ReceivedChunk`] into frames.
//! - [`Limits`] are checked before memory is allocated. Invalid input results in a [`FrameError`]
//!   or a [`PayloadError`], never in a panic.
//!
//! ```
//! use gm_codec::{
//!     Channel, ClusterName, Epoch, FrameCodec, FrameError, Key, Keyring, Limits, NonceSequence,
//!     ReplayStatus, ReplayWindow,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let codec = |cluster: &str| -> Result<FrameCodec, Box<dyn std::error::Error>> {
//!     let keyring = Keyring::new(Key::new([7; 32])); // a real key has random bytes
//!     Ok(FrameCodec::new(cluster.parse()?, keyring, Limits::default())?)
//! };
//! let (mut ann, bob, eve) = (codec("production")?, codec("production")?, codec("testing")?);
//! let mut nonces = NonceSequence::new(Epoch::new(*b"8 random")?);
//!
//! let mut frame = Vec::new();
//! ann.seal(&Channel::Datagram, nonces.next_nonce()?, b"hello", &mut frame)?;
//!
//! let (mut copy, mut scratch) = (frame.clone(), Vec::new());
//! let refused = eve.open(&Channel::Datagram, &mut copy, &mut scratch);
//! assert_eq!(refused, Err(FrameError::NotAuthentic));
//! let opened = bob.open(&Channel::Datagram, &mut frame, &mut scratch)?;
//! assert_eq!(opened.payload, b"hello");
//!
//! let mut window = ReplayWindow::new(bob.limits());
//! let seal = opened.seal.ok_or("not sealed")?;
//! assert_eq!(window.check_and_set(seal.epoch, seal.counter), ReplayStatus::Fresh);
//! assert_eq!(window.check_and_set(seal.epoch, seal.counter), ReplayStatus::Replayed);
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: `limits.rs`, `varint.rs`, `frame_header.rs` (the bytes), `cluster.rs`, `key.rs`,
//! `keyring.rs`, `nonce.rs`, `channel.rs` (the binding of a frame), `frame.rs` with
//! `compression.rs` and `frame_error.rs`, `received.rs` (shared buffers), `stream.rs`,
//! `splitter.rs`, `replay.rs`; `aead.rs` is the cipher; then `payload.rs` and the files below it.
//! The feature `ring` (off by default) makes the crate `ring` the cipher.

mod aead;
mod channel;
mod cluster;
mod compression;
mod frame;
mod frame_error;
mod frame_header;
mod key;
mod keyring;
mod limits;
mod nonce;
mod payload;
mod received;
mod replay;
mod splitter;
mod stream;
pub mod varint;

#[cfg(feature = "ring")]
pub use aead::Ring;
pub use aead::{Aead, Portable};
pub use channel::{Channel, ConnectionSide};
pub use cluster::{ClusterName, ClusterNameError};
pub use frame::{FrameCodec, Opened, Seal, SealError};
pub use frame_error::FrameError;
pub use key::Key;
pub use keyring::{Keyring, KeyringError};
pub use limits::{Limits, LimitsError};
pub use nonce::{Epoch, Exhausted, Nonce, NonceSequence, ReservedEpoch};
pub use payload::{
    Ack, AckRequest, AckStatus, AckSummary, ApplicationPayload, Body, BroadcastHeader, BroadcastId, Buckets,
    Extension, Fingerprints, GroupEntry, GroupUpdate, Header, KnownVersion, MemberUpdate, MissedMulticasts,
    Nack, Origin, ParentBucket, Payload, PayloadError, PeerExchange, PeerIsland, RecordRequests,
    Retransmission, Root, Routing, SplitState, TracedError, TracedField, Versions, split_state,
};
pub use received::{OpenedFrame, ReceivedChunk, ReceivedFrame};
pub use replay::{ReplayStatus, ReplayWindow};
pub use splitter::FrameSplitter;
pub use stream::{Handshake, HandshakeEchoed, Stream};
