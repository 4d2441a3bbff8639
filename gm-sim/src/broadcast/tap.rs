//! Tap of a simulated network: opens the frames of all nodes with the cluster's key, for checkers,
//! transcripts and tests.

use std::collections::BTreeMap;
use std::fmt;

use gm_broadcast::{ConnectionId, Input, Machine};
use gm_clock::NetId;
use gm_codec::{
    Body, BroadcastHeader, BroadcastId, Channel, FrameCodec, FrameSplitter, Handshake, OpenedFrame, Origin,
    Payload, ReceivedChunk, ReceivedFrame, Stream,
};

use crate::node::NodeIndex;
use crate::observation::{Observation, TrafficKind};

/// A frame on the wire, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TappedFrame {
    /// Sender.
    pub from: NodeIndex,
    /// Receiver; `None` for a multicast, and for a node outside this world.
    pub to: Option<NodeIndex>,
    /// Kind of traffic.
    pub flow: TrafficKind,
    /// Epoch of its nonce; `None` if it is not sealed.
    pub epoch: Option<[u8; 8]>,
    /// Its payload.
    pub payload: Payload,
}

impl TappedFrame {
    /// The broadcast header, if it is a broadcast.
    #[must_use]
    pub fn broadcast(&self) -> Option<&BroadcastHeader> {
        self.payload.header.broadcast()
    }

    /// Identity of the broadcast, if it is one; a frame of the origin itself names it by its seal.
    #[must_use]
    pub fn id(&self) -> Option<BroadcastId> {
        let broadcast = self.broadcast()?;
        let own = || Some(Origin { node: self.payload.header.sender, epoch: self.epoch? });
        let Origin { node, epoch } = broadcast.origin.or_else(own)?;
        Some(BroadcastId { origin: node, epoch, sequence: broadcast.sequence })
    }

    /// Whether it has the content of this broadcast.
    #[must_use]
    pub fn is_content(&self, id: BroadcastId) -> bool {
        self.id() == Some(id) && self.payload.body != Body::HeaderOnly
    }

    /// Whether it is an announcement of this broadcast.
    #[must_use]
    pub fn is_announcement(&self, id: BroadcastId) -> bool {
        self.id() == Some(id) && self.payload.body == Body::HeaderOnly
    }
}

/// An end of a connection.
#[derive(Debug, Default)]
pub(super) struct TappedEnd {
    /// Its handshake, as far as it was sent.
    pub(super) own: Vec<u8>,
    /// The other end's handshake, as far as it was received.
    pub(super) peer: Vec<u8>,
    /// Numbers of bytes sent and received so far.
    pub(super) sent: u64,
    pub(super) received: u64,
    /// Splits and opens the frames that this end sends, as the other end does.
    decoder: Option<(Stream, FrameSplitter)>,
}

/// The connections of a world, and the key.
pub struct FrameTap {
    codec: FrameCodec,
    ends: BTreeMap<(NodeIndex, ConnectionId), TappedEnd>,
}

impl FrameTap {
    /// A tap with the key of this codec, in a world without connections.
    #[must_use]
    pub const fn new(codec: FrameCodec) -> FrameTap {
        FrameTap { codec, ends: BTreeMap::new() }
    }

    /// Records the handshakes that a node receives, and discards its connections that end. Must be
    /// called with every observation, before the frames of a send are opened.
    pub fn observe<M: Machine>(&mut self, node: NodeIndex, seen: &Observation<'_, M>) {
        match seen {
            Observation::Input(Input::ConnectionBytes { link, bytes }) => {
                let end = self.ends.entry((node, *link)).or_default();
                end.received += bytes.len() as u64;
                let missing = Handshake::BYTES - end.peer.len();
                end.peer.extend_from_slice(&bytes[..missing.min(bytes.len())]);
            }
            Observation::Input(Input::ConnectionClosed { link, .. }) | Observation::Closed { link } => {
                self.ends.remove(&(node, *link));
            }
            Observation::Ended => self.ends.retain(|(of, _), _| *of != node),
            _ => {}
        }
    }

    /// The handshake that a node sent on a connection, as far as it was sent.
    #[must_use]
    pub fn handshake(&self, node: NodeIndex, link: ConnectionId) -> Option<&[u8]> {
        self.end(node, link).map(|end| end.own.as_slice())
    }

    pub(super) fn end(&self, node: NodeIndex, link: ConnectionId) -> Option<&TappedEnd> {
        self.ends.get(&(node, link))
    }

    /// Opens a datagram; `to` is its receiver and the address that it was sent to, `None` for a
    /// multicast.
    pub fn datagram(
        &mut self,
        from: NodeIndex,
        to: Option<(NodeIndex, NetId)>,
        bytes: &[u8],
    ) -> Option<TappedFrame> {
        let (flow, channel) = match to {
            Some((_, id)) => (TrafficKind::Datagram, Channel::DatagramTo(id)),
            None => (TrafficKind::Multicast, Channel::Datagram),
        };
        let opened = self.codec.open_received(&channel, ReceivedFrame::from(bytes.to_vec())).ok()?;
        let (epoch, payload) = decode(&self.codec, &opened)?;
        Some(TappedFrame { from, to: to.map(|(to, _)| to), flow, epoch, payload })
    }

    /// Opens the frames that a node sends on a connection; none if the bytes are a handshake.
    /// Returns `None` if they cannot be opened.
    pub fn stream(
        &mut self,
        from: NodeIndex,
        to: Option<NodeIndex>,
        link: ConnectionId,
        bytes: &[u8],
    ) -> Option<Vec<TappedFrame>> {
        let end = self.ends.entry((from, link)).or_default();
        end.sent += bytes.len() as u64;
        if end.own.len() < Handshake::BYTES {
            end.own.extend_from_slice(bytes);
            return Some(Vec::new());
        }
        if end.decoder.is_none() {
            let peer = end.peer.first_chunk().copied()?;
            let mut own = end.own.as_slice();
            let stream = Handshake::new(link.side().other(), peer).read(&mut own).ok()?;
            end.decoder = stream.map(|stream| (stream, FrameSplitter::new(self.codec.limits())));
        }
        let (stream, splitter) = end.decoder.as_mut()?;
        let (mut rest, mut frames) = (ReceivedChunk::from(bytes), Vec::new());
        while let Some(frame) = splitter.read(&mut rest).ok()? {
            let opened = stream.open(&self.codec, frame).ok()?;
            let (epoch, payload) = decode(&self.codec, &opened)?;
            frames.push(TappedFrame { from, to, flow: TrafficKind::Stream, epoch, payload });
        }
        Some(frames)
    }
}

fn decode(codec: &FrameCodec, opened: &OpenedFrame) -> Option<(Option<[u8; 8]>, Payload)> {
    let epoch = opened.seal.map(|seal| seal.epoch.bytes());
    Some((epoch, opened.decode(codec.limits()).ok()?))
}

impl fmt::Debug for FrameTap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameTap({} ends)", self.ends.len())
    }
}
