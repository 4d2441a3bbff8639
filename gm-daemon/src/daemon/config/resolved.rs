//! The resolved configuration: typed settings, or all errors at once.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gm_broadcast::runtime::{DEFAULT_PORT, Multicast, RuntimeSettings, Seed};
use gm_codec::{ClusterName, Keyring};

use super::layers::{Layers, SettingValue, parse_switch};
use super::resolver::{self, Resolver};
use super::schema::{SETTINGS, SettingKind, environment_name};
use super::spec::{JoinSpec, ServeSpec};
use super::{DaemonError, DaemonLimits, KeyIds, keys, limits};
use crate::daemon::log::{LogFormat, LogLevel};
use crate::daemon::socket;

/// Encryption of frames.
#[derive(Clone, Debug)]
pub(crate) enum Encryption {
    Keys(Keyring),
    Insecure,
}

/// Warning for a node that can only be found by other nodes. It is dropped once one has.
pub(crate) const NO_DISCOVERY: &str =
    "`multicast` is off and there is no `seed`: this node cannot find other nodes, they have to dial it";

impl Encryption {
    /// Ids of the keys, if there are any.
    pub(crate) fn ids(&self) -> Option<KeyIds> {
        match self {
            Encryption::Keys(keyring) => Some(KeyIds::from_keyring(keyring)),
            Encryption::Insecure => None,
        }
    }
}

