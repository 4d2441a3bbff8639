//! Goal 13 of docs/goals.md: simulated time per real time, and the memory of a large world.
//! Printed, never compared.

use std::fs;
use std::time::{Duration, Instant};

use gm_broadcast::{BroadcasterTimings, Time};

use super::table::quotient;
use super::world::{WorldConfig, broadcast, cost};
use crate::broadcast::node::FrameSealing;

/// Number of nodes in the measured worlds, and of their islands.
const NODES: u32 = 1_000;
const ISLAND: u32 = 50;

/// The speed, in two lines.
pub(super) fn lines() -> String {
    let busy = rate(FrameSealing::Sealed, 60, true);
    let quiet = rate(FrameSealing::Unsealed, 600, false);
    format!(
        "Speed, measured here: {NODES} nodes in islands of {ISLAND}, node-seconds per second: one broadcast a second, sealed, \
         {busy}; in quiet, unsealed, {quiet}.\n"
    )
}

/// Simulated node-seconds per second, after all receptions are known.
fn rate(frames: FrameSealing, seconds: u64, with_broadcasts: bool) -> String {
    let config = WorldConfig {
        frames,
        times: BroadcasterTimings::DEFAULT,
        labels: true,
        ..WorldConfig::islands(NODES, ISLAND, cost(20, 250))
    };
    let (mut world, _) = config.world(1);
    world.start_all();
    let warmed = Time::ZERO + Duration::from_secs(30);
    world.run_until(warmed);
    let inputs = world.trace().inputs();
    let begin = Instant::now();
    for second in 0..seconds {
        if with_broadcasts {
            broadcast(&mut world, second + 1, None);
        }
        world.run_until(warmed + Duration::from_secs(second + 1));
    }
    #[expect(clippy::cast_precision_loss, reason = "only printed")]
    let simulated = (seconds * u64::from(NODES)) as f64;
    let rate = simulated / begin.elapsed().as_secs_f64();
    let inputs = world.trace().inputs() - inputs;
    let each = quotient(inputs, seconds * u64::from(NODES), 3);
    format!("{rate:.0} ({each} inputs per node and second)")
}

/// Peak memory of this process, if the system reports it.
pub(super) fn peak() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(format!("Peak memory of this process: {}\n", line.trim_start_matches("VmHWM:").trim()))
}
