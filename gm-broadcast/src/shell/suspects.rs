//! Who opened connections that the machine ended at once: the next ones of that address are not let in for a while. A bounded table;
//! knows no socket and no clock.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::time::Time;

/// Addresses that are remembered; beyond it the one that was quiet the longest is forgotten.
const MOST: usize = 1_024;
/// Connections that may end so before an address is left outside.
const FREE: u32 = 3;
/// How long it is left outside after that, doubled each time...
const FIRST: Duration = Duration::from_millis(100);
/// ... up to this: who shares an address with it is not shut out for long.
const LONGEST: Duration = Duration::from_secs(5);
/// After so long without another, all is forgotten.
const FORGET: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Suspect {
    strikes: u32,
    last: Time,
    until: Time,
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    table: BTreeMap<IpAddr, Suspect>,
}

impl Suspects {
    /// A connection of an address was ended by the machine soon after it was there.
    pub(super) fn strike(&mut self, from: IpAddr, now: Time) {
        if !self.table.contains_key(&from) && self.table.len() >= MOST {
            let quietest = self.table.iter().min_by_key(|(_, suspect)| suspect.last).map(|(from, _)| *from);
            quietest.and_then(|quietest| self.table.remove(&quietest));
        }
        let suspect = self.table.entry(from).or_insert(Suspect { strikes: 0, last: now, until: Time::ZERO });
        if now.since(suspect.last) >= FORGET {
            suspect.strikes = 0;
        }
        suspect.strikes = suspect.strikes.saturating_add(1);
        suspect.last = now;
        if let Some(beyond) = suspect.strikes.checked_sub(FREE + 1) {
            suspect.until = now + FIRST.saturating_mul(1 << beyond.min(16)).min(LONGEST);
        }
    }

    /// Whether a connection of an address is let in now.
    pub(super) fn lets_in(&self, from: IpAddr, now: Time) -> bool {
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
    fn who_goes_on_is_left_outside_longer_each_time_up_to_a_bound() {
        let (mut suspects, from) = (Suspects::default(), "10.0.0.1".parse().unwrap());
        for _ in 0..FREE {
            suspects.strike(from, at(0));
            assert!(suspects.lets_in(from, at(0)));
        }
        suspects.strike(from, at(0));
        assert!(!suspects.lets_in(from, at(99)) && suspects.lets_in(from, at(100)));
        suspects.strike(from, at(100));
        assert!(!suspects.lets_in(from, at(299)) && suspects.lets_in(from, at(300)));
        for _ in 0..100 {
            suspects.strike(from, at(300));
        }
        assert!(!suspects.lets_in(from, at(5_299)) && suspects.lets_in(from, at(5_300)));
        assert!(suspects.lets_in("10.0.0.2".parse().unwrap(), at(300)));
    }

    #[test]
    fn all_is_forgotten_after_a_while() {
        let (mut suspects, from) = (Suspects::default(), "10.0.0.1".parse().unwrap());
        for _ in 0..10 {
            suspects.strike(from, at(0));
        }
        suspects.strike(from, at(60_000));
        assert!(suspects.lets_in(from, at(60_000)));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut suspects = Suspects::default();
        for number in 0..5_000_u32 {
            suspects.strike(IpAddr::from(number.to_be_bytes()), at(u64::from(number)));
        }
        assert_eq!(suspects.table.len(), MOST);
    }
}
