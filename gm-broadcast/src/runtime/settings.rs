//! What the shell can be told before it begins. Knows no file and no flag, and asks the system
//! nothing.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::group::Multicast;

/// The port of a node that is told none.
pub const DEFAULT_PORT: u16 = 29_999;

/// The settings of a shell. The names of the fields are those that its errors name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeSettings {
    /// The IP address under which others reach us: the one of our NetId. Unset: the one address of
    /// the default route's interface, or without such a route the only address of this machine.
    pub address: Option<IpAddr>,
    /// The TCP and UDP port of our NetId. 0: any that is free. Default [`DEFAULT_PORT`].
    pub port: u16,
    /// Where we listen, if not at `address`: for a machine that others reach by an address that it
    /// does not have itself.
    pub bind: Option<IpAddr>,
    /// The interface that we multicast on, by its name or one of its addresses. Unset: the one that
    /// has `address`, or else `bind`.
    pub interface: Option<String>,
    /// Whether and to which group we multicast.
    pub multicast: Multicast,
    /// Routers that a multicast may pass, and one; 0 stays on this machine. Default 4.
    pub multicast_ttl: u8,
    /// Nodes that are called for ever; names are resolved again and again.
    pub seeds: Vec<Seed>,
    /// How long a connection may take to be there. Default 3 s.
    pub connect_timeout: Duration,
    /// How long is waited, at the end of a connection and of the shell, for what is still to be
    /// sent. Default 1 s.
    pub linger: Duration,
    /// Bytes of one connection that wait for the system, at most: beyond it the connection is
    /// closed. More than the machine ever hands over. Default 32 MiB.
    pub connection_bytes: usize,
    /// Commands that wait for the driver, at most; beyond it whoever gives one waits. Default
    /// 1,024.
    pub commands: usize,
    /// Deliveries and events that wait for the owner before the driver keeps more itself and stops
    /// reading. Default 4,096.
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

/// A node to call: an address or a name, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seed {
    /// An address.
    Address(SocketAddr),
    /// A name, which may mean several addresses, and others tomorrow.
    Name {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
}

/// A text that is no seed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the seed `{text}` is neither IP:PORT nor NAME:PORT")]
pub struct SeedError {
    /// The text, or its beginning.
    pub text: String,
}

/// Bytes of the longest name that there can be.
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
