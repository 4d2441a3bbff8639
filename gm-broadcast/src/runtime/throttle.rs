//! Who opened connections that the machine ended at once: the next ones of that address are not let
//! in for a while. A bounded table; knows no socket and no clock.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::time::Time;

/// Addresses that are remembered; beyond it the one that was quiet the longest is forgotten.
const MAX_ADDRESSES: usize = 1_024;
/// Connections that may end so before an address is left outside.
const FREE_STRIKES: u32 = 3;
/// How long it is left outside after that, doubled each time...
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// ... up to this: who shares an address with it is not shut out for long.
const MAX_DELAY: Duration = Duration::from_secs(5);
/// After so long without another, all is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct AddressStrikes {
    strikes: u32,
    last: Time,
    until: Time,
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    table: BTreeMap<IpAddr, AddressStrikes>,
}

impl Throttle {
    /// A connection of an address was ended by the machine soon after it was there.
    pub(super) fn strike(&mut self, from: IpAddr, now: Time) {
        if !self.table.contains_key(&from) && self.table.len() >= MAX_ADDRESSES {
            let quietest = self.table.iter().min_by_key(|(_, suspect)| suspect.last).map(|(from, _)| *from);
            quietest.and_then(|quietest| self.table.remove(&quietest));
        }
        let suspect =
            self.table.entry(from).or_insert(AddressStrikes { strikes: 0, last: now, until: Time::ZERO });
        if now.since(suspect.last) >= FORGET_AFTER {
            suspect.strikes = 0;
        }
        suspect.strikes = suspect.strikes.saturating_add(1);
        suspect.last = now;
        if let Some(beyond) = suspect.strikes.checked_sub(FREE_STRIKES + 1) {
            suspect.until = now + FIRST_DELAY.saturating_mul(1 << beyond.min(16)).min(MAX_DELAY);
        }
    }

    /// Whether a connection of an address is let in now.
    pub(super) fn admits(&self, from: IpAddr, now: Time) -> bool {
        self.table.get(&from).is_none_or(|suspect| suspect.until <= now)
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
        let (mut suspects, from) = (Throttle::default(), "10.0.0.1".parse().unwrap());
        for _ in 0..FREE_STRIKES {
            suspects.strike(from, at(0));
            assert!(suspects.admits(from, at(0)));
        }
        suspects.strike(from, at(0));
        assert!(!suspects.admits(from, at(99)) && suspects.admits(from, at(100)));
        suspects.strike(from, at(100));
        assert!(!suspects.admits(from, at(299)) && suspects.admits(from, at(300)));
        for _ in 0..100 {
            suspects.strike(from, at(300));
        }
        assert!(!suspects.admits(from, at(5_299)) && suspects.admits(from, at(5_300)));
        assert!(suspects.admits("10.0.0.2".parse().unwrap(), at(300)));
    }

    #[test]
    fn strikes_expire() {
        let (mut suspects, from) = (Throttle::default(), "10.0.0.1".parse().unwrap());
        for _ in 0..10 {
            suspects.strike(from, at(0));
        }
        suspects.strike(from, at(60_000));
        assert!(suspects.admits(from, at(60_000)));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut suspects = Throttle::default();
        for number in 0..5_000_u32 {
            suspects.strike(IpAddr::from(number.to_be_bytes()), at(u64::from(number)));
        }
        assert_eq!(suspects.table.len(), MAX_ADDRESSES);
    }
}
