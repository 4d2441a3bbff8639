//! The sockets of a node: opens TCP, UDP and multicast sockets with their options.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use gm_clock::NetId;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::address::{ChosenAddresses, SystemAddresses, choose_addresses};
use super::error::{AddressError, RuntimeError};
use super::nic::{self, Nic};
use super::settings::RuntimeSettings;
use crate::config::BroadcasterConfig;

/// The open sockets of a node: TCP and UDP at its port, and the multicast group's.
#[derive(Debug)]
pub struct Sockets {
    pub(super) me: NetId,
    pub(super) settings: RuntimeSettings,
    pub(super) listener: TcpListener,
    pub(super) unicast: UdpSocket,
    pub(super) multicast: Option<MulticastSocket>,
    multicast_error: Option<RuntimeError>,
}

/// The socket that receives from the group. Multicasts are sent by the unicast socket, so that
/// their source is the node's port.
#[derive(Debug)]
pub(super) struct MulticastSocket {
    pub(super) socket: UdpSocket,
    pub(super) address: SocketAddr,
    pub(super) nic: Nic,
}

/// Connections that wait in the system to be accepted.
const ACCEPT_BACKLOG: i32 = 1_024;
/// Receive buffer of datagram sockets in bytes, if the system permits it: bursts of an island
/// arrive at once.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;
/// Attempts to find a port that is free for TCP and UDP.
const MAX_PORT_TRIES: u32 = 16;

impl Sockets {
    /// Chooses the addresses and opens all sockets, TCP first, as it detects a port in use.
    ///
    /// # Errors
    /// A [`RuntimeError`], which names the setting to change. A refusal of the default multicast
    /// group is no error: see [`Sockets::multicast_error`].
    pub fn open(settings: &RuntimeSettings) -> Result<Sockets, RuntimeError> {
        let nics = nic::list().map_err(RuntimeError::Interfaces)?;
        let system = SystemAddresses { nics, routed: nic::routed(false).or_else(|| nic::routed(true)) };
        let addresses = choose_addresses(settings, &system)?;
        let (listener, unicast) = listen(addresses.bind, settings.port)?;
        let port = listener.local_addr().map_err(RuntimeError::Runtime)?.port();
        let me = NetId::new(addresses.address, port).map_err(AddressError::NoNetId)?;
        let is_asked_for = matches!(settings.multicast, super::Multicast::Group(_));
        let (multicast, multicast_error) = match multicast(&addresses, settings.multicast_ttl, &unicast) {
            Ok(group) => (group, None),
            Err(error) if is_asked_for => return Err(error),
            Err(error) => (None, Some(error)),
        };
        if let Some(error) = &multicast_error {
            tracing::warn!("{error}; continuing without multicast");
        }
        Ok(Sockets { me, settings: settings.clone(), listener, unicast, multicast, multicast_error })
    }

    /// The NetId of the node.
    #[must_use]
    pub const fn me(&self) -> NetId {
        self.me
    }

    /// Default configuration of a broadcaster on these sockets: with their NetId, and multicast if
    /// they have a group.
    #[must_use]
    pub fn config(&self) -> BroadcasterConfig {
        let mut config = BroadcasterConfig::new(self.me);
        config.multicast = self.multicast.is_some();
        config
    }

    /// The multicast group; `None` if multicast is off or does not work.
    #[must_use]
    pub fn group(&self) -> Option<SocketAddr> {
        self.multicast.as_ref().map(|group| group.address)
    }

    /// The name of the interface for multicast.
    #[must_use]
    pub fn interface(&self) -> Option<&str> {
        self.multicast.as_ref().map(|group| group.nic.name.as_str())
    }

    /// The error because of which the default group is not used, if the system refused it.
    #[must_use]
    pub const fn multicast_error(&self) -> Option<&RuntimeError> {
        self.multicast_error.as_ref()
    }
}

