//! A handler that records its payloads, and helpers for payloads and keys.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use gm_broadcast::{BroadcastRequest, Handler, HandlerOutcome, Path, Received, Time};
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

/// Decisions of a handler about each text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decisions {
    pub(crate) counts: bool,
    pub(crate) stored: bool,
}

impl Default for Decisions {
    fn default() -> Decisions {
        Decisions { counts: true, stored: false }
    }
}

/// Records application texts, with decisions that can be changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordingHandler(pub(crate) Rc<Cell<Decisions>>);

impl Handler for RecordingHandler {
    type Delivery = Delivered;

    fn handle(&mut self, _now: Time, received: Received<'_>) -> HandlerOutcome<Delivered> {
        let Body::Application(application) = received.body else { panic!("{received:?}") };
        let text = String::from_utf8(application.bytes.to_vec()).unwrap();
        let Decisions { counts, stored } = self.0.get();
        let got = Delivered { from: received.from, id: received.broadcast, path: received.path, text };
        HandlerOutcome { acks: counts, stored, deliver: Some(got) }
    }
}

/// The NetId of a station; stations are numbered in the order of their addition.
pub(crate) fn node(number: usize) -> NetId {
    gm_sim::layout::id(u32::try_from(number).unwrap())
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
    Body::Application(ApplicationPayload { name: "chat".into(), bytes: text.as_bytes().to_vec().into() })
}

pub(crate) fn broadcast_of(what: &str) -> BroadcastRequest {
    BroadcastRequest::new(text(what))
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
