//! Reload on SIGHUP: keys, seeds and the log level are read again and applied. An invalid setting
//! leaves everything unchanged. Files are read on a thread of their own, so a file system that does
//! not respond does not delay the node.

use gm_broadcast::runtime::Seed;
use gm_node::Node;
use tokio::task::{JoinHandle, spawn_blocking};

use super::config::{DaemonError, Encryption, Flags, Layers, ResolvedConfig, changed_settings, environment};
use super::log::Log;
use super::problems::Problems;
use crate::Global;

/// Sources of the settings, and the log.
#[derive(Debug)]
pub(crate) struct ReloadContext {
    pub(crate) global: Global,
    pub(crate) flags: Flags,
    pub(crate) layers: Layers,
    pub(crate) log: Log,
}

/// Settings that were read again.
#[derive(Debug)]
pub(super) struct ReadSettings {
    layers: Layers,
    settings: Result<ResolvedConfig, Vec<DaemonError>>,
}

/// A reload in progress.
#[derive(Debug, Default)]
pub(super) struct SettingsReload {
    task: Option<JoinHandle<ReadSettings>>,
    /// Whether another SIGHUP arrived in the meantime, so that the settings must be read once more.
    is_repeated: bool,
}

impl SettingsReload {
    /// Starts to read the settings, or to read them once more after the present read.
    pub(super) fn begin(&mut self, context: &ReloadContext) {
        if self.task.is_some() {
            self.is_repeated = true;
            return;
        }
        let (global, flags) = (context.global.clone(), context.flags.clone());
        self.task = Some(spawn_blocking(move || {
            let mut errors = Vec::new();
            let layers = Layers::gather(&global, &flags, &environment(), &mut errors);
            let settings = ResolvedConfig::resolve(&layers, None, errors);
            ReadSettings { layers, settings }
        }));
    }

    /// Waits for the result of a read in progress. Cancelling it loses nothing.
    pub(super) async fn next(&mut self, context: &ReloadContext) -> ReadSettings {
        loop {
            let Some(task) = &mut self.task else { return std::future::pending().await };
            let read = task.await;
            self.task = None;
            match read {
                Ok(_) if std::mem::take(&mut self.is_repeated) => self.begin(context),
                Ok(read) => return read,
                Err(error) => {
                    let why = DaemonError::Refused(format!("cannot read the settings: {error}"));
                    return ReadSettings { layers: context.layers.clone(), settings: Err(vec![why]) };
                }
            }
        }
    }
}

/// Applies the settings that can change now. A failure is a warning in `status` until a reload
/// succeeds.
pub(super) async fn reload(
    context: &mut ReloadContext,
    now: &mut ResolvedConfig,
    node: &Node,
    problems: &Problems,
    ReadSettings { layers, settings }: ReadSettings,
) {
    let mut next = match settings {
        Ok(next) => next,
        Err(errors) => {
            for error in &errors {
                tracing::error!("not reloaded, the previous settings remain in effect: {error}");
            }
            let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
            return problems.record_reload(Err(all.join("; ")));
        }
    };
    context.log.set(next.options.log_level);
    match (&next.encryption, &now.encryption) {
        (Encryption::Keys(keyring), Encryption::Keys(_)) => {
            if node.set_keys(keyring.clone()).await.is_err() {
                return;
            }
        }
        (Encryption::Insecure, Encryption::Insecure) => {}
        _ => {
            tracing::warn!("encryption is switched on or off at the next start only");
            next.encryption = now.encryption.clone();
        }
    }
    let (before, seeds) = (&now.options.sockets.seeds, &next.options.sockets.seeds);
    let new: Vec<Seed> = seeds.iter().filter(|seed| !before.contains(seed)).cloned().collect();
    if before.iter().any(|seed| !seeds.contains(seed)) {
        tracing::warn!("a removed `seed` is dialed until the next start");
    }
    let count = new.len();
    for seed in new {
        if node.add_seed(seed).await.is_err() {
            return;
        }
    }
    let later = changed_settings(&context.layers, &layers);
    if !later.is_empty() {
        tracing::warn!("these settings take effect at the next start only: {}", later.join(", "));
    }
    let keys = next.encryption.ids();
    tracing::info!(
        key = keys.as_ref().map(|keys| keys.sealing.clone()).unwrap_or_default(),
        other_keys = keys.as_ref().map(|keys| keys.others.join(", ")).unwrap_or_default(),
        new_seeds = count,
        "reloaded"
    );
    problems.record_reload(Ok(keys));
    context.layers = layers;
    *now = next;
}
