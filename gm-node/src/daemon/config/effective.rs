//! What comes of all that was said: settings with a meaning, or every reason why not. Knows nothing of sockets that are open.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gm_broadcast::runtime::{DEFAULT_PORT, Multicast, RuntimeSettings, Seed};
use gm_codec::{ClusterName, Keyring};

use super::known::{KNOWN, Kind, in_environment};
use super::layers::{Layers, Said, switch_of};
use super::names::{self, Names};
use super::spec::{Joining, Serving};
use super::{KeyIds, Limits, Trouble, limits, secret};
use crate::daemon::log::{Format, Level};
use crate::daemon::socket;

/// Whether and how frames are sealed.
#[derive(Clone, Debug)]
pub(crate) enum Sealing {
    Keys(Keyring),
    Insecure,
}

/// A node that only others can find: a warning until one of them has.
pub(crate) const FINDS_NOBODY: &str =
    "`multicast` is off and there is no `seed`: this node finds nobody, others have to call it";

impl Sealing {
    /// The ids of the keys; nothing without keys.
    pub(crate) fn ids(&self) -> Option<KeyIds> {
        match self {
            Sealing::Keys(keyring) => Some(KeyIds::of(keyring)),
            Sealing::Insecure => None,
        }
    }
}

/// What the daemon does.
#[derive(Clone, Debug)]
pub(crate) struct Effective {
    pub(crate) shell: RuntimeSettings,
    pub(crate) cluster: ClusterName,
    pub(crate) sealing: Sealing,
    pub(crate) data_dir: Option<PathBuf>,
    /// The path of the control socket.
    pub(crate) api: Option<PathBuf>,
    /// The node is the only one of its cluster.
    pub(crate) single: bool,
    pub(crate) joins: Vec<Joining>,
    pub(crate) serves: Vec<Serving>,
    /// Whether ranges that an earlier start configured stay, if they are no longer configured.
    pub(crate) keep_configured: bool,
    pub(crate) leave_on_exit: bool,
    pub(crate) log: (Level, Format),
    /// Of the control socket.
    pub(crate) limits: Limits,
    /// What an operator should know of it.
    pub(crate) warnings: Vec<String>,
}

/// A setting as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Row {
    pub(crate) key: &'static str,
    pub(crate) value: String,
    pub(crate) source: String,
}

/// Every setting, what it is, and who says so. Keys are not shown.
pub(crate) fn rows(layers: &Layers) -> Vec<Row> {
    let row = |known: &super::known::Known| match layers.of(known.name) {
        None => Row { key: known.name, value: known.default.to_owned(), source: "default".to_owned() },
        Some(said) => {
            let value = if known.name == "key" { "(not shown)".to_owned() } else { said.values.join("; ") };
            Row { key: known.name, value, source: said.place.clone() }
        }
    };
    let mut rows: Vec<Row> = KNOWN.iter().map(row).collect();
    // The port may be said with the address.
    if let Some(said) = layers.of("address")
        && let Some(port) = said.values.first().and_then(|value| port_of(value))
        && layers.of("port").is_none_or(|port| port.source <= said.source)
        && let Some(row) = rows.iter_mut().find(|row| row.key == "port")
    {
        (row.value, row.source) = (port.to_string(), said.place.clone());
    }
    rows
}

/// The port that is said with an address.
fn port_of(address: &str) -> Option<u16> {
    let socket = address.parse::<SocketAddr>().ok().map(|address| address.port());
    socket.or_else(|| names::host_and_port(address)?.1)
}

/// Reads settings one by one and gathers what is wrong with them.
pub(super) struct Reader<'a> {
    layers: &'a Layers,
    names: Option<Names<'a>>,
    troubles: Vec<Trouble>,
}