/// Opens TCP and UDP at one port; port 0 means any port that is free for both.
fn listen(bind: IpAddr, port: u16) -> Result<(TcpListener, UdpSocket), RuntimeError> {
    let mut tries = 0;
    loop {
        let at = SocketAddr::new(bind, port);
        let failed = |error: io::Error, at| match error.kind() {
            ErrorKind::AddrInUse => RuntimeError::PortInUse { at },
            _ => RuntimeError::Listen { at, error },
        };
        let listener = tcp(at).map_err(|error| failed(error, at))?;
        let at = listener.local_addr().map_err(|error| failed(error, at))?;
        match udp(at, at.ip()) {
            Ok(unicast) => return Ok((listener, unicast.into())),
            Err(_) if port == 0 && tries < MAX_PORT_TRIES => tries += 1,
            Err(error) => return Err(failed(error, at)),
        }
    }
}

fn tcp(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // On other systems this would permit two listeners at one port; on Unix it only ignores old
    // connections of an earlier process.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())?;
    socket.listen(ACCEPT_BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Opens a UDP socket bound to an address.
pub(super) fn udp(at: SocketAddr, family: IpAddr) -> io::Result<Socket> {
    let domain = if family.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if family.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The wildcard address and the group share a port, and nodes of one machine share the group.
    socket.set_reuse_address(true)?;
    ignore_other_groups(&socket, family)?;
    // The buffer size is a wish, not a requirement.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    socket.bind(&SockAddr::from(at))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Ignores groups that only other processes have joined.
#[cfg(any(target_os = "android", target_os = "linux"))]
fn ignore_other_groups(socket: &Socket, family: IpAddr) -> io::Result<()> {
    if family.is_ipv4() { socket.set_multicast_all_v4(false) } else { socket.set_multicast_all_v6(false) }
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn ignore_other_groups(_: &Socket, _: IpAddr) -> io::Result<()> {
    Ok(())
}

fn multicast(
    addresses: &ChosenAddresses,
    ttl: u8,
    unicast: &UdpSocket,
) -> Result<Option<MulticastSocket>, RuntimeError> {
    let Some((group, nic)) = &addresses.group else { return Ok(None) };
    let failed =
        |step, error| RuntimeError::Multicast { group: *group, interface: nic.name.clone(), step, error };
    let socket = multicast_receiver(*group, nic, ttl).map_err(|(step, error)| failed(step, error))?;
    configure_multicast_sender(&socket2::SockRef::from(unicast), nic, ttl)
        .map_err(|error| failed("choose the interface", error))?;
    Ok(Some(MulticastSocket { socket: socket.into(), address: *group, nic: nic.clone() }))
}

/// Opens a socket that receives from a group on an interface. Where the system permits it, the
/// socket is bound to the group's address, so that it receives no unicast datagrams.
pub(super) fn multicast_receiver(
    group: SocketAddr,
    nic: &Nic,
    ttl: u8,
) -> Result<Socket, (&'static str, io::Error)> {
    let at = if cfg!(windows) { SocketAddr::new(unspecified(group), group.port()) } else { group };
    let socket = udp(at, group.ip()).map_err(|error| ("bind to the group", error))?;
    join(&socket, group, nic).map_err(|error| ("join the group", error))?;
    configure_multicast_sender(&socket2::SockRef::from(&socket), nic, ttl)
        .map_err(|error| ("choose the interface", error))?;
    Ok(socket)
}

fn unspecified(like: SocketAddr) -> IpAddr {
    if like.is_ipv4() {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    }
}

fn join(socket: &Socket, group: SocketAddr, nic: &Nic) -> io::Result<()> {
    match (group.ip(), nic.ip) {
        (IpAddr::V4(group), IpAddr::V4(ip)) => socket.join_multicast_v4(&group, &ip),
        (IpAddr::V6(group), _) => socket.join_multicast_v6(&group, nic.index),
        (IpAddr::V4(_), IpAddr::V6(_)) => Err(ErrorKind::Unsupported.into()),
    }
}

/// Sets the interface, the time to live and the loopback of a socket's multicasts.
pub(super) fn configure_multicast_sender(
    socket: &socket2::SockRef<'_>,
    nic: &Nic,
    ttl: u8,
) -> io::Result<()> {
    match nic.ip {
        IpAddr::V4(ip) => {
            socket.set_multicast_if_v4(&ip)?;
            socket.set_multicast_ttl_v4(ttl.into())?;
            socket.set_multicast_loop_v4(true)
        }
        IpAddr::V6(_) => {
            socket.set_multicast_if_v6(nic.index)?;
            socket.set_multicast_hops_v6(ttl.into())?;
            socket.set_multicast_loop_v6(true)
        }
    }
}
