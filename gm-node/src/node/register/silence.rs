//! Nodes that did not answer a registration: each is left out for a while, longer each time, and comes back sooner if it is heard.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;

/// How long the first silence lasts.
const FIRST: Duration = Duration::from_secs(5);
/// How long a silence lasts at most.
const LONGEST: Duration = Duration::from_secs(600);

/// Nodes that did not answer. As many as nodes are known, at most.
#[derive(Debug, Default)]
pub(super) struct Silences(BTreeMap<NetId, Silence>);

#[derive(Clone, Copy, Debug)]
struct Silence {
    /// When it is tried again; nothing while it is.
    until: Option<Time>,
    /// How long the silence lasts, or lasted.
    pause: Duration,
    /// It was tried before its time because it was heard.
    heard: bool,
    /// It was heard, tried, and did not answer: being heard does not count any more.
    deaf: bool,
}

impl Silences {
    /// A node did not answer.
    pub(super) fn begin(&mut self, now: Time, node: NetId) {
        let first = Silence { until: None, pause: FIRST / 2, heard: false, deaf: false };
        let silence = self.0.entry(node).or_insert(first);
        silence.pause = (silence.pause * 2).min(LONGEST);
        silence.until = Some(now + silence.pause);
        silence.deaf |= std::mem::take(&mut silence.heard);
    }

    /// A node answered.
    pub(super) fn end(&mut self, node: NetId) {
        self.0.remove(&node);
    }

    pub(super) fn is_silent(&self, node: NetId) -> bool {
        self.0.get(&node).is_some_and(|silence| silence.until.is_some())
    }

    /// Something came of a node; whether it is to be tried now. If one is heard again after a split, others may be: they are tried within that time.
    pub(super) fn heard(&mut self, now: Time, node: NetId, wait: Duration) -> bool {
        let Some(silence) = self.0.get_mut(&node).filter(|silence| silence.until.is_some() && !silence.deaf)
        else {
            return false;
        };
        silence.until = None;
        silence.heard = true;
        for other in self.0.values_mut() {
            other.until = other.until.map(|until| until.min(now + wait));
        }
        true
    }

    /// Nodes whose silence is over: they are tried again.
    pub(super) fn over(&mut self, now: Time) -> Vec<NetId> {
        let mut over = Vec::new();
        for (node, silence) in &mut self.0 {
            if silence.until.is_some_and(|until| until <= now) {
                silence.until = None;
                over.push(*node);
            }
        }
        over
    }

    /// When the next silence is over.
    pub(super) fn next(&self) -> Option<Time> {
        self.0.values().filter_map(|silence| silence.until).min()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn node(number: u8) -> NetId {
        format!("10.0.0.{number}:29999").parse().unwrap()
    }

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_silent_node_is_tried_again_later_each_time() {
        let mut silences = Silences::default();
        let mut now = Time::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            silences.begin(now, node(1));
            assert!(silences.is_silent(node(1)));
            let next = silences.next().unwrap();
            pauses.push(next.since(now).as_secs());
            assert!(silences.over(next - Duration::from_nanos(1)).is_empty());
            now = next;
            assert_eq!(silences.over(now), [node(1)]);
            assert!(!silences.is_silent(node(1)));
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        silences.end(node(1));
        silences.begin(now, node(1));
        assert_eq!(silences.next(), Some(now + Duration::from_secs(5)));
    }

    #[test]
    fn who_is_heard_is_tried_at_once_and_others_soon() {
        let mut silences = Silences::default();
        for _ in 0..5 {
            silences.begin(at(0), node(1));
            silences.begin(at(0), node(2));
        }
        assert!(!silences.heard(at(1), node(3), Duration::from_secs(2)));
        assert!(silences.heard(at(1), node(1), Duration::from_secs(2)));
        assert!(!silences.is_silent(node(1)));
        assert_eq!(silences.next(), Some(at(3)));
        // It speaks, and does not answer: then only time counts.
        silences.begin(at(2), node(1));
        assert!(!silences.heard(at(4), node(1), Duration::ZERO));
        assert_eq!(silences.over(at(162)), [node(1), node(2)]);
    }
}
