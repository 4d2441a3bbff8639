//! The scene of a writer that is killed at random instants: every write that was acknowledged is
//! there afterwards, on it and on another.

use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};

use crate::net::clusters::{DaemonCluster, GROUP, Ranges, range_argument, seconds};
use crate::net::waiting::{PATIENCE, wait_for};

/// A life of the writer ends at most so long after it answers.
const LONGEST: u64 = 400;
/// Ranges that are served, and not, and preferred.
const RANGES: u32 = 24;

/// One write, of one range.
#[derive(Clone, Copy, Debug)]
enum RandomWrite {
    Serve(u32, u16),
    Unserve(u32),
    Priority(u32, u16),
}

/// How much was written, and what became of it.
#[derive(Debug, Default)]
struct Totals {
    acknowledged: u32,
    /// Not even taken: it was gone already.
    too_late: u32,
    /// Taken, not answered, and there afterwards.
    there: u32,
    /// From each restart until another held the same.
    times: Vec<Duration>,
}

/// The writer has a directory; of the two others one has none.
pub(super) fn writer(stage: &mut DaemonCluster, kills: u32) -> Result<()> {
    let islands = stage.islands(&[3])?;
    let all = stage.start_all(&islands[0], &[])?;
    stage.wait_peers(&all, 2)?;
    let (writer, other) = (all[0], all[1]);
    // Others hold the group whole: they are members.
    for number in &all[1..] {
        stage.node(*number)?.ok(&["join", GROUP])?;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap_or_default() | 1;
    let mut chance = Rng(seed);
    let (mut model, mut sums) = (Ranges::new(), Totals::default());
    for kill in 0..kills {
        let life = run_until_killed(stage, writer, &mut chance, &mut model, &mut sums)
            .and_then(|last| check_after_restart(stage, writer, other, &mut model, last, &mut sums));
        life.with_context(|| format!("kill {} of {kills}, seed {seed}", kill + 1))?;
    }
    let Totals { acknowledged, too_late, there, mut times } = sums;
    times.sort();
    ensure!(acknowledged > kills, "only {acknowledged} writes were acknowledged");
    stage.add_remark(format!(
        "{kills} kills (seed {seed}), {acknowledged} writes acknowledged, all there; {} more were cut off in between, {there} of them were there; \
         another agreed {} after a restart in the median, {} at latest",
        kills - too_late,
        seconds(times.get(times.len() / 2).copied().unwrap_or_default()),
        seconds(times.last().copied().unwrap_or_default())
    ));
    Ok(())
}

/// Writes until the writer is killed. Changes the model by what was acknowledged; the write that
/// was not is returned.
fn run_until_killed(
    stage: &mut DaemonCluster,
    writer: usize,
    chance: &mut Rng,
    model: &mut Ranges,
    sums: &mut Totals,
) -> Result<RandomWrite> {
    let pid = stage.node(writer)?.pid()?.to_string();
    let life = Duration::from_micros(chance.below(LONGEST * 1_000));
    let killer = std::thread::spawn(move || {
        // The instant of the kill, not a wait for anything.
        std::thread::sleep(life);
        Command::new("kill").args(["-KILL", &pid]).status()
    });
    let cut_off = loop {
        let write = draw(chance, model);
        let said = stage.node(writer)?.cli(&words(write).iter().map(String::as_str).collect::<Vec<_>>())?;
        match said.code {
            // Whoever timed out or settled short was told that it stands.
            0 | 4 => {
                apply(model, write);
                sums.acknowledged += 1;
            }
            // Not reached, or cut off: then it is not known whether the write stands.
            3 | 5 => {
                sums.too_late += u32::from(said.text.contains("no daemon at"));
                break write;
            }
            code => bail!("{write:?} ended with {code}: {}", said.text.trim()),
        }
    };
    let killed = killer.join().ok().context("the killer did not come back")?;
    ensure!(killed.context("cannot start kill")?.success(), "the writer was not there to be killed");
    stage.node_mut(writer)?.kill()?;
    Ok(cut_off)
}

/// Starts it again: what it holds is what was acknowledged, with or without the write that was cut
/// off; another comes to hold the same.
fn check_after_restart(
    stage: &mut DaemonCluster,
    writer: usize,
    other: usize,
    model: &mut Ranges,
    cut_off: RandomWrite,
    sums: &mut Totals,
) -> Result<()> {
    let start = Instant::now();
    stage.run(&[writer])?;
    let me = stage.node(writer)?.me.to_string();
    let mut with = model.clone();
    apply(&mut with, cut_off);
    // A group that was never written in is not there.
    let held = if with.is_empty() && model.is_empty() { Ranges::new() } else { holds(stage, writer, &me)? };
    if held == with {
        sums.there += 1;
    } else {
        ensure!(held == *model, "{me} holds {held:?}, acknowledged is {model:?}, cut off was {cut_off:?}");
    }
    *model = held;
    let mut seen = Ranges::new();
    let agreed = wait_for("another to hold the same", PATIENCE, || {
        seen = holds(stage, other, &me)?;
        Ok(seen == *model)
    });
    agreed.with_context(|| format!("it holds {seen:?}, the writer {model:?}"))?;
    sums.times.push(start.elapsed());
    Ok(())
}

/// What one holds of the writer; nothing if it does not hold the group.
fn holds(stage: &DaemonCluster, by: usize, writer: &str) -> Result<Ranges> {
    let status = stage.node(by)?.ok(&["status"])?;
    let groups = status["groups"].as_array().context("a status has groups")?;
    if groups.iter().any(|group| group["name"] == GROUP) {
        stage.served(by, GROUP, writer)
    } else {
        Ok(Ranges::new())
    }
}

/// A write that changes something.
fn draw(chance: &mut Rng, model: &Ranges) -> RandomWrite {
    let start = u32::try_from(chance.below(RANGES.into())).unwrap_or_default() * 256;
    let number = u16::try_from(1 + chance.below(60_000)).unwrap_or(1);
    match (model.contains_key(&range(start)), chance.below(3)) {
        (false, _) => RandomWrite::Serve(start, number),
        (true, 0) => RandomWrite::Unserve(start),
        (true, _) => RandomWrite::Priority(start, number),
    }
}

fn range(start: u32) -> (u32, u32) {
    (start, start + 255)
}

fn words(write: RandomWrite) -> Vec<String> {
    let (RandomWrite::Serve(start, _) | RandomWrite::Unserve(start) | RandomWrite::Priority(start, _)) =
        write;
    let range = range_argument(range(start));
    let mut words: Vec<String> = match write {
        RandomWrite::Serve(_, port) => {
            ["serve", GROUP, &range, "--port", &port.to_string()].map(ToOwned::to_owned).to_vec()
        }
        RandomWrite::Unserve(_) => ["unserve", GROUP, &range].map(ToOwned::to_owned).to_vec(),
        RandomWrite::Priority(_, priority) => {
            ["priority", GROUP, &range, &priority.to_string()].map(ToOwned::to_owned).to_vec()
        }
    };
    words.extend(["--wait", "one"].map(ToOwned::to_owned));
    words
}

fn apply(model: &mut Ranges, write: RandomWrite) {
    match write {
        RandomWrite::Serve(start, port) => drop(model.insert(range(start), (port, 1))),
        RandomWrite::Unserve(start) => drop(model.remove(&range(start))),
        RandomWrite::Priority(start, priority) => {
            if let Some(said) = model.get_mut(&range(start)) {
                said.1 = priority;
            }
        }
    }
}

/// Marsaglia's xorshift: it need not be secret.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_follows_the_writes() {
        let mut model = Ranges::new();
        apply(&mut model, RandomWrite::Serve(0, 7));
        apply(&mut model, RandomWrite::Priority(0, 9));
        assert_eq!(model.get(&(0, 255)), Some(&(7, 9)));
        apply(&mut model, RandomWrite::Unserve(0));
        assert!(model.is_empty());
    }

    #[test]
    fn every_kind_of_write_is_drawn() {
        let (mut chance, mut model, mut kinds) = (Rng(1), Ranges::new(), [0; 3]);
        for _ in 0..1_000 {
            let write = draw(&mut chance, &model);
            kinds[match write {
                RandomWrite::Serve(..) => 0,
                RandomWrite::Unserve(_) => 1,
                RandomWrite::Priority(..) => 2,
            }] += 1;
            apply(&mut model, write);
        }
        assert!(kinds.iter().all(|count| *count > 100), "{kinds:?}");
    }
}
