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

use super::clusters::DaemonCluster;

type Scene = fn(&mut DaemonCluster, &Settings) -> Result<()>;

/// Settings of the scenes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Number of kills in the scene `writer-kills`.
    pub(super) kills: u32,
}

/// The scenes by name, in the order in which they run.
pub(super) const SCENES: &[(&str, Scene)] = &[
    ("readme", |stage, _| readme::three_hosts(stage, true)),
    ("readme-no-multicast", |stage, _| readme::three_hosts(stage, false)),
    ("three-islands", |stage, _| islands::three(stage)),
    ("loss", |stage, _| islands::loss(stage)),
    ("split-heal", |stage, _| islands::split(stage)),
    ("kill-restart", |stage, _| restarts::kill_restart(stage)),
    ("writer-kills", |stage, settings| random_kills::writer(stage, settings.kills)),
    ("restart-storm", |stage, _| restarts::storm(stage)),
    ("address-change", |stage, _| restarts::address(stage)),
    ("address-gone", |stage, _| restarts::address_gone(stage)),
    ("two-clusters", |stage, _| shared_network::two_clusters(stage)),
    ("no-multicast", |stage, _| shared_network::no_multicast(stage)),
    ("ipv6", |stage, _| islands::ipv6(stage)),
    ("udp-blocked", |stage, _| paths::udp_blocked(stage)),
    ("mixed-families", |stage, _| paths::mixed_families(stage)),
    ("swallows-large", |stage, _| paths::swallows_large(stage)),
    ("misconfigured", |stage, _| paths::misconfigured(stage)),
    ("unreachable-address", |stage, _| paths::unreachable_address(stage)),
    ("fifty", |stage, _| scale::fifty(stage)),
    ("disk-full", |stage, _| storage::full(stage)),
];
