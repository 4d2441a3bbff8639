//! Campaigns: many seeds, run on a few threads, and the report on all of them.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use gm_broadcast::Time;

use crate::checker::{Violation, ViolationKind};
use crate::fault::{FaultClass, FaultCounts};
use crate::world::Run;

/// The seeds to run, and the faults that must occur in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// Seeds; the end is excluded.
    pub seeds: Range<u64>,
    /// Number of threads; at least one is used.
    pub threads: usize,
    /// Fault classes that must occur.
    pub classes: Vec<FaultClass>,
    /// Minimum percentage of runs in which each of these classes must occur.
    pub min_percent: u64,
    /// The command that replays a seed; the seed is appended.
    pub replay: String,
}

/// Result of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignReport {
    /// The campaign that was run.
    pub campaign: Campaign,
    /// Results of all runs, by seed.
    pub runs: Vec<Run>,
}

impl Campaign {
    /// Runs every seed. A panic becomes a run that ended as a crash.
    pub fn run(&self, run: impl Fn(u64) -> Run + Sync) -> CampaignReport {
        let next = AtomicU64::new(self.seeds.start);
        let one = |seed| {
            catch_unwind(AssertUnwindSafe(|| run(seed))).unwrap_or_else(|panic| crashed(seed, panic.as_ref()))
        };
        let work = || {
            let mut runs = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= self.seeds.end {
                    return runs;
                }
                runs.push(one(seed));
            }
        };
        let mut runs = thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads.max(1)).map(|_| scope.spawn(work)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect::<Vec<_>>()
        });
        runs.sort_by_key(|run| run.seed);
        CampaignReport { campaign: self.clone(), runs }
    }
}

fn crashed(seed: u64, panic: &(dyn Any + Send)) -> Run {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let what = text
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned());
    let violation =
        Violation { kind: ViolationKind::Crash, checker: "panic".to_owned(), message: what, at: Time::ZERO };
    Run {
        seed,
        trace: 0,
        tally: FaultCounts::default(),
        events: 0,
        time: Time::ZERO,
        outcome: Err(violation),
    }
}

impl CampaignReport {
    /// The runs that ended with a violation.
    pub fn failures(&self) -> impl Iterator<Item = (&Run, &Violation)> {
        self.runs.iter().filter_map(|run| run.outcome.as_ref().err().map(|violation| (run, violation)))
    }

    /// Number of runs in which a fault of the class occurred.
    #[must_use]
    pub fn runs_with(&self, class: FaultClass) -> u64 {
        self.runs.iter().filter(|run| run.tally.get(class) > 0).count() as u64
    }

    /// The classes that occurred in too few runs.
    pub fn missing(&self) -> impl Iterator<Item = FaultClass> {
        let min = self.campaign.min_percent * self.runs.len() as u64;
        self.campaign.classes.iter().copied().filter(move |class| self.runs_with(*class) * 100 < min)
    }

    /// Whether no run failed and no class is missing.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.failures().next().is_none() && self.missing().next().is_none()
    }

    /// Hash over all traces, in order of seed.
    #[must_use]
    pub fn trace(&self) -> u64 {
        let mut mixer = crate::trace::WordHasher::new();
        self.runs.iter().for_each(|run| mixer.number(run.trace));
        mixer.value()
    }

    /// Exit code of a command: 0 if good, 2 if a class is missing, else the code of the worst
    /// violation ([`ViolationKind::exit_code`]), a crash first.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let worst = self.failures().map(|(_, violation)| violation.kind).min();
        worst.map_or(if self.is_good() { 0 } else { 2 }, ViolationKind::exit_code)
    }
}

impl fmt::Display for CampaignReport {
    /// Writes a table of the faults, the sums, and each failure. The last line is the command that
    /// replays the first failure.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seeds = self.runs.len() as u64;
        writeln!(f, "{:<18} {:>7} {:>6} {:>12}", "fault", "seeds", "share", "times")?;
        for class in &self.campaign.classes {
            let happened = self.runs_with(*class);
            let times: u64 = self.runs.iter().map(|run| run.tally.get(*class)).sum();
            let share = happened * 100 / seeds.max(1);
            let verdict = if self.missing().any(|missing| missing == *class) { "  too few" } else { "" };
            writeln!(f, "{class:<18} {happened:>7} {share:>5}% {times:>12}{verdict}")?;
        }
        let events: u64 = self.runs.iter().map(|run| run.events).sum();
        let time: u64 = self.runs.iter().map(|run| run.time.as_nanos() / 1_000_000_000).sum();
        let Range { start, end } = self.campaign.seeds;
        writeln!(
            f,
            "seeds {start}..{end}: {seeds} runs, {events} events, {time} s of virtual time, trace {:016x}",
            self.trace()
        )?;
        let wrong = |wrong| self.failures().filter(|(_, violation)| violation.kind == wrong).count();
        let (crash, safety, liveness) =
            (wrong(ViolationKind::Crash), wrong(ViolationKind::Safety), wrong(ViolationKind::Liveness));
        writeln!(f, "failures: {crash} crash, {safety} safety, {liveness} liveness")?;
        for (run, violation) in self.failures() {
            writeln!(f, "seed {} (trace {:016x}): {violation}", run.seed, run.trace)?;
        }
        match self.failures().next() {
            Some((run, _)) => writeln!(f, "{} {}", self.campaign.replay, run.seed),
            None => Ok(()),
        }
    }
}
