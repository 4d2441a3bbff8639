//! A disk in virtual time, and everything that disks do to those who trust them. Knows nothing of
//! nodes.

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
/// - A batch is finished `latency` after it was submitted, and not before the one before it;
///   [`next_poll`](crate::store::Store::next_poll) says when. What is to become of it, is settled
///   when it is submitted.
/// - What was finished and need not be durable is safe only after the next durable batch, or after
///   a stop.
/// - While the disk is *full*, what is submitted fails when it is due. As little of it is there as
///   if it had never been submitted; but until another batch is finished, a
///   [`crash`](SimulatedDisk::crash) may find all of it there.
/// - While the disk *lies*, durable batches are reported as finished, and are not safe: a crash
///   loses everything after the last sync that was none of these.
/// - One store uses a disk at a time. [`open`](SimulatedDisk::open) without a crash before it is
///   what follows a clean stop: all that was submitted and does not fail is there. A crash, an
///   opening, a restoring and a wiping end the store before it: what it submits goes nowhere, and
///   it reports nothing.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Arc<Mutex<DiskState>>);

/// What a disk held once.
#[derive(Clone, Debug)]
pub struct DiskSnapshot(Contents);

#[derive(Debug, Default)]
struct DiskState {
    latency: Duration,
    is_full: bool,
    lies: bool,
    /// Whether whoever opens it finds that something is missing.
    is_doubted: bool,
    /// The number of the store that may use the disk.
    session: u64,
    /// What survives every crash.
    durable: Contents,
    /// Finished, but not safe; the oldest first.
    unsynced: Vec<Batch>,
    /// Reported as failed since the last one that was finished.
    failed: Vec<Batch>,
    /// Not reported yet; the oldest first.
    submitted: VecDeque<SubmittedBatch>,
    /// The highest version of each record that was ever said to be safe.
    promised: BTreeMap<(GroupName, NetId), Version>,
    faults: DiskFaults,
}

#[derive(Debug)]
struct SubmittedBatch {
    due: Time,
    batch: Batch,
    fails: bool,
    /// Whether its sync is one.
    is_synced: bool,
}

impl SimulatedDisk {
    /// An empty disk without latency and faults.
    #[must_use]
    pub fn new() -> SimulatedDisk {
        SimulatedDisk::default()
    }

    /// Starts a store on the disk: see [`SimulatedDisk`] for what becomes of the one before.
    #[must_use]
    pub fn open(&self) -> (MemoryStore, StoredState) {
        let mut state = self.lock();
        state.durable = state.contents_with(true);
        state.end_life();
        let doubt = state.is_doubted.then(|| "the simulated disk lacks what was stored last".to_owned());
        let stored = StoredState { suspected_loss: doubt, ..state.durable.stored() };
        // Whatever the store before left: it is here now.
        state.promise(stored.groups.iter().flat_map(|of| of.records().map(|record| (of.name(), record))));
        (MemoryStore::on(self.clone(), state.session), stored)
    }

