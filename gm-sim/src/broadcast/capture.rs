//! Captures the frames that nodes send and receive, opened with the world's key.
//!
//! A frame on a connection is opened where it is sent, and recognized where it arrives by its
//! position in the stream.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use gm_broadcast::{ConnectionId, Input, Via};
use gm_codec::{
    Ack, AckStatus, Body, BroadcastHeader, BroadcastId, Channel, FrameCodec, FrameSplitter, Handshake,
    Limits, Payload, Routing, Stream,
};

use super::node::{SimBroadcaster, codec};
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
        targets: Vec<gm_clock::NetId>,
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

#[derive(Debug, Default)]
struct CapturedEnd {
    own: Vec<u8>,
    peer: Vec<u8>,
    /// Splits and opens the frames that this end sends, as the other end does.
    decoder: Option<(Stream, FrameSplitter)>,
    sent: u64,
    got: u64,
}

/// The frames on all connections of a world.
pub struct FrameCapture {
    codec: FrameCodec,
    ends: BTreeMap<(NodeIndex, ConnectionId), CapturedEnd>,
    /// By the handshakes of sender and receiver.
    in_flight: BTreeMap<(Vec<u8>, Vec<u8>), FramesInFlight>,
    scratch: Vec<u8>,
}

impl FrameCapture {
    /// A capture that has observed nothing yet.
    #[must_use]
    pub fn new() -> FrameCapture {
        FrameCapture {
            codec: codec(None),
            ends: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            scratch: Vec::new(),
        }
    }

    /// The captured events of an observation, if it concerns a broadcast.
    pub fn capture(
        &mut self,
        context: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
    ) -> Vec<CaptureEvent> {
        match seen {
            Observation::Sent { flow: TrafficKind::Stream, link: Some(link), to, bytes, .. } => {
                let frame = self.sent(context.node, *link, bytes).map(Rc::new);
                frame.into_iter().map(|frame| CaptureEvent::Sent(*to, frame)).collect()
            }
            // A unicast datagram never concerns a broadcast.
            Observation::Sent { flow: TrafficKind::Multicast, bytes, .. } => {
                let frame = self.multicast(context.node, bytes);
                frame.into_iter().map(|frame| CaptureEvent::Sent(None, Rc::new(frame))).collect()
            }
            Observation::Input(Input::ConnectionBytes { link, bytes }) => {
                self.received(context.node, *link, bytes)
            }
            Observation::Input(Input::Datagram { via: Via::Multicast, bytes, .. }) => {
                // The frame names its sender, but no checker needs it.
                let frame = self.multicast(NodeIndex::OUTSIDER, bytes);
                frame.into_iter().map(|frame| CaptureEvent::Received(Rc::new(frame))).collect()
            }
            Observation::Input(Input::ConnectionClosed { link, .. }) | Observation::Closed { link } => {
                self.ends.remove(&(context.node, *link));
                Vec::new()
            }
            Observation::Ended => {
                let of = (context.node, ConnectionId::dialled(0))
                    ..(NodeIndex(context.node.0.wrapping_add(1)), ConnectionId::dialled(0));
                let links: Vec<_> = self.ends.range(of).map(|(key, _)| *key).collect();
                links.iter().for_each(|key| drop(self.ends.remove(key)));
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn sent(&mut self, node: NodeIndex, link: ConnectionId, bytes: &[u8]) -> Option<CapturedFrame> {
        let end = self.ends.entry((node, link)).or_default();
        end.sent += bytes.len() as u64;
        if end.own.len() < Handshake::BYTES {
            end.own.extend_from_slice(bytes);
            return None;
        }
        if end.decoder.is_none() {
            let peer = end.peer.first_chunk().copied()?;
            let mut own = end.own.as_slice();
            let stream = Handshake::new(link.side().other(), peer).read(&mut own).ok()?;
            end.decoder = stream.map(|stream| (stream, FrameSplitter::new(self.codec.limits())));
        }
        let (stream, splitter) = end.decoder.as_mut()?;
        let (mut rest, mut last) = (bytes, None);
        // A long first frame is preceded by a header-only frame, which does not concern a
        // broadcast.
        while let Some(frame) = splitter.read(&mut rest).ok()? {
            let opened = stream.open(&self.codec, frame, &mut self.scratch).ok()?;
            let epoch = opened.seal.map(|seal| seal.epoch.bytes());
            last = Some((Payload::decode(opened.payload, &Limits::DEFAULT).ok()?, epoch));
        }
        let (payload, epoch) = last?;
        let (id, content) = broadcast_content(payload, epoch)?;
        let frame = CapturedFrame { from: node, flow: TrafficKind::Stream, id, content };
        let frames = self.in_flight.entry((end.own.clone(), end.peer.clone())).or_default();
        frames.push_back((end.sent, Rc::new(frame.clone())));
        Some(frame)
    }

    fn multicast(&mut self, from: NodeIndex, bytes: &[u8]) -> Option<CapturedFrame> {
        let mut bytes = bytes.to_vec();
        let opened = self.codec.open(&Channel::Datagram, &mut bytes, &mut self.scratch).ok()?;
        let epoch = opened.seal.map(|seal| seal.epoch.bytes());
        let (id, content) =
            broadcast_content(Payload::decode(opened.payload, &Limits::DEFAULT).ok()?, epoch)?;
        Some(CapturedFrame { from, flow: TrafficKind::Multicast, id, content })
    }

    fn received(&mut self, node: NodeIndex, link: ConnectionId, bytes: &[u8]) -> Vec<CaptureEvent> {
        let end = self.ends.entry((node, link)).or_default();
        end.got += bytes.len() as u64;
        let missing = Handshake::BYTES - end.peer.len();
        end.peer.extend_from_slice(&bytes[..missing.min(bytes.len())]);
        let mut captured = Vec::new();
        let key = (end.peer.clone(), end.own.clone());
        if let Some(frames) = self.in_flight.get_mut(&key) {
            let arrived = frames.iter().take_while(|(at, _)| *at <= end.got).count();
            captured.extend(frames.drain(..arrived).map(|(_, frame)| CaptureEvent::Received(frame)));
            if frames.is_empty() {
                self.in_flight.remove(&key);
            }
        }
        captured
    }
}

impl Default for FrameCapture {
    fn default() -> FrameCapture {
        FrameCapture::new()
    }
}

impl std::fmt::Debug for FrameCapture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FrameCapture({} ends)", self.ends.len())
    }
}

fn broadcast_content(payload: Payload, epoch: Option<[u8; 8]>) -> Option<(BroadcastId, FrameContent)> {
    let Payload { header, body } = payload;
    match (header.routing, body) {
        (Routing::Broadcast(BroadcastHeader { origin, sequence, targets, ack_request: acks }), body) => {
            let origin = origin.map(|origin| (origin.node, origin.epoch));
            let (origin, epoch) = origin.or(epoch.map(|epoch| (header.sender, epoch)))?;
            let id = BroadcastId { origin, epoch, sequence };
            let reassigned = acks.is_some_and(|acks| acks.reassigned);
            let is_announcement = body == Body::HeaderOnly;
            Some((
                id,
                FrameContent::Broadcast { is_announcement, targets, wants_acks: acks.is_some(), reassigned },
            ))
        }
        (Routing::Direct, Body::Ack(Ack { broadcast, status })) => {
            Some((broadcast, FrameContent::Answer(status)))
        }
        (Routing::Direct, _) => None,
    }
}
