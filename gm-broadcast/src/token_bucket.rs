//! Token bucket for rate limits.

use std::time::Duration;

use crate::time::Time;

/// A token bucket that holds the tokens of one second, and is full at first. 24 bytes.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    /// The time up to which tokens are spent; the later, the emptier the bucket.
    spent_until: Time,
    /// The time that refills one token.
    each: Duration,
}

impl TokenBucket {
    /// A bucket with `tokens` per second, at least one.
    #[must_use]
    pub fn per_second(tokens: u32) -> TokenBucket {
        TokenBucket { spent_until: Time::ZERO, each: Duration::from_secs(1) / tokens.max(1) }
    }

    /// Takes a token; false if the bucket is empty.
    pub fn take(&mut self, now: Time) -> bool {
        let full = if now >= Time::ZERO + SECOND { now - SECOND } else { Time::ZERO };
        let next = self.spent_until.max(full) + self.each;
        let is_available = next <= now.max(Time::ZERO + SECOND);
        if is_available {
            self.spent_until = next;
        }
        is_available
    }

    /// Whether the bucket has a token.
    #[must_use]
    pub fn has_token(self, now: Time) -> bool {
        { self }.take(now)
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_refill_over_time() {
        let mut rate = TokenBucket::per_second(10);
        let mut now = Time::ZERO;
        let burst = (0..100).filter(|_| rate.take(now)).count();
        assert_eq!(burst, 10);
        now = now + SECOND + SECOND;
        assert_eq!((0..100).filter(|_| rate.take(now)).count(), 10);
        let over_ten_seconds = (0..1_000)
            .filter(|_| {
                now = now + Duration::from_millis(10);
                rate.take(now)
            })
            .count();
        assert_eq!(over_ten_seconds, 100);
        assert!(!rate.has_token(now) || rate.take(now));
    }
}
