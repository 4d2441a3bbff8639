//! Configuration of the daemon. Flags take precedence over environment variables, these over the
//! configuration file, and the file over the defaults. Unknown names and invalid values are errors.
//!
//! This module reads the configuration file and the key file and resolves host names, but opens
//! neither sockets nor the data directory. `config/settings.rs` is the table of the settings,
//! `config/setting.rs` describes its columns, `config/flags.rs` makes flags of it,
//! `config/layers.rs` merges the sources, `config/values.rs` parses values, `config/spec.rs` groups
//! and ranges, `config/keys.rs` keys, `config/limits.rs` has the limits, `config/resolver.rs`
//! resolves hosts, `config/reader.rs` reads the settings into `config/options.rs`, and
//! `config/resolved.rs` is the result.

mod closest_name;
mod flags;
mod keys;
mod layers;
mod limits;
mod options;
mod reader;
mod resolved;
mod resolver;
mod setting;
mod settings;
mod spec;
#[cfg(test)]
mod tests;
mod values;

use std::fs::Metadata;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use gm_daemon::api::{ApiError, ErrorKind};
use gm_node::file;

pub(crate) use flags::Flags;
pub(crate) use keys::{Encryption, KeyIds, to_hex};
pub(crate) use layers::{Layers, environment};
pub(crate) use limits::DaemonLimits;
pub(crate) use reader::NO_DISCOVERY;
pub(crate) use resolved::{ResolvedConfig, SettingRow, changed_settings, environment_help, rows};
pub(crate) use resolver::resolve_by_system;
pub(crate) use settings::{limit_text, setting_for};
pub(crate) use spec::{JoinSpec, ServeSpec};

/// Names of all settings.
#[cfg(test)]
pub(crate) fn settings() -> impl Iterator<Item = &'static str> {
    settings::SETTINGS.iter().map(|known| known.name)
}

/// Time limit for reading a file.
const FILE_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a file of at most `max` bytes as text, with its metadata.
fn read_text(path: &Path, max: u64) -> std::io::Result<(String, Metadata)> {
    let path = path.to_owned();
    let (bytes, meta) = file::run_within(FILE_TIMEOUT, move || file::read_regular(&path, max))??;
    Ok((file::utf8_text(bytes)?, meta))
}

/// Reason why the daemon does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DaemonError {
    /// A setting cannot be parsed.
    #[error("{0}")]
    Usage(String),
    /// A valid setting is refused.
    #[error("{0}")]
    Refused(String),
    /// The command succeeded, but its answer cannot be printed.
    #[error("the command succeeded, but its answer cannot be printed on standard output: {0}")]
    Output(String),
}

impl DaemonError {
    const fn code(&self) -> (u8, ErrorKind) {
        match self {
            DaemonError::Refused(_) => (1, ErrorKind::Refused),
            DaemonError::Usage(_) => (2, ErrorKind::Usage),
            DaemonError::Output(_) => (6, ErrorKind::Output),
        }
    }
}

/// The error that determines the exit code: the first usage error, if there is one.
fn most_severe(errors: &[DaemonError]) -> Option<&DaemonError> {
    errors.iter().find(|error| matches!(error, DaemonError::Usage(_))).or(errors.first())
}

/// Exit code for errors that were printed already.
pub(crate) fn exit_code(errors: &[DaemonError]) -> ExitCode {
    most_severe(errors).map_or(ExitCode::SUCCESS, |error| ExitCode::from(error.code().0))
}

/// Prints all errors on standard error, and with `json` as one object on standard output. Returns
/// the exit code.
#[allow(clippy::print_stderr)]
pub(crate) fn report_errors(errors: &[DaemonError], json: bool) -> ExitCode {
    for error in errors {
        eprintln!("error: {error}");
    }
    if let Some((_, kind)) = most_severe(errors).map(DaemonError::code).filter(|(code, _)| json && *code != 6)
    {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        print_refusal(&all.join("\n"), kind);
    }
    exit_code(errors)
}

/// Prints a refusal as JSON on standard output.
pub(crate) fn print_refusal(error: &str, kind: ErrorKind) {
    let error = ApiError { error: error.to_owned(), kind };
    // If this fails, standard error and the exit code still report the error.
    let _ = super::offline::print(&format!("{}\n", serde_json::json!(error)));
}
