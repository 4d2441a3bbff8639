//! [`NetId`], a node's identity and address in one.

use alloc::borrow::ToOwned;
use core::cmp::Ordering;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;

use crate::NetIdError;

/// A node's identity *and* address: the IP address and TCP port at which all other nodes reach it.
///
/// The address belongs to exactly one node and means the same on every machine. Therefore
/// unspecified, multicast, broadcast, IPv6 link-local and IPv4-mapped IPv6 addresses are refused,
/// and so is port 0.
///
/// The order is that of the bytes on the wire: all IPv4 before all IPv6, then the octets of the
/// address, then the port.
///
/// `Display` and `Debug` write `10.0.0.1:29999` or `[2001:db8::1]:29999` (RFC 5952). When parsed,
/// an IPv6 address may be spelled in any other valid way.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NetId {
    ip: IpAddr,
    port: u16,
}

const _: () = assert!(size_of::<NetId>() <= 20);

/// Length in bytes of the longest text that can be a `NetId`: an IPv6 address whose last 32 bits
/// are spelled as IPv4.
const MAX_TEXT: usize = "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535".len();

/// Maximum number of bytes of a malformed text that the error keeps.
const MAX_EXCERPT: usize = 64;

impl NetId {
    /// The node at the given address and TCP port.
    ///
    /// # Errors
    /// A [`NetIdError`] that names the refused part. The address is checked before the port.
    pub const fn new(ip: IpAddr, port: u16) -> Result<NetId, NetIdError> {
        if ip.is_unspecified() {
            return Err(NetIdError::Unspecified { ip });
        }
        if ip.is_multicast() {
            return Err(NetIdError::Multicast { ip });
        }
        match ip {
            IpAddr::V4(v4) if v4.is_broadcast() => return Err(NetIdError::Broadcast { ip }),
            IpAddr::V6(v6) if v6.is_unicast_link_local() => return Err(NetIdError::LinkLocal { ip: v6 }),
            IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => return Err(NetIdError::Ipv4Mapped { ip: v6 }),
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
        if port == 0 {
            return Err(NetIdError::PortZero { ip });
        }
        Ok(NetId { ip, port })
    }

    /// The IP address.
    pub const fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The TCP port, in `1..=65535`.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Address and port as a socket address; scope id and flow information are 0.
    pub const fn socket_addr(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }

    /// The key by which ids are ordered: (is IPv6, octets of the address as one number, port).
    /// Numbers rather than arrays, because every search compares ids, and a search by the derived
    /// order, which compares arrays, takes half as long again.
    const fn sort_key(&self) -> (bool, u128, u16) {
        match self.ip {
            IpAddr::V4(ip) => (false, ip.to_bits() as u128, self.port),
            IpAddr::V6(ip) => (true, ip.to_bits(), self.port),
        }
    }
}

impl Ord for NetId {
    fn cmp(&self, other: &NetId) -> Ordering {
        self.sort_key().cmp(&other.sort_key())
    }
}

impl PartialOrd for NetId {
    fn partial_cmp(&self, other: &NetId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<NetId> for SocketAddr {
    fn from(id: NetId) -> SocketAddr {
        id.socket_addr()
    }
}

impl TryFrom<SocketAddr> for NetId {
    type Error = NetIdError;

    /// Converts a socket address. In addition to the checks of [`NetId::new`], a nonzero IPv6 scope
    /// id or flow information is refused.
    fn try_from(addr: SocketAddr) -> Result<NetId, NetIdError> {
        let id = NetId::new(addr.ip(), addr.port())?;
        match addr {
            SocketAddr::V6(addr) if addr.scope_id() != 0 => Err(NetIdError::ScopeId { addr }),
            SocketAddr::V6(addr) if addr.flowinfo() != 0 => Err(NetIdError::FlowInfo { addr }),
            SocketAddr::V4(_) | SocketAddr::V6(_) => Ok(id),
        }
    }
}

impl FromStr for NetId {
    type Err = NetIdError;

    /// Parses `a.b.c.d:port` or `[v6]:port`. Surrounding text, zones, and leading zeros in an IPv4
    /// address are refused. An error keeps at most 64 bytes of the text.
    fn from_str(text: &str) -> Result<NetId, NetIdError> {
        // Check the length first, so that the work is bounded. Refuse a zone even where std accepts
        // it (`%0`).
        if text.len() > MAX_TEXT || text.contains('%') {
            return Err(malformed(text));
        }
        let addr: SocketAddr = text.parse().map_err(|_| malformed(text))?;
        NetId::try_from(addr)
    }
}

fn malformed(text: &str) -> NetIdError {
    let mut end = text.len().min(MAX_EXCERPT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    NetIdError::Malformed { excerpt: text[..end].to_owned(), length: text.len() }
}

impl fmt::Display for NetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.socket_addr(), f)
    }
}

impl fmt::Debug for NetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
