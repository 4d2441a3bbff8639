//! The writer thread: collects waiting batches, commits them together, and reports the results.
//!
//! A failed commit may be on disk nonetheless (the sync failed, but not the write). So after a
//! failure the database is reopened, and the next commit also restores the previous values of the
//! failed rows, unless it overwrites them: then nothing of the failed commit remains.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use redb::Database;

use super::commit_mark::{CommitMark, CommitMarkFile};
use super::database::{self, FileOpener, guarded};
use super::rows::{self, Rows};
use crate::store::{Batch, StoreError};

/// Maximum number of batches committed together, all of which fail if the commit does.
const MAX_TOGETHER: usize = 1_024;
/// Approximate time for which batches that need not be durable stay in memory.
const MAX_DEFERRED_TIME: Duration = Duration::from_secs(1);
/// Approximate maximum number of rows that stay in memory.
const MAX_DEFERRED_ROWS: usize = 4_096;

/// A message to the thread.
pub(super) enum Job {
    Batch(Batch),
    /// The database is no longer suspect.
    ExcludeLoss,
    SetWaker(Box<dyn Fn() + Send + Sync>),
}

/// State of the thread.
pub(super) struct Worker {
    file: PathBuf,
    opener: FileOpener,
    /// `None` after a failure, until the database is reopened.
    database: Option<Database>,
    jobs: Receiver<Job>,
    results: Sender<Result<(), StoreError>>,
    waker: Option<Box<dyn Fn() + Send + Sync>>,
    /// Rows that were reported as finished and are not on disk yet.
    deferred: Rows,
    /// Time of the first of them.
    deferred_since: Option<Instant>,
    /// Whether the last commit failed: then every batch must be on disk before it is reported.
    failing: bool,
    /// The commit mark file; the last commit number that was tried; whether the database is
    /// suspect.
    mark_file: CommitMarkFile,
    mark: CommitMark,
    is_suspect: bool,
}

impl Worker {
    pub(super) fn new(
        file: PathBuf,
        opener: FileOpener,
        database: Database,
        (last, mark, is_suspect): (CommitMarkFile, CommitMark, bool),
        jobs: Receiver<Job>,
        results: Sender<Result<(), StoreError>>,
    ) -> Worker {
        let (database, waker, deferred) = (Some(database), None, Rows::new());
        Worker {
            file,
            opener,
            database,
            jobs,
            results,
            waker,
            deferred,
            deferred_since: None,
            failing: false,
            mark_file: last,
            mark,
            is_suspect,
        }
    }

    /// Works until the owner drops the store.
    pub(super) fn run(mut self) {
        loop {
            match self.next() {
                Ok(job) => self.work(job),
                Err(RecvTimeoutError::Timeout) => {
                    self.flush();
                    self.mark_file.sync();
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.flush();
        self.mark_file.sync();
        self.close();
    }

    fn next(&self) -> Result<Job, RecvTimeoutError> {
        match [self.deferred_since, self.mark_file.unsynced_since()].into_iter().flatten().min() {
            None => self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(since) => self.jobs.recv_timeout(MAX_DEFERRED_TIME.saturating_sub(since.elapsed())),
        }
    }

    /// Takes a job, and all that wait behind it.
    fn work(&mut self, first: Job) {
        let (mut batches, mut job, mut exclude_loss) = (Vec::new(), Some(first), false);
        while let Some(taken) = job {
            match taken {
                Job::Batch(batch) => batches.push(batch),
                Job::ExcludeLoss => exclude_loss = true,
                Job::SetWaker(waker) => {
                    waker();
                    self.waker = Some(waker);
                }
            }
            job = if batches.len() < MAX_TOGETHER { self.jobs.try_recv().ok() } else { None };
        }
        if !batches.is_empty() {
            self.finish(&batches);
        }
        if exclude_loss && std::mem::replace(&mut self.is_suspect, false) {
            // If that fails, the next commit records it, or the next start is suspect again.
            let _ = self.commit(Rows::new());
        }
        if self.mark_file.unsynced_since().is_some_and(|since| since.elapsed() >= MAX_DEFERRED_TIME) {
            self.mark_file.sync();
        }
    }

    /// Stores batches, and reports the result of each.
    fn finish(&mut self, batches: &[Batch]) {
        let mut together = Rows::new();
        let mut results = Vec::new();
        for batch in batches {
            // A batch that cannot be encoded fails alone.
            let rows = rows::of_batch(batch).map_err(|error| self.error(&error.to_string()));
            results.push(rows.map(|mut rows| together.append(&mut rows)));
        }
        let is_durable = batches.iter().any(|batch| batch.durable);
        if is_durable || self.failing || self.deferred.len() + together.len() > MAX_DEFERRED_ROWS {
            if let Err(error) = self.commit(together) {
                results
                    .iter_mut()
                    .filter(|result| result.is_ok())
                    .for_each(|result| *result = Err(error.clone()));
            }
        } else if !together.is_empty() {
            self.deferred.append(&mut together);
            self.deferred_since.get_or_insert_with(Instant::now);
        }
        for result in results {
            // After the owner is dropped, no receiver is left.
            let _ = self.results.send(result);
        }
        if let Some(waker) = &self.waker {
            waker();
        }
    }

    /// Writes deferred rows. If that fails they remain deferred, and the next batch reports the
    /// error.
    fn flush(&mut self) {
        if !self.deferred.is_empty() {
            let _ = self.commit(Rows::new());
        }
    }

    /// Commits the deferred rows, and these rows over them. If that fails, only the former remain
    /// to be written.
    fn commit(&mut self, rows: Rows) -> Result<(), StoreError> {
        let mut all = self.deferred.clone();
        all.extend(rows);
        let mut before = Rows::new();
        // A failed commit may be on disk nonetheless, so its number is not reused.
        self.mark = self.mark.next();
        let mark = self.mark;
        let written = self
            .opened()
            .and_then(|database| guarded(|| database::write(database, &all, &mut before, mark)))
            .and_then(|()| self.mark_file.write(mark, self.is_suspect).map_err(|error| error.to_string()));
        self.failing = written.is_err();
        match written {
            Ok(()) => {
                self.deferred.clear();
                self.deferred_since = None;
                Ok(())
            }
            Err(why) => {
                self.close();
                for (row, old) in before {
                    self.deferred.entry(row).or_insert(old);
                }
                // Retried after a while, even without a new batch.
                self.deferred_since = (!self.deferred.is_empty()).then(Instant::now);
                Err(self.error(&why))
            }
        }
    }

    /// The database, reopened after a failure.
    fn opened(&mut self) -> Result<&Database, String> {
        let database = match self.database.take() {
            Some(database) => database,
            None => guarded(|| Ok((self.opener)(&self.file)?))?,
        };
        Ok(self.database.insert(database))
    }

    /// Closes the database, which may write too.
    fn close(&mut self) {
        let database = self.database.take();
        let _ = guarded(|| {
            drop(database);
            Ok(())
        });
    }

    fn error(&self, why: &str) -> StoreError {
        StoreError { why: format!("cannot write {}: {why}", self.file.display()) }
    }
}
