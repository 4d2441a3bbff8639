//! Detection of paths that lose all datagrams: one small state machine for each peer.
//!
//! A firewall may let connections through and drop datagrams, in one direction or in both, from the
//! start or later. No protocol message reports that, so it is inferred. The caller reports each
//! request by datagram that had no reply in time. If the peer then shows by a connection that it is
//! alive, datagrams are suspicious, and probes are sent by datagram at once; [`MAX_STRIKES`]
//! requests in a row without a reply mean that datagrams are lost. A datagram of the peer's own is
//! no evidence to the contrary, as the other direction may be closed; only a reply to a request is.
//! From then on all payloads for that peer go by a connection. Probes go on with a growing
//! interval, and a reply shows that datagrams work again.

use std::time::Duration;

use crate::time::Time;

/// Requests by datagram without a reply, in a row, after which datagrams count as lost. Two would
/// misjudge one path in five where a quarter of all datagrams is lost in each direction; three
/// misjudge one in twelve.
const MAX_STRIKES: u8 = 3;
/// Delay of the first probe after datagrams were found to be lost, doubled each time...
const FIRST_PROBE_DELAY: Duration = Duration::from_secs(2);
/// ... up to this.
const MAX_PROBE_DELAY: Duration = Duration::from_secs(30);

/// Whether datagrams to a peer, and its replies, arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatagramReachability {
    /// No request had a reply yet, and too few had none.
    #[default]
    Untested,
    /// The last request by datagram had a reply by datagram.
    Work,
    /// Requests by datagram have no reply, while the peer replies by connection.
    Lost,
    /// The peer's address is of another family (IPv4, IPv6) than this node's, so its socket cannot
    /// send there.
    OtherFamily,
}

/// Result of a probe of suspicious datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeOutcome {
    /// A reply arrived, now or before.
    Answered,
    /// No reply, which is not enough evidence yet.
    TryAgain,
    /// Datagrams count as lost from now on.
    Lost,
}

/// State of the datagram path to one peer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DatagramPath {
    state: DatagramReachability,
    strikes: u8,
    /// A request by datagram had no reply, and there was no sign of life since.
    unanswered: bool,
    probe_at: Time,
    probes: u32,
}

impl DatagramPath {
    pub(crate) const fn state(&self) -> DatagramReachability {
        self.state
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.state == DatagramReachability::Lost
    }

    /// A request by datagram had no reply in time.
    pub(crate) fn on_unanswered(&mut self) {
        self.unanswered = true;
    }

    /// The peer showed by a connection that it is alive. Returns whether datagrams are suspicious
    /// because of an earlier request without reply; then a probe should be sent at once.
    pub(crate) fn heard_by_connection(&mut self) -> bool {
        let suspicious = std::mem::take(&mut self.unanswered) && !self.is_lost() && self.strikes == 0;
        self.strikes += u8::from(suspicious);
        suspicious
    }

    /// A probe timed out. `enough`: datagrams to several peers were lost of late, so that less
    /// evidence is needed.
    pub(crate) fn on_probe_timeout(&mut self, now: Time, enough: bool) -> ProbeOutcome {
        if self.strikes == 0 || self.is_lost() {
            return ProbeOutcome::Answered;
        }
        self.strikes += 1;
        if self.strikes < MAX_STRIKES && !enough {
            return ProbeOutcome::TryAgain;
        }
        *self = DatagramPath {
            state: DatagramReachability::Lost,
            probe_at: now + FIRST_PROBE_DELAY,
            ..DatagramPath::default()
        };
        ProbeOutcome::Lost
    }

    /// A request by datagram had a reply by datagram. Returns whether datagrams counted as lost
    /// before.
    pub(crate) fn on_answered(&mut self) -> bool {
        let was_lost = self.is_lost();
        *self = DatagramPath { state: DatagramReachability::Work, ..DatagramPath::default() };
        was_lost
    }

    /// Whether a probe of lost datagrams is due; if so, the next one is scheduled.
    pub(crate) fn take_probe(&mut self, now: Time) -> bool {
        if !self.is_lost() || now < self.probe_at {
            return false;
        }
        self.probes = self.probes.saturating_add(1);
        self.probe_at = now + FIRST_PROBE_DELAY.saturating_mul(1 << self.probes.min(8)).min(MAX_PROBE_DELAY);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn three_unanswered_questions_mark_datagrams_lost() {
        let mut path = DatagramPath::default();
        path.on_unanswered();
        assert!(path.heard_by_connection() && !path.heard_by_connection());
        assert_eq!(path.on_probe_timeout(at(0), false), ProbeOutcome::TryAgain);
        assert_eq!((path.on_probe_timeout(at(1), false), path.is_lost()), (ProbeOutcome::Lost, true));
        let mut path = DatagramPath::default();
        path.on_unanswered();
        assert!(path.heard_by_connection());
        assert_eq!(
            path.on_probe_timeout(at(0), true),
            ProbeOutcome::Lost,
            "two are enough if datagrams to others are lost too"
        );
    }

    #[test]
    fn a_message_by_connection_alone_is_not_suspicious() {
        let mut path = DatagramPath::default();
        assert!(!path.heard_by_connection());
        assert_eq!(path.on_probe_timeout(at(0), true), ProbeOutcome::Answered);
        let mut path = DatagramPath { state: DatagramReachability::Lost, ..DatagramPath::default() };
        path.on_unanswered();
        assert!(!path.heard_by_connection(), "it is known that they are lost");
    }

    #[test]
    fn an_answer_resets_the_count_and_silence_adds_nothing() {
        let mut path = DatagramPath::default();
        for _ in 0..10 {
            path.on_unanswered();
            assert!(path.heard_by_connection() && !path.on_answered());
            assert_eq!(path.on_probe_timeout(at(0), true), ProbeOutcome::Answered);
        }
        (0..10).for_each(|_| path.on_unanswered());
        assert!(!path.is_lost(), "a dead peer is not one whose datagrams are lost");
    }

    #[test]
    fn probes_back_off_until_an_answer() {
        let mut path =
            DatagramPath { state: DatagramReachability::Lost, probe_at: at(2), ..DatagramPath::default() };
        let probed: Vec<u64> = (0..130).filter(|second| path.take_probe(at(*second))).collect();
        assert_eq!(probed, [2, 6, 14, 30, 60, 90, 120]);
        assert!(path.on_answered() && path.state() == DatagramReachability::Work && !path.on_answered());
        assert!(!path.take_probe(at(1_000)));
    }

    #[test]
    fn a_new_loss_is_not_probed_at_once() {
        let mut path = DatagramPath::default();
        path.on_unanswered();
        path.heard_by_connection();
        assert_eq!(path.on_probe_timeout(at(100), true), ProbeOutcome::Lost);
        let probed: Vec<u64> = (100..115).filter(|second| path.take_probe(at(*second))).collect();
        assert_eq!(probed, [102, 106, 114]);
    }
}
