//! Layouts of worlds: numbered nodes on islands and sites, drawn or listed.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use gm_broadcast::{Rng, Time};
use gm_clock::NetId;

use crate::node::Location;

/// The NetId of a node by its number: 10.0.0.1:29999 and the addresses behind it, up to a million.
#[must_use]
pub fn id(node: u32) -> NetId {
    let ip = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0001 + node));
    // A unicast address, and a port other than 0.
    NetId::new(ip, 29_999).unwrap_or_else(|error| unreachable!("{error}"))
}

/// This number of seconds after the beginning.
#[must_use]
pub const fn seconds(seconds: u64) -> Time {
    Time::from_nanos(seconds * 1_000_000_000)
}

/// A duration in milliseconds.
#[must_use]
pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A random number below `end`; 0 if that is 0.
pub fn below(rng: &mut Rng, end: u32) -> u32 {
    u32::try_from(rng.below(u64::from(end))).unwrap_or(0)
}

/// Locations on islands of these sizes, with this number of islands per site.
#[must_use]
pub fn islands(sizes: &[u32], per_site: u32) -> Vec<Location> {
    let islands = (0..).zip(sizes).flat_map(|(island, size)| (0..*size).map(move |_| island));
    let location = |(node, island)| Location { id: id(node), island, site: island / per_site };
    (0..).zip(islands).map(location).collect()
}

/// Locations on this number of islands of random sizes, on one to three sites.
pub fn random_islands(rng: &mut Rng, nodes: u32, islands: u32) -> Vec<Location> {
    let sites = 1 + below(rng, 3);
    let site_of: Vec<u32> = (0..islands).map(|_| below(rng, sites)).collect();
    let mut location = |node| {
        let island = below(rng, islands);
        Location { id: id(node), island, site: site_of[island as usize] }
    };
    (0..nodes).map(&mut location).collect()
}
