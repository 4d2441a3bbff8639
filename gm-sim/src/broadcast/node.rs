//! A node of a world of broadcasters. Knows nothing of the world.

use gm_broadcast::{Broadcaster, BroadcasterConfig, Handler, HandlerOutcome, Path, Received, Rng, Time};
use gm_clock::NetId;
use gm_codec::{ApplicationPayload, Body, BroadcastId, ClusterName, FrameCodec, Key, Keyring, Limits};

use crate::node::{NodeIndex, StartContext};
use crate::trace::WordHasher;

/// The machine of these worlds.
pub type SimBroadcaster = Broadcaster<SimInbox>;

/// What came, as a checker needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredMessage {
    /// Who sent it to us.
    pub from: NetId,
    /// Which broadcast; nothing if it was for us alone.
    pub broadcast: Option<BroadcastId>,
    /// By which way.
    pub path: Path,
    /// The number that its content begins with: what the world calls it.
    pub number: u64,
    /// Bytes of the content.
    pub length: usize,
    /// A hash of them.
    pub hash: u64,
}

/// Hands on whatever comes; what it says counts at once, and is on disk if it is asked to pretend
/// so.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimInbox {
    /// Whether what comes is on disk at once.
    pub stores: bool,
}

impl Handler for SimInbox {
    type Delivery = DeliveredMessage;

    fn handle(&mut self, _: Time, received: Received<'_>) -> HandlerOutcome<DeliveredMessage> {
        let bytes = match received.body {
            Body::Application(application) => application.bytes.as_slice(),
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

/// A body that the world calls by that number, of so many bytes, at least eight.
#[must_use]
pub fn body(number: u64, length: usize) -> Body {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(length.max(8), 0x6d);
    Body::Application(ApplicationPayload { name: "sim".into(), bytes })
}

/// The same of bytes that do not become fewer when they are compressed.
#[must_use]
pub fn incompressible_body(number: u64, length: usize) -> Body {
    let mut bytes = number.to_be_bytes().to_vec();
    let mut rng = Rng::new(crate::world::derive_seed(number, 7, 7));
    while bytes.len() < length {
        bytes.extend_from_slice(&rng.next_u64().to_le_bytes());
    }
    bytes.truncate(length.max(8));
    Body::Application(ApplicationPayload { name: "sim".into(), bytes })
}

/// The hash that [`Mail`] has of a content.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    let mut mixer = WordHasher::new();
    mixer.bytes(bytes);
    mixer.value()
}

/// How the frames of a world are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameSealing {
    /// With the world's key.
    Sealed,
    /// With none: worlds in which cost counts more than what an outsider does.
    Unsealed,
}

/// The name of every world's cluster.
const CLUSTER: &str = "world";
/// The key of a world.
const KEY: [u8; 32] = [7; 32];

/// What makes and opens frames with the world's key, or with one that only that node has.
#[allow(clippy::expect_used)]
pub(crate) fn codec(alone: Option<NodeIndex>) -> FrameCodec {
    let mut key = KEY;
    if let Some(node) = alone {
        key[..4].copy_from_slice(&node.0.to_be_bytes());
    }
    let cluster: ClusterName = CLUSTER.parse().expect("a name");
    FrameCodec::new(cluster, Keyring::new(Key::new(key)), Limits::default()).expect("limits")
}

/// The machine of a node.
///
/// # Panics
/// If the configuration cannot be: a world is written by hand.
#[must_use]
#[allow(clippy::expect_used)]
pub fn make_broadcaster(
    birth: &StartContext,
    config: BroadcasterConfig,
    frames: FrameSealing,
) -> SimBroadcaster {
    let codec = match frames {
        FrameSealing::Sealed => codec(birth.wrong_key.then_some(birth.node)),
        FrameSealing::Unsealed => {
            FrameCodec::insecure(CLUSTER.parse().expect("a name"), Limits::default()).expect("limits")
        }
    };
    Broadcaster::new(config, codec, SimInbox::default(), birth.seed, birth.now).expect("a configuration")
}
