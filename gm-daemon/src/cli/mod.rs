//! Commands for a running daemon, which they reach through its control socket (`client.rs`).
//!
//! `args.rs` and `node_arg.rs` parse arguments, `socket_path.rs` finds the socket, `read.rs`,
//! `write.rs` and `watch.rs` are the commands, `render` and `table.rs` format text for people,
//! `printer.rs` prints text or JSON, `output_reader.rs` detects that the reader of standard output
//! is gone, `error.rs` defines the exit codes.

pub(crate) mod args;
pub(crate) mod client;
pub(crate) mod error;
mod node_arg;
mod output_reader;
mod printer;
mod read;
pub(crate) mod render;
mod socket_path;
pub(crate) mod table;
mod watch;
mod write;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use gm_data::{GroupName, PriorityChange};

use self::args::{FreshArgs, ItemOp, Ranges, ReadArgs, WaitArgs};
use self::client::Client;
use self::error::{CommandError, Outcome};
use self::node_arg::NodeArg;
use self::printer::Printer;
use self::read::GroupQuery;
use crate::Global;

/// A command for a running daemon.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Show the daemon's health and its warnings
    #[command(after_help = "Example: gm-node status --data-dir /var/lib/gm")]
    Status {
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// List the groups that this node hosts or knows
    #[command(after_help = "Example: gm-node groups")]
    Groups {
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// List the members of a group
    #[command(after_help = "Example: gm-node members Customers --fresh")]
    Members {
        /// Name of the group
        group: GroupName,
        #[command(flatten)]
        fresh: FreshArgs,
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// List the ranges that members serve or are interested in
    #[command(after_help = "Example: gm-node topology Customers --op add")]
    Topology {
        /// Name of the group
        group: GroupName,
        /// List only served ranges (add), or only interests (get)
        #[arg(long, value_enum)]
        op: Option<ItemOp>,
        #[command(flatten)]
        fresh: FreshArgs,
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// Show how many members serve each part of the key space
    #[command(after_help = "Example: gm-node coverage Customers --require 2")]
    Coverage {
        /// Name of the group
        group: GroupName,
        /// Exit with code 1 if any key is served by fewer than N members
        #[arg(long, value_name = "N")]
        require: Option<usize>,
        #[command(flatten)]
        fresh: FreshArgs,
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// Find the members that serve a key, most preferred first
    #[command(after_help = "Example: gm-node locate Customers --bytes customer:4711")]
    Locate {
        /// Name of the group
        group: GroupName,
        /// The key, decimal or hexadecimal (0x)
        #[arg(value_parser = args::parse_key, required_unless_present = "bytes", conflicts_with = "bytes")]
        key: Option<u32>,
        /// Locate the hash of this text instead of a key
        #[arg(long, value_name = "TEXT")]
        bytes: Option<String>,
        #[command(flatten)]
        fresh: FreshArgs,
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// Join a group, with an interest in ranges
    #[command(after_help = "Example: gm-node join Customers --interest 0x0-0x7fffffff")]
    Join {
        /// Name of the group
        group: GroupName,
        /// Ranges of interest, separated by commas [default: the whole key space]
        #[arg(long, value_name = "RANGES", value_parser = args::parse_ranges)]
        interest: Option<Ranges>,
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Leave a group and withdraw all ranges
    #[command(after_help = "Example: gm-node leave Customers --wait all")]
    Leave {
        /// Name of the group
        group: GroupName,
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Serve key ranges, replacing earlier entries for the same ranges
    #[command(after_help = "Example: gm-node serve Customers 0-0x7fffffff --port 5432 --wait all")]
    Serve {
        /// Name of the group
        group: GroupName,
        /// Ranges, separated by commas: `0x0-0x7fffffff`, or decimal
        #[arg(value_name = "START-END", value_parser = args::parse_ranges)]
        ranges: Ranges,
        /// Port of the service
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
        port: u16,
        /// Priority; owners with a greater one are preferred [default: 1]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        priority: Option<u16>,
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Withdraw ranges: stop serving them and drop any interest in them
    #[command(after_help = "Example: gm-node unserve Customers 0-0x7fffffff --wait all")]
    Unserve {
        /// Name of the group
        group: GroupName,
        /// Ranges exactly as they were written, separated by commas: `0x0-0x7fffffff`, or decimal
        #[arg(value_name = "START-END", value_parser = args::parse_ranges)]
        ranges: Ranges,
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Change the priority of served ranges; at zero a range is withdrawn
    #[command(
        allow_negative_numbers = true,
        after_help = "Example: gm-node priority Customers 0-0x7fffffff +2"
    )]
    Priority {
        /// Name of the group
        group: GroupName,
        /// Ranges exactly as they are served, separated by commas: `0x0-0x7fffffff`, or decimal
        #[arg(value_name = "START-END", value_parser = args::parse_ranges)]
        ranges: Ranges,
        /// New priority, or the difference to the present one
        #[arg(value_name = "N|+N|-N", value_parser = args::parse_priority)]
        priority: PriorityChange,
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Apply several changes in one write: other nodes see all of them or none
    #[command(after_help = "Example: gm-node change Customers changes.json")]
    Change {
        /// Name of the group
        group: GroupName,
        /// JSON file with a list of changes; `-` reads standard input
        ///
        /// [{"do": "serve", "start": 0, "end": 99, "port": 5432, "priority": 2}, {"do": "unserve",
        /// ...}, {"do": "interest", ...}, {"do": "priority", "start": 0, "end": 99, "priority":
        /// "+1"}]
        file: PathBuf,
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Remove a dead member and its ranges from the cluster; a live member comes back by itself
    #[command(after_help = "Example: gm-node forget 10.0.0.3:29999 --wait all")]
    Forget {
        /// NetId of the member, IP:PORT, or HOST:PORT if the name resolves to one address
        #[arg(value_name = "NODE", value_parser = node_arg::parse_node)]
        node: NodeArg,
        /// Forget it in this group only [default: all groups that this node hosts]
        #[arg(long)]
        group: Option<GroupName>,
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Drop the records of forgotten members on all nodes, to free their space
    #[command(after_help = "Example: gm-node purge Customers")]
    Purge {
        /// Name of the group
        group: GroupName,
        /// Drop also the records of members not heard from since this node started; a live member
        /// comes back by itself
        #[arg(long)]
        unheard: bool,
    },
    /// End the pause after an identity conflict, once its cause is fixed
    #[command(after_help = "Example: gm-node resume Customers")]
    Resume {
        /// Name of the group
        group: GroupName,
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// List the known peers and how this node reaches them
    #[command(after_help = "Example: gm-node peers")]
    Peers {
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// Print the changes in a group as they happen; the present state comes first
    #[command(after_help = "Example: gm-node watch Customers --json")]
    Watch {
        /// Name of the group
        group: GroupName,
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// Wait until a group reaches the given fingerprint
    #[command(after_help = "Example: gm-node wait Customers --fingerprint 288a358fc6ea0eed31c87613c274a896")]
    Wait {
        /// Name of the group
        group: GroupName,
        /// Fingerprint of the group, as `groups` and every write print it
        #[arg(long, value_parser = args::parse_fingerprint)]
        fingerprint: String,
        /// Give up after this time
        #[arg(long, default_value = "5s", value_parser = args::parse_duration, value_name = "TIME")]
        timeout: Duration,
    },
}

/// Runs a command and prints its result.
pub(crate) fn run(command: ClientCommand, global: &Global) -> ExitCode {
    let mut out = Printer::new(global.json);
    let ended = socket_path::find_socket(global).and_then(|path| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(execute(command, &Client::new(path), &mut out))
    });
    match ended {
        Ok(ended) => ended.into(),
        Err(failure) => {
            out.print_error(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn execute(
    command: ClientCommand,
    client: &Client,
    out: &mut Printer,
) -> Result<Outcome, CommandError> {
    let with_timeout = |reading: ReadArgs| client.with_timeout(reading.timeout);
    match command {
        ClientCommand::Status { reading } => read::status(&with_timeout(reading), out).await,
        ClientCommand::Groups { reading } => read::groups(&with_timeout(reading), out).await,
        ClientCommand::Members { group, fresh, reading } => {
            read::members(&with_timeout(reading), out, GroupQuery { group: &group, fresh }).await
        }
        ClientCommand::Topology { group, op, fresh, reading } => {
            read::topology(&with_timeout(reading), out, GroupQuery { group: &group, fresh }, op).await
        }
        ClientCommand::Coverage { group, require, fresh, reading } => {
            read::coverage(&with_timeout(reading), out, GroupQuery { group: &group, fresh }, require).await
        }
        ClientCommand::Locate { group, key, bytes, fresh, reading } => {
            read::locate(&with_timeout(reading), out, GroupQuery { group: &group, fresh }, key, bytes).await
        }
        ClientCommand::Peers { reading } => read::peers(&with_timeout(reading), out).await,
        ClientCommand::Join { group, interest, waiting } => {
            write::join(client, out, &group, &interest.map_or_else(Vec::new, |ranges| ranges.0), &waiting)
                .await
        }
        ClientCommand::Leave { group, waiting } => write::leave(client, out, &group, &waiting).await,
        ClientCommand::Serve { group, ranges, port, priority, waiting } => {
            write::change(client, out, &group, write::serve(&ranges, port, priority), &waiting).await
        }
        ClientCommand::Unserve { group, ranges, waiting } => {
            write::change(client, out, &group, write::unserve(&ranges), &waiting).await
        }
        ClientCommand::Priority { group, ranges, priority, waiting } => {
            write::change(client, out, &group, write::priority(&ranges, priority), &waiting).await
        }
        ClientCommand::Change { group, file, waiting } => {
            write::change(client, out, &group, write::read_changes(&file)?, &waiting).await
        }
        ClientCommand::Forget { node, group, waiting } => {
            write::forget(client, out, node.resolve().await?, group.as_ref(), &waiting).await
        }
        ClientCommand::Purge { group, unheard } => write::purge(client, out, &group, unheard).await,
        ClientCommand::Resume { group, waiting } => write::resume(client, out, &group, &waiting).await,
        ClientCommand::Watch { group, reading } => watch::watch(&with_timeout(reading), out, &group).await,
        ClientCommand::Wait { group, fingerprint, timeout } => {
            watch::wait(client, out, &group, &fingerprint, timeout).await
        }
    }
}
