//! The daemon: a node on sockets, told by flags, environment and a file what to do, and asked over a Unix socket how it stands. Knows nothing of the command line
//! that asks it.
//!
//! `daemon/config.rs`: what it is told; `daemon/life.rs`: from start to end; `daemon/socket.rs`, `daemon/room.rs`, `daemon/http.rs`, `daemon/routes.rs`: what it is asked; `daemon/notices.rs`,
//! `daemon/log.rs`, `daemon/network.rs`, `daemon/multicast.rs`: what it says; `daemon/apply.rs`, `daemon/reload.rs`, `daemon/notify.rs`: what it does besides; `daemon/data.rs`: its directory as text.
//! `daemon/signals.rs`, `daemon/ending.rs`: when and how it ends; `daemon/configured.rs`: what `daemon/apply.rs` remembers;
//! `daemon/concerns.rs`, `daemon/address.rs`, `daemon/descriptors.rs`, `daemon/exposed.rs`: what an
//! operator should look at.

mod address;
mod apply;
mod concerns;
pub(crate) mod config;
mod configured;
mod data;
mod descriptors;
mod ending;
mod exposed;
mod http;
mod life;
mod log;
mod multicast;
mod network;
mod notices;
mod notify;
mod reload;
mod room;
mod routes;
mod signals;
mod socket;
mod stdin;

use std::process::ExitCode;
use std::time::Duration;

use config::{Effective, Layers, environment, exit, of_system, rows};
pub(crate) use config::{Flags, Trouble, complain, refuse};
pub(crate) use data::{dump, keygen, restore};

use crate::Global;

/// How long tasks may take to end once the daemon has.
const SHUTTING: Duration = Duration::from_millis(500);

/// Settings in the environment, for the help.
pub(crate) fn help() -> String {
    config::environment_help()
}

/// Runs it until it is told to end.
pub(crate) fn run(global: &Global, flags: &Flags) -> ExitCode {
    let mut troubles = Vec::new();
    let layers = Layers::gather(global, flags, &environment(), &mut troubles);
    let effective = match Effective::of(&layers, Some(&of_system), troubles) {
        Ok(effective) => effective,
        Err(troubles) => return complain(&troubles, global.json),
    };
    let log = log::Log::begin(effective.log);
    descriptors::raise_limit();
    // One for the node, one for who asks: an answer of megabytes does not hold up the node.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let why = format!("the system gives no threads: {error}");
            return complain(&[Trouble::Refused(why)], global.json);
        }
    };
    let told = reload::Told { global: global.clone(), flags: flags.clone(), layers, log };
    let ended = runtime.block_on(life::live(effective, told));
    // A thread that hangs in the disk or in a file ends with the process, and is not waited for.
    runtime.shutdown_timeout(SHUTTING);
    match ended {
        Ok(code) => code,
        Err(trouble) => complain(&[trouble], global.json),
    }
}

/// Says what it would do, and who says so.
pub(crate) fn check(global: &Global, flags: &Flags) -> ExitCode {
    let mut troubles = Vec::new();
    let layers = Layers::gather(global, flags, &environment(), &mut troubles);
    let rows = rows(&layers);
    let mut effective = Effective::of(&layers, Some(&of_system), troubles);
    if let Ok(effective) = &mut effective {
        effective.warnings.extend(exposed::warnings(effective, layers.config.as_deref()));
    }
    let text = if global.json { as_json(&rows, &effective) } else { as_table(&rows, &effective) };
    if let Err(trouble) = data::print(&text) {
        return complain(&[trouble], global.json);
    }
    match effective {
        Ok(_) => ExitCode::SUCCESS,
        // They stand in what was printed.
        Err(troubles) if global.json => exit(&troubles),
        Err(troubles) => complain(&troubles, false),
    }
}

type Checked = Result<Effective, Vec<Trouble>>;

fn as_json(rows: &[config::Row], effective: &Checked) -> String {
    let (warnings, errors): (Vec<String>, Vec<String>) = match effective {
        Ok(effective) => (effective.warnings.clone(), Vec::new()),
        Err(troubles) => (Vec::new(), troubles.iter().map(ToString::to_string).collect()),
    };
    format!("{}\n", serde_json::json!({ "settings": rows, "warnings": warnings, "errors": errors }))
}

fn as_table(rows: &[config::Row], effective: &Checked) -> String {
    let width = |of: fn(&config::Row) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (keys, values) = (width(|row| row.key.len()), width(|row| row.value.chars().count()).min(48));
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| format!("{:keys$}  {:values$}  {}\n", row.key, row.value, row.source))
        .collect();
    let warnings = effective.iter().flat_map(|effective| &effective.warnings);
    lines.extend(warnings.map(|warning| format!("warning: {warning}\n")));
    lines.concat()
}
