//! Load of the machine: the share of other processes during a run, and waiting until it is calm.
//!
//! A run is *disturbed* if other processes had more than [`DISTURBED`] of the machine's processor
//! time during the run. The time of interrupts does not count as theirs: it belongs to the traffic
//! of the run.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Share of the machine's processor time beyond which a run is disturbed.
pub(crate) const DISTURBED: f64 = 0.10;
/// Maximum number of attempts of one measurement.
pub(crate) const ATTEMPTS: u32 = 4;
/// Maximum time of waiting before an attempt.
pub(crate) const WAIT: Duration = Duration::from_secs(20);
/// Time over which the machine is observed while waiting.
const LOOK: Duration = Duration::from_millis(300);
/// Processor seconds of others that are not noticed: `/proc/stat` counts ticks, and the end of a
/// program is not in its own count.
const RESOLUTION: f64 = 0.03;
/// Ticks a second in `/proc/stat`, which the kernel's interface fixes.
const TICKS: f64 = 100.0;

/// Processor time of the whole machine.
#[derive(Debug)]
pub(crate) struct Machine {
    cores: f64,
    /// Seconds that processes and other guests of the host had, all cores together.
    busy: f64,
    at: Instant,
}

impl Machine {
    pub(crate) fn read() -> Result<Machine> {
        let text = std::fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        let (cores, busy) = parse(&text).context("/proc/stat has an unknown format")?;
        Ok(Machine { cores, busy, at: Instant::now() })
    }

    /// Share of the machine that processes other than the program had since the last call; `own`
    /// are the program's processor seconds.
    pub(crate) fn foreign_share(&mut self, own: f64) -> Result<f64> {
        let now = Machine::read()?;
        let elapsed = now.at.duration_since(self.at).as_secs_f64();
        let share = share(now.busy - self.busy, own, elapsed * now.cores);
        *self = now;
        Ok(share)
    }

    /// Waits until the machine is calm, at most for `limit`. Returns the time that it took.
    pub(crate) fn wait_until_calm(&mut self, limit: Duration) -> Duration {
        let began = Instant::now();
        // Without its statistics, the machine counts as calm.
        let is_calm = |machine: &mut Machine| {
            let _ = machine.foreign_share(0.0);
            std::thread::sleep(LOOK);
            machine.foreign_share(0.0).map_or(true, |share| share <= DISTURBED)
        };
        while began.elapsed() < limit && !is_calm(self) {}
        began.elapsed()
    }
}

/// Share that others had of `available` processor seconds.
fn share(busy: f64, own: f64, available: f64) -> f64 {
    if available <= 0.0 { 0.0 } else { ((busy - own - RESOLUTION) / available).clamp(0.0, 1.0) }
}

/// Number of cores, and busy seconds of all of them: user, nice, system and steal.
fn parse(stat: &str) -> Option<(f64, f64)> {
    let cores = stat.lines().skip(1).take_while(|line| line.starts_with("cpu")).count();
    let fields: Vec<f64> = stat
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    let [user, nice, system, _idle, _wait, _irq, _softirq, steal, ..] = fields[..] else { return None };
    let cores = f64::from(u32::try_from(cores).ok()?);
    Some((cores, (user + nice + system + steal) / TICKS))
}

/// Load averages of the last 1, 5 and 15 minutes; empty if the system has none.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// The machine in a few words: cores and processor.
pub(crate) fn description() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{cores} cores, {}", model.map_or("processor not known", |(_, model)| model.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_time_is_that_of_processes_and_of_the_host() {
        let stat = "cpu  100 20 30 9000 50 7 8 40 0 0\ncpu0 50 10 15 4500 25 3 4 20 0 0\ncpu1 50 10 15 4500 25 4 4 20 0 0\nintr 5\n";
        assert_eq!(parse(stat), Some((2.0, 1.9)));
        assert_eq!(parse("cpu  1 2 3\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn the_own_time_is_not_foreign() {
        let near = |share: f64, expected: f64| (share - expected).abs() < 1e-9;
        assert!(near(share(3.0 + RESOLUTION, 1.0, 10.0), 0.2));
        assert!(near(share(0.03, 0.01, 0.1), 0.0), "a short run, and ticks are coarse");
        assert!(near(share(0.9, 1.0, 10.0), 0.0), "ticks lag behind");
        assert!(near(share(1.0, 0.0, 0.0), 0.0));
    }
}
