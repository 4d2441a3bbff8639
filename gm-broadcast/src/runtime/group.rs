//! The multicast setting: default group, a group, or off.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::error::AddressError;

/// Default group of a node with an IPv4 address.
pub const DEFAULT_GROUP_V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(224, 1, 1, 1)), 29_999);
/// Default group of a node with an IPv6 address: site-local scope.
pub const DEFAULT_GROUP_V6: SocketAddr =
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0, 0x676d)), 29_999);

/// Whether and to which group the node multicasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Multicast {
    /// The default group of the address's family. If the system refuses it, the node runs without
    /// multicast and logs a warning.
    #[default]
    Default,
    /// Multicast is neither sent nor received.
    Off,
    /// This group. If the system refuses it, the node does not start.
    Group(SocketAddr),
}

impl Multicast {
    /// The group for a node with this address; `None` if multicast is off.
    ///
    /// # Errors
    /// The setting is no group, or of another family than the node.
    pub(super) fn group(self, address: IpAddr) -> Result<Option<SocketAddr>, AddressError> {
        match self {
            Multicast::Off => Ok(None),
            Multicast::Default if address.is_ipv4() => Ok(Some(DEFAULT_GROUP_V4)),
            Multicast::Default => Ok(Some(DEFAULT_GROUP_V6)),
            Multicast::Group(group) if !group.ip().is_multicast() || group.port() == 0 => {
                Err(AddressError::NoGroup { group })
            }
            Multicast::Group(group) if group.is_ipv4() != address.is_ipv4() => {
                Err(AddressError::GroupFamily { group, address })
            }
            Multicast::Group(group) => Ok(Some(group)),
        }
    }
}

impl FromStr for Multicast {
    type Err = String;

    /// Reads `GROUP:PORT`, `off` or `default`.
    fn from_str(text: &str) -> Result<Multicast, String> {
        match text {
            "off" => Ok(Multicast::Off),
            "default" => Ok(Multicast::Default),
            _ => match text.parse() {
                Ok(group) => Ok(Multicast::Group(group)),
                Err(_) => Err("neither GROUP:PORT, `off` nor `default`".to_owned()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_of_the_family_of_the_address() {
        let (v4, v6): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        assert_eq!(Multicast::Default.group(v4), Ok(Some(DEFAULT_GROUP_V4)));
        assert_eq!(Multicast::Default.group(v6), Ok(Some(DEFAULT_GROUP_V6)));
        assert_eq!(Multicast::Off.group(v4), Ok(None));
        let group = Multicast::Group(DEFAULT_GROUP_V6);
        assert!(matches!(group.group(v4), Err(AddressError::GroupFamily { .. })));
        let group: Multicast = "10.1.1.1:5".parse().unwrap();
        assert!(matches!(group.group(v4), Err(AddressError::NoGroup { .. })));
    }
}
