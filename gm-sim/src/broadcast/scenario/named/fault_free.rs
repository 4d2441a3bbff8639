//! Scenarios without faults, in which the cost is bounded too.

use gm_broadcast::{RequestedAcks, Rng};

use super::super::layout::{idle_plan, random_length};
use super::super::{InitialPeers, Plan};
use crate::layout::{below, islands, ms, seconds};
use crate::node::{Location, NodeIndex};

/// Seconds until all nodes have exchanged peers and receptions.
const WARM_UP: u64 = 60;

/// A plan without faults, with broadcasts of random nodes, with acks and without.
fn fault_free(seed: u64, rng: &mut Rng, locations: Vec<Location>) -> Plan {
    let mut plan = idle_plan("", seed, locations);
    let mut at = seconds(WARM_UP);
    plan.claims.calm_from = Some(at);
    let within = plan.delivery_bound(0);
    for _ in 0..2 * plan.locations.len() {
        let node = plan.random_node(rng);
        let (with_acks, durable) = (rng.ratio(1, 2), rng.ratio(1, 2));
        let small = 8 + rng.index(500);
        let send = plan.add_send(at, node);
        (send.length, send.deliver_within, send.exact_acks) = (small, Some(within), true);
        send.acks = with_acks.then_some(RequestedAcks { within: within + ms(2_000), durable });
        at = at + rng.duration_up_to(ms(300));
    }
    plan
}

/// An island on which all nodes receive each other's multicast.
pub(super) fn one_island(seed: u64, rng: &mut Rng) -> Plan {
    let nodes = 3 + below(rng, 10);
    fault_free(seed, rng, islands(&[nodes], 1))
}

/// Two islands of one site.
pub(super) fn two_islands(seed: u64, rng: &mut Rng) -> Plan {
    let sizes = [0; 2].map(|_: u32| 2 + below(rng, 8));
    fault_free(seed, rng, islands(&sizes, 2))
}

/// Six islands on three sites.
pub(super) fn wan(seed: u64, rng: &mut Rng) -> Plan {
    let sizes = [0; 6].map(|_: u32| 1 + below(rng, 6));
    fault_free(seed, rng, islands(&sizes, 2))
}

/// Nodes that know only two seeds: at the end all nodes know each other and have received all
/// broadcasts.
pub(super) fn cold_start(seed: u64, rng: &mut Rng) -> Plan {
    let sizes = [0; 3].map(|_: u32| 1 + below(rng, 6));
    let mut plan = idle_plan("", seed, islands(&sizes, 2));
    plan.initial_peers = InitialPeers::Seeds(vec![NodeIndex(0), NodeIndex(1)]);
    plan.claims.all_peers_known = true;
    let within = plan.delivery_bound(0);
    for _ in 0..10 {
        let at = seconds(0) + rng.duration_up_to(ms(5_000));
        let node = plan.random_node(rng);
        let _ = plan.add_send(at, node);
    }
    for node in plan.nodes() {
        let at = seconds(60) + rng.duration_up_to(ms(3_000));
        plan.add_send(at, node).deliver_within = Some(within);
    }
    plan
}

/// Contents of some hundred thousand bytes, which fit into no datagram.
pub(super) fn big_payload(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = fault_free(seed, rng, islands(&[4, 3, 3], 2));
    plan.claims.calm_from = None;
    plan.sends.truncate(8);
    for path in [&mut plan.network.island, &mut plan.network.lan, &mut plan.network.wan] {
        path.bytes_per_second = 12_500_000;
    }
    for send in &mut plan.sends {
        send.length = 50_000 + random_length(rng, 400_000);
        // At 100 Mbit/s a node sends two or three of them per second to all others.
        send.deliver_within = send.deliver_within.map(|within| within + ms(8_000));
        send.acks = send.acks.map(|wanted| RequestedAcks { within: wanted.within + ms(8_000), ..wanted });
    }
    plan
}
