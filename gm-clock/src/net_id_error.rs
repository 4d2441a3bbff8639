//! Errors of [`NetId`](crate::NetId).

use alloc::string::String;
use core::net::{IpAddr, Ipv6Addr, SocketAddrV6};

use thiserror::Error;

/// Reason why an address or a text is not a [`NetId`](crate::NetId).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
pub enum NetIdError {
    /// Port 0 stands for "any port", so no node is reachable there.
    #[error("{ip} has port 0, but ports are 1 to 65535")]
    PortZero {
        /// The address that came with the port.
        ip: IpAddr,
    },
    /// `0.0.0.0` or `::` stands for "any address".
    #[error("{ip} is the unspecified address, not that of one node")]
    Unspecified {
        /// The refused address.
        ip: IpAddr,
    },
    /// `224.0.0.0/4` or `ff00::/8`, an address of many nodes.
    #[error("{ip} is a multicast address, not that of one node")]
    Multicast {
        /// The refused address.
        ip: IpAddr,
    },
    /// `255.255.255.255`, the address of every node.
    #[error("{ip} is the broadcast address, not that of one node")]
    Broadcast {
        /// The refused address.
        ip: IpAddr,
    },
    /// `fe80::/10`, which denotes a different node on each link.
    #[error("{ip} is a link-local address, which denotes a different node on each link")]
    LinkLocal {
        /// The refused address.
        ip: Ipv6Addr,
    },
    /// `::ffff:0:0/96`: a second spelling of an IPv4 address, so the node would have two
    /// identities.
    #[error("{ip} is an IPv4 address written as IPv6: write it as IPv4")]
    Ipv4Mapped {
        /// The refused address.
        ip: Ipv6Addr,
    },
    /// The socket address has an IPv6 scope id (zone), which is valid on one machine only.
    #[error("{addr} has scope id {}, which is valid on one machine only", addr.scope_id())]
    ScopeId {
        /// The refused socket address.
        addr: SocketAddrV6,
    },
    /// The socket address has IPv6 flow information, which is not part of an identity.
    #[error("{addr} has flow information {}, which is not part of an identity", addr.flowinfo())]
    FlowInfo {
        /// The refused socket address.
        addr: SocketAddrV6,
    },
    /// The text is neither `a.b.c.d:port` nor `[v6]:port`.
    #[error("{excerpt:?} ({length} bytes in all) is neither a.b.c.d:port nor [v6]:port")]
    Malformed {
        /// The beginning of the text, at most 64 bytes.
        excerpt: String,
        /// Length of the whole text in bytes.
        length: usize,
    },
}
