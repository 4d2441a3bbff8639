//! Opens all frames of a world whose key is known, as a reader with that key would. Knows not what
//! they say.

use std::collections::BTreeMap;

use gm_broadcast::ConnectionId;
use gm_codec::{
    Channel, ClusterName, ConnectionSide, FrameCodec, FrameSplitter, Handshake, Key, Keyring, Limits,
    Payload, Stream,
};

use crate::node::NodeIndex;

/// What was seen of connections so far.
#[derive(Debug)]
pub(super) struct FrameReader {
    codec: FrameCodec,
    /// Openings of diallers that no acceptor answered yet: who, to whom, on which connection.
    dialled: Vec<(NodeIndex, NodeIndex, ConnectionId, [u8; Handshake::BYTES])>,
    /// Reads what that node sends on that connection, as the other end does.
    readers: BTreeMap<(NodeIndex, ConnectionId), (Stream, FrameSplitter)>,
}

/// What was sent.
#[derive(Debug)]
pub(super) enum DecodedBytes {
    /// The first bytes of a connection.
    Opening,
    Payload(Box<Payload>),
    /// Nothing that can be read.
    Unreadable,
}

impl FrameReader {
    pub(super) fn new() -> Result<FrameReader, String> {
        let cluster: ClusterName = "world".parse().map_err(|error| format!("{error}"))?;
        let codec = FrameCodec::new(cluster, Keyring::new(Key::new([7; 32])), Limits::default());
        let codec = codec.map_err(|error| error.to_string())?;
        Ok(FrameReader { codec, dialled: Vec::new(), readers: BTreeMap::new() })
    }

    pub(super) fn datagram(&self, bytes: &[u8], channel: Channel) -> DecodedBytes {
        let (mut frame, mut scratch) = (bytes.to_vec(), Vec::new());
        match self.codec.open(&channel, &mut frame, &mut scratch) {
            Ok(opened) => self.payload(opened.payload),
            Err(_) => DecodedBytes::Unreadable,
        }
    }

    /// Bytes of one send: the opening, or one frame; before a long one a notice may go, of which
    /// nothing is told.
    pub(super) fn stream(
        &mut self,
        from: NodeIndex,
        to: NodeIndex,
        link: ConnectionId,
        bytes: &[u8],
    ) -> DecodedBytes {
        if let Some((reader, splitter)) = self.readers.get_mut(&(from, link)) {
            let (mut rest, mut scratch, mut last) = (bytes, Vec::new(), None);
            while let Ok(Some(frame)) = splitter.read(&mut rest) {
                let opened = reader.open(&self.codec, frame, &mut scratch);
                last = opened.ok().map(|opened| opened.payload.to_vec());
            }
            return last.map_or(DecodedBytes::Unreadable, |payload| self.payload(&payload));
        }
        let Ok(own) = <[u8; Handshake::BYTES]>::try_from(bytes) else { return DecodedBytes::Unreadable };
        match link.side() {
            ConnectionSide::Initiator => self.dialled.push((from, to, link, own)),
            ConnectionSide::Acceptor => self.accepted((from, link, own), to),
        }
        DecodedBytes::Opening
    }

    /// The acceptor's opening: it belongs to the first dial of the other that was not answered.
    fn accepted(
        &mut self,
        (node, link, own): (NodeIndex, ConnectionId, [u8; Handshake::BYTES]),
        dialler: NodeIndex,
    ) {
        let place = self.dialled.iter().position(|dial| (dial.0, dial.1) == (dialler, node));
        let Some(place) = place else { return };
        let (_, _, dialled, opening) = self.dialled.remove(place);
        let limits = *self.codec.limits();
        let mut read = |at, side, own, other: [u8; Handshake::BYTES]| {
            if let Ok(Some(stream)) = Handshake::new(side, own).read(&mut other.as_slice()) {
                self.readers.insert(at, (stream, FrameSplitter::new(&limits)));
            }
        };
        read((dialler, dialled), ConnectionSide::Acceptor, own, opening);
        read((node, link), ConnectionSide::Initiator, opening, own);
    }

    /// Its dials are not answered any more.
    pub(super) fn ended(&mut self, node: NodeIndex) {
        self.dialled.retain(|dial| dial.0 != node && dial.1 != node);
    }

    fn payload(&self, bytes: &[u8]) -> DecodedBytes {
        match Payload::decode(bytes, self.codec.limits()) {
            Ok(payload) => DecodedBytes::Payload(Box::new(payload)),
            Err(_) => DecodedBytes::Unreadable,
        }
    }
}
