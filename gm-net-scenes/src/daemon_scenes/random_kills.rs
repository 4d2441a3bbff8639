//! Scene of a writer that is killed at random instants: no acknowledged write is lost, neither on
//! the writer nor on another node.

use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};

use crate::clusters::{DaemonCluster, GROUP, Ranges, range_argument, seconds};
use crate::waiting::{DEFAULT_TIMEOUT, wait_for};

/// Maximum time in milliseconds until a kill, after the writer answers.
const MAX_LIFE_MS: u64 = 400;
/// Number of ranges that the writes serve, withdraw and prioritise.
const RANGES: u32 = 24;

/// A random write of one range.
#[derive(Clone, Copy, Debug)]
enum RandomWrite {
    Serve(u32, u16),
    Unserve(u32),
    Priority(u32, u16),
}

/// Totals over all kills.
#[derive(Debug, Default)]
struct Totals {
    acknowledged: u32,
    /// Interrupted writes that did not reach the daemon.
    too_late: u32,
    /// Interrupted writes that the writer has after the restart.
    committed: u32,
    /// Time from each restart until another node has the same ranges.
    times: Vec<Duration>,
}

/// Three nodes: a writer and two others, all with a data directory.
pub(super) fn writer(cluster: &mut DaemonCluster, kills: u32) -> Result<()> {
    let islands = cluster.islands(&[3])?;
    let all = cluster.start_all(&islands[0], &[])?;
    cluster.wait_peers(&all, 2)?;
    let (writer, other) = (all[0], all[1]);
    // The others join, so that they host the group.
    for number in &all[1..] {
        cluster.node(*number)?.ok(&["join", GROUP])?;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap_or_default() | 1;
    let mut rng = Rng(seed);
    let (mut model, mut sums) = (Ranges::new(), Totals::default());
    for kill in 0..kills {
        let life = run_until_killed(cluster, writer, &mut rng, &mut model, &mut sums)
            .and_then(|last| check_after_restart(cluster, writer, other, &mut model, last, &mut sums));
        life.with_context(|| format!("kill {} of {kills}, seed {seed}", kill + 1))?;
    }
    let Totals { acknowledged, too_late, committed, mut times } = sums;
    times.sort();
    ensure!(acknowledged > kills, "only {acknowledged} writes were acknowledged");
    cluster.add_remark(format!(
        "{kills} kills (seed {seed}), {acknowledged} writes acknowledged, none lost; {} more were interrupted, {committed} of them committed; \
         another node in sync {} after a restart in the median, {} at most",
        kills - too_late,
        seconds(times.get(times.len() / 2).copied().unwrap_or_default()),
        seconds(times.last().copied().unwrap_or_default())
    ));
    Ok(())
}

/// Writes until the writer is killed, and applies acknowledged writes to the model. Returns the
/// write that was not acknowledged.
fn run_until_killed(
    cluster: &mut DaemonCluster,
    writer: usize,
    rng: &mut Rng,
    model: &mut Ranges,
    sums: &mut Totals,
) -> Result<RandomWrite> {
    let pid = cluster.node(writer)?.pid()?.to_string();
    let life = Duration::from_micros(rng.below(MAX_LIFE_MS * 1_000));
    let killer = std::thread::spawn(move || {
        // The random instant of the kill, not a wait for a condition.
        std::thread::sleep(life);
        Command::new("kill").args(["-KILL", &pid]).status()
    });
    let interrupted = loop {
        let write = draw(rng, model);
        let output =
            cluster.node(writer)?.cli(&words(write).iter().map(String::as_str).collect::<Vec<_>>())?;
        match output.code {
            // Satisfied, or timed out: in both cases the answer reports a committed write.
            0 | 4 => {
                apply(model, write);
                sums.acknowledged += 1;
            }
            // Daemon not reached, or connection lost: the write may be committed or not.
            3 | 5 => {
                sums.too_late += u32::from(output.text.contains("no daemon at"));
                break write;
            }
            code => bail!("{write:?} ended with {code}: {}", output.text.trim()),
        }
    };
    let killed = killer.join().ok().context("the killer thread panicked")?;
    ensure!(killed.context("cannot start kill")?.success(), "the writer's process did not exist at the kill");
    cluster.node_mut(writer)?.kill()?;
    Ok(interrupted)
}

/// Restarts the writer, and checks that it has all acknowledged writes, with or without the
/// interrupted one. Then another node must have the same.
fn check_after_restart(
    cluster: &mut DaemonCluster,
    writer: usize,
    other: usize,
    model: &mut Ranges,
    interrupted: RandomWrite,
    sums: &mut Totals,
) -> Result<()> {
    let start = Instant::now();
    cluster.run(&[writer])?;
    let me = cluster.node(writer)?.me.to_string();
    let mut with = model.clone();
    apply(&mut with, interrupted);
    // A group without any write does not exist.
    let held = if with.is_empty() && model.is_empty() {
        Ranges::new()
    } else {
        writer_ranges(cluster, writer, &me)?
    };
    if held == with {
        sums.committed += 1;
    } else {
        ensure!(
            held == *model,
            "{me} has {held:?}, acknowledged are {model:?}, interrupted was {interrupted:?}"
        );
    }
    *model = held;
    let mut seen = Ranges::new();
    let agreed = wait_for("another node to have the same ranges", DEFAULT_TIMEOUT, || {
        seen = writer_ranges(cluster, other, &me)?;
        Ok(seen == *model)
    });
    agreed.with_context(|| format!("it has {seen:?}, the writer has {model:?}"))?;
    sums.times.push(start.elapsed());
    Ok(())
}

/// The writer's ranges according to a node; empty if the node does not host the group.
fn writer_ranges(cluster: &DaemonCluster, by: usize, writer: &str) -> Result<Ranges> {
    let status = cluster.node(by)?.ok(&["status"])?;
    let groups = status["groups"].as_array().context("a status has groups")?;
    if groups.iter().any(|group| group["name"] == GROUP) {
        cluster.served(by, GROUP, writer)
    } else {
        Ok(Ranges::new())
    }
}

/// Draws a random write that has an effect.
fn draw(rng: &mut Rng, model: &Ranges) -> RandomWrite {
    let start = u32::try_from(rng.below(RANGES.into())).unwrap_or_default() * 256;
    let number = u16::try_from(1 + rng.below(60_000)).unwrap_or(1);
    match (model.contains_key(&range(start)), rng.below(3)) {
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
            if let Some(served) = model.get_mut(&range(start)) {
                served.1 = priority;
            }
        }
    }
}

/// Xorshift generator (Marsaglia 2003).
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
        let (mut rng, mut model, mut kinds) = (Rng(1), Ranges::new(), [0; 3]);
        for _ in 0..1_000 {
            let write = draw(&mut rng, &model);
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
