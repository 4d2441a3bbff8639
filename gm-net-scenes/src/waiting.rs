//! Polling: checks a condition until it holds or a timeout expires.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Default timeout of the scenes.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// Shortest and longest interval between two checks of a condition. A check is often a process of
/// its own, and many checks load the machine for scenes that run at the same time.
const POLL_INTERVALS: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(200)];
/// The time waited so far is this many intervals, within the limits above.
const POLLS: u32 = 20;

/// Polls a condition until it holds. An error if it does not hold within the timeout.
pub(crate) fn wait_for(what: &str, within: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !holds()? {
        let waited = start.elapsed();
        if waited > within {
            bail!("timed out after {} s waiting for {what}", within.as_secs_f64());
        }
        std::thread::sleep(poll_interval(waited));
    }
    Ok(())
}

/// The interval grows with the time waited, so that measured times are exact to 5 % or 10 ms.
fn poll_interval(waited: Duration) -> Duration {
    let [shortest, longest] = POLL_INTERVALS;
    (waited / POLLS).clamp(shortest, longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_grows_within_limits() {
        let after = |millis| poll_interval(Duration::from_millis(millis)).as_millis();
        assert_eq!([after(0), after(100), after(1_000), after(60_000)], [10, 10, 50, 200]);
    }

    #[test]
    fn waiting_ends_with_the_condition_its_error_or_a_timeout() {
        let mut checks = 0;
        let third = || {
            checks += 1;
            Ok(checks == 3)
        };
        assert!(wait_for("the third check", DEFAULT_TIMEOUT, third).is_ok());
        assert!(wait_for("an error", DEFAULT_TIMEOUT, || bail!("gone")).is_err());
        let timed_out = wait_for("a false condition", Duration::ZERO, || Ok(false));
        assert!(timed_out.is_err_and(|error| error.to_string().contains("waiting for a false condition")));
    }
}
