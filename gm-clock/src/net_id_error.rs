//! Why something cannot be a [`NetId`](crate::NetId). Knows nothing of where it came from.

use alloc::string::String;
use core::net::{IpAddr, Ipv6Addr, SocketAddrV6};

use thiserror::Error;

/// Why an address, or a text, is no [`NetId`](crate::NetId).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
pub enum NetIdError {
    /// Port 0 stands for "any port": nobody can be reached there.
    #[error("{ip} has port 0, where nobody can be reached")]
    PortZero {
        /// The address beside the port.
        ip: IpAddr,
    },
    /// `0.0.0.0` or `::` stands for "any address".
    #[error("{ip} is the unspecified address, not that of one node")]
    Unspecified {
        /// The address that was refused.
        ip: IpAddr,
    },
    /// `224.0.0.0/4` or `ff00::/8`: the address of many nodes.
    #[error("{ip} is a multicast address, not that of one node")]
    Multicast {
        /// The address that was refused.
        ip: IpAddr,
    },
    /// `255.255.255.255`: the address of every node.
    #[error("{ip} is the broadcast address, not that of one node")]
    Broadcast {
        /// The address that was refused.
        ip: IpAddr,
    },
    /// `fe80::/10`: means another node on each link.
    #[error("{ip} is a link-local address, which means another node on each link")]
    LinkLocal {
        /// The address that was refused.
        ip: Ipv6Addr,
    },
    /// `::ffff:0:0/96`: a second spelling of an IPv4 address, so the node would have two
    /// identities.
    #[error("{ip} is an IPv4 address in IPv6 clothes: write it as IPv4")]
    Ipv4Mapped {
        /// The address that was refused.
        ip: Ipv6Addr,
    },
    /// The socket address has an IPv6 scope id (zone), which means something on one machine only.
    #[error("{addr} has scope id {}, which means something on one machine only", addr.scope_id())]
    ScopeId {
        /// The socket address that was refused.
        addr: SocketAddrV6,
    },
    /// The socket address has IPv6 flow information, which is no part of an identity.
    #[error("{addr} has flow information {}, which is no part of an identity", addr.flowinfo())]
    FlowInfo {
        /// The socket address that was refused.
        addr: SocketAddrV6,
    },
    /// The text is neither `a.b.c.d:port` nor `[v6]:port`.
    #[error("{excerpt:?} ({length} bytes in all) is neither a.b.c.d:port nor [v6]:port")]
    Malformed {
        /// The beginning of the text, at most 64 bytes.
        excerpt: String,
        /// Bytes of the whole text.
        length: usize,
    },
}
