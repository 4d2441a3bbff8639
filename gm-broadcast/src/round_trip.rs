//! Round-trip times and needless retransmissions, and the retransmission timeout that follows.
//!
//! The estimator of Jacobson and Karels (1988), as in RFC 6298: a smoothed round-trip time and its
//! mean deviation. As there, a retransmitted message gives no sample (Karn and Partridge 1987).
//! What differs: the least timeout is 10 ms, not 1 s, because a message that was sent once too
//! often costs a hundred bytes here, and there is no clock granularity. Kept in microseconds in 8
//! bytes, since every peer has one.

use std::time::Duration;

use crate::time::Time;

/// Least timeout: a receiver that is busy for a few milliseconds has not lost anything.
const MIN_TIMEOUT: Duration = Duration::from_millis(10);
/// Greatest timeout: beyond it, another transport is the better answer.
const MAX_TIMEOUT: Duration = Duration::from_millis(500);

/// The estimate for one path. Without a sample it has no timeout of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoundTrip {
    /// Smoothed round-trip time in microseconds; 0 without a sample.
    smoothed: u32,
    /// Smoothed deviation from it in microseconds.
    deviation: u32,
}

impl RoundTrip {
    /// Takes a sample: the time from a message that was sent once to its acknowledgement.
    pub(crate) fn on_sample(&mut self, sample: Duration) {
        let sample = u32::try_from(sample.as_micros()).unwrap_or(MAX_SAMPLE).clamp(1, MAX_SAMPLE);
        if self.smoothed == 0 {
            (self.smoothed, self.deviation) = (sample, sample / 2);
            return;
        }
        let error = self.smoothed.abs_diff(sample);
        self.deviation = self.deviation - self.deviation / 4 + error / 4;
        self.smoothed = (self.smoothed - self.smoothed / 8 + sample / 8).max(1);
    }

    /// Time after which a message without acknowledgement is sent again; `initial` without a
    /// sample. From 10 to 500 ms, but at least `initial` if that is longer than the latter.
    pub(crate) fn timeout(&self, initial: Duration) -> Duration {
        if self.smoothed == 0 {
            return initial.max(MIN_TIMEOUT);
        }
        let timeout = u64::from(self.smoothed) + 4 * u64::from(self.deviation);
        Duration::from_micros(timeout).clamp(MIN_TIMEOUT, MAX_TIMEOUT)
    }
}

/// Backoff of all timeouts while retransmissions turn out to be needless.
///
/// A hop that was sent again and is acknowledged twice was not lost: the machine or the network is
/// busy, and each retransmission makes it busier. (Compare the Eifel detection of spurious
/// retransmissions, RFC 3522.) Loss alone causes no second acknowledgement, so it does not slow
/// the repair of losses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpuriousBackoff {
    /// The factor of all timeouts is two to the power of this.
    doublings: u32,
    /// Acknowledgements of hops that were sent once, since the last change.
    clean: u32,
    changed_at: Time,
}

/// Timeouts grow to this power of two at most: 32 times.
const MAX_DOUBLINGS: u32 = 5;
/// Acknowledgements in a row of hops that were sent once, after which the backoff is halved.
const CLEAN_FOR_HALVING: u32 = 16;

impl Default for SpuriousBackoff {
    fn default() -> SpuriousBackoff {
        SpuriousBackoff { doublings: 0, clean: 0, changed_at: Time::ZERO }
    }
}

impl SpuriousBackoff {
    /// A retransmission was needless. Those of one `timeout` count once.
    pub(crate) fn on_spurious(&mut self, now: Time, timeout: Duration) {
        self.clean = 0;
        if self.doublings == 0 || now.since(self.changed_at) >= timeout {
            self.doublings = (self.doublings + 1).min(MAX_DOUBLINGS);
            self.changed_at = now;
        }
    }

    /// A hop that was sent once was acknowledged.
    pub(crate) const fn on_clean(&mut self) {
        self.clean += 1;
        if self.clean >= CLEAN_FOR_HALVING {
            self.clean = 0;
            self.doublings = self.doublings.saturating_sub(1);
        }
    }

    /// A timeout with the backoff.
    pub(crate) fn applied_to(self, timeout: Duration) -> Duration {
        timeout.saturating_mul(1 << self.doublings)
    }
}

/// Greatest sample in microseconds: one minute.
const MAX_SAMPLE: u32 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_timeout_follows_the_samples() {
        let mut path = RoundTrip::default();
        assert_eq!(path.timeout(ms(25)), ms(25), "no sample");
        assert_eq!(path.timeout(ms(1)), ms(10), "the least");
        path.on_sample(ms(40));
        assert_eq!(path.timeout(ms(25)), ms(40) + 4 * ms(20), "RFC 6298, 2.2");
        for _ in 0..100 {
            path.on_sample(ms(40));
        }
        assert!(path.timeout(ms(25)) < ms(42), "a steady path: {path:?}");
        path.on_sample(ms(120));
        let raised = path.timeout(ms(25));
        assert!(raised > ms(120) && raised < ms(140), "(50 + 4 * 20) ms: {raised:?}");
    }

    #[test]
    fn needless_retransmissions_slow_the_others_down() {
        let at = |millis| Time::ZERO + ms(millis);
        let mut backoff = SpuriousBackoff::default();
        assert_eq!(backoff.applied_to(ms(10)), ms(10));
        for _ in 0..3 {
            backoff.on_spurious(at(5), ms(10));
        }
        assert_eq!(backoff.applied_to(ms(10)), ms(20), "those of one timeout count once");
        for number in 1..20 {
            backoff.on_spurious(at(5 + 10 * number), ms(10));
        }
        assert_eq!(backoff.applied_to(ms(10)), ms(320), "32 times at most");
        for _ in 0..5 * CLEAN_FOR_HALVING {
            backoff.on_clean();
        }
        assert_eq!(backoff.applied_to(ms(10)), ms(10), "it recovers");
    }

    #[test]
    fn extreme_samples_stay_within_the_bounds() {
        let mut path = RoundTrip::default();
        path.on_sample(Duration::ZERO);
        assert_eq!(path.timeout(ms(25)), ms(10));
        path.on_sample(Duration::MAX);
        assert_eq!(path.timeout(ms(25)), ms(500));
        for _ in 0..1_000 {
            path.on_sample(Duration::ZERO);
        }
        assert_eq!(path.timeout(ms(25)), ms(10), "it recovers: {path:?}");
    }
}
