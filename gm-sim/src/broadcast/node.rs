//! Node of a simulated cluster of broadcasters: its machine, its codec and its message handler.

use gm_broadcast::{BroadcastMachine, BroadcasterConfig, Handler, HandlerOutcome, Path, Received, Rng, Time};
use gm_clock::NetId;
use gm_codec::{ApplicationPayload, Body, BroadcastId, ClusterName, FrameCodec, Key, Keyring, Limits};

use crate::node::{NodeIndex, StartContext};
use crate::trace::WordHasher;

/// The machine of these worlds.
pub type SimBroadcaster = BroadcastMachine<SimInbox>;

/// A delivered message, reduced to what checkers need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredMessage {
    /// Sender of the message, a relay or the origin.
    pub from: NetId,
    /// Identity of the broadcast; `None` for a message to this node alone.
    pub broadcast: Option<BroadcastId>,
    /// Path by which it arrived.
    pub path: Path,
    /// Number at the beginning of the content, by which the world identifies the send.
    pub number: u64,
    /// Length of the content in bytes.
    pub length: usize,
    /// Hash of the content.
    pub hash: u64,
}

/// Handler that delivers every message and acknowledges it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimInbox {
    /// Whether messages count as stored on disk at once.
    pub stores: bool,
}

impl Handler for SimInbox {
    type Delivery = DeliveredMessage;

    fn handle(&mut self, _: Time, received: Received<'_>) -> HandlerOutcome<DeliveredMessage> {
        let bytes = match received.body {
            Body::Application(application) => &application.bytes[..],
            _ => &[],
        };
        let number = bytes.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        let mail = DeliveredMessage {
            from: received.from,
            broadcast: received.broadcast,
            path: received.path,
            number,
            length: bytes.len(),
            hash: hash(bytes),
        };
        HandlerOutcome { stored: self.stores, ..HandlerOutcome::deliver(mail) }
    }
}

/// A body that begins with this number, with a length of at least 8 bytes.
#[must_use]
pub fn body(number: u64, length: usize) -> Body {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(length.max(8), 0x6d);
    Body::Application(ApplicationPayload { name: "sim".into(), bytes: bytes.into() })
}

/// A body that begins with this number, of incompressible bytes.
#[must_use]
pub fn incompressible_body(number: u64, length: usize) -> Body {
    let mut bytes = number.to_be_bytes().to_vec();
    let mut rng = Rng::new(crate::world::derive_seed(number, 7, 7));
    while bytes.len() < length {
        bytes.extend_from_slice(&rng.next_u64().to_le_bytes());
    }
    bytes.truncate(length.max(8));
    Body::Application(ApplicationPayload { name: "sim".into(), bytes: bytes.into() })
}

/// Hash of a content, as in [`DeliveredMessage`].
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    let mut mixer = WordHasher::new();
    mixer.bytes(bytes);
    mixer.value()
}

/// Sealing of a world's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameSealing {
    /// Sealed with the world's key.
    Sealed,
    /// Unsealed, for worlds that measure the speed of everything else.
    Unsealed,
}

/// Name of every world's cluster.
const CLUSTER: &str = "world";
/// Key of every world.
const KEY: [u8; 32] = [7; 32];

/// Codec with the world's key, or with a key that only the given node has.
///
/// # Panics
/// Never: name and limits are valid.
#[must_use]
#[allow(clippy::expect_used)]
pub fn codec(alone: Option<NodeIndex>) -> FrameCodec {
    let mut key = KEY;
    if let Some(node) = alone {
        key[..4].copy_from_slice(&node.0.to_be_bytes());
    }
    let cluster: ClusterName = CLUSTER.parse().expect("valid cluster name");
    FrameCodec::new(cluster, Keyring::new(Key::new(key)), Limits::default()).expect("valid limits")
}

/// Machine of a node.
///
/// # Panics
/// If the configuration is invalid, which is a bug in the scenario.
#[must_use]
#[allow(clippy::expect_used)]
pub fn make_broadcaster(
    context: &StartContext,
    config: BroadcasterConfig,
    frames: FrameSealing,
) -> SimBroadcaster {
    let codec = match frames {
        FrameSealing::Sealed => codec(context.wrong_key.then_some(context.node)),
        FrameSealing::Unsealed => {
            FrameCodec::insecure(CLUSTER.parse().expect("valid cluster name"), Limits::default())
                .expect("valid limits")
        }
    };
    BroadcastMachine::new(config, codec, SimInbox::default(), context.seed, context.now)
        .expect("valid configuration")
}
