//! Report of frames that cannot be decrypted, by sender and cause. It shows an operator that a node
//! has another key, or another cluster's name.
//!
//! Anyone can send such frames, under any address. So the table is bounded, each cause of each
//! address is reported once and again after [`REPORT_INTERVAL`] only, and at most [`BURST`] reports
//! are made in a minute.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gm_codec::FrameError;

use crate::time::Time;

/// Pairs of address and cause that are remembered; beyond it, the one that was quiet longest is
/// removed.
const MAX_ADDRESSES: usize = 64;
/// Greatest number of reports per minute.
const BURST: u32 = 8;
const MINUTE: Duration = Duration::from_secs(60);
/// Interval of reports of a cause that persists.
const REPORT_INTERVAL: Duration = Duration::from_secs(3_600);
/// Time after which a cause that did not recur is no longer listed.
const LISTED_FOR: Duration = Duration::from_secs(300);

/// Cause why frames from an address cannot be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnopenedCause {
    /// They are encrypted with a key that this node does not have.
    OtherKey {
        /// The key's public id in the frame.
        key_id: u8,
    },
    /// The key id is known, but they are not authentic: another cluster name, or two keys with the
    /// same id.
    OtherCluster,
    /// They are not encrypted, and this node requires encryption.
    NotSealed,
    /// They are encrypted, and this node has no key.
    Sealed {
        /// The key's public id in the frame.
        key_id: u8,
    },
    /// A dialed node closed the connection before it sent a frame, at least twice: most likely it
    /// cannot decrypt ours.
    ClosedBeforeFirstFrame,
}

impl UnopenedCause {
    /// The cause behind an error, if a different configuration explains it; `None` for noise.
    /// `sealed`: whether this node encrypts.
    pub(crate) fn of(error: FrameError, sealed: bool) -> Option<UnopenedCause> {
        match error {
            FrameError::UnknownKey { key_id } if sealed => Some(UnopenedCause::OtherKey { key_id }),
            FrameError::UnknownKey { key_id } => Some(UnopenedCause::Sealed { key_id }),
            FrameError::NotSealed => Some(UnopenedCause::NotSealed),
            FrameError::NotAuthentic | FrameError::BadChecksum => Some(UnopenedCause::OtherCluster),
            _ => None,
        }
    }
}

/// Frames from an address that cannot be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unopened {
    /// The last source address, which can be forged in datagrams.
    pub from: SocketAddr,
    /// The cause.
    pub cause: UnopenedCause,
    /// Number of frames since the first.
    pub count: u64,
    /// Age of the last one.
    pub last: Duration,
}

#[derive(Clone, Copy, Debug)]
struct UnopenedEntry {
    from: SocketAddr,
    count: u64,
    last: Time,
    reported: Option<Time>,
}

/// The table of such frames.
#[derive(Debug, Default)]
pub(crate) struct UnopenedFrames {
    table: BTreeMap<(IpAddr, UnopenedCause), UnopenedEntry>,
    /// Start of the current minute of reports, and the number of reports in it.
    minute: (Time, u32),
}

impl UnopenedFrames {
    /// Adds a frame. Returns whether to report it.
    pub(crate) fn note(&mut self, now: Time, from: SocketAddr, cause: UnopenedCause) -> bool {
        let key = (from.ip(), cause);
        if self.table.len() >= MAX_ADDRESSES && !self.table.contains_key(&key) {
            let quietest = self.table.iter().min_by_key(|(_, entry)| entry.last).map(|(key, _)| *key);
            quietest.and_then(|quietest| self.table.remove(&quietest));
        }
        let entry =
            self.table.entry(key).or_insert(UnopenedEntry { from, count: 0, last: now, reported: None });
        (entry.from, entry.last) = (from, now);
        entry.count = entry.count.saturating_add(1);
        if entry.reported.is_some_and(|at| now.since(at) < REPORT_INTERVAL) {
            return false;
        }
        let (began, made) = self.minute;
        let made = if now.since(began) >= MINUTE { 0 } else { made };
        if made >= BURST {
            return false;
        }
        self.minute = (if made == 0 { now } else { began }, made + 1);
        entry.reported = Some(now);
        true
    }

    /// A frame from an address was authentic: the cause is gone, or another node used the address.
    pub(crate) fn opened(&mut self, from: IpAddr) {
        if !self.table.is_empty() {
            self.table.retain(|(ip, _), _| *ip != from);
        }
    }

