//! The daemon: a node on sockets, told by flags, environment and a file what to do, and asked over
//! a Unix socket how it stands. Knows nothing of the command line that asks it.
//!
//! `daemon/config.rs`: what it is told; `daemon/lifecycle.rs`: from start to end;
//! `daemon/socket.rs`, `daemon/connection_limit.rs`, `daemon/http.rs`, `daemon/routes.rs`: what it
//! is asked; `daemon/event_log.rs`, `daemon/log.rs`, `daemon/problem_texts.rs`,
//! `daemon/multicast.rs`: what it says; `daemon/startup_groups.rs`, `daemon/reload.rs`,
//! `daemon/notify.rs`: what it does besides; `daemon/offline.rs`: its directory as text.
//! `daemon/signals.rs`, `daemon/shutdown.rs`: when and how it ends; `daemon/configured_ranges.rs`:
//! what `daemon/startup_groups.rs` remembers; `daemon/problems.rs`, `daemon/address_check.rs`,
//! `daemon/descriptors.rs`, `daemon/permission_warnings.rs`: what an operator should look at.

mod address_check;
pub(crate) mod config;
mod configured_ranges;
mod connection_limit;
mod descriptors;
mod event_log;
mod http;
mod lifecycle;
mod log;
mod multicast;
mod notify;
mod offline;
mod permission_warnings;
mod problem_texts;
mod problems;
mod reload;
mod routes;
mod shutdown;
mod signals;
mod socket;
mod startup_groups;
mod stdin;

use std::process::ExitCode;
use std::time::Duration;

pub(crate) use config::{DaemonError, Flags, print_refusal, report_errors};
use config::{Layers, ResolvedConfig, environment, exit_code, resolve_by_system, rows};
pub(crate) use offline::{dump, keygen, restore};

use crate::Global;

/// How long tasks may take to end once the daemon has.
const RUNTIME_SHUTDOWN: Duration = Duration::from_millis(500);

/// Settings in the environment, for the help.
pub(crate) fn help() -> String {
    config::environment_help()
}

/// Runs it until it is told to end.
pub(crate) fn run(global: &Global, flags: &Flags) -> ExitCode {
    let mut troubles = Vec::new();
    let layers = Layers::gather(global, flags, &environment(), &mut troubles);
    let effective = match ResolvedConfig::resolve(&layers, Some(&resolve_by_system), troubles) {
        Ok(effective) => effective,
        Err(troubles) => return report_errors(&troubles, global.json),
    };
    let log = log::Log::start(effective.log);
    descriptors::raise_limit();
    // One for the node, one for who asks: an answer of megabytes does not hold up the node.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let why = format!("the system gives no threads: {error}");
            return report_errors(&[DaemonError::Refused(why)], global.json);
        }
    };
    let told = reload::ReloadContext { global: global.clone(), flags: flags.clone(), layers, log };
    let ended = runtime.block_on(lifecycle::run_node(effective, told));
    // A thread that hangs in the disk or in a file ends with the process, and is not waited for.
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
    match ended {
        Ok(code) => code,
        Err(trouble) => report_errors(&[trouble], global.json),
    }
}

/// Says what it would do, and who says so.
pub(crate) fn check(global: &Global, flags: &Flags) -> ExitCode {
    let mut troubles = Vec::new();
    let layers = Layers::gather(global, flags, &environment(), &mut troubles);
    let rows = rows(&layers);
    let mut effective = ResolvedConfig::resolve(&layers, Some(&resolve_by_system), troubles);
    if let Ok(effective) = &mut effective {
        effective
            .warnings
            .extend(permission_warnings::permission_warnings(effective, layers.config.as_deref()));
    }
    let text = if global.json { as_json(&rows, &effective) } else { as_table(&rows, &effective) };
    if let Err(trouble) = offline::print(&text) {
        return report_errors(&[trouble], global.json);
    }
    match effective {
        Ok(_) => ExitCode::SUCCESS,
        // They stand in what was printed.
        Err(troubles) if global.json => exit_code(&troubles),
        Err(troubles) => report_errors(&troubles, false),
    }
}

type CheckResult = Result<ResolvedConfig, Vec<DaemonError>>;

fn as_json(rows: &[config::SettingRow], effective: &CheckResult) -> String {
    let (warnings, errors): (Vec<String>, Vec<String>) = match effective {
        Ok(effective) => (effective.warnings.clone(), Vec::new()),
        Err(troubles) => (Vec::new(), troubles.iter().map(ToString::to_string).collect()),
    };
    format!("{}\n", serde_json::json!({ "settings": rows, "warnings": warnings, "errors": errors }))
}

fn as_table(rows: &[config::SettingRow], effective: &CheckResult) -> String {
    let width = |of: fn(&config::SettingRow) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (keys, values) = (width(|row| row.key.len()), width(|row| row.value.chars().count()).min(48));
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| format!("{:keys$}  {:values$}  {}\n", row.key, row.value, row.source))
        .collect();
    let warnings = effective.iter().flat_map(|effective| &effective.warnings);
    lines.extend(warnings.map(|warning| format!("warning: {warning}\n")));
    lines.concat()
}
