//! Looking at something until it holds, with a deadline. Knows nothing of what is looked at.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long anything may take, unless a scene says otherwise.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(10);

/// Looks at a condition until it holds, or it has taken too long.
pub(super) fn wait_for(what: &str, within: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + within;
    while !holds()? {
        if Instant::now() > until {
            bail!("waited {} s in vain for {what}", within.as_secs_f64());
        }
        std::thread::sleep(GLANCE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_condition_its_error_or_a_timeout() {
        let mut looks = 0;
        let third = || {
            looks += 1;
            Ok(looks == 3)
        };
        assert!(wait_for("the third look", PATIENCE, third).is_ok());
        assert!(wait_for("an error", PATIENCE, || bail!("gone")).is_err());
        let vain = wait_for("ever", Duration::ZERO, || Ok(false));
        assert!(vain.is_err_and(|error| error.to_string().contains("in vain for ever")));
    }
}
