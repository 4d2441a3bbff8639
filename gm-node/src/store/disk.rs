//! Disk store: a directory with one database file, written by its own thread.
//!
//! - The file is `gm.redb`, a database of the crate `redb`. Beside it, `lock` names the process
//!   that uses the directory, and `gm.last` the last commit. Only their owner can read them; a
//!   directory or file that other users may change is refused (see `permissions.rs`).
//! - All waiting batches are committed together, with one sync. A batch that need not be durable is
//!   finished at once: it stays in memory and is written with the next durable one, after about a
//!   second, or when the store is dropped.
//! - A batch that cannot be written fails as a whole, and the next one is tried anew: after a full
//!   disk has space again, no restart is needed.
//! - A database that lacks reported commits is used but [suspect](StoredState::suspected_loss): the
//!   node asks peers before it writes.
//! - Beyond the limit of file sizes (`ulimit -f`), the system ends a process that does not handle
//!   its signal SIGXFSZ. The daemon handles it, and embedding programs should; then the disk counts
//!   as full.
//! - A file that is damaged, of another program, or of a later version is refused and not changed:
//!   it is first examined in a copy in memory.
//!
//! Reading order: `rows.rs` (encoding), `database.rs` (the file), `catch_panic.rs` (its panics),
//! `lock.rs`, `commit_mark.rs` (the last commit), `worker.rs` (the thread).

mod catch_panic;
mod commit_mark;
mod database;
mod error;
#[cfg(test)]
mod faults;
mod lock;
mod rows;
mod worker;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use gm_broadcast::Time;

use commit_mark::{CommitMark, CommitMarkFile};
pub use error::OpenError;
use lock::Lock;
use worker::{Job, Worker};

use super::{Batch, Store, StoreError, StoredState};

/// Version of the directory format. A later one is refused.
pub const FORMAT: u64 = 1;

/// A store in a directory. Dropping it writes waiting batches and then releases the directory,
/// which takes as long as the disk needs.
///
/// [`submit`](Store::submit) never waits for the disk. Waiting batches are in memory, without a
/// limit: the caller must poll for results before it submits ever more.
pub struct DiskStore {
    dir: PathBuf,
    /// `None` while the store is being dropped.
    jobs: Option<Sender<Job>>,
    results: Receiver<Result<(), StoreError>>,
    /// Number of batches without a reported result.
    open: usize,
    thread: Option<JoinHandle<()>>,
}

impl DiskStore {
    /// Opens the directory, which is created if it does not exist, and reads all of it.
    ///
    /// # Errors An [`OpenError`]: another process uses the directory; other users may change it;
    /// its file is damaged, of another program, or of a later version; or the system reported an
    /// error.
    pub fn open(dir: &Path) -> Result<(DiskStore, StoredState), OpenError> {
        DiskStore::open_by(dir, Box::new(database::open_file))
    }

    /// The same as [`open`](DiskStore::open), with a different function to open the file: tests
    /// inject faults there.
    fn open_by(dir: &Path, opener: database::FileOpener) -> Result<(DiskStore, StoredState), OpenError> {
        database::make_dir(dir)?;
        let lock = Lock::take(dir)?;
        let file = database::file_in(dir);
        let recorded = commit_mark::read(dir)?;
        let exists = database::exists(&file)?;
        let (mut stored, mark) = if exists {
            database::examine(&file)?
        } else {
            let mark = CommitMark::first();
            database::create(dir, &StoredState::default(), mark)?;
            (StoredState::default(), Some(mark))
        };
        let (mark, mut suspicion) = commit_mark::detect_loss(mark, recorded);
        if !exists && suspicion.is_some() {
            suspicion =
                Some("the database of this directory is missing, and a new one was created".to_owned());
        }
        let database = database::open(&opener, &file)?;
        let last = CommitMarkFile::open(dir, mark, suspicion.is_some())?;
        let commits = (last, mark, suspicion.is_some());
        stored.suspected_loss = suspicion;
        let (jobs, for_worker) = channel();
        let (for_owner, results) = channel();
        let worker = Worker::new(file, opener, database, commits, for_worker, for_owner);
        let run = move || {
            worker.run();
            drop(lock);
        };
        let thread = std::thread::Builder::new().name("gm-disk".to_owned()).spawn(run);
        let thread = thread.map_err(|source| OpenError::system("start a thread for", dir, source))?;
        let store =
            DiskStore { dir: dir.to_owned(), jobs: Some(jobs), results, open: 0, thread: Some(thread) };
        Ok((store, stored))
    }

    /// Sets a function that the store's thread calls when [`poll_finished`](Store::poll_finished)
    /// has a result. It must not block. It is called once for all earlier results.
    pub fn wake_by(&mut self, waker: Box<dyn Fn() + Send + Sync>) {
        self.send_job(Job::SetWaker(waker));
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn send_job(&self, job: Job) {
        // If the thread has ended, `poll_finished` reports it.
        let _ = self.jobs.as_ref().map(|jobs| jobs.send(job));
    }
}

impl Store for DiskStore {
    fn submit(&mut self, _now: Time, batch: Batch) {
        self.open += 1;
        self.send_job(Job::Batch(batch));
    }

    fn poll_finished(&mut self, _now: Time) -> Option<Result<(), StoreError>> {
        use std::sync::mpsc::TryRecvError;

        if self.open == 0 {
            return None;
        }
        let result = match self.results.try_recv() {
            Ok(result) => result,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => {
                let file = database::file_in(&self.dir);
                Err(StoreError {
                    why: format!("the thread that writes {} has ended: restart", file.display()),
                })
            }
        };
        self.open -= 1;
        Some(result)
    }

    fn next_poll(&self) -> Option<Time> {
        None
    }

    fn set_waker(&mut self, waker: Box<dyn Fn() + Send + Sync>) {
        DiskStore::wake_by(self, waker);
    }

    fn exclude_loss(&mut self) {
        self.send_job(Job::ExcludeLoss);
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        drop(self.jobs.take());
        // A panic of the thread was printed already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskStore").field("dir", &self.dir).field("open", &self.open).finish_non_exhaustive()
    }
}

/// Content of a directory that no process uses. Does not change its file.
pub(crate) fn read(dir: &Path) -> Result<StoredState, OpenError> {
    let file = database::file_in(dir);
    if !database::exists(&file)? {
        return Err(OpenError::Absent { file });
    }
    database::make_dir(dir)?;
    let _lock = Lock::take(dir)?;
    Ok(database::examine(&file)?.0)
}

/// Creates a directory with this content, completely or not at all. When it is opened it is
/// suspect, since a restored dump may be old.
pub(crate) fn write(dir: &Path, stored: &StoredState) -> Result<(), OpenError> {
    database::make_dir(dir)?;
    let _lock = Lock::take(dir)?;
    let file = database::file_in(dir);
    if database::exists(&file)? {
        return Err(OpenError::Present { file });
    }
    commit_mark::remove(dir).map_err(|source| OpenError::system("replace what is in", dir, source))?;
    database::create(dir, stored, CommitMark::first().next())
}
