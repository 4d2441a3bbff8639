//! Why a directory cannot be used, in words for an operator. Knows nothing of how it is used.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::permissions::Exposure;

/// Why a directory cannot be used as storage. Its database was not changed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process, or another store of this one, uses it.
    #[error(
        "{} is in use by {}: a directory serves one node. Stop that one, or give this one a directory of its own",
        dir.display(),
        process(*pid)
    )]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// Which process, if that is known.
        pid: Option<u32>,
    },
    /// The file was written by a later version.
    #[error(
        "{} has the format {found}, and this program knows formats up to {known}: it was written by a later version. Start that version, or {}",
        file.display(),
        remedy(file)
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: u64,
        /// The latest that is known here.
        known: u64,
    },
    /// The file is damaged, or another program's.
    #[error(
        "{} is damaged, or not a file of this program: {why}. It was left as it is. To go on, {}",
        file.display(),
        remedy(file)
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is no file where one is to be read.
    #[error("there is no {}: no node has stored anything there", file.display())]
    Absent {
        /// The file.
        file: PathBuf,
    },
    /// There is a file where one is to be made.
    #[error(
        "there is already a {0}, and it is not overwritten: move {0} away, or choose another directory",
        file.display()
    )]
    Present {
        /// The file.
        file: PathBuf,
    },
    /// Others may change what is there.
    #[error("what a node must not lose is not safe there: {0}")]
    Exposed(#[from] Exposure),
    /// The system refused something.
    #[error("cannot {doing} {}: {}", path.display(), error_text(source))]
    System {
        /// What was to be done.
        doing: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    pub(super) fn system(doing: &'static str, path: &Path, source: io::Error) -> OpenError {
        OpenError::System { doing, path: path.to_owned(), source }
    }
}

/// What the system said, and what mends it where it does not say that.
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
        "move {} away and start: the node then learns its groups from others; or restore a dump: gm-node restore DUMP --data-dir {}",
        file.display(),
        dir.display()
    )
}
