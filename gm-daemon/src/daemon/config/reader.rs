//! Reader of the settings: parses their values and collects all errors. Settings whose values
//! depend on each other (encryption, data directory, control socket, address, multicast) have a
//! function each.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gm_broadcast::runtime::{DEFAULT_PORT, Multicast, RuntimeSettings};
use gm_codec::{ClusterName, Keyring};

use super::DaemonError;
use super::keys::{self, Encryption};
use super::layers::{Layers, SettingValue};
use super::options::Options;
use super::resolver::{self, Resolver};
use super::setting::SettingKind;
use super::settings::SETTINGS;
use super::values::{Switch, TextValue, parse};
use crate::daemon::socket;

/// Warning for a node that can only be found by other nodes. It is dropped once one has.
pub(crate) const NO_DISCOVERY: &str =
    "`multicast` is off and there is no `seed`: this node cannot find other nodes, they have to dial it";

/// Reads settings one by one and collects their errors.
pub(super) struct SettingsReader<'a> {
    pub(super) layers: &'a Layers,
    /// `None`: host names are not resolved.
    pub(super) resolver: Option<Resolver<'a>>,
    pub(super) errors: Vec<DaemonError>,
}

impl SettingsReader<'_> {
    fn usage_error(&mut self, why: String) {
        self.errors.push(DaemonError::Usage(why));
    }

    fn refusal(&mut self, why: impl Into<String>) {
        self.errors.push(DaemonError::Refused(why.into()));
    }

    /// Reads the value of a setting without field.
    fn value<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let setting = self.layers.get(name)?;
        let text = setting.values.first()?;
        let value = parse(text);
        value.map_err(|error| self.usage_error(format!("{}: `{text}`: {error}", setting.origin))).ok()
    }

    /// Reads the settings that set a field of the options, and checks the other switches.
    pub(super) fn options(&mut self) -> Options {
        let mut options = Options::default();
        for known in SETTINGS {
            let Some(setting) = self.layers.get(known.name) else { continue };
            for text in &setting.values {
                let set = match known.field {
                    Some(field) => (field.set)(&mut options, text),
                    None if known.kind == SettingKind::Switch => Switch::parse(text).map(|_| ()),
                    None => Ok(()),
                };
                if let Err(error) = set {
                    self.usage_error(format!("{}: `{text}`: {error}", setting.origin));
                }
            }
        }
        if let Some(conflict) = options.limits.conflict() {
            self.usage_error(conflict);
        }
        options
    }

    fn exclusive(&mut self, names: &[&'static str]) -> Option<(&'static str, String, String)> {
        let layers = self.layers;
        let (name, setting) = layers.exclusive(names, &mut self.errors)?;
        Some((name, setting.values.first().cloned().unwrap_or_default(), setting.origin.clone()))
    }

    pub(super) fn cluster(&mut self) -> Option<ClusterName> {
        if self.layers.get("cluster").is_none() {
            self.refusal("no cluster is named: set `cluster` (--cluster NAME) to the same name on all nodes; there is no default, so that clusters do not mix by accident");
        }
        self.value::<ClusterName>("cluster")
    }

    pub(super) fn encryption(&mut self, warnings: &mut Vec<String>) -> Option<Encryption> {
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

    pub(super) fn data_dir(&mut self) -> Option<PathBuf> {
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

    pub(super) fn api(&mut self, data_dir: Option<&Path>) -> Option<PathBuf> {
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

    /// Reads the address. It may contain the port, and may be a host name.
    fn address(&mut self, sockets: &mut RuntimeSettings) {
        let Some(setting) = self.layers.get("address") else { return };
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
                    return;
                };
                let found = self.resolver.map(|names| resolver::resolve_address(&host, names)).transpose();
                let ip = found.map_err(|why| self.refusal(format!("{}: {why}", setting.origin)));
                (ip.ok().flatten(), port)
            }
        };
        sockets.address = ip;
        let Some(with) = with else { return };
        match self.layers.get("port") {
            Some(port) if port.source > setting.source => return,
            Some(port) if port.source == setting.source && with != sockets.port => {
                let (one, other, number) = (&setting.origin, &port.origin, sockets.port);
                self.usage_error(format!(
                    "{one} sets port {with}, and {other} sets {number}: set one of them"
                ));
            }
            _ => {}
        }
        sockets.port = with;
    }

    /// Reads the multicast group, which may be given in two parts. `whole` is the other form.
    fn multicast(&mut self, whole: Multicast, is_v6: bool) -> Multicast {
        let ip = self.value::<IpAddr>("multicast-address");
        let port = self.value::<u16>("multicast-port");
        let source = |name| self.layers.get(name).map(|setting: &SettingValue| setting.source);
        let parts = source("multicast-address").max(source("multicast-port"));
        if let (Some(one), Some(parts)) = (source("multicast"), parts)
            && one == parts
        {
            self.usage_error("`multicast` and `multicast-address` or `multicast-port` exclude each other: set `multicast` to GROUP:PORT".to_owned());
        }
        match parts {
            None => whole,
            Some(_) if source("multicast") >= parts => whole,
            Some(_) => {
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

    /// Completes the settings of the sockets by those that depend on each other.
    pub(super) fn sockets(&mut self, sockets: &mut RuntimeSettings, warnings: &mut Vec<String>) {
        self.address(sockets);
        let is_v6 = sockets.address.is_some_and(|address| address.is_ipv6());
        sockets.multicast = self.multicast(sockets.multicast, is_v6);
        if sockets.multicast == Multicast::Off && sockets.seeds.is_empty() {
            warnings.push(NO_DISCOVERY.to_owned());
        }
    }
}
