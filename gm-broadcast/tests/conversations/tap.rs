//! A tap: decrypts recorded datagrams and connections with the cluster's key.

use gm_codec::{
    Body, BroadcastHeader, BroadcastId, Channel, ConnectionSide, FrameCodec, FrameSplitter, Handshake,
    Origin, Payload,
};

/// Carrier of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Multicast,
    Datagram,
    Link,
}

/// A decrypted payload on the wire.
#[derive(Clone, Debug)]
pub(crate) struct TappedPayload {
    pub(crate) from: usize,
    /// The receiver; `None` for a multicast.
    pub(crate) to: Option<usize>,
    pub(crate) carrier: Carrier,
    /// The epoch of its nonce; zeros without encryption.
    pub(crate) epoch: [u8; 8],
    pub(crate) payload: Payload,
}

impl TappedPayload {
    /// The broadcast header, if it is a broadcast.
    pub(crate) fn broadcast(&self) -> Option<&BroadcastHeader> {
        self.payload.header.broadcast()
    }

    pub(crate) fn id(&self) -> Option<BroadcastId> {
        let broadcast = self.broadcast()?;
        let own = Origin { node: self.payload.header.sender, epoch: self.epoch };
        let Origin { node, epoch } = broadcast.origin.unwrap_or(own);
        Some(BroadcastId { origin: node, epoch, sequence: broadcast.sequence })
    }

    /// Whether it has the content of a broadcast.
    pub(crate) fn is_content(&self, id: BroadcastId) -> bool {
        self.id() == Some(id) && self.payload.body != Body::HeaderOnly
    }

    /// Whether it is an announcement of a broadcast.
    pub(crate) fn is_announcement(&self, id: BroadcastId) -> bool {
        self.id() == Some(id) && self.payload.body == Body::HeaderOnly
    }
}

/// Decrypts a frame; `None` if it is not authentic.
pub(crate) fn open(codec: &FrameCodec, channel: &Channel, mut frame: Vec<u8>) -> Option<([u8; 8], Payload)> {
    let mut scratch = Vec::new();
    let opened = codec.open(channel, &mut frame, &mut scratch).ok()?;
    let epoch = opened.seal.map_or([0; 8], |seal| seal.epoch.bytes());
    Some((epoch, Payload::decode(opened.payload, codec.limits()).ok()?))
}

/// Tap of one connection: the handshakes and frames of both sides.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) handshakes: [Vec<u8>; 2],
    splitters: [FrameSplitter; 2],
    frames: [u64; 2],
}

impl Tap {
    pub(crate) fn new(codec: &FrameCodec) -> Tap {
        let splitter = || FrameSplitter::new(codec.limits());
        Tap { handshakes: [Vec::new(), Vec::new()], splitters: [splitter(), splitter()], frames: [0; 2] }
    }

    /// Decodes bytes of one side: 0 is the one that dialed.
    pub(crate) fn decode(
        &mut self,
        codec: &FrameCodec,
        side: usize,
        bytes: &[u8],
    ) -> Vec<([u8; 8], Payload)> {
        let room = Handshake::BYTES - self.handshakes[side].len();
        let (opening, mut rest) = bytes.split_at(room.min(bytes.len()));
        self.handshakes[side].extend_from_slice(opening);
        let mut tapped = Vec::new();
        while let Ok(Some(frame)) = self.splitters[side].read(&mut rest) {
            let [initiator, acceptor] =
                [0, 1].map(|side: usize| self.handshakes[side].clone().try_into().unwrap());
            let from = if side == 0 { ConnectionSide::Initiator } else { ConnectionSide::Acceptor };
            let channel = Channel::Stream { initiator, acceptor, from, number: self.frames[side] };
            self.frames[side] += 1;
            tapped.extend(open(codec, &channel, frame.to_vec()));
        }
        tapped
    }
}
