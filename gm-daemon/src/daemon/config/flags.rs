//! The settings as flags. Values remain text until they are merged with the environment and the
//! configuration file.

use std::path::PathBuf;

/// Flags of `run` and `check`, besides those of every command.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Flags {
    /// TOML file of settings: its keys are the names of these flags, and relative paths in it are
    /// relative to the file [env: GROUP_MANAGER_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Name of the cluster. Nodes with different names ignore each other
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// File of keys, one per line, hexadecimal or base64: the first one seals, all of them open.
    /// Only its owner may read it. `gm-node keygen` prints a new key
    #[arg(long, value_name = "FILE", help_heading = "Security")]
    key_file: Option<String>,
    /// Run without encryption: everyone who can reach the port can read and change everything
    #[arg(long, help_heading = "Security")]
    insecure_no_encryption: bool,
    /// Run without persistent storage
    ///
    /// After a restart, state is re-learned from peers; this node's own entries are lost unless
    /// --serve and --join publish them again
    #[arg(long, help_heading = "Storage")]
    no_data_dir: bool,
    /// Address by which other nodes reach this one, or a name that resolves to exactly one
    /// [default: the address of the default route, or the only one]
    #[arg(long, value_name = "IP|HOST[:PORT]", help_heading = "Network")]
    address: Option<String>,
    /// Port of the address, UDP and TCP; 0 takes a free one and prints the address [default: 29999]
    #[arg(long, value_name = "PORT", help_heading = "Network")]
    port: Option<String>,
    /// Local address to listen at, if it differs from --address [default: the address]
    #[arg(long, value_name = "IP", help_heading = "Network")]
    bind: Option<String>,
    /// Interface for multicast: its name, or one of its addresses [default: that of the address]
    #[arg(long, value_name = "NAME|IP", help_heading = "Network")]
    interface: Option<String>,
    /// Multicast group and port, or off [default: 224.1.1.1:29999, or ff15::676d]
    #[arg(long, value_name = "GROUP:PORT|off|default", help_heading = "Network")]
    multicast: Option<String>,
    /// Multicast group, without port; excludes --multicast
    #[arg(long, value_name = "GROUP", help_heading = "Network")]
    multicast_address: Option<String>,
    /// Multicast port; excludes --multicast
    #[arg(long, value_name = "PORT", help_heading = "Network")]
    multicast_port: Option<String>,
    /// Number of routers that a multicast may pass, plus one: 1 stays in the local network
    /// [default: 4]
    ///
    /// Too low, and nodes behind a router communicate by TCP only; too high, and multicasts reach
    /// networks that should not receive them
    #[arg(long, value_name = "1..=255", help_heading = "Network")]
    multicast_ttl: Option<String>,
    /// Node to dial until it answers; may be given several times. Needed where multicast does not
    /// reach
    #[arg(long, value_name = "HOST:PORT", help_heading = "Network")]
    seed: Vec<String>,
    /// Single-node mode: waits and reads ask for no other node. Only for a cluster of one node
    #[arg(long, help_heading = "Network")]
    single: bool,
    /// Join a group at every start, with an interest in these ranges [default: all keys]
    #[arg(long, value_name = "GROUP[=RANGES]", help_heading = "Groups")]
    join: Vec<String>,
    /// Serve a range of a group at every start
    #[arg(long, value_name = "GROUP:START-END@PORT[/PRIORITY]", help_heading = "Groups")]
    serve: Vec<String>,
    /// Keep ranges and groups that an earlier start configured with --serve and --join and this
    /// start does not [default: withdraw them]
    #[arg(long, help_heading = "Groups")]
    keep_configured: bool,
    /// Leave all groups at shutdown [default: remain a member, as after a crash]
    #[arg(long, help_heading = "Groups")]
    leave_on_exit: bool,
    /// Maximum number of connections to the control socket; further ones are closed at once
    /// [default: 1280]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_connections: Option<String>,
    /// Maximum number of watchers, each with a connection; further ones are refused [default: 1024]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_watchers: Option<String>,
    /// Maximum number of groups that this node hosts; joining another one is refused [default:
    /// 1024]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_groups: Option<String>,
    /// Maximum number of other groups that this node knows by name; beyond it, new names replace
    /// old ones [default: 10000]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_known_groups: Option<String>,
    /// Maximum number of records in a group: of present, former and forgotten members [default:
    /// 100000]
    ///
    /// Too low, and this node does not accept new members; so set the same value on all nodes. Too
    /// high costs memory only if that many exist
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_records: Option<String>,
    /// Maximum number of ranges of one member in a group [default: 65536]
    ///
    /// A node whose value is too low does not accept members with more ranges; so set the same
    /// value on all nodes
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_ranges: Option<String>,
    /// Maximum number of ranges of all members of a group [default: 4000000]
    ///
    /// Too low, and this node does not accept new ranges of other members; so set the same value on
    /// all nodes
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_group_ranges: Option<String>,
    /// Maximum number of writes that wait for the storage; further ones are refused [default: 1024]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_writes: Option<String>,
    /// Maximum number of writes that wait for acknowledgements; further ones are refused [default:
    /// 1024]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_waits: Option<String>,
    /// Memory for changes that watchers have not read yet, for all of them together [default:
    /// 64MiB]
    ///
    /// Too low, and slow watchers lose changes: they must read the group again
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    watch_memory: Option<String>,
    /// Maximum time that a client of the control socket may take to send its request, and to read
    /// more of the answer; a watch has no limit [default: 60s]
    #[arg(long, value_name = "TIME", help_heading = "Limits")]
    api_timeout: Option<String>,
    /// Log level: off, error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL", help_heading = "Log")]
    log_level: Option<String>,
    /// Log format: text or json [default: text; json with --json]
    #[arg(long, visible_alias = "log", value_name = "FORMAT", help_heading = "Log")]
    log_format: Option<String>,
    /// Shut down at the end of standard input
    #[arg(long, hide = true)]
    pub(crate) exit_with_stdin: bool,
}

