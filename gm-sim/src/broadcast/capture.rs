//! Listens at every node with the world's key: which frames it sends, and which of them it gets.
//! Judges nothing.
//!
//! A frame on a connection is opened where it is sent, and known again by its place in the stream
//! where it comes.

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

/// A frame, as far as it says something of a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedFrame {
    /// Who sends it.
    pub from: NodeIndex,
    /// How.
    pub flow: TrafficKind,
    /// Of which broadcast.
    pub id: BroadcastId,
    /// What it says.
    pub content: FrameContent,
}

/// What a frame says of a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameContent {
    /// It is, or brings, the broadcast.
    Broadcast {
        /// Without its content.
        is_announcement: bool,
        /// To whom it is to be passed on.
        targets: Vec<gm_clock::NetId>,
        /// Whether receipts are asked for.
        wants_acks: bool,
        /// Whether the share was another's before.
        reassigned: bool,
    },
    /// It asks for the content, says that it is there, or how far it came.
    Answer(AckStatus),
}

/// What a node did with a frame.
#[derive(Clone, Debug)]
pub enum CaptureEvent {
    /// Sent it, to one or to its island.
    Sent(Option<NodeIndex>, Rc<CapturedFrame>),
    /// Got it.
    Received(Rc<CapturedFrame>),
}

/// One direction of a connection: frames by the place of their last byte.
type FramesInFlight = VecDeque<(u64, Rc<CapturedFrame>)>;

#[derive(Debug, Default)]
struct CapturedEnd {
    own: Vec<u8>,
    peer: Vec<u8>,
    /// What the other end cuts and opens with.
    decoder: Option<(Stream, FrameSplitter)>,
    sent: u64,
    got: u64,
}

/// All connections of a world.
pub struct FrameCapture {
    codec: FrameCodec,
    ends: BTreeMap<(NodeIndex, ConnectionId), CapturedEnd>,
    /// By the openings of who sends and who gets.
    in_flight: BTreeMap<(Vec<u8>, Vec<u8>), FramesInFlight>,
    scratch: Vec<u8>,
}

impl FrameCapture {
    /// Nothing heard yet.
    #[must_use]
    pub fn new() -> FrameCapture {
        FrameCapture {
            codec: codec(None),
            ends: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            scratch: Vec::new(),
        }
    }

    /// What was sent or got by this, if it is of a broadcast.
    pub fn capture(
        &mut self,
        place: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
    ) -> Vec<CaptureEvent> {
        match seen {
            Observation::Sent { flow: TrafficKind::Stream, link: Some(link), to, bytes, .. } => {
                let frame = self.sent(place.node, *link, bytes).map(Rc::new);
                frame.into_iter().map(|frame| CaptureEvent::Sent(*to, frame)).collect()
            }
            // To one, no datagram says anything of a broadcast.
            Observation::Sent { flow: TrafficKind::Multicast, bytes, .. } => {
                let frame = self.multicast(place.node, bytes);
                frame.into_iter().map(|frame| CaptureEvent::Sent(None, Rc::new(frame))).collect()
            }
            Observation::Input(Input::ConnectionBytes { link, bytes }) => {
                self.received(place.node, *link, bytes)
            }
            Observation::Input(Input::Datagram { via: Via::Multicast, bytes, .. }) => {
                // Who sent it stands in it, but nobody asks that of a multicast.
                let frame = self.multicast(NodeIndex::OUTSIDER, bytes);
                frame.into_iter().map(|frame| CaptureEvent::Received(Rc::new(frame))).collect()
            }
            Observation::Input(Input::ConnectionClosed { link, .. }) | Observation::Closed { link } => {
                self.ends.remove(&(place.node, *link));
                Vec::new()
            }
            Observation::Ended => {
                let of = (place.node, ConnectionId::dialled(0))
                    ..(NodeIndex(place.node.0.wrapping_add(1)), ConnectionId::dialled(0));
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
        // Before a long first frame goes a notice, which says nothing of a broadcast.
        while let Some(frame) = splitter.read(&mut rest).ok()? {
            let opened = stream.open(&self.codec, frame, &mut self.scratch).ok()?;
            let epoch = opened.seal.map(|seal| seal.epoch.bytes());
            last = Some((Payload::decode(opened.payload, &Limits::DEFAULT).ok()?, epoch));
        }
        let (payload, epoch) = last?;
        let (id, says) = broadcast_content(payload, epoch)?;
        let frame = CapturedFrame { from: node, flow: TrafficKind::Stream, id, content: says };
        let way = self.in_flight.entry((end.own.clone(), end.peer.clone())).or_default();
        way.push_back((end.sent, Rc::new(frame.clone())));
        Some(frame)
    }

    fn multicast(&mut self, from: NodeIndex, bytes: &[u8]) -> Option<CapturedFrame> {
        let mut bytes = bytes.to_vec();
        let opened = self.codec.open(&Channel::Datagram, &mut bytes, &mut self.scratch).ok()?;
        let epoch = opened.seal.map(|seal| seal.epoch.bytes());
        let (id, says) = broadcast_content(Payload::decode(opened.payload, &Limits::DEFAULT).ok()?, epoch)?;
        Some(CapturedFrame { from, flow: TrafficKind::Multicast, id, content: says })
    }

    fn received(&mut self, node: NodeIndex, link: ConnectionId, bytes: &[u8]) -> Vec<CaptureEvent> {
        let end = self.ends.entry((node, link)).or_default();
        end.got += bytes.len() as u64;
        let missing = Handshake::BYTES - end.peer.len();
        end.peer.extend_from_slice(&bytes[..missing.min(bytes.len())]);
        let mut heard = Vec::new();
        let key = (end.peer.clone(), end.own.clone());
        if let Some(way) = self.in_flight.get_mut(&key) {
            let come = way.iter().take_while(|(at, _)| *at <= end.got).count();
            heard.extend(way.drain(..come).map(|(_, frame)| CaptureEvent::Received(frame)));
            if way.is_empty() {
                self.in_flight.remove(&key);
            }
        }
        heard
    }
}

impl Default for FrameCapture {
    fn default() -> FrameCapture {
        FrameCapture::new()
    }
}

impl std::fmt::Debug for FrameCapture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tap({} ends)", self.ends.len())
    }
}

fn broadcast_content(payload: Payload, epoch: Option<[u8; 8]>) -> Option<(BroadcastId, FrameContent)> {
    let Payload { header, body } = payload;
    match (header.routing, body) {
        (
            Routing::Broadcast(BroadcastHeader { origin, sequence, targets: list, ack_request: receipts }),
            body,
        ) => {
            let origin = origin.map(|origin| (origin.node, origin.epoch));
            let (origin, epoch) = origin.or(epoch.map(|epoch| (header.sender, epoch)))?;
            let id = BroadcastId { origin, epoch, sequence };
            let again = receipts.is_some_and(|receipts| receipts.reassigned);
            let notice = body == Body::HeaderOnly;
            Some((
                id,
                FrameContent::Broadcast {
                    is_announcement: notice,
                    targets: list,
                    wants_acks: receipts.is_some(),
                    reassigned: again,
                },
            ))
        }
        (Routing::Direct, Body::Ack(Ack { broadcast: about, status: answer })) => {
            Some((about, FrameContent::Answer(answer)))
        }
        (Routing::Direct, _) => None,
    }
}
