//! Clocks of the runtime: the machine's time, detection of jumps of the wall clock, and the
//! system's random generator.

use std::time::{Duration, Instant, SystemTime};

use rand::TryRng;
use rand::rngs::SysRng;

use super::error::RuntimeError;
use crate::time::Time;

/// 32 random bytes of the system, the seed of a machine.
pub fn entropy() -> Result<[u8; 32], RuntimeError> {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| RuntimeError::Entropy(error.to_string()))?;
    Ok(bytes)
}

/// Seconds since 1970 by the wall clock; 0 for an earlier time.
#[must_use]
pub fn unix_seconds() -> u64 {
    seconds(SystemTime::now())
}

fn seconds(now: SystemTime) -> u64 {
    u64::try_from(nanos(now) / 1_000_000_000).unwrap_or(0)
}

/// Nanoseconds since 1970, negative before; any time is valid.
fn nanos(now: SystemTime) -> i128 {
    let signed = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => signed(since),
        Err(before) => -signed(before.duration()),
    }
}

/// The monotonic clock since its creation, and the wall clock beside it.
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
    jumps: Jumps,
}

impl Clock {
    pub(super) fn new() -> Clock {
        Clock { start: Instant::now(), jumps: Jumps::default() }
    }

    pub(super) fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    /// The tokio instant of a machine's time, at most a year ahead.
    pub(super) fn instant(&self, time: Time) -> tokio::time::Instant {
        let far = self.start + Duration::from_secs(365 * 86_400);
        let at = self.start.checked_add(time.since(Time::ZERO)).unwrap_or(far).min(far);
        tokio::time::Instant::from_std(at)
    }

    /// Whether new entropy is due: the wall clock jumped against the monotonic one, or the last
    /// renewal was long ago.
    pub(super) fn wants_entropy(&mut self) -> bool {
        self.jumps.jumped(self.start.elapsed(), nanos(SystemTime::now()))
    }
}

/// Difference between two readings that counts as a jump: clocks are slewed by less than a
/// thousandth.
const MIN_JUMP: Duration = Duration::from_secs(1);
/// Greatest interval between renewals of entropy.
const ENTROPY_RENEWAL: Duration = Duration::from_secs(24 * 3_600);

/// Detects jumps by comparing two clocks, at least once a second.
#[derive(Debug, Default)]
struct Jumps {
    /// Nanoseconds by which the wall clock was ahead of the monotonic one at the last reading.
    last: Option<i128>,
    renewed: Duration,
}

impl Jumps {
    /// Whether the clocks jumped, or a renewal is due; `wall` is in nanoseconds since any time.
    fn jumped(&mut self, monotonic: Duration, wall: i128) -> bool {
        let ahead = wall.saturating_sub(i128::try_from(monotonic.as_nanos()).unwrap_or(i128::MAX));
        let Some(ahead_then) = self.last.replace(ahead) else { return false };
        let jump = ahead.abs_diff(ahead_then) >= MIN_JUMP.as_nanos();
        let due = jump || monotonic.saturating_sub(self.renewed) >= ENTROPY_RENEWAL;
        if due {
            self.renewed = monotonic;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A wall clock, in seconds.
    fn wall(seconds: i64) -> i128 {
        i128::from(seconds) * 1_000_000_000
    }

    #[test]
    fn the_wall_clock_may_show_any_time() {
        let at = |seconds: i64| {
            let (epoch, offset) = (SystemTime::UNIX_EPOCH, of(seconds.unsigned_abs()));
            if seconds < 0 { epoch.checked_sub(offset) } else { epoch.checked_add(offset) }.unwrap()
        };
        // 1901, the last second before 1970, 1970, after 2038 and 2106, and after the year 9999;
        // then the extremes that a system can show.
        let second = 1_000_000_000;
        for time in [
            -2_147_483_648,
            -1,
            0,
            2_147_483_648,
            4_294_967_296,
            253_402_300_800,
            i64::MIN + second,
            i64::MAX - second,
        ] {
            assert_eq!(seconds(at(time)), u64::try_from(time).unwrap_or(0), "{time}");
            assert_eq!(nanos(at(time)), wall(time), "{time}");
        }
        let half = SystemTime::UNIX_EPOCH - Duration::from_millis(500);
        assert_eq!((seconds(half), nanos(half)), (0, -500_000_000));
        // A clock that runs from before 1970 into it does not jump; one that is set does.
        let mut jumps = Jumps::default();
        assert!((0..20).all(|second| !jumps.jumped(of(second), wall(i64::try_from(second).unwrap() - 10))));
        assert!(jumps.jumped(of(20), wall(-100)) && !jumps.jumped(of(21), wall(-99)));
        assert!(jumps.jumped(of(22), i128::MIN) && jumps.jumped(of(23), i128::MAX));
    }

    #[test]
    fn clocks_that_advance_together_do_not_jump() {
        let mut jumps = Jumps::default();
        for second in 0..80_000 {
            // Slewed by half a thousandth.
            let wall = wall(1_700_000_000) + i128::from(second) * 1_000_500_000;
            assert!(!jumps.jumped(of(second), wall), "{second}");
        }
    }

    #[test]
    fn a_wall_clock_jump_is_reported_once() {
        for second in [900, 1_300] {
            let mut jumps = Jumps::default();
            assert!(!jumps.jumped(of(1), wall(1_000)));
            assert!(jumps.jumped(of(2), wall(second)));
            assert!(!jumps.jumped(of(3), wall(second + 1)));
        }
    }

    #[test]
    fn entropy_is_renewed_every_day() {
        let mut jumps = Jumps::default();
        let days = (0..260_000_i64)
            .filter(|second| jumps.jumped(of(second.unsigned_abs()), wall(1_000_000 + second)));
        assert_eq!(days.collect::<Vec<_>>(), [86_400, 172_800, 259_200]);
    }

    #[test]
    fn the_system_has_entropy() {
        assert_ne!(entropy().unwrap(), entropy().unwrap());
    }
}
