//! SIGHUP: what can be changed while it runs is read again: keys, seeds, the level of the log. Whatever is wrong changes nothing.

use std::time::Duration;

use gm_broadcast::shell::Seed;
use gm_clock::NetId;
use gm_node::service::Service;

use super::config::{Effective, Flags, Layers, Sealing, changed, environment};
use super::log::Log;
use crate::Global;

/// How often a new seed that has no address is looked for.
const AGAIN: Duration = Duration::from_secs(30);

/// Who told the daemon what to do.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) global: Global,
    pub(crate) flags: Flags,
    pub(crate) layers: Layers,
    pub(crate) log: Log,
}

/// Reads all of it again, and does what can be done now.
pub(crate) async fn reload(told: &mut Told, now: &mut Effective, service: &Service) {
    let mut troubles = Vec::new();
    let layers = Layers::gather(&told.global, &told.flags, &environment(), &mut troubles);
    let next = match Effective::of(&layers, troubles) {
        Ok(next) => next,
        Err(troubles) => {
            for trouble in troubles {
                tracing::error!("not reloaded, everything goes on as it was: {trouble}");
            }
            return;
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
        _ => tracing::warn!("whether frames are sealed changes at the next start only"),
    }
    let (before, seeds) = (&now.shell.seeds, &next.shell.seeds);
    let new: Vec<Seed> = seeds.iter().filter(|seed| !before.contains(seed)).cloned().collect();
    if before.iter().any(|seed| !seeds.contains(seed)) {
        tracing::warn!("a `seed` that is no longer named is still called until the next start");
    }
    let count = new.len();
    for seed in new {
        tokio::spawn(call(seed, service.clone()));
    }
    let later = changed(&told.layers, &layers);
    if !later.is_empty() {
        tracing::warn!("these settings change at the next start only: {}", later.join(", "));
    }
    let keys = if let Sealing::Keys(keyring) = &next.sealing { keyring.keys().count() } else { 0 };
    tracing::info!(keys, new_seeds = count, "reloaded");
    told.layers = layers;
    *now = next;
}

/// Finds out what a seed means, and has it called.
async fn call(seed: Seed, service: Service) {
    loop {
        let found = match &seed {
            Seed::Address(address) => Ok(vec![*address]),
            Seed::Name { host, port } => {
                tokio::net::lookup_host((host.as_str(), *port)).await.map(Iterator::collect)
            }
        };
        match found {
            Ok(found) => {
                let seeds: Vec<NetId> =
                    found.into_iter().filter_map(|address| NetId::try_from(address).ok()).collect();
                // If the node has ended, nobody need be called.
                let _ = service.add_seeds(seeds).await;
                return;
            }
            Err(error) => tracing::warn!("the seed {seed} is not resolved, tried again: {error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = service.ended() => return,
        }
    }
}
