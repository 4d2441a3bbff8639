//! Opens all frames of a world with its key, for the transcript.

use std::collections::BTreeMap;

use gm_broadcast::ConnectionId;
use gm_codec::{
    Channel, ClusterName, ConnectionSide, FrameCodec, FrameSplitter, Handshake, Key, Keyring, Limits,
    Payload, Stream,
};

use crate::node::NodeIndex;

/// State of the connections seen so far.
#[derive(Debug)]
pub(super) struct FrameReader {
    codec: FrameCodec,
    /// Handshakes of dials that are not answered yet: dialler, acceptor, connection, bytes.
    dialled: Vec<(NodeIndex, NodeIndex, ConnectionId, [u8; Handshake::BYTES])>,
    /// Readers of the frames that a node sends on a connection, as the other end reads them.
    readers: BTreeMap<(NodeIndex, ConnectionId), (Stream, FrameSplitter)>,
}

/// Content of sent bytes.
#[derive(Debug)]
pub(super) enum DecodedBytes {
    /// The handshake of a connection.
    Opening,
    Payload(Box<Payload>),
    /// Bytes that cannot be opened.
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

    /// Decodes the bytes of one send: the handshake, or one frame. A long frame may be preceded by
    /// a header-only one, which is skipped.
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

    /// Handles the acceptor's handshake: it answers the other node's first dial that is not
    /// answered.
    fn accepted(
        &mut self,
        (node, link, own): (NodeIndex, ConnectionId, [u8; Handshake::BYTES]),
        dialler: NodeIndex,
    ) {
        let index = self.dialled.iter().position(|dial| (dial.0, dial.1) == (dialler, node));
        let Some(index) = index else { return };
        let (_, _, dialled, opening) = self.dialled.remove(index);
        let limits = *self.codec.limits();
        let mut read = |at, side, own, other: [u8; Handshake::BYTES]| {
            if let Ok(Some(stream)) = Handshake::new(side, own).read(&mut other.as_slice()) {
                self.readers.insert(at, (stream, FrameSplitter::new(&limits)));
            }
        };
        read((dialler, dialled), ConnectionSide::Acceptor, own, opening);
        read((node, link), ConnectionSide::Initiator, opening, own);
    }

    /// Forgets the dials of a node that ended.
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
