//! Unresponsive nodes: each one that did not answer a registration is skipped for a while, longer
//! each time, but tried early if a message comes from it.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;

/// First pause.
const MIN_PAUSE: Duration = Duration::from_secs(5);
/// Maximum pause.
const MAX_PAUSE: Duration = Duration::from_secs(600);

/// Unresponsive nodes; at most as many as there are known peers.
#[derive(Debug, Default)]
pub(super) struct UnresponsiveNodes(BTreeMap<NetId, Unresponsive>);

#[derive(Clone, Copy, Debug)]
struct Unresponsive {
    /// End of the pause; `None` while the node is tried again.
    retry_at: Option<Time>,
    /// Length of the current or last pause.
    pause: Duration,
    /// Whether the node is tried early because a message came from it.
    retried_early: bool,
    /// Whether the node sent a message but did not answer when tried: messages no longer end its
    /// pause.
    ignores_messages: bool,
}

impl UnresponsiveNodes {
    /// Notes that a node did not answer.
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

    /// Notes that a node answered.
    pub(super) fn remove(&mut self, node: NetId) {
        self.0.remove(&node);
    }

    pub(super) fn is_unresponsive(&self, node: NetId) -> bool {
        self.0.get(&node).is_some_and(|entry| entry.retry_at.is_some())
    }

    /// Notes a message from a node. Returns whether to try the node now. If one is heard again
    /// after a partition, others may be: their pauses end within `wait`.
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

    /// Takes the nodes whose pause is over: they are tried again.
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

    /// End of the next pause.
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
        let mut nodes = UnresponsiveNodes::default();
        let mut now = Time::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            nodes.on_timeout(now, node(1));
            assert!(nodes.is_unresponsive(node(1)));
            let next = nodes.next().unwrap();
            pauses.push(next.since(now).as_secs());
            assert!(nodes.take_expired(next - Duration::from_nanos(1)).is_empty());
            now = next;
            assert_eq!(nodes.take_expired(now), [node(1)]);
            assert!(!nodes.is_unresponsive(node(1)));
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        nodes.remove(node(1));
        nodes.on_timeout(now, node(1));
        assert_eq!(nodes.next(), Some(now + Duration::from_secs(5)));
    }

    #[test]
    fn a_node_that_sends_is_retried_at_once_others_soon() {
        let mut nodes = UnresponsiveNodes::default();
        for _ in 0..5 {
            nodes.on_timeout(at(0), node(1));
            nodes.on_timeout(at(0), node(2));
        }
        assert!(!nodes.on_message(at(1), node(3), Duration::from_secs(2)));
        assert!(nodes.on_message(at(1), node(1), Duration::from_secs(2)));
        assert!(!nodes.is_unresponsive(node(1)));
        assert_eq!(nodes.next(), Some(at(3)));
        // The node sends messages but does not answer, so only time ends its pause.
        nodes.on_timeout(at(2), node(1));
        assert!(!nodes.on_message(at(4), node(1), Duration::ZERO));
        assert_eq!(nodes.take_expired(at(162)), [node(1), node(2)]);
    }
}
