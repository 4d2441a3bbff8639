//! Polling: checks a condition until it holds or a timeout expires.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Default timeout of the scenes.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// Interval between two checks of a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Polls a condition until it holds. An error if it does not hold within the timeout.
pub(crate) fn wait_for(what: &str, within: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + within;
    while !holds()? {
        if Instant::now() > until {
            bail!("timed out after {} s waiting for {what}", within.as_secs_f64());
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
