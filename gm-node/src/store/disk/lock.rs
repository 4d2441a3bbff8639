//! One process per directory: a lock on a file in it. Knows nothing of what the directory holds.

use std::path::Path;

use redb::backends::FileBackend;
use redb::{DatabaseError, StorageBackend, StorageError};

use super::OpenError;
use super::database::{open_private, private_file};

/// Bytes of the number of a process, at most.
const LONGEST: u64 = 32;

/// A directory in use. The system ends it with the process, however that ends; the file stays.
#[derive(Debug)]
pub(super) struct Lock {
    /// The database's crate locks what it opens as a file, on every system that it knows: so the
    /// lock is such a file.
    _file: FileBackend,
}

impl Lock {
    /// Takes the lock, and writes into its file who did.
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
        // Who it is, is a help for people: a full disk does not keep a node from starting.
        let text = format!("{}\n", std::process::id());
        let _ = file.set_len(0).and_then(|()| file.write(0, text.as_bytes()));
        Ok(Lock { _file: file })
    }
}

fn pid_in(path: &Path) -> Option<u32> {
    let (bytes, _) = crate::file::read_regular(path, LONGEST).ok()?;
    str::from_utf8(&bytes).ok()?.trim().parse().ok()
}