/// Typed settings of the daemon.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedConfig {
    pub(crate) sockets: RuntimeSettings,
    pub(crate) cluster: ClusterName,
    pub(crate) encryption: Encryption,
    pub(crate) data_dir: Option<PathBuf>,
    /// Path of the control socket.
    pub(crate) api: Option<PathBuf>,
    /// Single-node mode.
    pub(crate) single: bool,
    pub(crate) joins: Vec<JoinSpec>,
    pub(crate) serves: Vec<ServeSpec>,
    /// Whether to keep ranges that an earlier start configured and that are no longer configured.
    pub(crate) keep_configured: bool,
    pub(crate) leave_on_exit: bool,
    pub(crate) log: (LogLevel, LogFormat),
    /// Limits of the node and of the control socket.
    pub(crate) limits: DaemonLimits,
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
    let row = |known: &super::schema::Setting| match layers.get(known.name) {
        None => SettingRow { key: known.name, value: known.default.to_owned(), source: "default".to_owned() },
        Some(setting) => {
            let value =
                if known.name == "key" { "(not shown)".to_owned() } else { setting.values.join("; ") };
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

/// Reads settings one by one and collects their errors.
pub(super) struct SettingsReader<'a> {
    layers: &'a Layers,
    resolver: Option<Resolver<'a>>,
    errors: Vec<DaemonError>,
}

impl SettingsReader<'_> {
    pub(super) fn usage_error(&mut self, why: String) {
        self.errors.push(DaemonError::Usage(why));
    }

    fn refusal(&mut self, why: impl Into<String>) {
        self.errors.push(DaemonError::Refused(why.into()));
    }

    fn parse<T: FromStr<Err: Display>>(&mut self, setting: &SettingValue, value: &str) -> Option<T> {
        match value.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.usage_error(format!("{}: `{value}`: {error}", setting.origin));
                None
            }
        }
    }

    pub(super) fn value<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let setting = self.layers.get(name)?;
        self.parse(setting, setting.values.first()?)
    }

    fn values<T: FromStr<Err: Display>>(&mut self, name: &str) -> Vec<T> {
        let Some(setting) = self.layers.get(name) else { return Vec::new() };
        setting.values.iter().filter_map(|value| self.parse(setting, value)).collect()
    }

    fn switch(&mut self, name: &str) -> bool {
        let Some(setting) = self.layers.get(name) else { return false };
        let value = setting.values.first().map_or("", String::as_str);
        let is = parse_switch(value);
        if is.is_none() {
            self.usage_error(format!("{}: `{value}` is neither true nor false", setting.origin));
        }
        is.unwrap_or(false)
    }

    fn exclusive(&mut self, names: &[&'static str]) -> Option<(&'static str, String, String)> {
        let layers = self.layers;
        let (name, setting) = layers.exclusive(names, &mut self.errors)?;
        Some((name, setting.values.first().cloned().unwrap_or_default(), setting.origin.clone()))
    }

    fn cluster(&mut self) -> Option<ClusterName> {
        if self.layers.get("cluster").is_none() {
            self.refusal("no cluster is named: set `cluster` (--cluster NAME) to the same name on all nodes; there is no default, so that clusters do not mix by accident");
        }
        self.value("cluster")
    }

    fn encryption(&mut self, warnings: &mut Vec<String>) -> Option<Encryption> {
        self.switch("insecure-no-encryption");
        match self.exclusive(&["key-file", "key", "insecure-no-encryption"]) {
            None => {
                self.refusal("no key is configured: set `key-file` (--key-file FILE; `gm-node keygen > FILE` creates one, copy it to all nodes), or accept with --insecure-no-encryption that everyone can read and change everything");
                None
            }
            Some(("insecure-no-encryption", ..)) => {
                warnings.push("encryption is off: everyone who can reach this node can read and change everything; set `key-file` instead of `insecure-no-encryption`".to_owned());
                Some(Encryption::Insecure)
            }
            Some(("key-file", path, _)) => self.keys(keys::read_key_file(Path::new(&path))),
            Some((_, text, place)) => {
                warnings.push(format!("{place} contains a key: child processes and users who can inspect this process can read its environment; use `key-file`"));
                self.keys(keys::parse_keyring(&text).map_err(|why| format!("{place}{why}")))
            }
        }
    }

    fn keys(&mut self, keys: Result<Keyring, String>) -> Option<Encryption> {
        keys.map_err(|why| self.refusal(why)).ok().map(Encryption::Keys)
    }

    fn data_dir(&mut self) -> Option<PathBuf> {
        self.switch("no-data-dir");
        match self.exclusive(&["data-dir", "no-data-dir"]) {
            None => {
                self.refusal("no data directory is configured: set `data-dir` (--data-dir DIR), or accept with --no-data-dir that the node loses its state at every restart");
                None
            }
            Some(("data-dir", dir, place)) if dir.is_empty() => {
                self.usage_error(format!("{place} is empty"));
                None
            }
            Some(("data-dir", dir, _)) => Some(PathBuf::from(dir)),
            Some(_) => None,
        }
    }

    fn api(&mut self, data_dir: Option<&Path>) -> Option<PathBuf> {
        let path = match self.layers.get("api") {
            Some(setting) => {
                let value = setting.values.first().map_or("", String::as_str);
                let Some(path) = value.strip_prefix("unix:").filter(|path| !path.is_empty()) else {
                    let place = &setting.origin;
                    self.usage_error(format!("{place}: `{value}` is not unix:PATH"));
                    return None;
                };
                PathBuf::from(path)
            }
            None => data_dir?.join(socket::FILE_NAME),
        };
        if let Err(why) = socket::check_path_length(&path) {
            self.refusal(why);
        }
        Some(path)
    }

    /// Reads the address and the port. The address may contain the port, and may be a host name.
    fn address(&mut self) -> (Option<IpAddr>, u16) {
        let port: Option<u16> = self.value("port");
        let Some(setting) = self.layers.get("address") else { return (None, port.unwrap_or(DEFAULT_PORT)) };
        let value = setting.values.first().map_or("", String::as_str);
        let (ip, with) = match (value.parse::<SocketAddr>(), value.parse::<IpAddr>()) {
            (Ok(address), _) => (Some(address.ip()), Some(address.port())),
            (_, Ok(ip)) => (Some(ip), None),
            _ => {
                let Some((host, port)) = resolver::host_and_port(value) else {
                    self.usage_error(format!(
                        "{}: `{value}` is neither IP:PORT nor IP, nor a host name",
                        setting.origin
                    ));
                    return (None, DEFAULT_PORT);
                };
                let found = self.resolver.map(|names| resolver::resolve_address(&host, names)).transpose();
                let ip = found.map_err(|why| self.refusal(format!("{}: {why}", setting.origin)));
                (ip.ok().flatten(), port)
            }
        };
        let port = match (with, port, self.layers.get("port")) {
            (Some(with), Some(port), Some(also)) if also.source == setting.source && with != port => {
                let (one, other) = (&setting.origin, &also.origin);
                self.usage_error(format!("{one} sets port {with}, and {other} sets {port}: set one of them"));
                with
            }
            (Some(_), Some(port), Some(also)) if also.source > setting.source => port,
            (Some(with), ..) => with,
            (None, port, _) => port.unwrap_or(DEFAULT_PORT),
        };
        (ip, port)
    }

    fn multicast(&mut self, is_v6: bool) -> Multicast {
        let whole: Option<Multicast> = self.value("multicast");
        let (ip, port): (Option<IpAddr>, Option<u16>) =
            (self.value("multicast-address"), self.value("multicast-port"));
        let source = |name| self.layers.get(name).map(|setting: &SettingValue| setting.source);
        let parts = source("multicast-address").max(source("multicast-port"));
        if let (Some(one), Some(parts)) = (source("multicast"), parts)
            && one == parts
        {
            self.usage_error("`multicast` and `multicast-address` or `multicast-port` exclude each other: set `multicast` to GROUP:PORT".to_owned());
        }
        match whole {
            Some(whole) if source("multicast") >= parts => whole,
            _ if parts.is_none() => Multicast::Default,
            _ => {
                let default = if is_v6 {
                    IpAddr::V6(Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0, 0x676d))
                } else {
                    IpAddr::V4(Ipv4Addr::new(224, 1, 1, 1))
                };
                let group = SocketAddr::new(ip.unwrap_or(default), port.unwrap_or(DEFAULT_PORT));
                if !group.ip().is_multicast() || group.port() == 0 {
                    self.usage_error(format!(
                        "`multicast-address` and `multicast-port`: {group} is no multicast group and port"
                    ));
                }
                Multicast::Group(group)
            }
        }
    }

    fn sockets(&mut self, warnings: &mut Vec<String>) -> RuntimeSettings {
        let (address, port) = self.address();
        let seeds: Vec<Seed> = self.values("seed");
        let multicast = self.multicast(address.is_some_and(|address| address.is_ipv6()));
        if multicast == Multicast::Off && seeds.is_empty() {
            warnings.push(NO_DISCOVERY.to_owned());
        }
        let default = RuntimeSettings::default();
        RuntimeSettings {
            address,
            port,
            bind: self.value("bind"),
            interface: self.value("interface"),
            multicast,
            multicast_ttl: self.value("multicast-ttl").unwrap_or(default.multicast_ttl),
            seeds,
            ..default
        }
    }
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
        let sockets = reader.sockets(&mut warnings);
        let single = reader.switch("single");
        let joins = reader.values("join");
        let serves = reader.values("serve");
        let keep_configured = reader.switch("keep-configured");
        let leave_on_exit = reader.switch("leave-on-exit");
        let log =
            (reader.value("log-level").unwrap_or_default(), reader.value("log-format").unwrap_or_default());
        let limits = limits::limits(&mut reader);
        match (cluster, encryption) {
            (Some(cluster), Some(encryption)) if reader.errors.is_empty() => Ok(ResolvedConfig {
                sockets,
                cluster,
                encryption,
                data_dir,
                api,
                single,
                joins,
                serves,
                keep_configured,
                leave_on_exit,
                log,
                limits,
                warnings,
            }),
            _ => Err(reader.errors),
        }
    }
}

/// Changed settings that take effect at the next start only.
pub(crate) fn changed_settings(before: &Layers, after: &Layers) -> Vec<&'static str> {
    let at_once = ["seed", "key-file", "log-level"];
    let values = |layers: &Layers, name: &str| layers.get(name).map(|setting| setting.values.clone());
    let differs = |name: &&str| !at_once.contains(name) && values(before, name) != values(after, name);
    SETTINGS.iter().map(|known| known.name).filter(differs).collect()
}

/// List of environment variables for the help.
pub(crate) fn environment_help() -> String {
    let of = |known: &super::schema::Setting| match known.kind {
        SettingKind::List(separator) => {
            format!("  {} (several, separated by `{separator}`)", environment_name(known.name))
        }
        SettingKind::Single | SettingKind::Switch => format!("  {}", environment_name(known.name)),
    };
    let names: Vec<String> = SETTINGS.iter().map(of).collect();
    format!(
        "Flags take precedence over environment variables, these over the file, and the file over the defaults. Variables:\n{}",
        names.join("\n")
    )
}
