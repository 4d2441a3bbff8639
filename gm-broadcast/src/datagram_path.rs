//! Whether datagrams to a peer arrive and their answers come back: one small state machine for each
//! peer.
//!
//! A firewall may let connections through and drop datagrams, in one direction or in both, from the
//! start or later. Nothing on the wire says so, so it is inferred: the owner reports each question
//! that it sent by datagram and that was not answered in time. If the peer is then heard by a
//! connection, datagrams are suspicious, and small questions go by datagram at once; [`STRIKES`] in
//! a row without an answer mean that datagrams are lost. A datagram of the peer's own is no
//! evidence to the contrary, as the other direction may be closed; only an answer to a question of
//! ours is. From then on everything for that peer goes by a connection, and a small question goes
//! by datagram now and then, whose answer shows that datagrams work again.

use std::time::Duration;

use crate::time::Time;

/// Questions in a row that were not answered by datagram, after which datagrams count as lost. Two
/// would mistake one path in five for a broken one where a quarter of all datagrams is lost each
/// way; three mistake one in twelve.
const MAX_STRIKES: u8 = 3;
/// How long after datagrams were found to be lost they are tried again, doubled each time...
const FIRST_PROBE_DELAY: Duration = Duration::from_secs(2);
/// ... up to this.
const MAX_PROBE_DELAY: Duration = Duration::from_secs(30);

/// What is known of datagrams between us and a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatagramReachability {
    /// No question was answered yet, and none was missed often enough.
    #[default]
    Untested,
    /// The last question that went by datagram was answered by datagram.
    Work,
    /// Questions by datagram are not answered, while the peer answers by connection.
    Lost,
    /// The peer's address is of another family (IPv4, IPv6) than ours: our socket cannot send to
    /// it.
    OtherFamily,
}

/// What became of trying datagrams that are suspicious.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeOutcome {
    /// One was answered, now or before.
    Answered,
    /// It was not, and that is not enough to say so.
    TryAgain,
    /// They are lost from now on.
    Lost,
}

/// The state of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DatagramPath {
    state: DatagramReachability,
    strikes: u8,
    /// A question by datagram was not answered, and nothing was heard of the peer since.
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

    /// A question that went by datagram was not answered in time.
    pub(crate) fn on_unanswered(&mut self) {
        self.unanswered = true;
    }

    /// Something came of the peer by a connection. Returns whether that makes datagrams suspicious,
    /// because a question by datagram was not answered before: then they are to be tried at once.
    pub(crate) fn heard_by_connection(&mut self) -> bool {
        let suspicious = std::mem::take(&mut self.unanswered) && !self.is_lost() && self.strikes == 0;
        self.strikes += u8::from(suspicious);
        suspicious
    }

    /// What was tried while datagrams were suspicious had its time. `enough`: the same was found
    /// with several peers of late, so that less evidence is needed.
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

    /// A question of ours that went by datagram was answered by datagram. Returns whether datagrams
    /// counted as lost before.
    pub(crate) fn on_answered(&mut self) -> bool {
        let was_lost = self.is_lost();
        *self = DatagramPath { state: DatagramReachability::Work, ..DatagramPath::default() };
        was_lost
    }

    /// Whether lost datagrams are to be tried again now; if so, the next time is set.
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
            "two are enough where others have shown the same"
        );
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
