//! What is known of a peer, in the shape of `gm_node::api`, and what is wrong between it and us, in
//! words.

use gm_broadcast::{DatagramReachability, DialFailure, Path, PeerStatus};
use gm_clock::NetId;
use gm_node::api;

/// A peer, for `GET /v1/peers`.
pub(super) fn peer(me: NetId, node: NetId, status: &PeerStatus) -> api::PeerInfo {
    let heard = status.last_heard();
    api::PeerInfo {
        node: node.to_string(),
        near: status.near,
        last_heard: heard.map(|(ago, _)| ago.as_secs()),
        last_heard_by: heard.map(|(_, path)| path_name(path).to_owned()),
        last_multicast: status.multicast.map(|ago| ago.as_secs()),
        connected: status.connected,
        datagrams: match status.datagrams {
            DatagramReachability::Untested => "untested",
            DatagramReachability::Work => "work",
            DatagramReachability::Lost => "lost",
            DatagramReachability::OtherFamily => "other-family",
        }
        .to_owned(),
        unanswered: status.unanswered,
        failures: status.failures,
        failure: status.failure.map(|(_, why)| refusal_name(why).to_owned()),
        retry_in: status.backoff.map(|left| left.as_secs() + u64::from(left.subsec_nanos() > 0)),
        problems: problems(me, node, status),
    }
}

fn path_name(path: Path) -> &'static str {
    match path {
        Path::Multicast => "multicast",
        Path::Datagram => "datagram",
        Path::Connection => "connection",
    }
}

fn refusal_name(why: DialFailure) -> &'static str {
    match why {
        DialFailure::Refused => "refused",
        DialFailure::Unreachable => "silent",
    }
}

/// What is wrong between us and a peer, each with what mends it.
pub(super) fn problems(me: NetId, node: NetId, status: &PeerStatus) -> Vec<String> {
    let mut all = Vec::new();
    if status.is_unreachable_at_its_address() {
        let source =
            status.source.map_or_else(String::new, |source| format!("; its packets come from {source}"));
        all.push(format!(
            "it announces {node}, where it is not reached{source}: only the connection that it opened is used. Set its `address`, or open the way to it"
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
            "a transfer to it stalled while small packets arrive: the path swallows large packets. Smaller segments are used; mend the path's MTU"
                .to_owned(),
        );
    }
    if status.closes_before_first_frame {
        all.push(
            "it ends our connections before it sends a frame: it has another key or another cluster name, most likely. Compare `gm-node status` on both"
                .to_owned(),
        );
    }
    all
}
