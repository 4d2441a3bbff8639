//! The wire, byte for byte: payloads, sealed frames, keys, nonces, replay windows, streams.
//!
//! Knows nothing of sockets, clocks, threads and files; chance (epochs, openings) is handed in,
//! never drawn. The format is `docs/WIRE.md`; `vectors/` holds examples of it.
//!
//! - A [`Payload`] is what nodes say: who sends it on whose behalf ([`Header`]), and records and
//!   increments of a group, something of an application's own, or what nodes need to keep both the
//!   same everywhere ([`Body`]). One value has one spelling. [`split_state`] cuts a state to the
//!   size of datagrams; [`Payload::decode_traced`] shows bytes to a human.
//! - A [`FrameCodec`] seals payloads into frames and opens them, in the caller's buffers, with the
//!   keys of a [`Keyring`], bound to a [`ClusterName`] and to the [`Channel`] that they travel on.
//! - [`NonceSequence`] number what a sender seals in an [`Epoch`]; a [`ReplayWindow`] tells
//!   datagrams that came already.
//! - On a connection an [`Handshake`] exchanges random bytes and becomes a [`Stream`]; a
//!   [`FrameSplitter`] cuts what comes.
//! - [`Limits`] are checked before memory is asked for. What a peer sends ends in a [`FrameError`],
//!   never in a panic.
//!
//! ```
//! use gm_codec::{Channel, ClusterName, Epoch, FrameCodec, FrameError, ReplayStatus, Key, Keyring, Limits, NonceSequence, ReplayWindow};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let codec = |cluster: &str| -> Result<FrameCodec, Box<dyn std::error::Error>> {
//!     let keyring = Keyring::new(Key::new([7; 32])); // of a real one, all bytes are random
//!     Ok(FrameCodec::new(cluster.parse()?, keyring, Limits::default())?)
//! };
//! let (mut ann, bob, eve) = (codec("production")?, codec("production")?, codec("testing")?);
//! let mut nonces = NonceSequence::new(Epoch::new(*b"8 random")?);
//!
//! let mut frame = Vec::new();
//! ann.seal(&Channel::Datagram, nonces.next_nonce()?, b"hello", &mut frame)?;
//!
//! let (mut copy, mut scratch) = (frame.clone(), Vec::new());
//! assert_eq!(eve.open(&Channel::Datagram, &mut copy, &mut scratch), Err(FrameError::NotAuthentic));
//! let opened = bob.open(&Channel::Datagram, &mut frame, &mut scratch)?;
//! assert_eq!(opened.payload, b"hello");
//!
//! let mut window = ReplayWindow::new(bob.limits());
//! let seal = opened.seal.ok_or("it was sealed")?;
//! assert_eq!(window.check_and_set(seal.epoch, seal.counter), ReplayStatus::Fresh);
//! assert_eq!(window.check_and_set(seal.epoch, seal.counter), ReplayStatus::Replayed);
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: `limits.rs`, `varint.rs`, `frame_header.rs` (the bytes), `cluster.rs`, `key.rs`,
//! `keyring.rs`, `nonce.rs`, `channel.rs` (what a frame is bound to), `frame.rs` with
//! `compression.rs` and `frame_error.rs`, `stream.rs`, `splitter.rs`, `replay.rs`; `aead.rs` is the
//! cipher; then `payload.rs` and the files below it. The feature `ring` (off by default) makes the
//! crate `ring` the cipher.

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
pub use replay::{ReplayStatus, ReplayWindow};
pub use splitter::FrameSplitter;
pub use stream::{Handshake, HandshakeEchoed, Stream};
