//! Table of all settings, each written once: flags, environment variables, the configuration file,
//! the help and `check` are made from it. `config/setting.rs` describes the columns.

use std::net::IpAddr;

use gm_broadcast::runtime::{Multicast, Seed};

use super::setting::{
    Field, FlagKind, NO_VALUE, Setting, field, limit, list, settings, several, single, switch, unshown,
};
use super::spec::{JoinSpec, ServeSpec};
use super::values::{Count, Size, Switch, TextValue, Time, parse};
use crate::daemon::log::{LogFormat, LogLevel};

const SECURITY: &str = "Security";
const STORAGE: &str = "Storage";
const NETWORK: &str = "Network";
const GROUPS: &str = "Groups";
const LIMITS: &str = "Limits";
const LOG: &str = "Log";

/// Reason why a file must not contain a key: it is not secret.
const KEY_IN_FILE: &str =
    "is not supported in a file: put the key in a file of its own, and name that with `key-file`";

/// Finds a setting by name.
pub(crate) fn find_setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|known| known.name == name)
}

/// Setting of a limit, given the field of [`NodeLimits`](gm_node::NodeLimits); `None` if it has
/// none.
pub(crate) fn setting_for(field: &str) -> Option<&'static str> {
    let is_limit = |known: &&Setting| known.field.is_some_and(|known| known.limit == Some(field));
    SETTINGS.iter().find(is_limit).map(|known| known.name)
}

/// Describes a limit of a group's size, with its setting if it has one.
pub(crate) fn limit_text(field: &str) -> String {
    let what = match field {
        "items" => "ranges of one member",
        "group_items" => "ranges of all members",
        "records" => "records of present, former and forgotten members",
        other => other,
    };
    setting_for(field).map_or_else(|| what.to_owned(), |setting| format!("{what}, `{setting}`"))
}

