//! SIGHUP: what can be changed while it runs is read again: keys, seeds, the level of the log. Whatever is wrong changes nothing.

use gm_broadcast::shell::Seed;
use gm_node::service::Service;

use super::concerns::Concerns;
use super::config::{Effective, Flags, Layers, Sealing, changed, environment};
use super::log::Log;
use crate::Global;

/// Who told the daemon what to do.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) global: Global,
    pub(crate) flags: Flags,
    pub(crate) layers: Layers,
    pub(crate) log: Log,
}

/// Reads all settings again, and applies those that can change now. A failure is a warning in `status` until a reload succeeds.
pub(super) async fn reload(told: &mut Told, now: &mut Effective, service: &Service, concerns: &Concerns) {
    let mut troubles = Vec::new();
    let layers = Layers::gather(&told.global, &told.flags, &environment(), &mut troubles);
    let mut next = match Effective::of(&layers, None, troubles) {
        Ok(next) => next,
        Err(troubles) => {
            for trouble in &troubles {
                tracing::error!("not reloaded, everything goes on as it was: {trouble}");
            }
            let all: Vec<String> = troubles.iter().map(ToString::to_string).collect();
            return concerns.reloaded(Err(all.join("; ")));
        }
    };
    told.log.set(next.log.0);
    match (&next.sealing, &now.sealing) {
        (Sealing::Keys(keyring), Sealing::Keys(_)) => {
            if service.set_keys(keyring.clone()).await.is_err() {
                return;
            }
        }
        (Sealing::Insecure, Sealing::Insecure) => {}
        _ => {
            tracing::warn!("whether frames are sealed changes at the next start only");
            next.sealing = now.sealing.clone();
        }
    }
    let (before, seeds) = (&now.shell.seeds, &next.shell.seeds);
    let new: Vec<Seed> = seeds.iter().filter(|seed| !before.contains(seed)).cloned().collect();
    if before.iter().any(|seed| !seeds.contains(seed)) {
        tracing::warn!("a `seed` that is no longer named is still called until the next start");
    }
    let count = new.len();
    for seed in new {
        if service.add_seed(seed).await.is_err() {
            return;
        }
    }
    let later = changed(&told.layers, &layers);
    if !later.is_empty() {
        tracing::warn!("these settings change at the next start only: {}", later.join(", "));
    }
    let keys = next.sealing.ids();
    tracing::info!(
        key = keys.as_ref().map(|keys| keys.sealing.clone()).unwrap_or_default(),
        other_keys = keys.as_ref().map(|keys| keys.others.join(", ")).unwrap_or_default(),
        new_seeds = count,
        "reloaded"
    );
    concerns.reloaded(Ok(keys));
    told.layers = layers;
    *now = next;
}
