//! How a node reaches others, and what does not work between them: gathered for whoever asks how it
//! stands.

use std::time::Duration;

use gm_broadcast::runtime::{SeedResolution, SeedState};
use gm_broadcast::{
    Counter, DatagramReachability, PartialFrameUsage, PeerStatus, UnauthenticatedUsage, Unopened,
};
use gm_clock::NetId;

use super::{BoxedNodeMachine, Node, NodeError};

/// Peers that each list of troubles names, at most.
const MAX_NAMED: usize = 16;

/// How a node reaches others.
#[derive(Clone, Debug, Default)]
pub struct NetworkStatus {
    /// Nodes that are known.
    pub peers: usize,
    /// Of them, those whose multicast is heard: see [`PeerStatus::near`].
    pub near: usize,
    /// Of them, those of which anything came within the last minute, or to which a connection is
    /// open.
    pub alive: usize,
    /// Peers with something wrong between them and us, sixteen at most, and how many there are.
    pub with_problems: (Vec<(NetId, PeerStatus)>, usize),
    /// Peers of the other family of addresses (IPv4, IPv6), which are reached by connections only.
    pub other_family: usize,
    /// Peers that say that they hear our multicast, while we do not hear theirs for a minute.
    pub one_way_multicast: usize,
    /// Addresses whose frames do not open, seen in the last five minutes.
    pub unopened: Vec<Unopened>,
    /// Connections that others opened, and whose other end has not proven that it has the key.
    pub unauthenticated: UnauthenticatedUsage,
    /// Connections that were not let in since the start, because others of their address were ended
    /// shortly before.
    pub refused_connections: u64,
    /// Frames that come by proven connections and are not whole yet.
    pub incomplete: PartialFrameUsage,
    /// How long ago another node last reached this one: by a datagram to it, or by a connection
    /// that it opened.
    pub last_reached: Option<Duration>,
    /// The seeds, in the order in which they were configured.
    pub seeds: Vec<SeedStatus>,
}

/// A seed, and what is known of it.
#[derive(Clone, Debug)]
pub struct SeedStatus {
    /// As it was configured, and what its address or name means.
    pub state: SeedState,
    /// What is known of the nodes that it means.
    pub nodes: Vec<(NetId, Option<PeerStatus>)>,
}

impl SeedStatus {
    /// Whether something of it was heard within the last minute or it is connected, or it is this
    /// node itself.
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

const RECENT: Duration = Duration::from_secs(60);

impl Node {
    /// How the node reaches others, and what does not work between them.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn network(&self) -> Result<NetworkStatus, NodeError> {
        let (now, seeds) = (self.now(), self.inner.shell.seeds());
        let not_let_in = self.inner.shell.counters().get(Counter::ConnectionsThrottled);
        self.with_machine(move |node: &BoxedNodeMachine| {
            let caster = node.broadcaster();
            let mut network = NetworkStatus {
                unopened: caster.unopened(now),
                unauthenticated: caster.unauthenticated(),
                refused_connections: not_let_in,
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
