//! Nodes that did not answer a registration: each is left out for a while, longer each time, and
//! comes back sooner if it is heard.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;

/// How long the first silence lasts.
const MIN_PAUSE: Duration = Duration::from_secs(5);
/// How long a silence lasts at most.
const MAX_PAUSE: Duration = Duration::from_secs(600);

/// Nodes that did not answer. As many as nodes are known, at most.
#[derive(Debug, Default)]
pub(super) struct UnresponsiveNodes(BTreeMap<NetId, Unresponsive>);

#[derive(Clone, Copy, Debug)]
struct Unresponsive {
    /// When it is tried again; nothing while it is.
    retry_at: Option<Time>,
    /// How long the silence lasts, or lasted.
    pause: Duration,
    /// It was tried before its time because it was heard.
    retried_early: bool,
    /// It was heard, tried, and did not answer: being heard does not count any more.
    ignores_messages: bool,
}

impl UnresponsiveNodes {
    /// A node did not answer.
    pub(super) fn on_timeout(&mut self, now: Time, node: NetId) {
        let first = Unresponsive {
            retry_at: None,
            pause: MIN_PAUSE / 2,
            retried_early: false,
            ignores_messages: false,
        };
        let entry = self.0.entry(node).or_insert(first);
        entry.pause = (entry.pause * 2).min(MAX_PAUSE);
        entry.retry_at = Some(now + entry.pause);
        entry.ignores_messages |= std::mem::take(&mut entry.retried_early);
    }

    /// A node answered.
    pub(super) fn remove(&mut self, node: NetId) {
        self.0.remove(&node);
    }

    pub(super) fn is_unresponsive(&self, node: NetId) -> bool {
        self.0.get(&node).is_some_and(|entry| entry.retry_at.is_some())
    }

    /// Something came of a node; whether it is to be tried now. If one is heard again after a
    /// split, others may be: they are tried within that time.
    pub(super) fn on_message(&mut self, now: Time, node: NetId, wait: Duration) -> bool {
        let Some(entry) =
            self.0.get_mut(&node).filter(|entry| entry.retry_at.is_some() && !entry.ignores_messages)
        else {
            return false;
        };
        entry.retry_at = None;
        entry.retried_early = true;
        for other in self.0.values_mut() {
            other.retry_at = other.retry_at.map(|until| until.min(now + wait));
        }
        true
    }

    /// Nodes whose silence is over: they are tried again.
    pub(super) fn take_expired(&mut self, now: Time) -> Vec<NetId> {
        let mut over = Vec::new();
        for (node, entry) in &mut self.0 {
            if entry.retry_at.is_some_and(|until| until <= now) {
                entry.retry_at = None;
                over.push(*node);
            }
        }
        over
    }

    /// When the next silence is over.
    pub(super) fn next(&self) -> Option<Time> {
        self.0.values().filter_map(|entry| entry.retry_at).min()
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
    fn an_unresponsive_node_is_retried_with_backoff() {
        let mut silences = UnresponsiveNodes::default();
        let mut now = Time::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            silences.on_timeout(now, node(1));
            assert!(silences.is_unresponsive(node(1)));
            let next = silences.next().unwrap();
            pauses.push(next.since(now).as_secs());
            assert!(silences.take_expired(next - Duration::from_nanos(1)).is_empty());
            now = next;
            assert_eq!(silences.take_expired(now), [node(1)]);
            assert!(!silences.is_unresponsive(node(1)));
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        silences.remove(node(1));
        silences.on_timeout(now, node(1));
        assert_eq!(silences.next(), Some(now + Duration::from_secs(5)));
    }

    #[test]
    fn a_node_that_sends_is_retried_at_once_others_soon() {
        let mut silences = UnresponsiveNodes::default();
        for _ in 0..5 {
            silences.on_timeout(at(0), node(1));
            silences.on_timeout(at(0), node(2));
        }
        assert!(!silences.on_message(at(1), node(3), Duration::from_secs(2)));
        assert!(silences.on_message(at(1), node(1), Duration::from_secs(2)));
        assert!(!silences.is_unresponsive(node(1)));
        assert_eq!(silences.next(), Some(at(3)));
        // It speaks, and does not answer: then only time counts.
        silences.on_timeout(at(2), node(1));
        assert!(!silences.on_message(at(4), node(1), Duration::ZERO));
        assert_eq!(silences.take_expired(at(162)), [node(1), node(2)]);
    }
}
