//! A node of the network with its recorded outputs, and helpers for payloads and keys.

use std::time::Duration;

use gm_broadcast::{
    BroadcastEvent, BroadcastMachine, BroadcastRequest, Handler, HandlerOutcome, Path, Received, Time,
};
use gm_clock::NetId;
use gm_codec::{ApplicationPayload, Body, BroadcastId, FrameCodec, Key, Keyring, Limits};

/// A delivery of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) from: NetId,
    pub(crate) id: Option<BroadcastId>,
    pub(crate) path: Path,
    pub(crate) text: String,
}

/// Records application texts; its fields are its decisions about each.
#[derive(Clone, Debug)]
pub(crate) struct RecordingHandler {
    pub(crate) counts: bool,
    pub(crate) stored: bool,
    /// Text that it appends to forwarded broadcasts.
    pub(crate) adds: Option<&'static str>,
}

impl Handler for RecordingHandler {
    type Delivery = Delivered;

    fn handle(&mut self, _now: Time, received: Received<'_>) -> HandlerOutcome<Delivered> {
        let Body::Application(application) = received.body else { panic!("{received:?}") };
        let text = String::from_utf8(application.bytes.clone()).unwrap();
        let forward = self.adds.map(|more| self::text(&format!("{text}{more}")));
        let got = Delivered { from: received.from, id: received.broadcast, path: received.path, text };
        HandlerOutcome { forward, acks: self.counts, stored: self.stored, deliver: Some(got) }
    }
}

pub(crate) struct Station {
    pub(crate) node: BroadcastMachine<RecordingHandler>,
    /// The island in which it multicasts.
    pub(crate) island: Option<u32>,
    /// Whether it is paused: it handles no inputs, and its connections stay.
    pub(crate) paused: bool,
    /// Whether it is down: it refuses connections.
    pub(crate) down: bool,
    pub(crate) got: Vec<Delivered>,
    pub(crate) events: Vec<BroadcastEvent>,
}

/// The NetId of a station; stations are numbered in the order of their addition.
pub(crate) fn node(number: usize) -> NetId {
    format!("10.0.0.{}:29999", number + 1).parse().unwrap()
}

pub(crate) fn sealed() -> FrameCodec {
    codec("production", 7)
}

pub(crate) fn codec(cluster: &str, key: u8) -> FrameCodec {
    FrameCodec::new(cluster.parse().unwrap(), Keyring::new(Key::new([key; 32])), Limits::default()).unwrap()
}

pub(crate) fn insecure() -> FrameCodec {
    FrameCodec::insecure("production".parse().unwrap(), Limits::default()).unwrap()
}

pub(crate) fn text(text: &str) -> Body {
    Body::Application(ApplicationPayload { name: "chat".into(), bytes: text.as_bytes().to_vec() })
}

pub(crate) fn broadcast_of(what: &str) -> BroadcastRequest {
    BroadcastRequest::new(text(what))
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
