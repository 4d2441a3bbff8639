//! Options of TCP connections: user timeout, Nagle's algorithm, and segment size.

use std::io;
use std::net::SocketAddr;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use crate::machine::STALL_TIMEOUT;

/// Segment size that passes every path: of IPv4 a packet of 576 bytes (RFC 791) without 40 of
/// headers; of IPv6 one of 1,280 (RFC 8200) without 60.
const SMALL_V4: u32 = 536;
const SMALL_V6: u32 = 1_220;

/// Connects. With `small_segments`, both sides are limited to segments that pass every path: the
/// limit is sent with the SYN.
pub(super) async fn connect(to: SocketAddr, small_segments: bool) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if small_segments {
        limit_segments(&SockRef::from(&socket), if to.is_ipv4() { SMALL_V4 } else { SMALL_V6 })?;
    }
    socket.connect(to).await
}

#[cfg(unix)]
fn limit_segments(socket: &SockRef<'_>, bytes: u32) -> io::Result<()> {
    socket.set_tcp_mss(bytes)
}

#[cfg(not(unix))]
fn limit_segments(_: &SockRef<'_>, _: u32) -> io::Result<()> {
    Ok(())
}

/// Sets the options of every connection: Nagle's algorithm off, and the user timeout
/// [`STALL_TIMEOUT`].
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    give_up_stalled(&SockRef::from(stream))
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn give_up_stalled(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_user_timeout(Some(STALL_TIMEOUT))
}

/// Other systems have no such option: a stalled connection ends by its idle timeout.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn give_up_stalled(_: &SockRef<'_>) -> io::Result<()> {
    let _ = STALL_TIMEOUT;
    Ok(())
}
