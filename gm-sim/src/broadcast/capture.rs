//! Captured frames of broadcasts, as nodes send and receive them.
//!
//! A frame on a connection is opened where it is sent, and recognized where it arrives by its
//! position in the stream.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use gm_broadcast::{ConnectionId, Input, Via};
use gm_clock::NetId;
use gm_codec::{Ack, AckStatus, Body, BroadcastId, Routing};

use super::history::BroadcastHistory;
use super::node::{SimBroadcaster, codec};
use super::tap::{FrameTap, TappedFrame};
use crate::node::NodeIndex;
use crate::observation::{Observation, ObservationContext, TrafficKind};

/// A captured frame that concerns a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedFrame {
    /// Sender.
    pub from: NodeIndex,
    /// Kind of traffic.
    pub flow: TrafficKind,
    /// Broadcast that the frame concerns.
    pub id: BroadcastId,
    /// Content of the frame, as far as it concerns the broadcast.
    pub content: FrameContent,
}

/// Content of a frame that concerns a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameContent {
    /// The broadcast itself, or its announcement.
    Broadcast {
        /// Whether it is an announcement, without the content.
        is_announcement: bool,
        /// Targets that the receiver forwards to.
        targets: Vec<NetId>,
        /// Whether acks are requested.
        wants_acks: bool,
        /// Whether the subtree was assigned to another relay before.
        reassigned: bool,
    },
    /// An answer to the broadcast: an ack, a request for the content, or a summary of acks.
    Answer(AckStatus),
}

/// A captured event.
#[derive(Clone, Debug)]
pub enum CaptureEvent {
    /// The node sent the frame, to one node or (`None`) to its island.
    Sent(Option<NodeIndex>, Rc<CapturedFrame>),
    /// The node received the frame.
    Received(Rc<CapturedFrame>),
}

/// Frames in flight in one direction of a connection, with the stream position of their last byte.
type FramesInFlight = VecDeque<(u64, Rc<CapturedFrame>)>;

/// The frames on all connections of a world.
#[derive(Debug)]
pub struct FrameCapture {
    tap: FrameTap,
    /// By the handshakes of sender and receiver.
    in_flight: BTreeMap<(Vec<u8>, Vec<u8>), FramesInFlight>,
}

impl FrameCapture {
    /// A capture that has observed nothing yet.
    #[must_use]
    pub fn new() -> FrameCapture {
        FrameCapture { tap: FrameTap::new(codec(None)), in_flight: BTreeMap::new() }
    }

    /// The captured events of an observation, if it concerns a broadcast.
    pub fn capture(
        &mut self,
        context: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
        history: &BroadcastHistory,
    ) -> Vec<CaptureEvent> {
        self.tap.observe(context.node, seen);
        match seen {
            Observation::Sent { flow: TrafficKind::Stream, link: Some(link), to, bytes, .. } => {
                let frame = self.sent(context.node, *to, *link, bytes);
                frame.into_iter().map(|frame| CaptureEvent::Sent(*to, frame)).collect()
            }
            Observation::Sent { flow: TrafficKind::Multicast, bytes, .. } => {
                let frame = self.datagram(context.node, None, bytes);
                frame.into_iter().map(|frame| CaptureEvent::Sent(None, frame)).collect()
            }
            Observation::Sent { flow: TrafficKind::Datagram, to: Some(to), bytes, .. } => {
                let frame =
                    history.id(*to).and_then(|id| self.datagram(context.node, Some((*to, id)), bytes));
                frame.into_iter().map(|frame| CaptureEvent::Sent(Some(*to), frame)).collect()
            }
            Observation::Input(Input::ConnectionBytes { link, .. }) => self.received(context.node, *link),
            Observation::Input(Input::Datagram { via, bytes, from }) => {
                let to = match via {
                    Via::Multicast => None,
                    Via::Unicast => history.id(context.node).map(|id| (context.node, id)),
                };
                let sender = history.node_at(*from).unwrap_or(NodeIndex::OUTSIDER);
                let frame = self.datagram(sender, to, bytes);
                frame.into_iter().map(CaptureEvent::Received).collect()
            }
            _ => Vec::new(),
        }
    }

    fn sent(
        &mut self,
        node: NodeIndex,
        to: Option<NodeIndex>,
        link: ConnectionId,
        bytes: &[u8],
    ) -> Option<Rc<CapturedFrame>> {
        // A long first frame is preceded by a header-only frame, which does not concern a
        // broadcast.
        let last = self.tap.stream(node, to, link, bytes)?.pop()?;
        let frame = Rc::new(captured(last)?);
        let end = self.tap.end(node, link)?;
        let frames = self.in_flight.entry((end.own.clone(), end.peer.clone())).or_default();
        frames.push_back((end.sent, Rc::clone(&frame)));
        Some(frame)
    }

    fn datagram(
        &mut self,
        from: NodeIndex,
        to: Option<(NodeIndex, NetId)>,
        bytes: &[u8],
    ) -> Option<Rc<CapturedFrame>> {
        Some(Rc::new(captured(self.tap.datagram(from, to, bytes)?)?))
    }

    fn received(&mut self, node: NodeIndex, link: ConnectionId) -> Vec<CaptureEvent> {
        let Some(end) = self.tap.end(node, link) else { return Vec::new() };
        let key = (end.peer.clone(), end.own.clone());
        let Some(frames) = self.in_flight.get_mut(&key) else { return Vec::new() };
        let arrived = frames.iter().take_while(|(at, _)| *at <= end.received).count();
        let captured = frames.drain(..arrived).map(|(_, frame)| CaptureEvent::Received(frame)).collect();
        if frames.is_empty() {
            self.in_flight.remove(&key);
        }
        captured
    }
}

impl Default for FrameCapture {
    fn default() -> FrameCapture {
        FrameCapture::new()
    }
}

fn captured(frame: TappedFrame) -> Option<CapturedFrame> {
    let (id, TappedFrame { from, flow, payload, .. }) = (frame.id(), frame);
    let (id, content) = match (payload.header.routing, payload.body) {
        (Routing::Broadcast(header), body) => {
            let content = FrameContent::Broadcast {
                is_announcement: body == Body::HeaderOnly,
                targets: header.targets,
                wants_acks: header.ack_request.is_some(),
                reassigned: header.ack_request.is_some_and(|acks| acks.reassigned),
            };
            (id?, content)
        }
        (Routing::Direct, Body::Ack(Ack { broadcast, status })) => (broadcast, FrameContent::Answer(status)),
        (Routing::Direct, _) => return None,
    };
    Some(CapturedFrame { from, flow, id, content })
}
