//! What the daemon is told: flags over environment over a file over defaults, strictly. Opens no
//! socket and no data directory; reads the configuration file and the key file, asks the system
//! what the name of a host means, and nothing else.
//!
//! `config/schema.rs`: every setting by name; `config/flags.rs`: as flags; `config/layers.rs`: who
//! says what; `config/spec.rs`: groups and ranges as text; `config/keys.rs`: keys;
//! `config/resolver.rs`: hosts; `config/limits.rs`: how much the daemon holds;
//! `config/resolved.rs`: what comes of it.

mod flags;
mod keys;
mod layers;
mod limits;
mod resolved;
mod resolver;
mod schema;
mod spec;
#[cfg(test)]
mod tests;

use std::fs::Metadata;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use gm_node::{api, file};

pub(crate) use flags::Flags;
pub(crate) use keys::{KeyIds, to_hex};
pub(crate) use layers::{Layers, environment};
pub(crate) use limits::{DaemonLimits, limit_text, setting_for};
pub(crate) use resolved::{
    Encryption, NO_DISCOVERY, ResolvedConfig, SettingRow, changed_settings, environment_help, rows,
};
pub(crate) use resolver::resolve_by_system;
pub(crate) use spec::{JoinSpec, ServeSpec};

/// The names of all settings.
#[cfg(test)]
pub(crate) fn settings() -> impl Iterator<Item = &'static str> {
    schema::SETTINGS.iter().map(|known| known.name)
}

/// How long a file of settings may take to be read.
const FILE_TIMEOUT: Duration = Duration::from_secs(10);

/// The text of a file of settings, of at most so many bytes, and what the system says of it.
fn read_text(path: &Path, most: u64) -> std::io::Result<(String, Metadata)> {
    let path = path.to_owned();
    let (bytes, meta) = file::run_within(FILE_TIMEOUT, move || file::read_regular(&path, most))??;
    Ok((file::utf8_text(bytes)?, meta))
}

/// Why the daemon does not begin, in words for an operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DaemonError {
    /// What was said cannot be understood.
    #[error("{0}")]
    Usage(String),
    /// It can, and is refused.
    #[error("{0}")]
    Refused(String),
    /// The command succeeded, but its answer cannot be printed.
    #[error("the command succeeded, but its answer cannot be printed on standard output: {0}")]
    Output(String),
}

impl DaemonError {
    const fn code(&self) -> (u8, &'static str) {
        match self {
            DaemonError::Refused(_) => (1, "refused"),
            DaemonError::Usage(_) => (2, "usage"),
            DaemonError::Output(_) => (6, "output"),
        }
    }
}

/// The trouble that determines the exit code: the first usage error, if there is one.
fn most_severe(troubles: &[DaemonError]) -> Option<&DaemonError> {
    troubles.iter().find(|trouble| matches!(trouble, DaemonError::Usage(_))).or(troubles.first())
}

/// The exit code of troubles that were printed already.
pub(crate) fn exit_code(troubles: &[DaemonError]) -> ExitCode {
    most_severe(troubles).map_or(ExitCode::SUCCESS, |trouble| ExitCode::from(trouble.code().0))
}

/// Prints all troubles on standard error, and with `json` as one object on standard output. Returns
/// the exit code.
#[allow(clippy::print_stderr)]
pub(crate) fn report_errors(troubles: &[DaemonError], json: bool) -> ExitCode {
    for trouble in troubles {
        eprintln!("error: {trouble}");
    }
    if let Some((_, kind)) =
        most_severe(troubles).map(DaemonError::code).filter(|(code, _)| json && *code != 6)
    {
        let all: Vec<String> = troubles.iter().map(ToString::to_string).collect();
        print_refusal(&all.join("\n"), kind);
    }
    exit_code(troubles)
}

/// Prints a refusal as JSON on standard output.
pub(crate) fn print_refusal(error: &str, kind: &str) {
    let error = api::ApiError { error: error.to_owned(), kind: kind.to_owned() };
    // If this cannot be written, standard error and the exit code say it all the same.
    let _ = super::offline::print(&format!("{}\n", serde_json::json!(error)));
}
