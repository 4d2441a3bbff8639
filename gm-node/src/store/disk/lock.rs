//! Directory lock: one process for each data directory.

use std::path::Path;

use redb::backends::FileBackend;
use redb::{DatabaseError, StorageBackend, StorageError};

use super::OpenError;
use super::database::{open_private, private_file};

/// Maximum length in bytes of a process id.
const MAX_PID_BYTES: u64 = 32;

/// A lock on a directory. The system releases it when the process ends; the file stays.
#[derive(Debug)]
pub(super) struct Lock {
    /// The database crate locks each file that it opens, on every system that it supports, so the
    /// lock is such a file.
    _file: FileBackend,
}

impl Lock {
    /// Takes the lock and writes the process id into its file.
    pub(super) fn take(dir: &Path) -> Result<Lock, OpenError> {
        let path = dir.join("lock");
        let system = |source| OpenError::system("lock", &path, source);
        let file = open_private(&path, private_file().create(true).truncate(false))?;
        let file = FileBackend::new(file).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => {
                OpenError::InUse { dir: dir.to_owned(), pid: pid_in(&path) }
            }
            DatabaseError::Storage(StorageError::Io(source)) => system(source),
            error => system(std::io::Error::other(error)),
        })?;
        // The process id is only informative: a full disk must not prevent a start.
        let text = format!("{}\n", std::process::id());
        let _ = file.set_len(0).and_then(|()| file.write(0, text.as_bytes()));
        Ok(Lock { _file: file })
    }
}

fn pid_in(path: &Path) -> Option<u32> {
    let (bytes, _) = crate::file::read_regular(path, MAX_PID_BYTES).ok()?;
    str::from_utf8(&bytes).ok()?.trim().parse().ok()
}
