//! What is asked of a running daemon, and told it. Knows the daemon as a socket only: see
//! `client.rs`.
//!
//! `args.rs` and `node_arg.rs` read what is typed, `socket_path.rs` finds the socket, `read.rs`,
//! `write.rs` and `watch.rs` are the commands, `render` and `table.rs` make text for people,
//! `printer.rs` prints it or JSON, `output_reader.rs` tells whether somebody reads it, `error.rs`
//! has the exit codes.

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
use gm_data::GroupName;

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
    /// How the daemon stands, and what an operator should look at
    Status {
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// The groups that are held, and those that are known by name
    Groups {
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// Who is in a group
    Members {
        /// The group's name
        group: GroupName,
        #[command(flatten)]
        fresh: FreshArgs,
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// Which member serves which range, and which is interested in it
    Topology {
        /// The group's name
        group: GroupName,
        /// Only what is served (add), or of interest (get)
        #[arg(long, value_enum)]
        op: Option<ItemOp>,
        #[command(flatten)]
        fresh: FreshArgs,
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// By how many each key is served
    Coverage {
        /// The group's name
        group: GroupName,
        /// Exit with 1 if any key is served by fewer members
        #[arg(long, value_name = "N")]
        require: Option<usize>,
        #[command(flatten)]
        fresh: FreshArgs,
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// Who serves a key, the most preferred first
    Locate {
        /// The group's name
        group: GroupName,
        /// The key, decimal or 0x hex
        #[arg(value_parser = args::parse_key, required_unless_present = "bytes", conflicts_with = "bytes")]
        key: Option<u32>,
        /// The key that is the hash of this text
        #[arg(long, value_name = "TEXT")]
        bytes: Option<String>,
        #[command(flatten)]
        fresh: FreshArgs,
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// Become a member of a group
    Join {
        /// The group's name
        group: GroupName,
        /// Be interested in these ranges; without it, in the whole key space
        #[arg(long, value_name = "RANGES", value_parser = args::parse_ranges)]
        interest: Option<Ranges>,
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Leave a group: nothing is said of any range any longer
    Leave {
        /// The group's name
        group: GroupName,
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Serve ranges, whatever was said of them before
    Serve {
        /// The group's name
        group: GroupName,
        /// `0x0-0x7fffffff` or decimal; several by commas
        #[arg(value_name = "START-END", value_parser = args::parse_ranges)]
        ranges: Ranges,
        /// The port of the service
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
        port: u16,
        /// More is preferred. Default: 1
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        priority: Option<u16>,
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Serve ranges no longer, and be interested in them no longer
    Unserve {
        /// The group's name
        group: GroupName,
        /// Exactly as they were served; several by commas
        #[arg(value_name = "START-END", value_parser = args::parse_ranges)]
        ranges: Ranges,
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Give ranges that are served another priority
    #[command(allow_negative_numbers = true)]
    Priority {
        /// The group's name
        group: GroupName,
        /// Exactly as they were served; several by commas
        #[arg(value_name = "START-END", value_parser = args::parse_ranges)]
        ranges: Ranges,
        /// The priority, or by how much it is more or less
        #[arg(value_name = "N|+N|-N", value_parser = args::parse_priority)]
        priority: String,
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Several changes in one write: others see all of them or none
    Change {
        /// The group's name
        group: GroupName,
        /// A JSON list: [{"do": "serve", "start": 0, "end": 99, "port": 5432, "priority": 2},
        /// {"do": "unserve", ...}, {"do": "interest", ...}, {"do": "priority", "start": 0, "end":
        /// 99, "priority": "+1"}]; `-` is standard input
        file: PathBuf,
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Take a member out that will not come back: what it said is gone, on all nodes
    Forget {
        /// The member: IP:PORT, or HOST:PORT if the name has exactly one address
        #[arg(value_name = "NODE", value_parser = node_arg::parse_node)]
        node: NodeArg,
        /// In this group; without it, in all that are held
        #[arg(long)]
        group: Option<GroupName>,
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Drop the records of forgotten members of a group, on all nodes: they take no room any more
    Purge {
        /// The group's name
        group: GroupName,
        /// Those of members that this node has not heard since its start as well; one that lives
        /// comes back by itself
        #[arg(long)]
        unheard: bool,
    },
    /// End the pause after an identity conflict at once, when its cause is mended
    Resume {
        /// The group's name
        group: GroupName,
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// The nodes that this one knows, and what they are to it
    Peers {
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// What changes in a group, as it changes; first what is there
    Watch {
        /// The group's name
        group: GroupName,
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// Wait until a group is as another node has it
    Wait {
        /// The group's name
        group: GroupName,
        /// As `groups` and every write print it
        #[arg(long, value_parser = args::parse_fingerprint)]
        fingerprint: String,
        /// Maximum time to wait
        #[arg(long, default_value = "5s", value_parser = args::parse_duration, value_name = "TIME")]
        timeout: Duration,
    },
}

/// Asks, and says what came of it.
pub(crate) fn run(ask: ClientCommand, global: &Global) -> ExitCode {
    let mut out = Printer::new(global.json);
    let ended = socket_path::find_socket(global).and_then(|path| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(execute(ask, &Client::new(path), &mut out))
    });
    match ended {
        Ok(ended) => ended.into(),
        Err(failure) => {
            out.print_error(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn execute(ask: ClientCommand, client: &Client, out: &mut Printer) -> Result<Outcome, CommandError> {
    let patient = |reading: ReadArgs| client.with_timeout(reading.timeout);
    match ask {
        ClientCommand::Status { reading } => read::status(&patient(reading), out).await,
        ClientCommand::Groups { reading } => read::groups(&patient(reading), out).await,
        ClientCommand::Members { group, fresh, reading } => {
            read::members(&patient(reading), out, GroupQuery { group: &group, fresh }).await
        }
        ClientCommand::Topology { group, op, fresh, reading } => {
            read::topology(&patient(reading), out, GroupQuery { group: &group, fresh }, op).await
        }
        ClientCommand::Coverage { group, require, fresh, reading } => {
            read::coverage(&patient(reading), out, GroupQuery { group: &group, fresh }, require).await
        }
        ClientCommand::Locate { group, key, bytes, fresh, reading } => {
            read::locate(&patient(reading), out, GroupQuery { group: &group, fresh }, key, bytes).await
        }
        ClientCommand::Peers { reading } => read::peers(&patient(reading), out).await,
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
            write::change(client, out, &group, write::priority(&ranges, &priority), &waiting).await
        }
        ClientCommand::Change { group, file, waiting } => {
            write::change(client, out, &group, write::read_changes(&file)?, &waiting).await
        }
        ClientCommand::Forget { node, group, waiting } => {
            write::forget(client, out, node.resolve().await?, group.as_ref(), &waiting).await
        }
        ClientCommand::Purge { group, unheard } => write::purge(client, out, &group, unheard).await,
        ClientCommand::Resume { group, waiting } => write::resume(client, out, &group, &waiting).await,
        ClientCommand::Watch { group, reading } => watch::watch(&patient(reading), out, &group).await,
        ClientCommand::Wait { group, fingerprint, timeout } => {
            watch::wait(client, out, &group, &fingerprint, timeout).await
        }
    }
}
