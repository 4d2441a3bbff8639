//! What was said, opened with the cluster's key. Knows nothing of who listens.

use gm_codec::{
    Body, BroadcastHeader, BroadcastId, Channel, ConnectionSide, FrameCodec, FrameSplitter, Handshake,
    Origin, Payload,
};

/// By which way something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Multicast,
    Datagram,
    Link,
}

/// One payload on the wire.
#[derive(Clone, Debug)]
pub(crate) struct TappedPayload {
    pub(crate) from: usize,
    /// Nobody in particular, if it was multicast.
    pub(crate) to: Option<usize>,
    pub(crate) way: Carrier,
    /// The epoch in which it was sealed; zeros if it was not.
    pub(crate) epoch: [u8; 8],
    pub(crate) payload: Payload,
}

impl TappedPayload {
    /// The broadcast that it is of, if it is one.
    pub(crate) fn broadcast(&self) -> Option<&BroadcastHeader> {
        self.payload.header.broadcast()
    }

    pub(crate) fn id(&self) -> Option<BroadcastId> {
        let broadcast = self.broadcast()?;
        let own = Origin { node: self.payload.header.sender, epoch: self.epoch };
        let Origin { node, epoch } = broadcast.origin.unwrap_or(own);
        Some(BroadcastId { origin: node, epoch, sequence: broadcast.sequence })
    }

    /// It is of that broadcast, with its content.
    pub(crate) fn is_content(&self, id: BroadcastId) -> bool {
        self.id() == Some(id) && self.payload.body != Body::HeaderOnly
    }

    /// It is of that broadcast, without its content.
    pub(crate) fn is_announcement(&self, id: BroadcastId) -> bool {
        self.id() == Some(id) && self.payload.body == Body::HeaderOnly
    }
}

/// Opens a frame; nothing if it is not of our cluster.
pub(crate) fn open(codec: &FrameCodec, channel: &Channel, mut frame: Vec<u8>) -> Option<([u8; 8], Payload)> {
    let mut scratch = Vec::new();
    let opened = codec.open(channel, &mut frame, &mut scratch).ok()?;
    let epoch = opened.seal.map_or([0; 8], |seal| seal.epoch.bytes());
    Some((epoch, Payload::decode(opened.payload, codec.limits()).ok()?))
}

/// Listens to one connection: both sides' openings, and the frames that they sent.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) openings: [Vec<u8>; 2],
    splitters: [FrameSplitter; 2],
    frames: [u64; 2],
}

impl Tap {
    pub(crate) fn new(codec: &FrameCodec) -> Tap {
        let splitter = || FrameSplitter::new(codec.limits());
        Tap { openings: [Vec::new(), Vec::new()], splitters: [splitter(), splitter()], frames: [0; 2] }
    }

    /// What the bytes of one side say: 0 for the one that dialled.
    pub(crate) fn decode(
        &mut self,
        codec: &FrameCodec,
        side: usize,
        bytes: &[u8],
    ) -> Vec<([u8; 8], Payload)> {
        let room = Handshake::BYTES - self.openings[side].len();
        let (opening, mut rest) = bytes.split_at(room.min(bytes.len()));
        self.openings[side].extend_from_slice(opening);
        let mut said = Vec::new();
        while let Ok(Some(frame)) = self.splitters[side].read(&mut rest) {
            let [initiator, acceptor] =
                [0, 1].map(|side: usize| self.openings[side].clone().try_into().unwrap());
            let from = if side == 0 { ConnectionSide::Initiator } else { ConnectionSide::Acceptor };
            let channel = Channel::Stream { initiator, acceptor, from, number: self.frames[side] };
            self.frames[side] += 1;
            said.extend(open(codec, &channel, frame.to_vec()));
        }
        said
    }
}
