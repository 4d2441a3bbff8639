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
use crate::runner::Load::{self, Alone, Long, Shared};

type Scene = fn(&mut DaemonCluster, &Settings) -> Result<()>;

/// Settings of the scenes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Number of kills in the scene `writer-kills`.
    pub(crate) kills: u32,
}

/// The scenes by name, with what each needs of the machine.
pub(crate) const SCENES: &[(&str, Load, Scene)] = &[
    ("readme", Shared, |cluster, _| readme::three_hosts(cluster, true)),
    ("readme-no-multicast", Shared, |cluster, _| readme::three_hosts(cluster, false)),
    ("three-islands", Shared, |cluster, _| islands::three(cluster)),
    ("loss", Shared, |cluster, _| islands::loss(cluster)),
    ("split-heal", Shared, |cluster, _| islands::split(cluster)),
    ("kill-restart", Shared, |cluster, _| restarts::kill_restart(cluster)),
    ("writer-kills", Long, |cluster, settings| random_kills::writer(cluster, settings.kills)),
    ("restart-storm", Shared, |cluster, _| restarts::storm(cluster)),
    ("address-change", Shared, |cluster, _| restarts::address(cluster)),
    ("address-gone", Shared, |cluster, _| restarts::address_gone(cluster)),
    ("two-clusters", Shared, |cluster, _| shared_network::two_clusters(cluster)),
    ("no-multicast", Shared, |cluster, _| shared_network::no_multicast(cluster)),
    ("ipv6", Shared, |cluster, _| islands::ipv6(cluster)),
    ("udp-blocked", Shared, |cluster, _| paths::udp_blocked(cluster)),
    ("mixed-families", Shared, |cluster, _| paths::mixed_families(cluster)),
    ("swallows-large", Long, |cluster, _| paths::swallows_large(cluster)),
    ("misconfigured", Shared, |cluster, _| paths::misconfigured(cluster)),
    ("unreachable-address", Long, |cluster, _| paths::unreachable_address(cluster)),
    ("fifty", Alone, |cluster, _| scale::fifty(cluster)),
    ("disk-full", Shared, |cluster, _| storage::full(cluster)),
];
