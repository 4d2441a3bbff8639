//! Listens at every node with the world's key: which frames it sends, and which of them it gets. Judges nothing.
//!
//! A frame on a connection is opened where it is sent, and known again by its place in the stream where it comes.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use gm_broadcast::{ConnectionId, Input, Via};
use gm_codec::{
    Ack, AckStatus, Body, BroadcastHeader, BroadcastId, Channel, FrameCodec, FrameSplitter, Handshake,
    Limits, Payload, Routing, Stream,
};

use super::node::{Node, codec};
use crate::node::NodeIndex;
use crate::watch::{Flow, Seen, Where};

/// A frame, as far as it says something of a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Who sends it.
    pub from: NodeIndex,
    /// How.
    pub flow: Flow,
    /// Of which broadcast.
    pub id: BroadcastId,
    /// What it says.
    pub says: Says,
}

/// What a frame says of a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// It is, or brings, the broadcast.
    Share {
        /// Without its content.
        notice: bool,
        /// To whom it is to be passed on.
        list: Vec<gm_clock::NetId>,
        /// Whether receipts are asked for.
        asks: bool,
        /// Whether the share was another's before.
        again: bool,
    },
    /// It asks for the content, says that it is there, or how far it came.
    Answer(AckStatus),
}

/// What a node did with a frame.
#[derive(Clone, Debug)]
pub enum Heard {
    /// Sent it, to one or to its island.
    Sent(Option<NodeIndex>, Rc<Frame>),
    /// Got it.
    Got(Rc<Frame>),
}

/// One direction of a connection: frames by the place of their last byte.
type Way = VecDeque<(u64, Rc<Frame>)>;

#[derive(Debug, Default)]
struct End {
    own: Vec<u8>,
    peer: Vec<u8>,
    /// What the other end cuts and opens with.
    opens: Option<(Stream, FrameSplitter)>,
    sent: u64,
    got: u64,
}

/// All connections of a world.
pub struct Tap {
    codec: FrameCodec,
    ends: BTreeMap<(NodeIndex, ConnectionId), End>,
    /// By the openings of who sends and who gets.
    ways: BTreeMap<(Vec<u8>, Vec<u8>), Way>,
    scratch: Vec<u8>,
}

impl Tap {
    /// Nothing heard yet.
    #[must_use]
    pub fn new() -> Tap {
        Tap { codec: codec(None), ends: BTreeMap::new(), ways: BTreeMap::new(), scratch: Vec::new() }
    }

    /// What was sent or got by this, if it is of a broadcast.
    pub fn hear(&mut self, place: Where, seen: &Seen<'_, Node>) -> Vec<Heard> {
        match seen {
            Seen::Sent { flow: Flow::Stream, link: Some(link), to, bytes, .. } => {
                let frame = self.sent(place.node, *link, bytes).map(Rc::new);
                frame.into_iter().map(|frame| Heard::Sent(*to, frame)).collect()
            }
            // To one, no datagram says anything of a broadcast.
            Seen::Sent { flow: Flow::Multicast, bytes, .. } => {
                let frame = self.multicast(place.node, bytes);
                frame.into_iter().map(|frame| Heard::Sent(None, Rc::new(frame))).collect()
            }
            Seen::Input(Input::ConnectionBytes { link, bytes }) => self.got(place.node, *link, bytes),
            Seen::Input(Input::Datagram { via: Via::Multicast, bytes, .. }) => {
                // Who sent it stands in it, but nobody asks that of a multicast.
                let frame = self.multicast(NodeIndex::OUTSIDER, bytes);
                frame.into_iter().map(|frame| Heard::Got(Rc::new(frame))).collect()
            }
            Seen::Input(Input::ConnectionClosed { link, .. }) | Seen::Closed { link } => {
                self.ends.remove(&(place.node, *link));
                Vec::new()
            }
            Seen::Ended => {
                let of = (place.node, ConnectionId::dialled(0))
                    ..(NodeIndex(place.node.0.wrapping_add(1)), ConnectionId::dialled(0));
                let links: Vec<_> = self.ends.range(of).map(|(key, _)| *key).collect();
                links.iter().for_each(|key| drop(self.ends.remove(key)));
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn sent(&mut self, node: NodeIndex, link: ConnectionId, bytes: &[u8]) -> Option<Frame> {
        let end = self.ends.entry((node, link)).or_default();
        end.sent += bytes.len() as u64;
        if end.own.len() < Handshake::BYTES {
            end.own.extend_from_slice(bytes);
            return None;
        }
        if end.opens.is_none() {
            let peer = end.peer.first_chunk().copied()?;
            let mut own = end.own.as_slice();
            let stream = Handshake::new(link.side().other(), peer).read(&mut own).ok()?;
            end.opens = stream.map(|stream| (stream, FrameSplitter::new(self.codec.limits())));
        }
        let (stream, splitter) = end.opens.as_mut()?;
        let (mut rest, mut last) = (bytes, None);
        // Before a long first frame goes a notice, which says nothing of a broadcast.
        while let Some(frame) = splitter.read(&mut rest).ok()? {
            let opened = stream.open(&self.codec, frame, &mut self.scratch).ok()?;
            let epoch = opened.seal.map(|seal| seal.epoch.bytes());
            last = Some((Payload::decode(opened.payload, &Limits::DEFAULT).ok()?, epoch));
        }
        let (payload, epoch) = last?;
        let (id, says) = of_broadcast(payload, epoch)?;
        let frame = Frame { from: node, flow: Flow::Stream, id, says };
        let way = self.ways.entry((end.own.clone(), end.peer.clone())).or_default();
        way.push_back((end.sent, Rc::new(frame.clone())));
        Some(frame)
    }

    fn multicast(&mut self, from: NodeIndex, bytes: &[u8]) -> Option<Frame> {
        let mut bytes = bytes.to_vec();
        let opened = self.codec.open(&Channel::Datagram, &mut bytes, &mut self.scratch).ok()?;
        let epoch = opened.seal.map(|seal| seal.epoch.bytes());
        let (id, says) = of_broadcast(Payload::decode(opened.payload, &Limits::DEFAULT).ok()?, epoch)?;
        Some(Frame { from, flow: Flow::Multicast, id, says })
    }

    fn got(&mut self, node: NodeIndex, link: ConnectionId, bytes: &[u8]) -> Vec<Heard> {
        let end = self.ends.entry((node, link)).or_default();
        end.got += bytes.len() as u64;
        let missing = Handshake::BYTES - end.peer.len();
        end.peer.extend_from_slice(&bytes[..missing.min(bytes.len())]);
        let mut heard = Vec::new();
        let key = (end.peer.clone(), end.own.clone());
        if let Some(way) = self.ways.get_mut(&key) {
            let come = way.iter().take_while(|(at, _)| *at <= end.got).count();
            heard.extend(way.drain(..come).map(|(_, frame)| Heard::Got(frame)));
            if way.is_empty() {
                self.ways.remove(&key);
            }
        }
        heard
    }
}

impl Default for Tap {
    fn default() -> Tap {
        Tap::new()
    }
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tap({} ends)", self.ends.len())
    }
}

fn of_broadcast(payload: Payload, epoch: Option<[u8; 8]>) -> Option<(BroadcastId, Says)> {
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
            Some((id, Says::Share { notice, list, asks: receipts.is_some(), again }))
        }
        (Routing::Direct, Body::Ack(Ack { broadcast: about, status: answer })) => {
            Some((about, Says::Answer(answer)))
        }
        (Routing::Direct, _) => None,
    }
}
