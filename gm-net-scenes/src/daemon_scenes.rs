//! Scenes of daemons: an operator uses the command line while networks, disks and processes fail. A
//! scene returns an error if an expectation does not hold.

mod islands;
mod paths;
mod random_kills;
mod readme;
mod restarts;
mod scale;
mod shared_network;
mod storage;

use anyhow::Result;

use crate::clusters::DaemonCluster;

type Scene = fn(&mut DaemonCluster, &Settings) -> Result<()>;

/// Settings of the scenes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Number of kills in the scene `writer-kills`.
    pub(crate) kills: u32,
}

/// The scenes by name, in the order in which they run.
pub(crate) const SCENES: &[(&str, Scene)] = &[
    ("readme", |cluster, _| readme::three_hosts(cluster, true)),
    ("readme-no-multicast", |cluster, _| readme::three_hosts(cluster, false)),
    ("three-islands", |cluster, _| islands::three(cluster)),
    ("loss", |cluster, _| islands::loss(cluster)),
    ("split-heal", |cluster, _| islands::split(cluster)),
    ("kill-restart", |cluster, _| restarts::kill_restart(cluster)),
    ("writer-kills", |cluster, settings| random_kills::writer(cluster, settings.kills)),
    ("restart-storm", |cluster, _| restarts::storm(cluster)),
    ("address-change", |cluster, _| restarts::address(cluster)),
    ("address-gone", |cluster, _| restarts::address_gone(cluster)),
    ("two-clusters", |cluster, _| shared_network::two_clusters(cluster)),
    ("no-multicast", |cluster, _| shared_network::no_multicast(cluster)),
    ("ipv6", |cluster, _| islands::ipv6(cluster)),
    ("udp-blocked", |cluster, _| paths::udp_blocked(cluster)),
    ("mixed-families", |cluster, _| paths::mixed_families(cluster)),
    ("swallows-large", |cluster, _| paths::swallows_large(cluster)),
    ("misconfigured", |cluster, _| paths::misconfigured(cluster)),
    ("unreachable-address", |cluster, _| paths::unreachable_address(cluster)),
    ("fifty", |cluster, _| scale::fifty(cluster)),
    ("disk-full", |cluster, _| storage::full(cluster)),
];
