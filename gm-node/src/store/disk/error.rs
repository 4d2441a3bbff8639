//! Errors of opening a data directory, written for an operator.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::permissions::Exposure;

/// Reason why a directory cannot be used as a store. Its database was not changed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process, or another store of this process, uses the directory.
    #[error(
        "{} is in use by {}: a data directory belongs to one node. Stop that process, or give this node its own directory",
        dir.display(),
        process(*pid)
    )]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The process, if it is known.
        pid: Option<u32>,
    },
    /// The file was written by a later version.
    #[error(
        "{} has the format {found}, and this program reads formats up to {known}: it was written by a later version. Start that version, or {}",
        file.display(),
        remedy(file)
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Format of the file.
        found: u64,
        /// Latest format that this version reads.
        known: u64,
    },
    /// The file is damaged, or of another program.
    #[error(
        "{} is damaged, or not a file of this program: {why}. It was not changed. To continue, {}",
        file.display(),
        remedy(file)
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Description of the damage.
        why: String,
    },
    /// The file to read does not exist.
    #[error("{} does not exist: no node has stored anything there", file.display())]
    Absent {
        /// The file.
        file: PathBuf,
    },
    /// The file to create exists already.
    #[error(
        "{0} already exists and is not overwritten: move {0} away, or choose another directory",
        file.display()
    )]
    Present {
        /// The file.
        file: PathBuf,
    },
    /// Other users may change the directory or the file.
    #[error("the data directory is not safe: {0}")]
    Exposed(#[from] Exposure),
    /// The system reported an error.
    #[error("cannot {doing} {}: {}", path.display(), error_text(source))]
    System {
        /// The operation that failed.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

impl OpenError {
    pub(super) fn system(doing: &'static str, path: &Path, source: io::Error) -> OpenError {
        OpenError::System { doing, path: path.to_owned(), source }
    }
}

/// The error of the system, with a remedy if the system names none.
pub(super) fn error_text(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::FileTooLarge {
        return format!(
            "{error}: this process may not write larger files, or the file system cannot hold them. Raise the limit: `LimitFSIZE=` of the service, or `ulimit -f`"
        );
    }
    error.to_string()
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

fn remedy(file: &Path) -> String {
    let dir = file.parent().unwrap_or(Path::new("."));
    format!(
        "move {} away and start: the node then learns its groups from peers; or restore a dump: gm-node restore DUMP --data-dir {}",
        file.display(),
        dir.display()
    )
}
