//! Limits of the node and of the control socket, and their settings.

use std::time::Duration;

use gm_node::NodeLimits;

/// The limits of the node and of its control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DaemonLimits {
    /// Limits of the node.
    pub(crate) node: NodeLimits,
    /// Maximum number of connections of the control socket, including watchers.
    pub(crate) max_connections: usize,
    /// Time limit for a client to send its request, and to read more of the answer.
    pub(crate) api_timeout: Duration,
}

impl Default for DaemonLimits {
    fn default() -> DaemonLimits {
        let node = NodeLimits::DEFAULT;
        DaemonLimits { node, max_connections: 1_280, api_timeout: Duration::from_secs(60) }
    }
}

impl DaemonLimits {
    /// Describes a conflict between the limits.
    pub(super) fn conflict(&self) -> Option<String> {
        (self.node.watchers >= self.max_connections).then(|| {
            format!(
                "`max-watchers` is {}, and `max-connections` {}: each watcher has a connection, and commands need some too. Increase `max-connections`",
                self.node.watchers, self.max_connections
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchers_leave_room_for_commands() {
        let default = DaemonLimits::default();
        assert_eq!(default.conflict(), None);
        let limits = NodeLimits { watchers: 5, ..NodeLimits::DEFAULT };
        let full = DaemonLimits { max_connections: 5, node: limits, ..default };
        assert!(full.conflict().unwrap().contains("`max-connections`"));
    }
}
