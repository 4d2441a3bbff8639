//! Network interfaces of this machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// An interface with one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Nic {
    pub(super) name: String,
    /// 0 if unknown.
    pub(super) index: u32,
    pub(super) ip: IpAddr,
}

/// Every address of every interface.
pub(super) fn list() -> io::Result<Vec<Nic>> {
    let all = if_addrs::get_if_addrs()?;
    let nics = all.into_iter().map(|interface| {
        let ip = interface.ip();
        Nic { index: interface.index.unwrap_or_default(), name: interface.name, ip }
    });
    Ok(nics.collect())
}

/// Whether this machine has an address at present: it may vanish from its interface while a node
/// runs. All of 127.0.0.0/8 and the wildcard address are always present.
///
/// # Errors
/// The system does not list its interfaces.
pub fn has_address(ip: IpAddr) -> io::Result<bool> {
    if ip.is_unspecified() || ip.is_loopback() {
        return Ok(true);
    }
    Ok(list()?.iter().any(|nic| nic.ip == ip))
}

/// Source address of packets along the default route. Nothing is sent: connecting a datagram socket
/// only looks up the route. The destinations are addresses for documentation (RFC 5737, RFC 3849).
pub(super) fn routed(v6: bool) -> Option<IpAddr> {
    let (any, distant): (IpAddr, IpAddr) = if v6 {
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1).into())
    } else {
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(203, 0, 113, 1).into())
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(SocketAddr::new(distant, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified() && !ip.is_loopback()).then_some(ip)
}

/// Whether an interface has the MULTICAST flag; `None` if the system does not report it.
pub(super) fn can_multicast(name: &str) -> Option<bool> {
    const IFF_MULTICAST: u32 = 0x1000;
    if name.contains('/') || name.starts_with('.') {
        return None;
    }
    let text = std::fs::read_to_string(format!("/sys/class/net/{name}/flags")).ok()?;
    let flags = u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()?;
    Some(flags & IFF_MULTICAST != 0)
}
