//! Simulated disk: a disk in virtual time with all faults of real disks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, Record, Version};

use super::contents::Contents;
use super::{DiskFaults, MemoryStore};
use crate::store::{Batch, StoreError, StoredState};

/// A disk that outlives the nodes on it. Clones are the same disk.
///
/// - A batch is finished `latency` after it was submitted, and never before an earlier one;
///   [`next_poll`](crate::store::Store::next_poll) returns the time. Its result is decided when it
///   is submitted.
/// - A finished batch that need not be durable is safe only after the next durable batch, or after
///   a clean stop.
/// - While the disk is *full*, submitted batches fail when they are due. Nothing of them is stored;
///   but until another batch is finished, a [`crash`](SimulatedDisk::crash) may leave one of them
///   on disk.
/// - While the disk *lies*, durable batches are reported as finished but are not safe: a crash
///   loses everything after the last honest sync.
/// - One store uses a disk at a time. [`open`](SimulatedDisk::open) without a previous crash is a
///   start after a clean stop: all submitted batches that do not fail are stored. A crash, an
///   opening, a restore or a wipe ends the previous store: it ignores what is submitted, and
///   reports nothing.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Arc<Mutex<DiskState>>);

/// A former content of a disk.
#[derive(Clone, Debug)]
pub struct DiskSnapshot(Contents);

#[derive(Debug, Default)]
struct DiskState {
    latency: Duration,
    is_full: bool,
    lies: bool,
    /// Whether the store is suspect when it is opened.
    is_suspect: bool,
    /// Number of the store that may use the disk.
    session: u64,
    /// Content that survives every crash.
    durable: Contents,
    /// Finished, but not safe; the oldest first.
    unsynced: Vec<Batch>,
    /// Batches reported as failed since the last finished one.
    failed: Vec<Batch>,
    /// Not reported yet; the oldest first.
    submitted: VecDeque<SubmittedBatch>,
    /// The greatest version of each record that was ever reported as safe.
    promised: BTreeMap<(GroupName, NetId), Version>,
    faults: DiskFaults,
}

#[derive(Debug)]
struct SubmittedBatch {
    due: Time,
    batch: Batch,
    fails: bool,
    /// Whether its sync is honest.
    is_synced: bool,
}

impl SimulatedDisk {
    /// An empty disk without latency or faults.
    #[must_use]
    pub fn new() -> SimulatedDisk {
        SimulatedDisk::default()
    }

    /// Starts a store on the disk; see [`SimulatedDisk`] for the fate of the previous one.
    #[must_use]
    pub fn open(&self) -> (MemoryStore, StoredState) {
        let mut state = self.lock();
        state.durable = state.contents_with(true);
        state.end_session();
        let suspicion = state.is_suspect.then(|| "the simulated disk lacks what was stored last".to_owned());
        let stored = StoredState { suspected_loss: suspicion, ..state.durable.stored() };
        // Whatever the previous store left is safe now.
        state.promise(stored.groups.iter().flat_map(|of| of.records().map(|record| (of.name(), record))));
        (MemoryStore::on(self.clone(), state.session), stored)
    }

