//! Where a frame travels, and the bytes that bind it to that place. Knows nothing of sockets and of
//! keys.
//!
//! `docs/WIRE.md`, "Sealing".

use std::net::IpAddr;

use gm_clock::NetId;

use crate::cluster::ClusterName;
use crate::limits::{FIXED_HEADER_BYTES, HANDSHAKE_BYTES};
use crate::varint;

/// Which end of a connection somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionSide {
    /// Who opened the connection.
    Initiator,
    /// Who accepted it.
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

/// Where a frame travels. A frame opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// A datagram to whoever hears it, by multicast.
    Datagram,
    /// A datagram to one node: it opens for no other.
    DatagramTo(NetId),
    /// A place on one connection. [`Stream`](crate::Stream) keeps these for its connection.
    Stream {
        /// The random bytes that the initiator began with.
        initiator: [u8; HANDSHAKE_BYTES],
        /// The random bytes that the acceptor began with.
        acceptor: [u8; HANDSHAKE_BYTES],
        /// Who sent the frame.
        from: ConnectionSide,
        /// How many frames that side sent before it on this connection.
        number: u64,
    },
}

/// What is authenticated beside the payload, on the stack.
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
        // A connection's randoms and number; an address and port are less.
        + 2 * HANDSHAKE_BYTES
        + size_of::<u64>();

    /// Of the frame with that header.
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

    /// A header has `FIXED_HEADER_BYTES` and a varint, a name `ClusterName::MAX_BYTES` at most: it
    /// always fits.
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
