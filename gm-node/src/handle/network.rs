//! Network status of a node: peers, seeds, and network problems.

use std::time::Duration;

use gm_broadcast::runtime::{SeedResolution, SeedState};
use gm_broadcast::{
    Counter, DatagramReachability, PartialFrameUsage, PeerStatus, UnauthenticatedUsage, Unopened,
};
use gm_clock::NetId;

use super::{BoxedNodeMachine, Node, NodeError};

/// Maximum number of peers with problems that the status names.
const MAX_NAMED: usize = 16;

/// Network status of a node.
#[derive(Clone, Debug, Default)]
pub struct NetworkStatus {
    /// Number of known peers.
    pub peers: usize,
    /// Number of peers whose multicast is received: see [`PeerStatus::near`].
    pub near: usize,
    /// Number of peers that were heard from within the last minute, or are connected.
    pub alive: usize,
    /// Peers with network problems: the first sixteen, and the total number.
    pub with_problems: (Vec<(NetId, PeerStatus)>, usize),
    /// Number of peers of the other address family (IPv4 or IPv6), which are reached by connections
    /// only.
    pub other_family: usize,
    /// Number of peers that receive this node's multicast, while this node has not received theirs
    /// for a minute.
    pub one_way_multicast: usize,
    /// Addresses that sent frames which do not open, within the last five minutes.
    pub unopened: Vec<Unopened>,
    /// Inbound connections before authentication.
    pub unauthenticated: UnauthenticatedUsage,
    /// Number of connections that were refused since the start, because others from their address
    /// were closed shortly before.
    pub refused_connections: u64,
    /// Incomplete frames of authenticated connections.
    pub incomplete: PartialFrameUsage,
    /// Time since another node last reached this one, by a datagram or by a connection that it
    /// opened.
    pub last_reached: Option<Duration>,
    /// The seeds, in the order in which they were configured.
    pub seeds: Vec<SeedStatus>,
}

/// Status of a seed.
#[derive(Clone, Debug)]
pub struct SeedStatus {
    /// The configured seed, and the nodes that it resolves to.
    pub state: SeedState,
    /// These nodes, with their status as peers.
    pub nodes: Vec<(NetId, Option<PeerStatus>)>,
}

impl SeedStatus {
    /// Whether the seed was heard from within the last minute, is connected, or is this node
    /// itself.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        let lately = |status: &PeerStatus| {
            status.last_heard().is_some_and(|(ago, _)| ago < RECENT)
                || (status.connected && status.connection.is_some())
        };
        self.state.resolution == SeedResolution::Ourselves
            || self.nodes.iter().any(|(_, status)| status.as_ref().is_some_and(lately))
    }
}

/// A peer that was heard from within this time counts as alive.
const RECENT: Duration = Duration::from_secs(60);

impl Node {
    /// Returns the network status.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn network(&self) -> Result<NetworkStatus, NodeError> {
        let (now, seeds) = (self.now(), self.inner.runtime.seeds());
        let refused = self.inner.runtime.counters().get(Counter::ConnectionsThrottled);
        self.with_machine(move |node: &BoxedNodeMachine| {
            let caster = node.broadcaster();
            let mut network = NetworkStatus {
                unopened: caster.unopened(now),
                unauthenticated: caster.unauthenticated(),
                refused_connections: refused,
                incomplete: caster.partial_frames(),
                last_reached: caster.reached_by_others(now),
                ..NetworkStatus::default()
            };
            for peer in node.peers() {
                let Some(status) = caster.peer_status(now, peer) else { continue };
                network.peers += 1;
                network.near += usize::from(status.near);
                let lately = status.last_heard().is_some_and(|(ago, _)| ago < RECENT);
                network.alive += usize::from(status.connected || lately);
                network.other_family += usize::from(status.datagrams == DatagramReachability::OtherFamily);
                let unheard = status.multicast.is_none_or(|ago| ago > RECENT);
                network.one_way_multicast +=
                    usize::from(status.receives_us.is_some() && unheard && !status.near);
                if has_problem(&status) {
                    network.with_problems.1 += 1;
                    if network.with_problems.0.len() < MAX_NAMED {
                        network.with_problems.0.push((peer, status));
                    }
                }
            }
            let of = |state: SeedState| {
                let nodes = match &state.resolution {
                    SeedResolution::Nodes(nodes) => nodes.clone(),
                    _ => Vec::new(),
                };
                let status = |node: NetId| (node, caster.peer_status(now, node));
                SeedStatus { state, nodes: nodes.into_iter().map(status).collect() }
            };
            network.seeds = seeds.into_iter().map(of).collect();
            network
        })
        .await
    }
}

fn has_problem(status: &PeerStatus) -> bool {
    status.datagrams == DatagramReachability::Lost
        || status.stalled.is_some()
        || status.closes_before_first_frame
        || status.is_unreachable_at_its_address()
}
