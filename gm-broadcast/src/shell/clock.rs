//! Time as machines count it, jumps of the wall clock, and the system's chance. Knows no machine.

use std::time::{Duration, Instant, SystemTime};

use rand::TryRng;
use rand::rngs::SysRng;

use super::error::ShellError;
use crate::time::Time;

/// 32 bytes of the system's generator of secrets: what a machine begins with.
///
/// # Errors
/// [`ShellError::Entropy`]: then nothing may be sealed.
pub fn entropy() -> Result<[u8; 32], ShellError> {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| ShellError::Entropy(error.to_string()))?;
    Ok(bytes)
}

/// The monotonic clock since its making, and the wall clock beside it.
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

    /// When the runtime has to wake for a time.
    pub(super) fn instant(&self, time: Time) -> tokio::time::Instant {
        let far = self.start + Duration::from_secs(365 * 86_400);
        let at = self.start.checked_add(time.since(Time::ZERO)).unwrap_or(far).min(far);
        tokio::time::Instant::from_std(at)
    }

    /// Whether fresh chance is due: the wall clock jumped against the monotonic one, or the last was taken long ago.
    pub(super) fn wants_chance(&mut self) -> bool {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.jumps.seen(self.start.elapsed(), wall)
    }
}

/// So much difference between two looks is a jump: clocks are slewed by less than a thousandth.
const JUMP: Duration = Duration::from_secs(1);
/// Chance is renewed at least so often.
const RENEWAL: Duration = Duration::from_secs(24 * 3_600);

/// Tells a jump from two clocks. Looked at every second, or oftener.
#[derive(Debug, Default)]
struct Jumps {
    /// Both clocks at the last look.
    last: Option<(Duration, Duration)>,
    renewed: Duration,
}

impl Jumps {
    fn seen(&mut self, monotonic: Duration, wall: Duration) -> bool {
        let Some((monotonic_then, wall_then)) = self.last.replace((monotonic, wall)) else { return false };
        let expected = wall_then + monotonic.saturating_sub(monotonic_then);
        let due = expected.abs_diff(wall) >= JUMP || monotonic.saturating_sub(self.renewed) >= RENEWAL;
        if due {
            self.renewed = monotonic;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn clocks_that_walk_together_do_not_jump() {
        let mut jumps = Jumps::default();
        for second in 0..80_000 {
            // Slewed by half a thousandth.
            let wall = seconds(1_700_000_000 + second) + Duration::from_micros(500 * second);
            assert!(!jumps.seen(seconds(second), wall), "{second}");
        }
    }

    #[test]
    fn a_wall_clock_that_jumps_either_way_is_seen_once() {
        for wall in [900, 1_300] {
            let mut jumps = Jumps::default();
            assert!(!jumps.seen(seconds(1), seconds(1_000)));
            assert!(jumps.seen(seconds(2), seconds(wall)));
            assert!(!jumps.seen(seconds(3), seconds(wall + 1)));
        }
    }

    #[test]
    fn chance_is_renewed_every_day() {
        let mut jumps = Jumps::default();
        let days = (0..260_000).filter(|second| jumps.seen(seconds(*second), seconds(1_000_000 + second)));
        assert_eq!(days.collect::<Vec<_>>(), [86_400, 172_800, 259_200]);
    }

    #[test]
    fn the_system_has_chance() {
        assert_ne!(entropy().unwrap(), entropy().unwrap());
    }
}
