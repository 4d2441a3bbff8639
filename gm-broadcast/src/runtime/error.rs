//! Errors of settings and of the system at startup. Every message names the setting to change.

use std::io;
use std::net::{IpAddr, SocketAddr};

use gm_clock::NetIdError;
use thiserror::Error;

use super::address::{Candidate, list_candidates};

/// Errors in the choice of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// No address is set, and the system has no obvious one.
    #[error("cannot determine this node's address ({why}): set `address` to one of {}", list_candidates(.candidates))]
    Unclear {
        /// The reason.
        why: &'static str,
        /// The addresses of this machine.
        candidates: Vec<Candidate>,
    },
    /// The address cannot be that of a node.
    #[error("`address` cannot be that of a node: {0}")]
    NoNetId(#[from] NetIdError),
    /// The address is not one of this machine, and no other is set to listen at.
    #[error(
        "`address` {address} is not an address of this machine: set `bind` to an address to listen at, one of {}", list_candidates(.candidates)
    )]
    NotHere {
        /// The address.
        address: IpAddr,
        /// The addresses of this machine.
        candidates: Vec<Candidate>,
    },
    /// The address to listen at is not one of this machine.
    #[error("`bind` {bind} is not an address of this machine: it has {}", list_candidates(.candidates))]
    BindNotHere {
        /// The address.
        bind: IpAddr,
        /// The addresses of this machine.
        candidates: Vec<Candidate>,
    },
    /// The address to listen at is of another family than the node's address.
    #[error("`bind` {bind} is of another family than `address` {address}")]
    BindFamily {
        /// The address to listen at.
        bind: IpAddr,
        /// The address.
        address: IpAddr,
    },
    /// A node with a loopback address has a seed on another machine, which could not connect back.
    #[error(
        "`address` {address} is reachable from this machine only, and the `seed` {seed} is on another machine: set `address`"
    )]
    Loopback {
        /// The address.
        address: IpAddr,
        /// The seed.
        seed: SocketAddr,
    },
    /// No interface has this name or address.
    #[error("`interface` {interface} is not an interface of this machine: it has {}", list_candidates(.candidates))]
    NoInterface {
        /// The name or address.
        interface: String,
        /// The addresses of this machine.
        candidates: Vec<Candidate>,
    },
    /// The interface for multicast cannot be determined.
    #[error("cannot determine the interface for multicast, as none has `address` or `bind`: set `interface`, or `multicast` to off; this machine has {}", list_candidates(.candidates))]
    InterfaceUnclear {
        /// The addresses of this machine.
        candidates: Vec<Candidate>,
    },
    /// The setting is no multicast group and port.
    #[error("`multicast` {group} is not a multicast group with a port")]
    NoGroup {
        /// The given address.
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

/// Errors at the start of the runtime.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// No addresses could be chosen.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Another process listens at the port.
    #[error("port {} of {} is in use: set `port` (or `address`), or stop the program that listens there", .at.port(), .at.ip())]
    PortInUse {
        /// The address and port.
        at: SocketAddr,
    },
    /// The system refuses to listen.
    #[error("cannot listen at {at} (`address`, `bind`, `port`): {error}")]
    Listen {
        /// The address and port.
        at: SocketAddr,
        /// The error of the system.
        error: io::Error,
    },
    /// The system refuses multicast.
    #[error(
        "cannot multicast to {group} on interface {interface} (`multicast`, `interface`; set `multicast` to off to run without): cannot {step}: {error}"
    )]
    Multicast {
        /// The group.
        group: SocketAddr,
        /// The interface.
        interface: String,
        /// The step that failed.
        step: &'static str,
        /// The error of the system.
        error: io::Error,
    },
    /// The system does not list its interfaces.
    #[error("cannot list the interfaces of this machine: {0}")]
    Interfaces(io::Error),
    /// The system's random generator failed.
    #[error("the system's random generator failed: {0}")]
    Entropy(String),
    /// The sockets cannot be registered with tokio.
    #[error("cannot register the sockets with the runtime: {0}")]
    Runtime(io::Error),
}