/// The settings, in the order of the output of `check` and of the help.
pub(crate) const SETTINGS: &[Setting] = settings! {
    /// Name of the cluster. Nodes with different names ignore each other
    "cluster" => single("NAME").default("(none: refused)");
    /// File of keys, one per line, hexadecimal or base64: the first one seals, all of them open.
    /// Only its owner may read it. `gm-node keygen` prints a new key
    "key-file" => single("FILE").under(SECURITY).path("").reloaded();
    /// Run without encryption: everyone who can reach the port can read and change everything
    "insecure-no-encryption" => switch().under(SECURITY);
    "data-dir" => Setting { flag: FlagKind::Global, ..single("DIR").path("") };
    /// Run without persistent storage
    ///
    /// After a restart, state is re-learned from peers; this node's own entries are lost unless
    /// --serve and --join publish them again
    "no-data-dir" => switch().under(STORAGE);
    /// Address by which other nodes reach this one, or a name that resolves to exactly one
    "address" => single("IP|HOST[:PORT]").under(NETWORK).default("(that of the default route, or the only one)");
    /// Port of the address, UDP and TCP; 0 takes a free one and prints the address
    "port" => single("PORT").under(NETWORK).sets(field!(u16, sockets.port));
    /// Local address to listen at, if it differs from --address
    "bind" => single("IP").under(NETWORK).sets(unshown!(IpAddr, sockets.bind)).default("(the address)");
    /// Interface for multicast: its name, or one of its addresses
    "interface" => single("NAME|IP").under(NETWORK).sets(unshown!(String, sockets.interface)).default("(that of the address)");
    /// Multicast group and port, or off; `default` is 224.1.1.1:29999, or ff15::676d
    "multicast" => single("GROUP:PORT|off|default").under(NETWORK).sets(unshown!(Multicast, sockets.multicast)).default("default");
    /// Multicast group, without port; excludes --multicast
    "multicast-address" => single("GROUP").under(NETWORK).default("224.1.1.1");
    /// Multicast port; excludes --multicast
    "multicast-port" => single("PORT").under(NETWORK).default("29999");
    /// Number of routers that a multicast may pass, plus one: 1 stays in the local network
    ///
    /// Too low, and nodes behind a router communicate by TCP only; too high, and multicasts reach
    /// networks that should not receive them
    "multicast-ttl" => single("1..=255").under(NETWORK).sets(field!(u8, sockets.multicast_ttl));
    /// Node to dial until it answers; may be given several times. Needed where multicast does not
    /// reach
    "seed" => several(',', "HOST:PORT").under(NETWORK).sets(list!(Seed, sockets.seeds)).reloaded();
    /// Single-node mode: waits and reads ask for no other node. Only for a cluster of one node
    "single" => switch().under(NETWORK).sets(field!(Switch, single));
    /// Join a group at every start, with an interest in these ranges [default: all keys]
    "join" => several(';', "GROUP[=RANGES]").under(GROUPS).sets(list!(JoinSpec, joins));
    /// Serve a range of a group at every start
    "serve" => several(';', "GROUP:START-END@PORT[/PRIORITY]").under(GROUPS).sets(list!(ServeSpec, serves));
    /// Keep ranges and groups that an earlier start configured with --serve and --join and this
    /// start does not [default: withdraw them]
    "keep-configured" => switch().under(GROUPS).sets(field!(Switch, keep_configured));
    /// Leave all groups at shutdown [default: remain a member, as after a crash]
    "leave-on-exit" => switch().under(GROUPS).sets(field!(Switch, leave_on_exit));
    "api" => Setting { flag: FlagKind::Global, ..single("unix:PATH").path("unix:").default("(gm.sock in the data directory)") };
    /// Maximum number of connections to the control socket; further ones are closed at once
    "max-connections" => single("N").under(LIMITS).sets(field!(Count, limits.max_connections));
    /// Maximum number of watchers, each with a connection; further ones are refused
    "max-watchers" => single("N").under(LIMITS).sets(limit!(Count, watchers));
    /// Maximum number of groups that this node hosts; joining another one is refused
    "max-groups" => single("N").under(LIMITS).sets(limit!(Count, groups));
    /// Maximum number of other groups that this node knows by name; beyond it, new names replace
    /// old ones
    "max-known-groups" => single("N").under(LIMITS).sets(limit!(Count, contacts));
    /// Maximum number of records in a group: of present, former and forgotten members
    ///
    /// Too low, and this node does not accept new members; so set the same value on all nodes. Too
    /// high costs memory only if that many exist
    "max-records" => single("N").under(LIMITS).sets(limit!(Count, records));
    /// Maximum number of ranges of one member in a group
    ///
    /// A node whose value is too low does not accept members with more ranges; so set the same
    /// value on all nodes
    "max-ranges" => single("N").under(LIMITS).sets(limit!(Count, items));
    /// Maximum number of ranges of all members of a group
    ///
    /// Too low, and this node does not accept new ranges of other members; so set the same value on
    /// all nodes
    "max-group-ranges" => single("N").under(LIMITS).sets(limit!(Count, group_items));
    /// Maximum number of writes that wait for the storage; further ones are refused
    "max-writes" => single("N").under(LIMITS).sets(limit!(Count, writes));
    /// Maximum number of writes that wait for acknowledgements; further ones are refused
    "max-waits" => single("N").under(LIMITS).sets(limit!(Count, waits));
    /// Memory for changes that watchers have not read yet, for all of them together
    ///
    /// Too low, and slow watchers lose changes: they must read the group again
    "watch-memory" => single("SIZE").under(LIMITS).sets(limit!(Size, watch_bytes));
    /// Maximum time that a client of the control socket may take to send its request, and to read
    /// more of the answer; a watch has no limit
    "api-timeout" => single("TIME").under(LIMITS).sets(field!(Time, limits.api_timeout));
    /// Log level: off, error, warn, info, debug or trace
    "log-level" => single("LEVEL").under(LOG).sets(field!(LogLevel, log_level)).reloaded();
    /// Log format: text or json; --json sets json
    "log-format" => Setting { alias: Some("log"), ..single("FORMAT").under(LOG).sets(field!(LogFormat, log_format)) };
    /// TOML file of settings: its keys are the names of these flags, and relative paths in it are
    /// relative to the file [env: GROUP_MANAGER_CONFIG]
    "config" => Setting { not_in_file: Some("cannot stand in a file"), ..single("FILE") };
    "key" => Setting { flag: FlagKind::None, not_in_file: Some(KEY_IN_FILE), is_secret: true, ..single("") };
};
