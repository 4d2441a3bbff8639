//! What the daemon is told: flags over environment over a file over defaults, strictly. Opens no socket and no data directory; reads the
//! configuration file and the key file, and nothing else.
//!
//! `config/known.rs`: every setting by name; `config/flags.rs`: as flags; `config/layers.rs`: who says what; `config/spec.rs`: groups and ranges as text;
//! `config/secret.rs`: keys; `config/effective.rs`: what comes of it.

mod effective;
mod flags;
mod known;
mod layers;
mod secret;
mod spec;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

pub(crate) use effective::{Effective, FINDS_NOBODY, Row, Sealing, changed, environment_help, rows};
pub(crate) use flags::Flags;
pub(crate) use layers::{Layers, environment};
pub(crate) use secret::hexadecimal;
pub(crate) use spec::{Joining, Serving};

/// Why the daemon does not begin, in words for an operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// What was said cannot be understood.
    #[error("{0}")]
    Usage(String),
    /// It can, and is refused.
    #[error("{0}")]
    Refused(String),
}

impl Trouble {
    pub(crate) fn exit(&self) -> ExitCode {
        match self {
            Trouble::Refused(_) => ExitCode::from(1),
            Trouble::Usage(_) => ExitCode::from(2),
        }
    }
}

/// All troubles on standard error, and the exit code: that of the first which cannot be understood, if there is one.
#[allow(clippy::print_stderr)]
pub(crate) fn complain(troubles: &[Trouble]) -> ExitCode {
    for trouble in troubles {
        eprintln!("error: {trouble}");
    }
    let usage = troubles.iter().find(|trouble| matches!(trouble, Trouble::Usage(_)));
    usage.or(troubles.first()).map_or(ExitCode::SUCCESS, Trouble::exit)
}
