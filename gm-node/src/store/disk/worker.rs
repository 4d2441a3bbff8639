//! The thread that writes: it gathers what waits, commits it together, and says what became of it.
//! Knows nothing of what is in a batch.
//!
//! A failed commit may be on the disk all the same (the sync failed, the write did not). So after
//! one the database is opened anew, and what its rows were before goes into the next commit, under
//! whatever that one writes: then nothing of what failed is left.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use redb::Database;

use super::commit_mark::{CommitMark, CommitMarkFile};
use super::database::{self, FileOpener, guarded};
use super::rows::{self, Rows};
use crate::store::{Batch, StoreError};

/// Batches that are committed together, at most: what a failure takes with it.
const TOGETHER: usize = 1_024;
/// How long what need not be durable stays in memory, about.
const LAZY: Duration = Duration::from_secs(1);
/// Rows that stay in memory, about.
const MAX_DEFERRED_ROWS: usize = 4_096;

/// What the thread is told.
pub(super) enum Job {
    Batch(Batch),
    /// The database is doubted no longer.
    Trust,
    WakeBy(Box<dyn Fn() + Send + Sync>),
}

/// The thread's state.
pub(super) struct Worker {
    file: PathBuf,
    opener: FileOpener,
    /// Nothing after a failure, until it could be opened again.
    database: Option<Database>,
    jobs: Receiver<Job>,
    results: Sender<Result<(), StoreError>>,
    waker: Option<Box<dyn Fn() + Send + Sync>>,
    /// What was reported as finished and is not on the disk yet.
    deferred: Rows,
    /// Since when there is any.
    deferred_since: Option<Instant>,
    /// Whether the last commit failed: then nothing is reported as finished that is not on the
    /// disk.
    failing: bool,
    /// Where it is said which commit was the last; the number of the last that was tried; whether
    /// the database is doubted.
    mark_file: CommitMarkFile,
    mark: CommitMark,
    is_doubted: bool,
}

impl Worker {
    pub(super) fn new(
        file: PathBuf,
        door: FileOpener,
        database: Database,
        (last, mark, is_doubted): (CommitMarkFile, CommitMark, bool),
        jobs: Receiver<Job>,
        results: Sender<Result<(), StoreError>>,
    ) -> Worker {
        let (database, waker, lazy) = (Some(database), None, Rows::new());
        Worker {
            file,
            opener: door,
            database,
            jobs,
            results,
            waker,
            deferred: lazy,
            deferred_since: None,
            failing: false,
            mark_file: last,
            mark,
            is_doubted,
        }
    }

    /// Works until the owner is gone.
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
            Some(since) => self.jobs.recv_timeout(LAZY.saturating_sub(since.elapsed())),
        }
    }

    /// Takes a job and all that wait behind it.
    fn work(&mut self, first: Job) {
        let (mut batches, mut job, mut trust) = (Vec::new(), Some(first), false);
        while let Some(taken) = job {
            match taken {
                Job::Batch(batch) => batches.push(batch),
                Job::Trust => trust = true,
                Job::WakeBy(waker) => {
                    waker();
                    self.waker = Some(waker);
                }
            }
            job = if batches.len() < TOGETHER { self.jobs.try_recv().ok() } else { None };
        }
        if !batches.is_empty() {
            self.finish(&batches);
        }
        if trust && std::mem::replace(&mut self.is_doubted, false) {
            // If it cannot be written, the next commit says it, or the next start doubts again.
            let _ = self.commit(Rows::new());
        }
        if self.mark_file.unsynced_since().is_some_and(|since| since.elapsed() >= LAZY) {
            self.mark_file.sync();
        }
    }

    /// Sees to those batches, and says what became of each.
    fn finish(&mut self, batches: &[Batch]) {
        let mut together = Rows::new();
        let mut results = Vec::new();
        for batch in batches {
            // A batch that cannot be said at all fails alone.
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
            // Nobody asks any more if the owner is gone.
            let _ = self.results.send(result);
        }
        if let Some(waker) = &self.waker {
            waker();
        }
    }

    /// Writes what stayed in memory. If it cannot be written it stays there, and the next batch is
    /// told.
    fn flush(&mut self) {
        if !self.deferred.is_empty() {
            let _ = self.commit(Rows::new());
        }
    }

    /// Commits what stayed in memory, and over it those rows. If that fails, only the former is
    /// still to be written.
    fn commit(&mut self, rows: Rows) -> Result<(), StoreError> {
        let mut all = self.deferred.clone();
        all.extend(rows);
        let mut before = Rows::new();
        // A commit that failed may be there all the same: its number is not used again.
        self.mark = self.mark.next();
        let mark = self.mark;
        let written = self
            .opened()
            .and_then(|database| guarded(|| database::write(database, &all, &mut before, mark)))
            .and_then(|()| self.mark_file.write(mark, self.is_doubted).map_err(|error| error.to_string()));
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
                // Tried again after a while, though nobody should ask.
                self.deferred_since = (!self.deferred.is_empty()).then(Instant::now);
                Err(self.error(&why))
            }
        }
    }

    /// The database, opened anew if it has failed.
    fn opened(&mut self) -> Result<&Database, String> {
        let database = match self.database.take() {
            Some(database) => database,
            None => guarded(|| Ok((self.opener)(&self.file)?))?,
        };
        Ok(self.database.insert(database))
    }

    /// Closes the database, which may write something too.
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
