//! Throttle of accepted connections: an address whose connections the machine keeps closing early
//! is refused for a while.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::time::Time;

/// Addresses that are remembered; beyond it, the one that was quiet longest is forgotten.
const MAX_ADDRESSES: usize = 1_024;
/// Strikes of an address before it is refused.
const FREE_STRIKES: u32 = 3;
/// Duration of the first refusal, doubled each time...
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// ... up to this: other nodes behind the same address are not shut out for long.
const MAX_DELAY: Duration = Duration::from_secs(5);
/// Time without a strike after which all are forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct AddressStrikes {
    strikes: u32,
    last: Time,
    until: Time,
}

/// The table of addresses.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    table: BTreeMap<IpAddr, AddressStrikes>,
}

impl Throttle {
    /// The machine closed a connection from an address soon after its start.
    pub(super) fn strike(&mut self, from: IpAddr, now: Time) {
        if !self.table.contains_key(&from) && self.table.len() >= MAX_ADDRESSES {
            let quietest = self.table.iter().min_by_key(|(_, entry)| entry.last).map(|(from, _)| *from);
            quietest.and_then(|quietest| self.table.remove(&quietest));
        }
        let entry =
            self.table.entry(from).or_insert(AddressStrikes { strikes: 0, last: now, until: Time::ZERO });
        if now.since(entry.last) >= FORGET_AFTER {
            entry.strikes = 0;
        }
        entry.strikes = entry.strikes.saturating_add(1);
        entry.last = now;
        if let Some(beyond) = entry.strikes.checked_sub(FREE_STRIKES + 1) {
            entry.until = now + FIRST_DELAY.saturating_mul(1 << beyond.min(16)).min(MAX_DELAY);
        }
    }

    /// Whether a connection from an address is accepted now.
    pub(super) fn admits(&self, from: IpAddr, now: Time) -> bool {
        self.table.get(&from).is_none_or(|entry| entry.until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn the_delay_grows_with_each_strike_up_to_a_limit() {
        let (mut throttle, from) = (Throttle::default(), "10.0.0.1".parse().unwrap());
        for _ in 0..FREE_STRIKES {
            throttle.strike(from, at(0));
            assert!(throttle.admits(from, at(0)));
        }
        throttle.strike(from, at(0));
        assert!(!throttle.admits(from, at(99)) && throttle.admits(from, at(100)));
        throttle.strike(from, at(100));
        assert!(!throttle.admits(from, at(299)) && throttle.admits(from, at(300)));
        for _ in 0..100 {
            throttle.strike(from, at(300));
        }
        assert!(!throttle.admits(from, at(5_299)) && throttle.admits(from, at(5_300)));
        assert!(throttle.admits("10.0.0.2".parse().unwrap(), at(300)));
    }

    #[test]
    fn strikes_expire() {
        let (mut throttle, from) = (Throttle::default(), "10.0.0.1".parse().unwrap());
        for _ in 0..10 {
            throttle.strike(from, at(0));
        }
        throttle.strike(from, at(60_000));
        assert!(throttle.admits(from, at(60_000)));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut throttle = Throttle::default();
        for number in 0..5_000_u32 {
            throttle.strike(IpAddr::from(number.to_be_bytes()), at(u64::from(number)));
        }
        assert_eq!(throttle.table.len(), MAX_ADDRESSES);
    }
}
