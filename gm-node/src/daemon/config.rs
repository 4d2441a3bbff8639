//! What the daemon is told: flags over environment over a file over defaults, strictly. Opens no socket and no data directory; reads the
//! configuration file and the key file, asks the system what the name of a host means, and nothing else.
//!
//! `config/known.rs`: every setting by name; `config/flags.rs`: as flags; `config/layers.rs`: who says what; `config/spec.rs`: groups and ranges as text;
//! `config/secret.rs`: keys; `config/names.rs`: hosts; `config/limits.rs`: how much the daemon holds; `config/effective.rs`: what comes of it.

mod effective;
mod flags;
mod known;
mod layers;
mod limits;
mod names;
mod secret;
mod spec;
#[cfg(test)]
mod tests;

use std::fs::Metadata;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use gm_node::{api, file};

pub(crate) use effective::{Effective, FINDS_NOBODY, Row, Sealing, changed, environment_help, rows};
pub(crate) use flags::Flags;
pub(crate) use layers::{Layers, environment};
pub(crate) use limits::{Limits, reached, setting_of};
pub(crate) use names::of_system;
pub(crate) use secret::{KeyIds, hexadecimal};
pub(crate) use spec::{Joining, Serving};

/// The names of all settings.
#[cfg(test)]
pub(crate) fn settings() -> impl Iterator<Item = &'static str> {
    known::KNOWN.iter().map(|known| known.name)
}

/// How long a file of settings may take to be read.
const PATIENCE: Duration = Duration::from_secs(10);

/// The text of a file of settings, of at most so many bytes, and what the system says of it.
fn read(path: &Path, most: u64) -> std::io::Result<(String, Metadata)> {
    let path = path.to_owned();
    let (bytes, meta) = file::within(PATIENCE, move || file::read(&path, most))??;
    Ok((file::text(bytes)?, meta))
}

/// Why the daemon does not begin, in words for an operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
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

impl Trouble {
    const fn code(&self) -> (u8, &'static str) {
        match self {
            Trouble::Refused(_) => (1, "refused"),
            Trouble::Usage(_) => (2, "usage"),
            Trouble::Output(_) => (6, "output"),
        }
    }
}

/// The trouble that determines the exit code: the first usage error, if there is one.
fn foremost(troubles: &[Trouble]) -> Option<&Trouble> {
    troubles.iter().find(|trouble| matches!(trouble, Trouble::Usage(_))).or(troubles.first())
}

/// The exit code of troubles that were printed already.
pub(crate) fn exit(troubles: &[Trouble]) -> ExitCode {
    foremost(troubles).map_or(ExitCode::SUCCESS, |trouble| ExitCode::from(trouble.code().0))
}

/// Prints all troubles on standard error, and with `json` as one object on standard output. Returns the exit code.
#[allow(clippy::print_stderr)]
pub(crate) fn complain(troubles: &[Trouble], json: bool) -> ExitCode {
    for trouble in troubles {
        eprintln!("error: {trouble}");
    }
    if let Some((_, kind)) = foremost(troubles).map(Trouble::code).filter(|(code, _)| json && *code != 6) {
        let all: Vec<String> = troubles.iter().map(ToString::to_string).collect();
        refuse(&all.join("\n"), kind);
    }
    exit(troubles)
}

/// Prints a refusal as JSON on standard output.
pub(crate) fn refuse(error: &str, kind: &str) {
    let error = api::Error { error: error.to_owned(), kind: kind.to_owned() };
    // If this cannot be written, standard error and the exit code say it all the same.
    let _ = super::data::print(&format!("{}\n", serde_json::json!(error)));
}
