//! The daemon: a node on sockets, configured by flags, environment variables and a file, and
//! controlled through a Unix socket.
//!
//! - Configuration: `daemon/config.rs`.
//! - Start, run, shutdown: `daemon/lifecycle.rs`, `daemon/signals.rs`, `daemon/shutdown.rs`,
//!   `daemon/reload.rs`, `daemon/startup_groups.rs`, `daemon/configured_ranges.rs`,
//!   `daemon/notify.rs`, `daemon/stdin.rs`.
//! - Control socket: `daemon/socket.rs`, `daemon/connection_limit.rs`, `daemon/http.rs`,
//!   `daemon/routes.rs`.
//! - Log and warnings: `daemon/log.rs`, `daemon/event_log.rs`, `daemon/problem_texts.rs`,
//!   `daemon/problems.rs`, `daemon/multicast.rs`, `daemon/address_check.rs`,
//!   `daemon/descriptors.rs`, `daemon/permission_warnings.rs`.
//! - Commands that need no running daemon: `daemon/offline.rs`.

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

/// Time limit for the remaining tasks once the daemon has ended.
const RUNTIME_SHUTDOWN: Duration = Duration::from_millis(500);

/// Text after the long help: the settings in the environment, and an example.
pub(crate) fn help(example: &str) -> String {
    format!("{}\n\n{example}", config::environment_help())
}

/// Runs the daemon until a signal ends it.
pub(crate) fn run(global: &Global, flags: &Flags) -> ExitCode {
    let mut errors = Vec::new();
    let layers = Layers::gather(global, flags, &environment(), &mut errors);
    let settings = match ResolvedConfig::resolve(&layers, Some(&resolve_by_system), errors) {
        Ok(settings) => settings,
        Err(errors) => return report_errors(&errors, global.json),
    };
    let log = log::Log::start(settings.options.log_level, settings.options.log_format);
    descriptors::raise_limit();
    // One thread for the node and one for requests, so that a long answer does not delay the node.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let why = format!("cannot start threads: {error}");
            return report_errors(&[DaemonError::Refused(why)], global.json);
        }
    };
    let context = reload::ReloadContext { global: global.clone(), flags: flags.clone(), layers, log };
    let ended = runtime.block_on(lifecycle::run_node(settings, context));
    // A thread that hangs in file I/O ends with the process.
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
    match ended {
        Ok(code) => code,
        Err(error) => report_errors(&[error], global.json),
    }
}

/// Prints the settings that `run` would use, and their sources.
pub(crate) fn check(global: &Global, flags: &Flags) -> ExitCode {
    let mut errors = Vec::new();
    let layers = Layers::gather(global, flags, &environment(), &mut errors);
    let rows = rows(&layers);
    let mut settings = ResolvedConfig::resolve(&layers, Some(&resolve_by_system), errors);
    if let Ok(settings) = &mut settings {
        settings
            .warnings
            .extend(permission_warnings::permission_warnings(settings, layers.config.as_deref()));
    }
    let text = if global.json { as_json(&rows, &settings) } else { as_table(&rows, &settings) };
    if let Err(error) = offline::print(&text) {
        return report_errors(&[error], global.json);
    }
    match settings {
        Ok(_) => ExitCode::SUCCESS,
        // The JSON contains them.
        Err(errors) if global.json => exit_code(&errors),
        Err(errors) => report_errors(&errors, false),
    }
}

type CheckResult = Result<ResolvedConfig, Vec<DaemonError>>;

fn as_json(rows: &[config::SettingRow], settings: &CheckResult) -> String {
    let (warnings, errors): (Vec<String>, Vec<String>) = match settings {
        Ok(settings) => (settings.warnings.clone(), Vec::new()),
        Err(errors) => (Vec::new(), errors.iter().map(ToString::to_string).collect()),
    };
    format!("{}\n", serde_json::json!({ "settings": rows, "warnings": warnings, "errors": errors }))
}

fn as_table(rows: &[config::SettingRow], settings: &CheckResult) -> String {
    let width = |of: fn(&config::SettingRow) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (keys, values) = (width(|row| row.key.len()), width(|row| row.value.chars().count()).min(48));
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| format!("{:keys$}  {:values$}  {}\n", row.key, row.value, row.source))
        .collect();
    let warnings = settings.iter().flat_map(|settings| &settings.warnings);
    lines.extend(warnings.map(|warning| format!("warning: {warning}\n")));
    lines.concat()
}
