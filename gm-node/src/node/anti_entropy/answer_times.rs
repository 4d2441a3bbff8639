//! Answer times of exchanges: how long an answer is awaited, by the round trips measured so far, as
//! TCP's retransmission timeout is (RFC 6298). Busy peers answer late; if each question were then
//! repeated elsewhere, they would only become busier.

use std::collections::VecDeque;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;

use crate::config::NodeTiming;

/// Number of questions that are remembered, answered or not: late answers count too.
const MAX_ASKED: usize = 8;
/// An answer is awaited for this multiple of the usual time.
const TIMES_USUAL: u32 = 3;
/// The longest wait, in exchange timeouts.
const MAX_TIMEOUTS: u32 = 4;

/// The answer times of a node's exchanges.
#[derive(Debug, Default)]
pub(super) struct AnswerTimes {
    /// The last peers that were asked and have not answered, with the times of the questions.
    asked: VecDeque<(NetId, Time)>,
    /// Average of the measured times, the last ones weighted most.
    usual: Option<Duration>,
}

impl AnswerTimes {
    /// A peer was asked.
    pub(super) fn on_asked(&mut self, now: Time, node: NetId) {
        self.asked.retain(|(other, _)| *other != node);
        self.asked.truncate(MAX_ASKED - 1);
        self.asked.push_front((node, now));
    }

    /// A peer sent a message: its answer, if it was asked.
    pub(super) fn on_heard(&mut self, now: Time, node: NetId) {
        let Some(place) = self.asked.iter().position(|(other, _)| *other == node) else { return };
        if let Some((_, at)) = self.asked.remove(place) {
            let measured = now.since(at);
            self.usual = Some(self.usual.map_or(measured, |usual| (usual * 3 + measured) / 4));
        }
    }

    /// Time for which an answer is awaited.
    pub(super) fn timeout(&self, timing: &NodeTiming) -> Duration {
        let least = timing.exchange_interval_min.min(timing.exchange_timeout);
        let longest = timing.exchange_timeout.saturating_mul(MAX_TIMEOUTS);
        self.usual.map_or(least, |usual| usual.saturating_mul(TIMES_USUAL).clamp(least, longest))
    }

    /// Until when the answer of the peer that was asked last is awaited; `None` if it has answered.
    pub(super) fn awaited_until(&self, node: NetId, timing: &NodeTiming) -> Option<Time> {
        let (_, at) = self.asked.iter().find(|(asked, _)| *asked == node)?;
        Some(*at + self.timeout(timing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::test_context::{at, node};

    #[test]
    fn late_answers_make_the_next_ones_awaited_longer() {
        let (mut times, timing) = (AnswerTimes::default(), NodeTiming::DEFAULT);
        assert_eq!(times.timeout(&timing), Duration::from_millis(200));
        times.on_asked(at(0), node(2));
        assert_eq!(times.awaited_until(node(2), &timing), Some(at(200)));
        times.on_asked(at(200), node(3));
        times.on_heard(at(400), node(2));
        assert_eq!(times.awaited_until(node(2), &timing), None);
        assert_eq!(times.timeout(&timing), Duration::from_millis(1_200));
        for number in 0..20 {
            times.on_asked(at(1_000 + number), node(4));
            times.on_heard(at(1_001 + number), node(4));
        }
        assert_eq!(times.timeout(&timing), Duration::from_millis(200), "the peers are fast again");
    }

    #[test]
    fn waits_and_memory_are_limited() {
        let (mut times, timing) = (AnswerTimes::default(), NodeTiming::DEFAULT);
        (1..=200).for_each(|number| times.on_asked(at(0), node(number)));
        assert_eq!(times.asked.len(), MAX_ASKED);
        times.on_heard(at(0), node(1));
        assert_eq!(times.usual, None, "it was asked too long ago");
        times.on_heard(at(60_000), node(200));
        assert_eq!(times.timeout(&timing), timing.exchange_timeout * MAX_TIMEOUTS);
    }
}