impl Reader<'_> {
    pub(super) fn usage(&mut self, why: String) {
        self.troubles.push(Trouble::Usage(why));
    }

    fn refused(&mut self, why: impl Into<String>) {
        self.troubles.push(Trouble::Refused(why.into()));
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self, said: &Said, value: &str) -> Option<T> {
        match value.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.usage(format!("{}: `{value}`: {error}", said.place));
                None
            }
        }
    }

    pub(super) fn one<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let said = self.layers.of(name)?;
        self.parsed(said, said.values.first()?)
    }

    fn many<T: FromStr<Err: Display>>(&mut self, name: &str) -> Vec<T> {
        let Some(said) = self.layers.of(name) else { return Vec::new() };
        said.values.iter().filter_map(|value| self.parsed(said, value)).collect()
    }

    fn switch(&mut self, name: &str) -> bool {
        let Some(said) = self.layers.of(name) else { return false };
        let value = said.values.first().map_or("", String::as_str);
        let is = switch_of(value);
        if is.is_none() {
            self.usage(format!("{}: `{value}` is neither true nor false", said.place));
        }
        is.unwrap_or(false)
    }

    fn one_of(&mut self, names: &[&'static str]) -> Option<(&'static str, String, String)> {
        let layers = self.layers;
        let (name, said) = layers.one_of(names, &mut self.troubles)?;
        Some((name, said.values.first().cloned().unwrap_or_default(), said.place.clone()))
    }

    fn cluster(&mut self) -> Option<ClusterName> {
        if self.layers.of("cluster").is_none() {
            self.refused("no cluster is named: set `cluster` (--cluster NAME) to the same name on all its nodes; there is no default, so that no two clusters mix");
        }
        self.one("cluster")
    }

    fn sealing(&mut self, warnings: &mut Vec<String>) -> Option<Sealing> {
        self.switch("insecure-no-encryption");
        match self.one_of(&["key-file", "key", "insecure-no-encryption"]) {
            None => {
                self.refused("there is no key: set `key-file` (--key-file FILE; `gm-node keygen > FILE` makes one, give all nodes a copy), or say --insecure-no-encryption, and everybody can read and change everything");
                None
            }
            Some(("insecure-no-encryption", ..)) => {
                warnings.push("nothing is sealed: whoever reaches this node reads and changes everything; set `key-file` instead of `insecure-no-encryption`".to_owned());
                Some(Sealing::Insecure)
            }
            Some(("key-file", path, _)) => self.keys(secret::from_file(Path::new(&path))),
            Some((_, text, place)) => {
                warnings.push(format!("{place} holds a key: the environment is seen by whoever may look at this process, and by its children; use `key-file`"));
                self.keys(secret::from_text(&text).map_err(|why| format!("{place}{why}")))
            }
        }
    }

    fn keys(&mut self, keys: Result<Keyring, String>) -> Option<Sealing> {
        keys.map_err(|why| self.refused(why)).ok().map(Sealing::Keys)
    }

    fn data_dir(&mut self) -> Option<PathBuf> {
        self.switch("no-data-dir");
        match self.one_of(&["data-dir", "no-data-dir"]) {
            None => {
                self.refused("where the node keeps what it must not lose is not said: set `data-dir` (--data-dir DIR), or say --no-data-dir, and it begins anew at every start");
                None
            }
            Some(("data-dir", dir, place)) if dir.is_empty() => {
                self.usage(format!("{place} is empty"));
                None
            }
            Some(("data-dir", dir, _)) => Some(PathBuf::from(dir)),
            Some(_) => None,
        }
    }

    fn api(&mut self, data_dir: Option<&Path>) -> Option<PathBuf> {
        let path = match self.layers.of("api") {
            Some(said) => {
                let value = said.values.first().map_or("", String::as_str);
                let Some(path) = value.strip_prefix("unix:").filter(|path| !path.is_empty()) else {
                    let place = &said.place;
                    self.usage(format!("{place}: `{value}` is not unix:PATH"));
                    return None;
                };
                PathBuf::from(path)
            }
            None => data_dir?.join(socket::NAME),
        };
        if let Err(why) = socket::fits(&path) {
            self.refused(why);
        }
        Some(path)
    }

    /// The address and the port. The port may be said with the address, and the address by a name.
    fn address(&mut self) -> (Option<IpAddr>, u16) {
        let port: Option<u16> = self.one("port");
        let Some(said) = self.layers.of("address") else { return (None, port.unwrap_or(DEFAULT_PORT)) };
        let value = said.values.first().map_or("", String::as_str);
        let (ip, with) = match (value.parse::<SocketAddr>(), value.parse::<IpAddr>()) {
            (Ok(address), _) => (Some(address.ip()), Some(address.port())),
            (_, Ok(ip)) => (Some(ip), None),
            _ => {
                let Some((host, port)) = names::host_and_port(value) else {
                    self.usage(format!(
                        "{}: `{value}` is neither IP:PORT nor IP, nor the name of a host",
                        said.place
                    ));
                    return (None, DEFAULT_PORT);
                };
                let found = self.names.map(|names| names::address(&host, names)).transpose();
                let ip = found.map_err(|why| self.refused(format!("{}: {why}", said.place)));
                (ip.ok().flatten(), port)
            }
        };
        let port = match (with, port, self.layers.of("port")) {
            (Some(with), Some(port), Some(also)) if also.source == said.source && with != port => {
                let (one, other) = (&said.place, &also.place);
                self.usage(format!("{one} says port {with}, and {other} says {port}: say one of them"));
                with
            }
            (Some(_), Some(port), Some(also)) if also.source > said.source => port,
            (Some(with), ..) => with,
            (None, port, _) => port.unwrap_or(DEFAULT_PORT),
        };
        (ip, port)
    }

    fn multicast(&mut self, is_v6: bool) -> Multicast {
        let whole: Option<Multicast> = self.one("multicast");
        let (ip, port): (Option<IpAddr>, Option<u16>) =
            (self.one("multicast-address"), self.one("multicast-port"));
        let source = |name| self.layers.of(name).map(|said: &Said| said.source);
        let parts = source("multicast-address").max(source("multicast-port"));
        if let (Some(one), Some(parts)) = (source("multicast"), parts)
            && one == parts
        {
            self.usage("`multicast` and `multicast-address` or `multicast-port` exclude each other: say GROUP:PORT by `multicast`".to_owned());
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
                    self.usage(format!(
                        "`multicast-address` and `multicast-port`: {group} is no multicast group and port"
                    ));
                }
                Multicast::Group(group)
            }
        }
    }

    fn shell(&mut self, warnings: &mut Vec<String>) -> RuntimeSettings {
        let (address, port) = self.address();
        let seeds: Vec<Seed> = self.many("seed");
        let multicast = self.multicast(address.is_some_and(|address| address.is_ipv6()));
        if multicast == Multicast::Off && seeds.is_empty() {
            warnings.push(FINDS_NOBODY.to_owned());
        }
        let default = RuntimeSettings::default();
        RuntimeSettings {
            address,
            port,
            bind: self.one("bind"),
            interface: self.one("interface"),
            multicast,
            multicast_ttl: self.one("multicast-ttl").unwrap_or(default.multicast_ttl),
            seeds,
            ..default
        }
    }
}

