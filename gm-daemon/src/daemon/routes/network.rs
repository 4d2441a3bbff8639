//! Network part of the status: the seeds, and a warning for each network problem.

use gm_broadcast::runtime::{SeedResolution, SeedState};
use gm_broadcast::{DialFailure, PeerStatus, SeedTrouble};
use gm_clock::NetId;
use gm_daemon::api::{self, SeedCondition};
use gm_node::handle::{NetworkStatus, SeedStatus};

use super::peer::problems;
use crate::daemon::problem_texts;

/// Uptime in seconds after which a node that no other node has reached gets a warning.
const UNREACHED_WARNING_AFTER: u64 = 60;

/// Converts a seed.
pub(super) fn seed(status: &SeedStatus) -> api::SeedInfo {
    let SeedStatus { state: SeedState { seed, resolution }, nodes } = status;
    let (state, problem) = seed_state(status, resolution, nodes);
    api::SeedInfo {
        seed: seed.to_string(),
        state,
        nodes: nodes.iter().map(|(node, _)| node.to_string()).collect(),
        problem,
    }
}

fn seed_state(
    status: &SeedStatus,
    resolution: &SeedResolution,
    nodes: &[(NetId, Option<PeerStatus>)],
) -> (SeedCondition, Option<String>) {
    match resolution {
        SeedResolution::Ourselves => return (SeedCondition::Ourselves, None),
        SeedResolution::Pending => return (SeedCondition::Pending, None),
        SeedResolution::Failed(error) => {
            let why = format!("its name does not resolve: {error}. The node tries again");
            return (SeedCondition::NotResolved, Some(why));
        }
        SeedResolution::NoUsableAddress => {
            let why =
                "its name resolves to no address that another node can have and from which it can reach this one".to_owned();
            return (SeedCondition::NoUsableAddress, Some(why));
        }
        SeedResolution::Nodes(_) => {}
    }
    if status.is_reached() {
        return (SeedCondition::Reached, None);
    }
    let statuses = || nodes.iter().filter_map(|(_, status)| status.as_ref());
    let (state, why) = if statuses().any(|status| status.closes_before_first_frame) {
        (SeedCondition::ClosesBeforeFirstFrame, SeedTrouble::ClosesBeforeFirstFrame)
    } else {
        match statuses().find_map(|status| status.failure) {
            Some((_, DialFailure::Refused)) => (SeedCondition::Refused, SeedTrouble::Refused),
            Some((_, DialFailure::Unreachable)) => (SeedCondition::Silent, SeedTrouble::Unreachable),
            None => return (SeedCondition::NotHeard, None),
        }
    };
    (state, Some(problem_texts::seed_problem(why).to_owned()))
}

/// Converts the usage of connections before authentication.
pub(super) fn unauthenticated(found: &NetworkStatus) -> api::UnauthenticatedInfo {
    let gm_broadcast::UnauthenticatedUsage { connections, bytes, max_bytes, closed } = found.unauthenticated;
    api::UnauthenticatedInfo { connections, bytes, max_bytes, closed, refused: found.refused_connections }
}

/// Converts the usage of incomplete frames.
pub(super) fn incomplete(found: &NetworkStatus) -> api::IncompleteInfo {
    let gm_broadcast::PartialFrameUsage { bytes, max_bytes, closed } = found.incomplete;
    api::IncompleteInfo { bytes, max_bytes, closed }
}

/// Warnings about the network, each with a remedy.
pub(super) fn warnings(me: NetId, uptime: u64, found: &NetworkStatus) -> Vec<String> {
    let mut all: Vec<String> = found.unopened.iter().map(problem_texts::unopened_text).collect();
    for status in &found.seeds {
        let seed = seed(status);
        if let Some(problem) = seed.problem {
            all.push(format!("the seed {} is not reached: {problem}", seed.seed));
        }
    }
    let (peers, count) = &found.with_problems;
    for (node, status) in peers {
        all.extend(problems(me, *node, status).into_iter().map(|problem| format!("{node}: {problem}")));
    }
    if *count > peers.len() {
        all.push(format!("{} more peers have such problems: see gm-node peers", count - peers.len()));
    }
    if found.other_family > 0 {
        let ours = if me.ip().is_ipv4() { "IPv4" } else { "IPv6" };
        all.push(format!(
            "{} peers announce an address of the other family than this node ({ours}), so they are reached by connections only, without multicast. Give all nodes of the cluster an `address` of the same family",
            found.other_family
        ));
    }
    if found.one_way_multicast > 0 {
        all.push(format!(
            "{} peers receive this node's multicast, but this node does not receive theirs: a firewall on this machine drops it, or a switch in between (IGMP snooping without a querier). Connections are used instead",
            found.one_way_multicast
        ));
    }
    if found.incomplete.closed > 0 {
        all.push(format!(
            "{} authenticated connections were closed since the start because their incomplete frames took more than {} MiB together, or too long. Likely causes: nodes that stop in the middle of a frame, or very slow paths",
            found.incomplete.closed,
            found.incomplete.max_bytes >> 20
        ));
    }
    if uptime >= UNREACHED_WARNING_AFTER && found.last_reached.is_none() && found.alive > 0 {
        all.push(format!(
            "no other node has reached this one at {me} since it started; it receives only through connections that it opened itself. Check that {me} is the address by which other nodes reach it (`address`), and that the firewall admits TCP and UDP port {}",
            me.port()
        ));
    }
    all
}
