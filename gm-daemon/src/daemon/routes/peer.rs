//! Converts a peer's status into the shape of `gm_daemon::api`, with its problems as text.

use gm_broadcast::{DatagramReachability, DialFailure, Path, PeerStatus};
use gm_clock::NetId;
use gm_daemon::api;

/// Converts a peer.
pub(super) fn peer(me: NetId, node: NetId, status: &PeerStatus) -> api::PeerInfo {
    let heard = status.last_heard();
    api::PeerInfo {
        node: node.to_string(),
        near: status.near,
        last_heard: heard.map(|(ago, _)| ago.as_secs()),
        last_heard_by: heard.map(|(_, path)| heard_path(path)),
        last_multicast: status.multicast.map(|ago| ago.as_secs()),
        connected: status.connected,
        datagrams: match status.datagrams {
            DatagramReachability::Untested => api::DatagramState::Untested,
            DatagramReachability::Work => api::DatagramState::Work,
            DatagramReachability::Lost => api::DatagramState::Lost,
            DatagramReachability::OtherFamily => api::DatagramState::OtherFamily,
        },
        unanswered: status.unanswered,
        failures: status.failures,
        failure: status.failure.map(|(_, why)| peer_failure(why)),
        retry_in: status.backoff.map(|left| left.as_secs() + u64::from(left.subsec_nanos() > 0)),
        problems: problems(me, node, status),
    }
}

fn heard_path(path: Path) -> api::HeardPath {
    match path {
        Path::Multicast => api::HeardPath::Multicast,
        Path::Datagram => api::HeardPath::Datagram,
        Path::Connection => api::HeardPath::Connection,
    }
}

fn peer_failure(why: DialFailure) -> api::PeerFailure {
    match why {
        DialFailure::Refused => api::PeerFailure::Refused,
        DialFailure::Unreachable => api::PeerFailure::Silent,
    }
}

/// Problems between this node and a peer, each with a remedy.
pub(super) fn problems(me: NetId, node: NetId, status: &PeerStatus) -> Vec<String> {
    let mut all = Vec::new();
    if status.is_unreachable_at_its_address() {
        let source =
            status.source.map_or_else(String::new, |source| format!("; its packets come from {source}"));
        all.push(format!(
            "it announces {node}, where it is not reached{source}: only the connection that it opened is used. Correct its `address`, or let connections to it through the firewall"
        ));
    }
    if status.datagrams == DatagramReachability::Lost {
        all.push(format!(
            "datagrams between {me} and {node} are lost, connections are used instead: let UDP port {} and {} through both firewalls",
            me.port(),
            node.port()
        ));
    }
    if status.stalled.is_some() {
        all.push(
            "a transfer to it stalled while small packets arrive: the path swallows large packets. Smaller segments are used; fix the MTU of the path"
                .to_owned(),
        );
    }
    if status.closes_before_first_frame {
        all.push(
            "it closes this node's connections before it sends a frame: it probably has another key or another cluster name. Compare `gm-node status` on both"
                .to_owned(),
        );
    }
    all
}
