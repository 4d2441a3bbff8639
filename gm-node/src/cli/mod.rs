//! What is asked of a running daemon, and told it. Knows the daemon as a socket only: see `client.rs`.
//!
//! `args.rs` and `target.rs` read what is typed, `find.rs` finds the socket, `read.rs`, `write.rs` and `watch.rs` are the commands, `show` and
//! `table.rs` make text for people, `out.rs` prints it or JSON, `reader.rs` tells whether somebody reads it, `failure.rs` has the exit codes.

pub(crate) mod args;
pub(crate) mod client;
pub(crate) mod failure;
mod find;
mod out;
mod read;
mod reader;
pub(crate) mod show;
pub(crate) mod table;
mod target;
mod watch;
mod write;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use gm_data::GroupName;

use self::args::{Fresh, Op, Ranges, Reading, Waiting};
use self::client::Client;
use self::failure::{Ended, Failure};
use self::out::Out;
use self::read::Question;
use self::target::Target;
use crate::Global;

/// A command for a running daemon.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Ask {
    /// How the daemon stands, and what an operator should look at
    Status {
        #[command(flatten)]
        reading: Reading,
    },
    /// The groups that are held, and those that are known by name
    Groups {
        #[command(flatten)]
        reading: Reading,
    },
    /// Who is in a group
    Members {
        /// The group's name
        group: GroupName,
        #[command(flatten)]
        fresh: Fresh,
        #[command(flatten)]
        reading: Reading,
    },
    /// Which member serves which range, and which is interested in it
    Topology {
        /// The group's name
        group: GroupName,
        /// Only what is served (add), or of interest (get)
        #[arg(long, value_enum)]
        op: Option<Op>,
        #[command(flatten)]
        fresh: Fresh,
        #[command(flatten)]
        reading: Reading,
    },
    /// By how many each key is served
    Coverage {
        /// The group's name
        group: GroupName,
        /// Exit with 1 if any key is served by fewer members
        #[arg(long, value_name = "N")]
        require: Option<usize>,
        #[command(flatten)]
        fresh: Fresh,
        #[command(flatten)]
        reading: Reading,
    },
    /// Who serves a key, the most preferred first
    Locate {
        /// The group's name
        group: GroupName,
        /// The key, decimal or 0x hex
        #[arg(value_parser = args::key, required_unless_present = "bytes", conflicts_with = "bytes")]
        key: Option<u32>,
        /// The key that is the hash of this text
        #[arg(long, value_name = "TEXT")]
        bytes: Option<String>,
        #[command(flatten)]
        fresh: Fresh,
        #[command(flatten)]
        reading: Reading,
    },
    /// Become a member of a group
    Join {
        /// The group's name
        group: GroupName,
        /// Be interested in these ranges; without it, in the whole key space
        #[arg(long, value_name = "RANGES", value_parser = args::ranges)]
        interest: Option<Ranges>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Leave a group: nothing is said of any range any longer
    Leave {
        /// The group's name
        group: GroupName,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Serve ranges, whatever was said of them before
    Serve {
        /// The group's name
        group: GroupName,
        /// `0x0-0x7fffffff` or decimal; several by commas
        #[arg(value_name = "START-END", value_parser = args::ranges)]
        ranges: Ranges,
        /// The port of the service
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
        port: u16,
        /// More is preferred. Default: 1
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        priority: Option<u16>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Serve ranges no longer, and be interested in them no longer
    Unserve {
        /// The group's name
        group: GroupName,
        /// Exactly as they were served; several by commas
        #[arg(value_name = "START-END", value_parser = args::ranges)]
        ranges: Ranges,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Give ranges that are served another priority
    #[command(allow_negative_numbers = true)]
    Priority {
        /// The group's name
        group: GroupName,
        /// Exactly as they were served; several by commas
        #[arg(value_name = "START-END", value_parser = args::ranges)]
        ranges: Ranges,
        /// The priority, or by how much it is more or less
        #[arg(value_name = "N|+N|-N", value_parser = args::step)]
        priority: String,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Several changes in one write: others see all of them or none
    Change {
        /// The group's name
        group: GroupName,
        /// A JSON list: [{"do": "serve", "start": 0, "end": 99, "port": 5432, "priority": 2}, {"do": "unserve", ...},
        /// {"do": "interest", ...}, {"do": "priority", "start": 0, "end": 99, "priority": "+1"}]; `-` is standard input
        file: PathBuf,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Take a member out that will not come back: what it said is gone, on all nodes
    Forget {
        /// The member: IP:PORT, or HOST:PORT if the name has exactly one address
        #[arg(value_name = "NODE", value_parser = target::target)]
        node: Target,
        /// In this group; without it, in all that are held
        #[arg(long)]
        group: Option<GroupName>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Drop the records of forgotten members of a group, on all nodes: they take no room any more
    Purge {
        /// The group's name
        group: GroupName,
        /// Those of members that this node has not heard since its start as well; one that lives comes back by itself
        #[arg(long)]
        unheard: bool,
    },
    /// End the pause after an identity conflict at once, when its cause is mended
    Resume {
        /// The group's name
        group: GroupName,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// The nodes that this one knows, and what they are to it
    Peers {
        #[command(flatten)]
        reading: Reading,
    },
    /// What changes in a group, as it changes; first what is there
    Watch {
        /// The group's name
        group: GroupName,
        #[command(flatten)]
        reading: Reading,
    },
    /// Wait until a group is as another node has it
    Wait {
        /// The group's name
        group: GroupName,
        /// As `groups` and every write print it
        #[arg(long, value_parser = args::fingerprint)]
        fingerprint: String,
        /// Maximum time to wait
        #[arg(long, default_value = "5s", value_parser = args::duration, value_name = "TIME")]
        timeout: Duration,
    },
}

/// Asks, and says what came of it.
pub(crate) fn run(ask: Ask, global: &Global) -> ExitCode {
    let mut out = Out::new(global.json);
    let ended = find::socket(global).and_then(|path| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(answer(ask, &Client::new(path), &mut out))
    });
    match ended {
        Ok(ended) => ended.into(),
        Err(failure) => {
            out.failure(&failure);
            ExitCode::from(failure.code())
        }
    }
}

async fn answer(ask: Ask, client: &Client, out: &mut Out) -> Result<Ended, Failure> {
    let patient = |reading: Reading| client.patient(reading.timeout);
    match ask {
        Ask::Status { reading } => read::status(&patient(reading), out).await,
        Ask::Groups { reading } => read::groups(&patient(reading), out).await,
        Ask::Members { group, fresh, reading } => {
            read::members(&patient(reading), out, Question { group: &group, fresh }).await
        }
        Ask::Topology { group, op, fresh, reading } => {
            read::topology(&patient(reading), out, Question { group: &group, fresh }, op).await
        }
        Ask::Coverage { group, require, fresh, reading } => {
            read::coverage(&patient(reading), out, Question { group: &group, fresh }, require).await
        }
        Ask::Locate { group, key, bytes, fresh, reading } => {
            read::locate(&patient(reading), out, Question { group: &group, fresh }, key, bytes).await
        }
        Ask::Peers { reading } => read::peers(&patient(reading), out).await,
        Ask::Join { group, interest, waiting } => {
            write::join(client, out, &group, &interest.map_or_else(Vec::new, |ranges| ranges.0), &waiting)
                .await
        }
        Ask::Leave { group, waiting } => write::leave(client, out, &group, &waiting).await,
        Ask::Serve { group, ranges, port, priority, waiting } => {
            write::change(client, out, &group, write::serve(&ranges, port, priority), &waiting).await
        }
        Ask::Unserve { group, ranges, waiting } => {
            write::change(client, out, &group, write::unserve(&ranges), &waiting).await
        }
        Ask::Priority { group, ranges, priority, waiting } => {
            write::change(client, out, &group, write::priority(&ranges, &priority), &waiting).await
        }
        Ask::Change { group, file, waiting } => {
            write::change(client, out, &group, write::file(&file)?, &waiting).await
        }
        Ask::Forget { node, group, waiting } => {
            write::forget(client, out, node.node().await?, group.as_ref(), &waiting).await
        }
        Ask::Purge { group, unheard } => write::purge(client, out, &group, unheard).await,
        Ask::Resume { group, waiting } => write::resume(client, out, &group, &waiting).await,
        Ask::Watch { group, reading } => watch::watch(&patient(reading), out, &group).await,
        Ask::Wait { group, fingerprint, timeout } => {
            watch::wait(client, out, &group, &fingerprint, timeout).await
        }
    }
}
