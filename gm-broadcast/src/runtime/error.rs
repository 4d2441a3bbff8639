//! What can be wrong with the settings and the system before anything begins. Every message names
//! the setting to change.

use std::io;
use std::net::{IpAddr, SocketAddr};

use gm_clock::NetIdError;
use thiserror::Error;

use super::address::{Candidate, list_candidates};

/// Why addresses could not be settled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// No address is told, and the system has none that is the obvious one.
    #[error("which address is ours is not clear ({why}): set `address` to one of {}", list_candidates(.candidates))]
    Unclear {
        /// Why not.
        why: &'static str,
        /// The addresses of this machine.
        candidates: Vec<Candidate>,
    },
    /// The address cannot be that of a node.
    #[error("`address` cannot be that of a node: {0}")]
    NoNetId(#[from] NetIdError),
    /// The address is not one of this machine, and no other is told to listen at.
    #[error(
        "`address` {address} is not an address of this machine: set `bind` to where to listen, one of {}", list_candidates(.candidates)
    )]
    NotHere {
        /// The address.
        address: IpAddr,
        /// The addresses of this machine.
        candidates: Vec<Candidate>,
    },
    /// Where to listen is not an address of this machine.
    #[error("`bind` {bind} is not an address of this machine: it has {}", list_candidates(.candidates))]
    BindNotHere {
        /// The address.
        bind: IpAddr,
        /// The addresses of this machine.
        candidates: Vec<Candidate>,
    },
    /// Where to listen is of another family than the address.
    #[error("`bind` {bind} is of another family than `address` {address}")]
    BindFamily {
        /// Where to listen.
        bind: IpAddr,
        /// The address.
        address: IpAddr,
    },
    /// A node that only this machine can reach calls one elsewhere: it could not call back.
    #[error(
        "`address` {address} is reached from this machine alone, and the `seed` {seed} is elsewhere: set `address`"
    )]
    Loopback {
        /// The address.
        address: IpAddr,
        /// The seed.
        seed: SocketAddr,
    },
    /// No interface is called so.
    #[error("`interface` {interface} is not an interface of this machine: it has {}", list_candidates(.candidates))]
    NoInterface {
        /// The name or address.
        interface: String,
        /// The addresses of this machine.
        candidates: Vec<Candidate>,
    },
    /// Which interface to multicast on is not clear.
    #[error("`interface` must be set, or `multicast` off: neither `address` nor `bind` is one interface's; there are {}", list_candidates(.candidates))]
    InterfaceUnclear {
        /// The addresses of this machine.
        candidates: Vec<Candidate>,
    },
    /// That is no group.
    #[error("`multicast` {group} is no multicast group and port")]
    NoGroup {
        /// What was given.
        group: SocketAddr,
    },
    /// The group is of another family than the address.
    #[error("`multicast` {group} is of another family than `address` {address}")]
    GroupFamily {
        /// The group.
        group: SocketAddr,
        /// The address.
        address: IpAddr,
    },
}

/// Why a shell does not begin.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// Addresses.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Somebody else listens there.
    #[error("port {} of {} is in use: set `port` (or `address`), or stop what listens there", .at.port(), .at.ip())]
    PortInUse {
        /// Where.
        at: SocketAddr,
    },
    /// The system does not let us listen.
    #[error("cannot listen at {at} (`address`, `bind`, `port`): {error}")]
    Listen {
        /// Where.
        at: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The system does not let us multicast.
    #[error(
        "cannot multicast to {group} on interface {interface} (`multicast`, `interface`; `multicast` off does without): {step}: {error}"
    )]
    Multicast {
        /// The group.
        group: SocketAddr,
        /// The interface.
        interface: String,
        /// What could not be done.
        step: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// The system does not list its interfaces.
    #[error("cannot list the interfaces of this machine: {0}")]
    Interfaces(io::Error),
    /// The system has no chance to give.
    #[error("the system's generator of secrets does not work: {0}")]
    Entropy(String),
    /// The system does not hand the sockets to the runtime.
    #[error("cannot hand the sockets to the runtime: {0}")]
    Runtime(io::Error),
}