impl Flags {
    /// The given values, by setting.
    pub(crate) fn values(&self) -> Vec<(&'static str, Vec<String>)> {
        let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
        let switch = |is: bool| if is { vec!["true".to_owned()] } else { Vec::new() };
        let mut all = vec![
            ("cluster", one(&self.cluster)),
            ("key-file", one(&self.key_file)),
            ("insecure-no-encryption", switch(self.insecure_no_encryption)),
            ("no-data-dir", switch(self.no_data_dir)),
            ("address", one(&self.address)),
            ("port", one(&self.port)),
            ("bind", one(&self.bind)),
            ("interface", one(&self.interface)),
            ("multicast", one(&self.multicast)),
            ("multicast-address", one(&self.multicast_address)),
            ("multicast-port", one(&self.multicast_port)),
            ("multicast-ttl", one(&self.multicast_ttl)),
            ("seed", self.seed.clone()),
            ("single", switch(self.single)),
            ("join", self.join.clone()),
            ("serve", self.serve.clone()),
            ("keep-configured", switch(self.keep_configured)),
            ("leave-on-exit", switch(self.leave_on_exit)),
            ("max-connections", one(&self.max_connections)),
            ("max-watchers", one(&self.max_watchers)),
            ("max-groups", one(&self.max_groups)),
            ("max-known-groups", one(&self.max_known_groups)),
            ("max-records", one(&self.max_records)),
            ("max-ranges", one(&self.max_ranges)),
            ("max-group-ranges", one(&self.max_group_ranges)),
            ("max-writes", one(&self.max_writes)),
            ("max-waits", one(&self.max_waits)),
            ("watch-memory", one(&self.watch_memory)),
            ("api-timeout", one(&self.api_timeout)),
            ("log-level", one(&self.log_level)),
            ("log-format", one(&self.log_format)),
        ];
        all.retain(|(_, values)| !values.is_empty());
        all
    }
}
