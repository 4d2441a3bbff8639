//! The scenes of daemons: what an operator does by the command line while networks, disks and processes fail. Each says by an error what did
//! not come true.

mod fifty;
mod islands;
mod kills;
mod lan;
mod lives;
mod paths;
mod readme;
mod storage;

use anyhow::Result;

use super::town::Stage;

type Scene = fn(&mut Stage, &Settings) -> Result<()>;

/// What can be asked of scenes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// How often the writer is killed.
    pub(super) kills: u32,
}

/// All, in their order.
pub(super) const SCENES: &[(&str, Scene)] = &[
    ("readme", |stage, _| readme::three_hosts(stage, true)),
    ("readme-no-multicast", |stage, _| readme::three_hosts(stage, false)),
    ("three-islands", |stage, _| islands::three(stage)),
    ("loss", |stage, _| islands::loss(stage)),
    ("split-heal", |stage, _| islands::split(stage)),
    ("kill-restart", |stage, _| lives::kill_restart(stage)),
    ("writer-kills", |stage, settings| kills::writer(stage, settings.kills)),
    ("restart-storm", |stage, _| lives::storm(stage)),
    ("address-change", |stage, _| lives::address(stage)),
    ("address-gone", |stage, _| lives::address_gone(stage)),
    ("two-clusters", |stage, _| lan::two_clusters(stage)),
    ("no-multicast", |stage, _| lan::no_multicast(stage)),
    ("ipv6", |stage, _| islands::ipv6(stage)),
    ("udp-blocked", |stage, _| paths::udp_blocked(stage)),
    ("mixed-families", |stage, _| paths::mixed_families(stage)),
    ("swallows-large", |stage, _| paths::swallows_large(stage)),
    ("set-up-wrong", |stage, _| paths::set_up_wrong(stage)),
    ("unreachable-address", |stage, _| paths::unreachable_address(stage)),
    ("fifty", |stage, _| fifty::fifty(stage)),
    ("disk-full", |stage, _| storage::full(stage)),
];