    /// Sets the latency of batches that are submitted from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Sets whether batches that are submitted from now on fail because the disk is full.
    pub fn set_full(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    /// Sets whether the syncs of batches that are submitted from now on are lies.
    pub fn set_lies(&self, lies: bool) {
        self.lock().lies = lies;
    }

    /// Sets whether the store is suspect when it is opened, until a node [clears the
    /// suspicion](crate::store::Store::exclude_loss). The disk does not detect losses by itself.
    pub fn set_loss_suspected(&self, is_suspect: bool) {
        self.lock().is_suspect = is_suspect;
    }

    /// Crashes the machine. `random`, a random number, selects by its remainder among all possible
    /// contents, each equally likely:
    ///
    /// - of the batches that are not safe, finished or not, a prefix in their order, which may be
    ///   empty or complete; if the next one was not reported, it is torn in half of the cases: its
    ///   write had begun, which is detected when the disk is read, so it is lost;
    /// - or all finished batches, and one of those reported as failed since.
    ///
    /// After a lie, only what was safe before it is left.
    pub fn crash(&self, random: u64) {
        let mut state = self.lock();
        let state = &mut *state;
        let unsynced = std::mem::take(&mut state.unsynced);
        let mut failed = std::mem::take(&mut state.failed);
        let (failing, waiting): (Vec<SubmittedBatch>, Vec<SubmittedBatch>) =
            std::mem::take(&mut state.submitted).into_iter().partition(|waiting| waiting.fails);
        failed.extend(failing.into_iter().map(|waiting| waiting.batch));
        state.end_session();

        let (finished, at_risk) = (unsynced.len(), unsynced.len() + waiting.len());
        // Durable batches that are not safe are due to a lie.
        let has_lied = unsynced.iter().any(|batch| batch.durable);
        let outcomes = if has_lied { 1 } else { (at_risk + 1 + failed.len()) as u64 };
        let (outcome, random) = (usize::try_from(random % outcomes).unwrap_or(0), random / outcomes);
        let resurfaced = outcome.checked_sub(at_risk + 1).and_then(|at| failed.get(at));
        let kept = if resurfaced.is_some() { finished } else { outcome };

        let all: Vec<Batch> =
            unsynced.into_iter().chain(waiting.into_iter().map(|waiting| waiting.batch)).collect();
        all.iter().take(kept).chain(resurfaced).for_each(|batch| state.durable.put(batch));
        state.faults.resurfaced += u64::from(resurfaced.is_some());
        let is_torn = random % 2 == 1;
        for (at, batch) in all.iter().enumerate().skip(kept) {
            let faults = &mut state.faults;
            let counted = match (at < finished, batch.durable) {
                (true, true) => &mut faults.lied,
                (true, false) => &mut faults.unsynced,
                (false, _) if at == kept && is_torn => &mut faults.torn,
                (false, _) => &mut faults.unfinished,
            };
            *counted += 1;
        }
    }

    /// The current content of the disk: all finished batches. For
    /// [`restore`](SimulatedDisk::restore).
    #[must_use]
    pub fn snapshot(&self) -> DiskSnapshot {
        DiskSnapshot(self.lock().contents_with(false))
    }

    /// The same as [`snapshot`](SimulatedDisk::snapshot), for inspection.
    #[must_use]
    pub fn stored(&self) -> StoredState {
        self.snapshot().0.stored()
    }

    /// The greatest version of a member's record that the disk ever reported as surviving a power
    /// loss.
    #[must_use]
    pub fn promised(&self, group: &GroupName, member: NetId) -> Option<Version> {
        self.lock().promised.get(&(group.clone(), member)).copied()
    }

    /// Restores a former content.
    pub fn restore(&self, snapshot: DiskSnapshot) {
        let mut state = self.lock();
        let is_other = state.contents_with(false) != snapshot.0;
        state.faults.stale += u64::from(is_other);
        state.durable = snapshot.0;
        state.end_session();
    }

    /// Erases the content.
    pub fn wipe(&self) {
        let mut state = self.lock();
        let had_any = state.contents_with(false) != Contents::default();
        state.faults.wiped += u64::from(had_any);
        state.durable = Contents::default();
        state.end_session();
    }

    /// Counts of the injected faults.
    #[must_use]
    pub fn faults(&self) -> DiskFaults {
        self.lock().faults
    }

    pub(super) fn submit(&self, session: u64, now: Time, batch: Batch) {
        let mut state = self.lock();
        if state.session == session {
            let after = state.submitted.back().map_or(Time::ZERO, |last| last.due);
            let (due, fails, is_synced) = ((now + state.latency).max(after), state.is_full, !state.lies);
            state.submitted.push_back(SubmittedBatch { due, batch, fails, is_synced });
        }
    }

    pub(super) fn finished(&self, session: u64, now: Time) -> Option<Result<(), StoreError>> {
        let mut state = self.lock();
        let is_due =
            state.session == session && state.submitted.front().is_some_and(|first| first.due <= now);
        let SubmittedBatch { batch, fails, is_synced, .. } =
            if is_due { state.submitted.pop_front()? } else { return None };
        if fails {
            state.faults.failed += 1;
            state.failed.push(batch);
            return Some(Err(StoreError { why: "no space left on the simulated disk".to_owned() }));
        }
        state.failed.clear();
        let (durable, syncs) = (batch.durable, batch.durable && is_synced);
        state.unsynced.push(batch);
        if durable {
            let unsynced = std::mem::take(&mut state.unsynced);
            let records = unsynced.iter().flat_map(|batch| &batch.records);
            state.promise(records.map(|(group, record)| (group, record)));
            state.unsynced = unsynced;
        }
        if syncs {
            let state = &mut *state;
            state.unsynced.drain(..).for_each(|batch| state.durable.put(&batch));
        }
        Some(Ok(()))
    }

    pub(super) fn exclude_loss(&self, session: u64) {
        let mut state = self.lock();
        state.is_suspect &= state.session != session;
    }

    pub(super) fn due(&self, session: u64) -> Option<Time> {
        let state = self.lock();
        state.submitted.front().filter(|_| state.session == session).map(|first| first.due)
    }

    fn lock(&self) -> MutexGuard<'_, DiskState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskState {
    /// The content after all finished batches and, with `with_waiting`, those that will finish.
    fn contents_with(&self, with_waiting: bool) -> Contents {
        let mut contents = self.durable.clone();
        let waiting = self.submitted.iter().filter(|waiting| with_waiting && !waiting.fails);
        let batches = self.unsynced.iter().chain(waiting.map(|waiting| &waiting.batch));
        batches.for_each(|batch| contents.put(batch));
        contents
    }

    /// Notes that these records were reported as safe.
    fn promise<'a>(&mut self, records: impl Iterator<Item = (&'a GroupName, &'a Record)>) {
        for (group, record) in records {
            let promised = self.promised.entry((group.clone(), record.member())).or_insert(record.version());
            *promised = record.version().max(*promised);
        }
    }

    /// Ends the session of the store that uses the disk, with all its waiting batches.
    fn end_session(&mut self) {
        self.session += 1;
        self.unsynced.clear();
        self.failed.clear();
        self.submitted.clear();
    }
}
