//! Choice of the node's address, the address to listen at, and the multicast interface: a pure
//! function of the settings and the system's interfaces.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::error::AddressError;
use super::nic::Nic;
use super::settings::{RuntimeSettings, Seed};

/// An address of this machine that could be the node's, and its interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The address.
    pub ip: IpAddr,
    /// The interface's name.
    pub interface: String,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.ip, self.interface)
    }
}

pub(super) fn list_candidates(candidates: &[Candidate]) -> String {
    if candidates.is_empty() {
        return "none".to_owned();
    }
    candidates.iter().map(Candidate::to_string).collect::<Vec<_>>().join(", ")
}

/// Addresses and default route of the system.
#[derive(Clone, Debug, Default)]
pub(super) struct SystemAddresses {
    pub(super) nics: Vec<Nic>,
    /// Source address of packets along the default route, if there is one: of IPv4, else of IPv6.
    pub(super) routed: Option<IpAddr>,
}

/// The chosen addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChosenAddresses {
    pub(super) address: IpAddr,
    pub(super) bind: IpAddr,
    /// The multicast group and interface; `None` if multicast is off.
    pub(super) group: Option<(SocketAddr, Nic)>,
}

/// Chooses the addresses, or returns which setting is missing or wrong.
pub(super) fn choose_addresses(
    settings: &RuntimeSettings,
    system: &SystemAddresses,
) -> Result<ChosenAddresses, AddressError> {
    let address = match settings.address {
        Some(address) => address,
        None => default_address(system)?,
    };
    gm_clock::NetId::new(address, settings.port.max(1))?;
    let here = |ip: IpAddr| system.nics.iter().any(|nic| nic.ip == ip) || is_loopback_v4(ip);
    let bind = match settings.bind {
        Some(bind) if bind.is_ipv4() != address.is_ipv4() => {
            return Err(AddressError::BindFamily { bind, address });
        }
        Some(bind) if !bind.is_unspecified() && !here(bind) => {
            return Err(AddressError::BindNotHere { bind, candidates: candidates(system) });
        }
        Some(bind) => bind,
        None if !here(address) => {
            return Err(AddressError::NotHere { address, candidates: candidates(system) });
        }
        None => address,
    };
    if address.is_loopback()
        && let Some(seed) = settings.seeds.iter().find_map(remote_address)
    {
        return Err(AddressError::Loopback { address, seed });
    }
    let group = match settings.multicast.group(address)? {
        None => None,
        Some(group) => Some((group, interface(settings, system, address, bind)?)),
    };
    Ok(ChosenAddresses { address, bind, group })
}

/// Whether an address is of 127.0.0.0/8: all of it is local, although the system lists only one
/// address of it.
fn is_loopback_v4(ip: IpAddr) -> bool {
    ip.is_ipv4() && ip.is_loopback()
}

fn remote_address(seed: &Seed) -> Option<SocketAddr> {
    match seed {
        Seed::Address(seed) if !seed.ip().is_loopback() => Some(*seed),
        Seed::Address(_) | Seed::Name { .. } => None,
    }
}

/// The only address of the default route's interface; without such a route, the only address of
/// this machine.
fn default_address(system: &SystemAddresses) -> Result<IpAddr, AddressError> {
    let unclear = |why| AddressError::Unclear { why, candidates: candidates(system) };
    let Some(routed) = system.routed else {
        return only_address(system)
            .ok_or_else(|| unclear("there is no default route, and not exactly one address"));
    };
    let name = system.nics.iter().find(|nic| nic.ip == routed).map(|nic| &nic.name);
    let name = name.ok_or_else(|| unclear("no interface has the default route's address"))?;
    let usable = |nic: &&Nic| nic.name == *name && nic.ip.is_ipv4() == routed.is_ipv4() && is_usable(nic.ip);
    match system.nics.iter().filter(usable).count() {
        1 => Ok(routed),
        _ => Err(unclear("the default route's interface has several addresses")),
    }
}

/// The only usable address of this machine. IPv6 addresses beside an IPv4 address of the same
/// interface do not count, as with a default route.
fn only_address(system: &SystemAddresses) -> Option<IpAddr> {
    let all: Vec<&Nic> = system.nics.iter().filter(|nic| is_usable(nic.ip)).collect();
    let v4: Vec<&Nic> = all.iter().copied().filter(|nic| nic.ip.is_ipv4()).collect();
    match (&*all, &*v4) {
        ([nic], _) => Some(nic.ip),
        (all, [nic]) if all.iter().all(|other| other.name == nic.name) => Some(nic.ip),
        _ => None,
    }
}

fn is_usable(ip: IpAddr) -> bool {
    !ip.is_loopback() && gm_clock::NetId::new(ip, 1).is_ok()
}

fn candidates(system: &SystemAddresses) -> Vec<Candidate> {
    let usable = system.nics.iter().filter(|nic| is_usable(nic.ip));
    usable.map(|nic| Candidate { ip: nic.ip, interface: nic.name.clone() }).collect()
}

/// The interface for multicast, with one of its addresses of the family.
fn interface(
    settings: &RuntimeSettings,
    system: &SystemAddresses,
    address: IpAddr,
    bind: IpAddr,
) -> Result<Nic, AddressError> {
    let family = |nic: &&Nic| nic.ip.is_ipv4() == address.is_ipv4();
    if let Some(wanted) = &settings.interface {
        let ip: Option<IpAddr> = wanted.parse().ok();
        let found = system.nics.iter().filter(family).find(|nic| nic.name == *wanted || Some(nic.ip) == ip);
        return found.cloned().ok_or_else(|| AddressError::NoInterface {
            interface: wanted.clone(),
            candidates: candidates(system),
        });
    }
    let having = |ip: IpAddr| system.nics.iter().find(|nic| nic.ip == ip);
    let loopback =
        || system.nics.iter().filter(family).find(|nic| nic.ip.is_loopback() && bind.is_loopback());
    let found = having(address).or_else(|| having(bind)).or_else(loopback);
    found.cloned().ok_or_else(|| AddressError::InterfaceUnclear { candidates: candidates(system) })
}

#[cfg(test)]
mod tests;
