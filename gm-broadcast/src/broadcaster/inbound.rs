//! A received payload: its path, and the evidence that it gives of its sender.

use gm_codec::OpenedFrame;

use crate::event::Transport;
use crate::handler::Path;
use crate::machine::ConnectionId;

/// Path, connection and size of a received payload.
pub(super) struct Inbound<'a> {
    pub(super) path: Path,
    /// The epoch of its frame's nonce; `None` without encryption.
    pub(super) epoch: Option<[u8; 8]>,
    /// The counter of that nonce; 0 if it is unknown.
    pub(super) counter: u32,
    /// The opened datagram; `None` for connections and retransmissions.
    pub(super) datagram: Option<&'a OpenedFrame>,
    pub(super) link: Option<ConnectionId>,
    /// Size of its payload in bytes.
    pub(super) bytes: usize,
    /// The source address of a datagram.
    pub(super) source: Option<std::net::IpAddr>,
    /// Whether its sender is known to be present.
    pub(super) present: bool,
}

impl Inbound<'_> {
    /// Whether the frame may request forwarding: a recorded datagram may not.
    pub(super) const fn is_request(&self) -> bool {
        match self.path {
            Path::Multicast => false,
            Path::Datagram => self.present && self.epoch.is_some(),
            Path::Connection => true,
        }
    }

    pub(super) const fn transport(&self) -> Transport {
        match self.path {
            Path::Multicast | Path::Datagram => Transport::Udp,
            Path::Connection => Transport::Tcp,
        }
    }
}