    /// The recent causes, sorted by address.
    pub(crate) fn list(&self, now: Time) -> Vec<Unopened> {
        let recent = self.table.iter().filter(|(_, entry)| now.since(entry.last) < LISTED_FOR);
        let unopened = |((_, cause), entry): (&(IpAddr, UnopenedCause), &UnopenedEntry)| Unopened {
            from: entry.from,
            cause: *cause,
            count: entry.count,
            last: now.since(entry.last),
        };
        recent.map(unopened).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn from(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 29_999))
    }

    #[test]
    fn each_cause_of_each_address_is_reported_once_an_hour() {
        let mut table = UnopenedFrames::default();
        let reports = (0..7_201).filter(|second| table.note(at(*second), from(1), UnopenedCause::NotSealed));
        assert_eq!(reports.count(), 3);
        assert!(table.note(at(7_300), from(1), UnopenedCause::OtherCluster));
        assert_eq!(table.list(at(7_300)).len(), 2);
        assert!(table.list(at(10_000)).is_empty(), "old causes are not listed");
    }

    #[test]
    fn a_flood_of_addresses_is_bounded() {
        let mut table = UnopenedFrames::default();
        let flood = (0..20_000_u32).map(|number| SocketAddr::from((number.to_be_bytes(), 1)));
        let reports = flood.filter(|from| table.note(at(1), *from, UnopenedCause::NotSealed)).count();
        assert_eq!((reports, table.table.len()), (BURST as usize, MAX_ADDRESSES));
        assert!(table.note(at(62), from(7), UnopenedCause::NotSealed), "a minute later there is room again");
    }

    #[test]
    fn an_address_whose_frames_open_is_listed_no_longer() {
        let mut table = UnopenedFrames::default();
        table.note(at(1), from(1), UnopenedCause::OtherKey { key_id: 7 });
        table.note(at(1), from(2), UnopenedCause::OtherCluster);
        table.opened(from(1).ip());
        assert_eq!(table.list(at(2)).len(), 1);
    }

    #[test]
    fn noise_is_no_evidence_of_another_configuration() {
        assert_eq!(UnopenedCause::of(FrameError::BadMagic { byte: 1 }, true), None);
        let unknown = FrameError::UnknownKey { key_id: 7 };
        assert_eq!(UnopenedCause::of(unknown, true), Some(UnopenedCause::OtherKey { key_id: 7 }));
        assert_eq!(UnopenedCause::of(unknown, false), Some(UnopenedCause::Sealed { key_id: 7 }));
        assert_eq!(UnopenedCause::of(FrameError::NotSealed, true), Some(UnopenedCause::NotSealed));
    }

    #[test]
    fn reports_are_counted_by_the_minute_from_its_first() {
        let mut table = UnopenedFrames::default();
        let mut reported = |second, many: u8| {
            (0..many).filter(|number| table.note(at(second), from(*number), UnopenedCause::NotSealed)).count()
        };
        // An address is reported once an hour, so each step here is in an hour of its own.
        assert_eq!(reported(4_000, 3), 3);
        assert_eq!(reported(8_000, 5), 5, "a minute after long silence begins with its first report");
        assert_eq!(reported(8_059, 20), 3, "eight in a minute, five of which were before");
        assert_eq!(reported(8_060, 20), 8, "the minute is over to the second");
        assert_eq!(reported(8_119, 30), 0);
        assert_eq!(reported(8_120, 30), 8);
    }

    #[test]
    fn entries_expire_after_five_minutes() {
        let mut table = UnopenedFrames::default();
        table.note(at(0), from(1), UnopenedCause::NotSealed);
        table.note(at(100), from(2), UnopenedCause::NotSealed);
        let listed = |table: &UnopenedFrames, second| -> Vec<SocketAddr> {
            table.list(at(second)).iter().map(|unopened| unopened.from).collect()
        };
        assert_eq!(listed(&table, 299), [from(1), from(2)]);
        assert_eq!(listed(&table, 300), [from(2)]);
        table.opened(from(1).ip());
        assert_eq!(listed(&table, 100), [from(2)]);
        table.opened(from(2).ip());
        assert!(listed(&table, 100).is_empty());
    }
}
