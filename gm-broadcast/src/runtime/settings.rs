//! Settings of the runtime: addresses, multicast, seeds, timeouts and limits, each with its
//! default.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::group::Multicast;

/// Default port of a node.
pub const DEFAULT_PORT: u16 = 29_999;

/// Settings of the runtime. Error messages name these fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeSettings {
    /// The IP address at which other nodes reach this one: the address of its NetId. Unset: the
    /// only address of the default route's interface, or without such a route the only address of
    /// this machine.
    pub address: Option<IpAddr>,
    /// The TCP and UDP port of the NetId. Default [`DEFAULT_PORT`]; 0 means any free port, which
    /// changes at each start.
    pub port: u16,
    /// The address to listen at, if not `address`: for a machine that others reach by an address
    /// that it does not have itself, such as behind NAT.
    pub bind: Option<IpAddr>,
    /// The interface for multicast, by its name or one of its addresses. Unset: the one that has
    /// `address`, or else `bind`.
    pub interface: Option<String>,
    /// The multicast group. Default: the group of the address's family, or none if the system
    /// refuses it.
    pub multicast: Multicast,
    /// Time to live of multicasts: one more than the routers that they may pass; 0 stays on this
    /// machine. Default 4.
    pub multicast_ttl: u8,
    /// Seeds: nodes that are dialed until the end; names are resolved periodically. Empty by
    /// default: then nodes find each other only by multicast.
    pub seeds: Vec<Seed>,
    /// Timeout of a connection setup. Default 3 s. Too low, distant nodes count as unreachable; too
    /// high, dead ones delay broadcasts.
    pub connect_timeout: Duration,
    /// Time in which queued data is still sent at the end of a connection and of the runtime.
    /// Default 1 s. Too low, data is lost at shutdown.
    pub linger: Duration,
    /// Queued bytes of one connection, beyond which it is closed. Default 32 MiB, which is more
    /// than the machine hands over; it only guards against errors.
    pub connection_bytes: usize,
    /// Queued commands; beyond it, [`RuntimeHandle::send`](super::RuntimeHandle::send) waits.
    /// Default 1,024.
    pub commands: usize,
    /// Deliveries and events that wait for the application; beyond it, the driver stops reading
    /// from the network. Default 4,096.
    pub outputs: usize,
}

impl Default for RuntimeSettings {
    fn default() -> RuntimeSettings {
        RuntimeSettings {
            address: None,
            port: DEFAULT_PORT,
            bind: None,
            interface: None,
            multicast: Multicast::Default,
            multicast_ttl: 4,
            seeds: Vec::new(),
            connect_timeout: Duration::from_secs(3),
            linger: Duration::from_secs(1),
            connection_bytes: 32 << 20,
            commands: 1_024,
            outputs: 4_096,
        }
    }
}

/// A seed: an address or a name, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seed {
    /// An address.
    Address(SocketAddr),
    /// A name, which may resolve to several addresses, and to others later.
    Name {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
}

/// An invalid seed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the seed `{text}` is neither IP:PORT nor NAME:PORT")]
pub struct SeedError {
    /// The text, shortened to 64 characters.
    pub text: String,
}

/// Length of the longest DNS name.
const MAX_NAME: usize = 253;

impl FromStr for Seed {
    type Err = SeedError;

    /// Reads `10.0.0.1:29999`, `[2001:db8::1]:29999` or `name:29999`.
    fn from_str(text: &str) -> Result<Seed, SeedError> {
        let wrong = || SeedError { text: text.chars().take(64).collect() };
        if let Ok(address) = text.parse() {
            return Ok(Seed::Address(address));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
        let plain = |c: char| c.is_alphanumeric() || "-._".contains(c);
        if host.is_empty() || host.len() > MAX_NAME || !host.chars().all(plain) {
            return Err(wrong());
        }
        Ok(Seed::Name { host: host.to_owned(), port })
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seed::Address(address) => write!(f, "{address}"),
            Seed::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_addresses_or_names_with_a_port() {
        assert_eq!("10.0.0.1:5".parse(), Ok(Seed::Address("10.0.0.1:5".parse().unwrap())));
        assert_eq!("[::1]:5".parse(), Ok(Seed::Address("[::1]:5".parse().unwrap())));
        assert_eq!("a-b.c_d:29999".parse(), Ok(Seed::Name { host: "a-b.c_d".into(), port: 29_999 }));
        for wrong in ["", "name", "name:", ":5", "name:0", "name:65536", "::1:5", "a b:5", "a/b:5"] {
            assert!(wrong.parse::<Seed>().is_err(), "{wrong}");
        }
    }
}