impl Effective {
    /// The effective settings. Without `names`, host names are not resolved, and an address that is given by name is left out.
    ///
    /// # Errors
    /// Everything that is wrong, those troubles included that there were before.
    pub(crate) fn of(
        layers: &Layers,
        names: Option<Names<'_>>,
        troubles: Vec<Trouble>,
    ) -> Result<Effective, Vec<Trouble>> {
        let mut reader = Reader { layers, names, troubles };
        let mut warnings = Vec::new();
        let cluster = reader.cluster();
        let sealing = reader.sealing(&mut warnings);
        let data_dir = reader.data_dir();
        let api = reader.api(data_dir.as_deref());
        if api.is_none() {
            warnings.push("there is no control socket: without `data-dir` it has to be named, by `api` (--api unix:PATH)".to_owned());
        }
        let shell = reader.shell(&mut warnings);
        let single = reader.switch("single");
        let joins = reader.many("join");
        let serves = reader.many("serve");
        let keep_configured = reader.switch("keep-configured");
        let leave_on_exit = reader.switch("leave-on-exit");
        let log = (reader.one("log-level").unwrap_or_default(), reader.one("log-format").unwrap_or_default());
        let limits = limits::limits(&mut reader);
        match (cluster, sealing) {
            (Some(cluster), Some(sealing)) if reader.troubles.is_empty() => Ok(Effective {
                shell,
                cluster,
                sealing,
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
            _ => Err(reader.troubles),
        }
    }
}

/// Settings whose change counts at the next start only, of those that are said otherwise than before.
pub(crate) fn changed(before: &Layers, after: &Layers) -> Vec<&'static str> {
    let at_once = ["seed", "key-file", "log-level"];
    let values = |layers: &Layers, name: &str| layers.of(name).map(|said| said.values.clone());
    let differs = |name: &&str| !at_once.contains(name) && values(before, name) != values(after, name);
    KNOWN.iter().map(|known| known.name).filter(differs).collect()
}

/// How settings are named in the environment, for the help.
pub(crate) fn environment_help() -> String {
    let of = |known: &super::known::Known| match known.kind {
        Kind::Many(part) => format!("  {} (many: parted by `{part}`)", in_environment(known.name)),
        Kind::One | Kind::Switch => format!("  {}", in_environment(known.name)),
    };
    let names: Vec<String> = KNOWN.iter().map(of).collect();
    format!(
        "Flags count over the environment, that over the file, that over the defaults. In the environment:\n{}",
        names.join("\n")
    )
}
