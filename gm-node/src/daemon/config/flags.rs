//! The settings as flags. Knows no value: each is text until it is weighed against what the
//! environment and the file say.

use std::path::PathBuf;

/// What `run` and `check` take, besides what every command does.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Flags {
    /// A TOML file of settings: its keys are the names of these flags, and relative paths in it are
    /// relative to the file [env: GROUP_MANAGER_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The name of the cluster: nodes of another name hear nothing of us, nor we of them
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// A regular file of keys, one a line, hexadecimal or base64: the first seals, all open. Nobody
    /// else may read it. `gm-node keygen` prints one
    #[arg(long, value_name = "FILE")]
    key_file: Option<String>,
    /// Send and take everything unsealed: whoever reaches us reads and changes everything
    #[arg(long)]
    insecure_no_encryption: bool,
    /// Keep nothing on disk: after a restart the node learns everything anew, and what it wrote
    /// itself is said anew or lost
    #[arg(long)]
    no_data_dir: bool,
    /// The address by which others reach us, or a name that has exactly one [default: the default
    /// route's, or the only one]
    #[arg(long, value_name = "IP|HOST[:PORT]")]
    address: Option<String>,
    /// The port of it; 0 takes one that is free, and prints the address [default: 29999]
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// Where to listen, if not at the address
    #[arg(long, value_name = "IP")]
    bind: Option<String>,
    /// The interface to multicast on: its name, or one of its addresses
    #[arg(long, value_name = "NAME|IP")]
    interface: Option<String>,
    /// Where to multicast [default: 224.1.1.1:29999, or ff15::676d]
    #[arg(long, value_name = "GROUP:PORT|off|default")]
    multicast: Option<String>,
    /// Its group alone
    #[arg(long, value_name = "GROUP")]
    multicast_address: Option<String>,
    /// Its port alone
    #[arg(long, value_name = "PORT")]
    multicast_port: Option<String>,
    /// How far it goes: 1 stays in this network [default: 4]
    #[arg(long, value_name = "1..=255")]
    multicast_ttl: Option<String>,
    /// A node to call until it answers, for ever; needed where multicast does not reach
    #[arg(long, value_name = "HOST:PORT")]
    seed: Vec<String>,
    /// This node is the only one of its cluster: reads and waits ask for no other
    #[arg(long)]
    single: bool,
    /// Join a group at every start, interested in these ranges, or in all keys
    #[arg(long, value_name = "GROUP[=RANGES]")]
    join: Vec<String>,
    /// Serve a range of a group at every start
    #[arg(long, value_name = "GROUP:START-END@PORT[/PRIORITY]")]
    serve: Vec<String>,
    /// Keep ranges and groups that an earlier start configured by --serve and --join and this start
    /// does not; by default they are withdrawn
    #[arg(long)]
    keep_configured: bool,
    /// Leave all groups when the daemon is told to end; else others keep it as a member
    #[arg(long)]
    leave_on_exit: bool,
    /// Connections of the control socket; one too many is closed at once [default: 1280]
    #[arg(long, value_name = "N")]
    max_connections: Option<String>,
    /// Watchers, which hold a connection each; one too many is refused [default: 1024]
    #[arg(long, value_name = "N")]
    max_watchers: Option<String>,
    /// Groups that this node holds; joining one more is refused [default: 1024]
    #[arg(long, value_name = "N")]
    max_groups: Option<String>,
    /// Groups of which only the name and some members are known; one more takes the place of
    /// another [default: 10000]
    #[arg(long, value_name = "N")]
    max_known_groups: Option<String>,
    /// Records of a group: of members, of who left and of the forgotten; newcomers beyond it are
    /// not known here, so give all nodes the same [default: 100000]
    #[arg(long, value_name = "N")]
    max_records: Option<String>,
    /// Ranges of one member in a group; a member that has more is not known here, so give all nodes
    /// the same [default: 65536]
    #[arg(long, value_name = "N")]
    max_ranges: Option<String>,
    /// Ranges of all members of a group; newcomers beyond it are not known here, so give all nodes
    /// the same [default: 4000000]
    #[arg(long, value_name = "N")]
    max_group_ranges: Option<String>,
    /// Writes that wait for the storage; one more is refused [default: 1024]
    #[arg(long, value_name = "N")]
    max_writes: Option<String>,
    /// Writes that wait for other members; one more is refused [default: 1024]
    #[arg(long, value_name = "N")]
    max_waits: Option<String>,
    /// Memory of what changed for watchers that have not read it yet, all together; beyond it those
    /// furthest behind are told to look anew [default: 64MiB]
    #[arg(long, value_name = "SIZE")]
    watch_memory: Option<String>,
    /// How long a client of the control socket may take to send its request, and to read more of an
    /// answer; watchers take their time [default: 60s]
    #[arg(long, value_name = "TIME")]
    api_timeout: Option<String>,
    /// What is logged: off, error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// The log's format: text or json [default: text; json with --json]
    #[arg(long, visible_alias = "log", value_name = "FORMAT")]
    log_format: Option<String>,
    /// End when standard input does
    #[arg(long, hide = true)]
    pub(crate) exit_with_stdin: bool,
}

impl Flags {
    /// What was said, by the names of the settings.
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