    /// How long batches take that are submitted from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Whether what is submitted from now on fails for want of space.
    pub fn set_full(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    /// Whether the syncs of what is submitted from now on are lies.
    pub fn set_lies(&self, lies: bool) {
        self.lock().lies = lies;
    }

    /// Whether whoever opens the disk finds that something may be missing, until it says that it
    /// [trusts](crate::store::Store::exclude_loss) it. A disk does not find it by itself.
    pub fn set_loss_suspected(&self, is_doubted: bool) {
        self.lock().is_doubted = is_doubted;
    }

    /// The machine dies. `chance` decides, by its remainder, among all that may be left then, each
    /// as likely:
    ///
    /// - of the batches that are not safe, finished or not, the first few or none or all of them,
    ///   in their order; and if there is a next one that was not reported, it is, as often as not,
    ///   torn: it had been begun, which is found when the disk is read, so it is not there;
    /// - or all those that are finished, and one of those that were reported as failed since.
    ///
    /// After a lie only what was safe before it is left.
    pub fn crash(&self, chance: u64) {
        let mut state = self.lock();
        let state = &mut *state;
        let loose = std::mem::take(&mut state.unsynced);
        let mut failed = std::mem::take(&mut state.failed);
        let (failing, waiting): (Vec<SubmittedBatch>, Vec<SubmittedBatch>) =
            std::mem::take(&mut state.submitted).into_iter().partition(|waiting| waiting.fails);
        failed.extend(failing.into_iter().map(|waiting| waiting.batch));
        state.end_life();

        let (finished, unsafe_ones) = (loose.len(), loose.len() + waiting.len());
        // Durable ones that are loose are so by a lie.
        let has_lied = loose.iter().any(|batch| batch.durable);
        let outcomes = if has_lied { 1 } else { (unsafe_ones + 1 + failed.len()) as u64 };
        let (outcome, chance) = (usize::try_from(chance % outcomes).unwrap_or(0), chance / outcomes);
        let resurfaced = outcome.checked_sub(unsafe_ones + 1).and_then(|at| failed.get(at));
        let kept = if resurfaced.is_some() { finished } else { outcome };

        let all: Vec<Batch> =
            loose.into_iter().chain(waiting.into_iter().map(|waiting| waiting.batch)).collect();
        all.iter().take(kept).chain(resurfaced).for_each(|batch| state.durable.put(batch));
        state.faults.resurfaced += u64::from(resurfaced.is_some());
        let is_torn = chance % 2 == 1;
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

    /// What the disk holds for whoever reads it now: all that is finished. For
    /// [`restore`](SimulatedDisk::restore).
    #[must_use]
    pub fn snapshot(&self) -> DiskSnapshot {
        DiskSnapshot(self.lock().contents_with(false))
    }

    /// As [`snapshot`](SimulatedDisk::snapshot), to look at.
    #[must_use]
    pub fn stored(&self) -> StoredState {
        self.snapshot().0.stored()
    }

    /// The highest version of a member's record that the disk ever said would survive a loss of
    /// power, whatever became of it since.
    #[must_use]
    pub fn promised(&self, group: &GroupName, member: NetId) -> Option<Version> {
        self.lock().promised.get(&(group.clone(), member)).copied()
    }

    /// Brings back what the disk held once, and nothing else.
    pub fn restore(&self, snapshot: DiskSnapshot) {
        let mut state = self.lock();
        let is_other = state.contents_with(false) != snapshot.0;
        state.faults.stale += u64::from(is_other);
        state.durable = snapshot.0;
        state.end_life();
    }

    /// Loses everything.
    pub fn wipe(&self) {
        let mut state = self.lock();
        let had_any = state.contents_with(false) != Contents::default();
        state.faults.wiped += u64::from(had_any);
        state.durable = Contents::default();
        state.end_life();
    }

    /// What the disk has really done.
    #[must_use]
    pub fn faults(&self) -> DiskFaults {
        self.lock().faults
    }

    pub(super) fn submit(&self, life: u64, now: Time, batch: Batch) {
        let mut state = self.lock();
        if state.session == life {
            let after = state.submitted.back().map_or(Time::ZERO, |last| last.due);
            let (due, fails, is_synced) = ((now + state.latency).max(after), state.is_full, !state.lies);
            state.submitted.push_back(SubmittedBatch { due, batch, fails, is_synced });
        }
    }

    pub(super) fn finished(&self, life: u64, now: Time) -> Option<Result<(), StoreError>> {
        let mut state = self.lock();
        let is_due = state.session == life && state.submitted.front().is_some_and(|first| first.due <= now);
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
            let loose = std::mem::take(&mut state.unsynced);
            let records = loose.iter().flat_map(|batch| &batch.records);
            state.promise(records.map(|(group, record)| (group, record)));
            state.unsynced = loose;
        }
        if syncs {
            let state = &mut *state;
            state.unsynced.drain(..).for_each(|batch| state.durable.put(&batch));
        }
        Some(Ok(()))
    }

    pub(super) fn trust(&self, life: u64) {
        let mut state = self.lock();
        state.is_doubted &= state.session != life;
    }

    pub(super) fn due(&self, life: u64) -> Option<Time> {
        let state = self.lock();
        state.submitted.front().filter(|_| state.session == life).map(|first| first.due)
    }

    fn lock(&self) -> MutexGuard<'_, DiskState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskState {
    /// All that is finished; and, if asked for, all that will be.
    fn contents_with(&self, with_waiting: bool) -> Contents {
        let mut contents = self.durable.clone();
        let waiting = self.submitted.iter().filter(|waiting| with_waiting && !waiting.fails);
        let batches = self.unsynced.iter().chain(waiting.map(|waiting| &waiting.batch));
        batches.for_each(|batch| contents.put(batch));
        contents
    }

    /// These were said to be safe.
    fn promise<'a>(&mut self, records: impl Iterator<Item = (&'a GroupName, &'a Record)>) {
        for (group, record) in records {
            let promised = self.promised.entry((group.clone(), record.member())).or_insert(record.version());
            *promised = record.version().max(*promised);
        }
    }

    /// Ends the store that uses the disk, with all that it left.
    fn end_life(&mut self) {
        self.session += 1;
        self.unsynced.clear();
        self.failed.clear();
        self.submitted.clear();
    }
}
