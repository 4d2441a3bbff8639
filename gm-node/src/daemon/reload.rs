//! SIGHUP: what can be changed while it runs is read again: keys, seeds, the level of the log. Whatever is wrong changes nothing. Files are read beside the runtime,
//! which goes on whether they answer or not.

use gm_broadcast::runtime::Seed;
use gm_node::service::Service;
use tokio::task::{JoinHandle, spawn_blocking};

use super::concerns::Concerns;
use super::config::{Effective, Flags, Layers, Sealing, Trouble, changed, environment};
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

/// All settings, as they were read again.
#[derive(Debug)]
pub(super) struct Reread {
    layers: Layers,
    effective: Result<Effective, Vec<Trouble>>,
}

/// The reading of all settings, while it goes on.
#[derive(Debug, Default)]
pub(super) struct Reading {
    task: Option<JoinHandle<Reread>>,
    /// SIGHUP came again meanwhile: what is read may be older than that.
    again: bool,
}

impl Reading {
    /// Begins to read; what is being read already is read once more after that.
    pub(super) fn begin(&mut self, told: &Told) {
        if self.task.is_some() {
            self.again = true;
            return;
        }
        let (global, flags) = (told.global.clone(), told.flags.clone());
        self.task = Some(spawn_blocking(move || {
            let mut troubles = Vec::new();
            let layers = Layers::gather(&global, &flags, &environment(), &mut troubles);
            let effective = Effective::of(&layers, None, troubles);
            Reread { layers, effective }
        }));
    }

    /// Waits for what was read, if anything is. Nothing is lost if this is dropped before.
    pub(super) async fn next(&mut self, told: &Told) -> Reread {
        loop {
            let Some(task) = &mut self.task else { return std::future::pending().await };
            let read = task.await;
            self.task = None;
            match read {
                Ok(_) if std::mem::take(&mut self.again) => self.begin(told),
                Ok(read) => return read,
                Err(error) => {
                    let why = Trouble::Refused(format!("the settings are not read: {error}"));
                    return Reread { layers: told.layers.clone(), effective: Err(vec![why]) };
                }
            }
        }
    }
}

/// Applies those settings that can change now. A failure is a warning in `status` until a reload succeeds.
pub(super) async fn reload(
    told: &mut Told,
    now: &mut Effective,
    service: &Service,
    concerns: &Concerns,
    Reread { layers, effective }: Reread,
) {
    let mut next = match effective {
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
