//! SIGHUP: what can be changed while it runs is read again: keys, seeds, the level of the log.
//! Whatever is wrong changes nothing. Files are read beside the runtime, which goes on whether they
//! answer or not.

use gm_broadcast::runtime::Seed;
use gm_node::handle::Node;
use tokio::task::{JoinHandle, spawn_blocking};

use super::config::{DaemonError, Encryption, Flags, Layers, ResolvedConfig, changed_settings, environment};
use super::log::Log;
use super::problems::Problems;
use crate::Global;

/// Who told the daemon what to do.
#[derive(Debug)]
pub(crate) struct ReloadContext {
    pub(crate) global: Global,
    pub(crate) flags: Flags,
    pub(crate) layers: Layers,
    pub(crate) log: Log,
}

/// All settings, as they were read again.
#[derive(Debug)]
pub(super) struct ReadSettings {
    layers: Layers,
    effective: Result<ResolvedConfig, Vec<DaemonError>>,
}

/// The reading of all settings, while it goes on.
#[derive(Debug, Default)]
pub(super) struct SettingsReload {
    task: Option<JoinHandle<ReadSettings>>,
    /// SIGHUP came again meanwhile: what is read may be older than that.
    is_repeated: bool,
}

impl SettingsReload {
    /// Begins to read; what is being read already is read once more after that.
    pub(super) fn begin(&mut self, told: &ReloadContext) {
        if self.task.is_some() {
            self.is_repeated = true;
            return;
        }
        let (global, flags) = (told.global.clone(), told.flags.clone());
        self.task = Some(spawn_blocking(move || {
            let mut troubles = Vec::new();
            let layers = Layers::gather(&global, &flags, &environment(), &mut troubles);
            let effective = ResolvedConfig::resolve(&layers, None, troubles);
            ReadSettings { layers, effective }
        }));
    }

    /// Waits for what was read, if anything is. Nothing is lost if this is dropped before.
    pub(super) async fn next(&mut self, told: &ReloadContext) -> ReadSettings {
        loop {
            let Some(task) = &mut self.task else { return std::future::pending().await };
            let read = task.await;
            self.task = None;
            match read {
                Ok(_) if std::mem::take(&mut self.is_repeated) => self.begin(told),
                Ok(read) => return read,
                Err(error) => {
                    let why = DaemonError::Refused(format!("the settings are not read: {error}"));
                    return ReadSettings { layers: told.layers.clone(), effective: Err(vec![why]) };
                }
            }
        }
    }
}

/// Applies those settings that can change now. A failure is a warning in `status` until a reload
/// succeeds.
pub(super) async fn reload(
    told: &mut ReloadContext,
    now: &mut ResolvedConfig,
    service: &Node,
    concerns: &Problems,
    ReadSettings { layers, effective }: ReadSettings,
) {
    let mut next = match effective {
        Ok(next) => next,
        Err(troubles) => {
            for trouble in &troubles {
                tracing::error!("not reloaded, everything goes on as it was: {trouble}");
            }
            let all: Vec<String> = troubles.iter().map(ToString::to_string).collect();
            return concerns.record_reload(Err(all.join("; ")));
        }
    };
    told.log.set(next.log.0);
    match (&next.encryption, &now.encryption) {
        (Encryption::Keys(keyring), Encryption::Keys(_)) => {
            if service.set_keys(keyring.clone()).await.is_err() {
                return;
            }
        }
        (Encryption::Insecure, Encryption::Insecure) => {}
        _ => {
            tracing::warn!("whether frames are sealed changes at the next start only");
            next.encryption = now.encryption.clone();
        }
    }
    let (before, seeds) = (&now.sockets.seeds, &next.sockets.seeds);
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
    let later = changed_settings(&told.layers, &layers);
    if !later.is_empty() {
        tracing::warn!("these settings change at the next start only: {}", later.join(", "));
    }
    let keys = next.encryption.ids();
    tracing::info!(
        key = keys.as_ref().map(|keys| keys.sealing.clone()).unwrap_or_default(),
        other_keys = keys.as_ref().map(|keys| keys.others.join(", ")).unwrap_or_default(),
        new_seeds = count,
        "reloaded"
    );
    concerns.record_reload(Ok(keys));
    told.layers = layers;
    *now = next;
}
