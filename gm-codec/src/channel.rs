//! The channel of a frame, and the associated data that binds the frame to it.
//!
//! `docs/WIRE.md`, "Sealing".

use std::net::IpAddr;

use gm_clock::NetId;

use crate::cluster::ClusterName;
use crate::limits::{FIXED_HEADER_BYTES, HANDSHAKE_BYTES};
use crate::varint;

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionSide {
    /// The node that opened the connection.
    Initiator,
    /// The node that accepted it.
    Acceptor,
}

impl ConnectionSide {
    /// The other end.
    #[must_use]
    pub fn other(self) -> ConnectionSide {
        match self {
            ConnectionSide::Initiator => ConnectionSide::Acceptor,
            ConnectionSide::Acceptor => ConnectionSide::Initiator,
        }
    }
}

/// The channel of a frame. A frame opens on no other channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// A multicast datagram, for every node that receives it.
    Datagram,
    /// A datagram to one node; no other node can open it.
    DatagramTo(NetId),
    /// A position on one connection. [`Stream`](crate::Stream) keeps track of it.
    Stream {
        /// The random bytes that the initiator sent first.
        initiator: [u8; HANDSHAKE_BYTES],
        /// The random bytes that the acceptor sent first.
        acceptor: [u8; HANDSHAKE_BYTES],
        /// The side that sent the frame.
        from: ConnectionSide,
        /// Number of frames that this side sent before it on this connection.
        number: u64,
    },
}

/// The associated data: authenticated with the payload, but not sent. It is kept on the stack.
#[derive(Debug)]
pub(crate) struct AssociatedData {
    bytes: [u8; AssociatedData::MAX_BYTES],
    len: usize,
}

impl AssociatedData {
    const MAX_BYTES: usize = FIXED_HEADER_BYTES
        + varint::MAX_BYTES
        + 1
        + ClusterName::MAX_BYTES
        + 1
        // The longest case is a connection; an address and a port are shorter.
        + 2 * HANDSHAKE_BYTES
        + size_of::<u64>();

    /// The associated data of the frame with this header.
    pub(crate) fn new(header: &[u8], cluster: &ClusterName, channel: &Channel) -> AssociatedData {
        let mut associated = AssociatedData { bytes: [0; Self::MAX_BYTES], len: 0 };
        let name = cluster.as_str().as_bytes();
        associated.push(header);
        associated.push(&[u8::try_from(name.len()).unwrap_or(u8::MAX)]);
        associated.push(name);
        match channel {
            Channel::Datagram => associated.push(&[0]),
            Channel::DatagramTo(node) => {
                match node.ip() {
                    IpAddr::V4(ip) => {
                        associated.push(&[3, 4]);
                        associated.push(&ip.octets());
                    }
                    IpAddr::V6(ip) => {
                        associated.push(&[3, 6]);
                        associated.push(&ip.octets());
                    }
                }
                associated.push(&node.port().to_be_bytes());
            }
            Channel::Stream { initiator, acceptor, from, number } => {
                associated.push(&[match from {
                    ConnectionSide::Initiator => 1,
                    ConnectionSide::Acceptor => 2,
                }]);
                associated.push(initiator);
                associated.push(acceptor);
                associated.push(&number.to_be_bytes());
            }
        }
        associated
    }

    /// A header has at most `FIXED_HEADER_BYTES` and a varint, a name at most
    /// `ClusterName::MAX_BYTES`: the parts always fit.
    fn push(&mut self, part: &[u8]) {
        debug_assert!(self.len + part.len() <= Self::MAX_BYTES);
        for (to, from) in self.bytes.iter_mut().skip(self.len).zip(part) {
            *to = *from;
        }
        self.len = (self.len + part.len()).min(Self::MAX_BYTES);
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
