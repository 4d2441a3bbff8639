//! The resolved configuration: typed settings, or all errors at once.

use std::net::SocketAddr;
use std::path::PathBuf;

use gm_codec::ClusterName;

use super::DaemonError;
use super::keys::Encryption;
use super::layers::Layers;
use super::options::Options;
use super::reader::SettingsReader;
use super::resolver::{self, Resolver};
use super::setting::{Setting, SettingKind};
use super::settings::SETTINGS;

/// Typed settings of the daemon.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedConfig {
    /// The options, with the address and the multicast group.
    pub(crate) options: Options,
    pub(crate) cluster: ClusterName,
    pub(crate) encryption: Encryption,
    pub(crate) data_dir: Option<PathBuf>,
    /// Path of the control socket.
    pub(crate) api: Option<PathBuf>,
    /// Warnings about the settings.
    pub(crate) warnings: Vec<String>,
}

/// A row in the output of `check`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct SettingRow {
    pub(crate) key: &'static str,
    pub(crate) value: String,
    pub(crate) source: String,
}

/// Returns the settings with value and source. Keys are not shown.
pub(crate) fn rows(layers: &Layers) -> Vec<SettingRow> {
    let row = |known: &Setting| match layers.get(known.name) {
        None => SettingRow { key: known.name, value: known.default_text(), source: "default".to_owned() },
        Some(setting) => {
            let value = if known.is_secret { "(not shown)".to_owned() } else { setting.values.join("; ") };
            SettingRow { key: known.name, value, source: setting.origin.clone() }
        }
    };
    let mut rows: Vec<SettingRow> = SETTINGS.iter().map(row).collect();
    // The address may contain the port.
    if let Some(setting) = layers.get("address")
        && let Some(port) = setting.values.first().and_then(|value| port_of(value))
        && layers.get("port").is_none_or(|port| port.source <= setting.source)
        && let Some(row) = rows.iter_mut().find(|row| row.key == "port")
    {
        (row.value, row.source) = (port.to_string(), setting.origin.clone());
    }
    rows
}

/// Port in an address.
fn port_of(address: &str) -> Option<u16> {
    let socket = address.parse::<SocketAddr>().ok().map(|address| address.port());
    socket.or_else(|| resolver::host_and_port(address)?.1)
}

impl ResolvedConfig {
    /// Resolves the settings. Without `names`, host names are not resolved, and an address given by
    /// name is left out.
    ///
    /// # Errors
    /// All errors, including the earlier ones.
    pub(crate) fn resolve(
        layers: &Layers,
        names: Option<Resolver<'_>>,
        errors: Vec<DaemonError>,
    ) -> Result<ResolvedConfig, Vec<DaemonError>> {
        let mut reader = SettingsReader { layers, resolver: names, errors };
        let mut warnings = Vec::new();
        let mut options = reader.options();
        let cluster = reader.cluster();
        let encryption = reader.encryption(&mut warnings);
        let data_dir = reader.data_dir();
        let api = reader.api(data_dir.as_deref());
        if api.is_none() {
            warnings.push(
                "there is no control socket: without `data-dir`, name one with `api` (--api unix:PATH)"
                    .to_owned(),
            );
        }
        reader.sockets(&mut options.sockets, &mut warnings);
        match (cluster, encryption) {
            (Some(cluster), Some(encryption)) if reader.errors.is_empty() => {
                Ok(ResolvedConfig { options, cluster, encryption, data_dir, api, warnings })
            }
            _ => Err(reader.errors),
        }
    }
}

/// Changed settings that take effect at the next start only.
pub(crate) fn changed_settings(before: &Layers, after: &Layers) -> Vec<&'static str> {
    let values = |layers: &Layers, name: &str| layers.get(name).map(|setting| setting.values.clone());
    let differs = |known: &&Setting| values(before, known.name) != values(after, known.name);
    let later = SETTINGS.iter().filter(|known| !known.is_reloaded);
    later.filter(differs).map(|known| known.name).collect()
}

/// List of environment variables for the help.
pub(crate) fn environment_help() -> String {
    let of = |known: &Setting| match known.kind {
        SettingKind::List(separator) => {
            format!("  {} (several, separated by `{separator}`)", known.variable())
        }
        SettingKind::Single | SettingKind::Switch => format!("  {}", known.variable()),
    };
    let names: Vec<String> = SETTINGS.iter().map(of).collect();
    format!(
        "Flags take precedence over environment variables, these over the file, and the file over the defaults. Variables:\n{}",
        names.join("\n")
    )
}
