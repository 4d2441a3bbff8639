//! Network topology of a scene: a switch with a bridge for each island, a router between the
//! islands, and a namespace for each host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;

use anyhow::Result;

use crate::namespaces::{Cluster, Host, ip, output};

/// Address family of all hosts of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// Host number of the router on each island.
const ROUTER: u8 = 254;

impl Family {
    fn address(self, island: u8, number: u8) -> IpAddr {
        match self {
            Family::V4 => Ipv4Addr::new(10, 77, island, number).into(),
            Family::V6 => Ipv6Addr::new(0xfd77, 0, 0, island.into(), 0, 0, 0, number.into()).into(),
        }
    }

    /// An address in the notation of `ip addr add`. It is unique, so duplicate address detection is
    /// off.
    fn with_mask(self, address: IpAddr) -> String {
        match self {
            Family::V4 => format!("{address}/24"),
            Family::V6 => format!("{address}/64 nodad"),
        }
    }

    fn forwarding(self) -> &'static str {
        match self {
            Family::V4 => "echo 1 > /proc/sys/net/ipv4/ip_forward",
            Family::V6 => "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
        }
    }

    fn flag(self) -> &'static str {
        match self {
            Family::V4 => "-4",
            Family::V6 => "-6",
        }
    }
}

impl<N> Cluster<N> {
    /// Makes islands with these numbers of hosts, and a router if there are several islands.
    pub(crate) fn islands(&mut self, sizes: &[usize]) -> Result<Vec<Vec<Host>>> {
        self.islands_of(Family::V4, sizes)
    }

    /// The same, with addresses of one family only.
    pub(crate) fn islands_of(&mut self, family: Family, sizes: &[usize]) -> Result<Vec<Vec<Host>>> {
        let switch = self.create_namespace("switch")?;
        let router = if sizes.len() > 1 { Some(self.create_namespace("router")?) } else { None };
        if let Some(router) = &router {
            output(Command::new("ip").args(["netns", "exec", router, "sh", "-c", family.forwarding()]))?;
        }
        let mut islands = Vec::new();
        for (island, size) in (0_u8..).zip(sizes) {
            let bridge = IslandBridge { switch: &switch, island, family };
            ip(&format!("-n {switch} link add br{island} type bridge mcast_snooping 0"))?;
            ip(&format!("-n {switch} link set br{island} up"))?;
            if let Some(router) = &router {
                bridge.connect(&format!("r{island}"), router, &format!("eth{island}"), ROUTER)?;
            }
            let mut hosts = Vec::new();
            for node in (1_u8..).take(*size) {
                let namespace = self.create_namespace(&format!("{island}-{node}"))?;
                let address = bridge.connect(&format!("n{island}-{node}"), &namespace, "eth0", node)?;
                let gateway = match router {
                    Some(_) => format!("via {}", family.address(island, ROUTER)),
                    None => "dev eth0".to_owned(),
                };
                ip(&format!("-n {namespace} {} route add default {gateway}", family.flag()))?;
                hosts.push(Host { namespace, ip: address });
            }
            islands.push(hosts);
        }
        Ok(islands)
    }

    /// Adds another address of its island to a host.
    pub(crate) fn another_address(&self, host: &Host, island: u8, number: u8) -> Result<IpAddr> {
        let address = Family::V4.address(island, number);
        ip(&format!("-n {} addr add {} dev eth0", host.namespace, Family::V4.with_mask(address)))?;
        Ok(address)
    }
}

/// The bridge of an island.
struct IslandBridge<'a> {
    switch: &'a str,
    island: u8,
    family: Family,
}

impl IslandBridge<'_> {
    /// Connects a port of the bridge to a new interface of a namespace, and gives the interface an
    /// address.
    fn connect(&self, port: &str, namespace: &str, name: &str, number: u8) -> Result<IpAddr> {
        let IslandBridge { switch, island, family } = self;
        let address = family.address(*island, number);
        ip(&format!("-n {switch} link add {port} type veth peer name {name} netns {namespace}"))?;
        ip(&format!("-n {switch} link set {port} master br{island} up"))?;
        ip(&format!("-n {namespace} addr add {} dev {name}", family.with_mask(address)))?;
        ip(&format!("-n {namespace} link set {name} up"))?;
        Ok(address)
    }
}
