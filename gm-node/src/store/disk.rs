//! A directory as storage: one file, which a thread writes. Knows nothing of groups, and nothing of
//! what a batch is for.
//!
//! - The file is `gm.redb`, a database of the crate `redb`; `lock` beside it says which process
//!   uses the directory, and `gm.last` which commit was the last. They can be read by their owner
//!   alone, and a directory or a file that others may change is refused: see
//!   [`guard`](crate::guard).
//! - Batches that wait are committed together, with one sync. A batch that need not be durable is
//!   finished at once: it is kept in memory and goes to the disk with the next durable one, at
//!   latest after about a second or when the store is dropped.
//! - What cannot be written is refused whole, and the next batch is tried anew: a disk that has
//!   room again needs no restart.
//! - A database that lacks commits that were reported is used, and
//!   [doubted](StoredState::suspected_loss): then the node asks others before it writes.
//! - Beyond the limit of file sizes (`ulimit -f`) the system ends a process that does not handle
//!   its signal SIGXFSZ; the daemon does, and whoever embeds this should. Then it is as if the disk
//!   were full.
//! - A file that is damaged, of another program or of a later version is refused and not touched:
//!   it is looked at in memory first.
//!
//! Reading order: `rows.rs` (what is stored as what), `database.rs` (the file), `catch_panic.rs`
//! (its panics), `lock.rs`, `commit_mark.rs` (which commit was the last), `worker.rs` (the thread).

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

/// Version of what is written to a directory. A later one is refused.
pub const FORMAT: u64 = 1;

/// A directory as storage. Dropping it writes what waits, and then lets another process use the
/// directory: that takes as long as the disk does.
///
/// [`submit`](Store::submit) never waits for the disk. What waits is in memory: there is no bound
/// but that whoever submits does not submit for ever without asking what is finished.
pub struct DiskStore {
    dir: PathBuf,
    /// Nothing once the store is being dropped.
    jobs: Option<Sender<Job>>,
    results: Receiver<Result<(), StoreError>>,
    /// Batches of which nothing was reported yet.
    open: usize,
    thread: Option<JoinHandle<()>>,
}

impl DiskStore {
    /// Opens the directory, which is made if it is not there, and reads all of it.
    ///
    /// # Errors
    /// An [`OpenError`]: another process uses it; others may change it; its file is damaged, or of
    /// another program or a later version; what the system said.
    pub fn open(dir: &Path) -> Result<(DiskStore, StoredState), OpenError> {
        DiskStore::open_by(dir, Box::new(database::open_file))
    }

    /// As [`open`](DiskStore::open), by another way to open a file: tests put faults there.
    fn open_by(dir: &Path, door: database::FileOpener) -> Result<(DiskStore, StoredState), OpenError> {
        database::make_dir(dir)?;
        let lock = Lock::take(dir)?;
        let file = database::file_in(dir);
        let said = commit_mark::read(dir)?;
        let is_there = database::is_there(&file)?;
        let (mut stored, mark) = if is_there {
            database::examine(&file)?
        } else {
            let mark = CommitMark::first();
            database::create(dir, &StoredState::default(), mark)?;
            (StoredState::default(), Some(mark))
        };
        let (mark, mut doubt) = commit_mark::detect_loss(mark, said);
        if !is_there && doubt.is_some() {
            doubt = Some("the database that was in the directory is gone, and a new one begins".to_owned());
        }
        let database = database::open(&door, &file)?;
        let last = CommitMarkFile::open(dir, mark, doubt.is_some())?;
        let commits = (last, mark, doubt.is_some());
        stored.suspected_loss = doubt;
        let (jobs, for_worker) = channel();
        let (for_owner, results) = channel();
        let worker = Worker::new(file, door, database, commits, for_worker, for_owner);
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

    /// What is called, by the store's own thread, after there is something to ask
    /// [`poll_finished`](Store::poll_finished) for. It must not wait for anything. It is called
    /// once for what was finished before.
    pub fn wake_by(&mut self, waker: Box<dyn Fn() + Send + Sync>) {
        self.send_job(Job::WakeBy(waker));
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn send_job(&self, job: Job) {
        // If the thread is no more, `finished` says so.
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
        self.send_job(Job::Trust);
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        drop(self.jobs.take());
        // A thread that panicked has said so already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskStore").field("dir", &self.dir).field("open", &self.open).finish_non_exhaustive()
    }
}

/// What a directory holds that no process uses. Changes nothing in its file.
pub(crate) fn read(dir: &Path) -> Result<StoredState, OpenError> {
    let file = database::file_in(dir);
    if !database::is_there(&file)? {
        return Err(OpenError::Absent { file });
    }
    database::make_dir(dir)?;
    let _lock = Lock::take(dir)?;
    Ok(database::examine(&file)?.0)
}

/// Makes a directory that holds that: wholly or not at all. Whoever opens it doubts it, as what is
/// brought back may be old.
pub(crate) fn write(dir: &Path, stored: &StoredState) -> Result<(), OpenError> {
    database::make_dir(dir)?;
    let _lock = Lock::take(dir)?;
    let file = database::file_in(dir);
    if database::is_there(&file)? {
        return Err(OpenError::Present { file });
    }
    commit_mark::remove(dir).map_err(|source| OpenError::system("replace what is in", dir, source))?;
    database::create(dir, stored, CommitMark::first().next())
}
