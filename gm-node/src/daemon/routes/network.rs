//! How this node reaches others, for `status`: the seeds, and a warning for each thing that does
//! not work.

use gm_broadcast::runtime::{SeedResolution, SeedState};
use gm_broadcast::{DialFailure, PeerStatus, SeedTrouble};
use gm_clock::NetId;
use gm_node::api;
use gm_node::handle::{NetworkStatus, SeedStatus};

use super::peer::problems;
use crate::daemon::problem_texts;

/// A node that runs for so many seconds and was never reached by another says so.
const UNREACHED_WARNING_AFTER: u64 = 60;

/// A seed, for `GET /v1/status`.
pub(super) fn seed(status: &SeedStatus) -> api::SeedInfo {
    let SeedStatus { state: SeedState { seed, resolution }, nodes } = status;
    let (state, trouble) = seed_state(status, resolution, nodes);
    api::SeedInfo {
        seed: seed.to_string(),
        state: state.to_owned(),
        nodes: nodes.iter().map(|(node, _)| node.to_string()).collect(),
        problem: trouble,
    }
}

fn seed_state(
    status: &SeedStatus,
    resolution: &SeedResolution,
    nodes: &[(NetId, Option<PeerStatus>)],
) -> (&'static str, Option<String>) {
    match resolution {
        SeedResolution::Ourselves => return ("ourselves", None),
        SeedResolution::Pending => return ("pending", None),
        SeedResolution::Failed(error) => {
            let why = format!("its name does not resolve: {error}. It is tried again");
            return ("not-resolved", Some(why));
        }
        SeedResolution::NoUsableAddress => {
            let why =
                "its name means no address that can be another node's and can reach this one".to_owned();
            return ("no-usable-address", Some(why));
        }
        SeedResolution::Nodes(_) => {}
    }
    if status.is_reached() {
        return ("reached", None);
    }
    let statuses = || nodes.iter().filter_map(|(_, status)| status.as_ref());
    let (state, why) = if statuses().any(|status| status.closes_before_first_frame) {
        ("closes-before-first-frame", SeedTrouble::ClosesBeforeFirstFrame)
    } else {
        match statuses().find_map(|status| status.failure) {
            Some((_, DialFailure::Refused)) => ("refused", SeedTrouble::Refused),
            Some((_, DialFailure::Unreachable)) => ("silent", SeedTrouble::Unreachable),
            None => return ("not-heard", None),
        }
    };
    (state, Some(problem_texts::seed_problem(why).to_owned()))
}

/// Connections without a proof of the key, for `GET /v1/status`.
pub(super) fn unauthenticated(found: &NetworkStatus) -> api::UnauthenticatedInfo {
    let gm_broadcast::UnauthenticatedUsage { connections, bytes, max_bytes: most_bytes, closed } =
        found.unauthenticated;
    api::UnauthenticatedInfo {
        connections,
        bytes,
        max_bytes: most_bytes,
        closed,
        refused: found.refused_connections,
    }
}

/// Frames that are not whole yet, for `GET /v1/status`.
pub(super) fn incomplete(found: &NetworkStatus) -> api::IncompleteInfo {
    let gm_broadcast::PartialFrameUsage { bytes, max_bytes: most_bytes, closed } = found.incomplete;
    api::IncompleteInfo { bytes, max_bytes: most_bytes, closed }
}

/// What an operator should look at, each with what mends it.
pub(super) fn warnings(me: NetId, uptime: u64, found: &NetworkStatus) -> Vec<String> {
    let mut all: Vec<String> = found.unopened.iter().map(problem_texts::unopened_text).collect();
    for status in &found.seeds {
        let seed = seed(status);
        if let Some(trouble) = seed.problem {
            all.push(format!("the seed {} is not reached: {trouble}", seed.seed));
        }
    }
    let (troubled, count) = &found.with_problems;
    for (node, status) in troubled {
        all.extend(problems(me, *node, status).into_iter().map(|trouble| format!("{node}: {trouble}")));
    }
    if *count > troubled.len() {
        all.push(format!("{} more peers have such troubles: gm-node peers", count - troubled.len()));
    }
    if found.other_family > 0 {
        let ours = if me.ip().is_ipv4() { "IPv4" } else { "IPv6" };
        all.push(format!(
            "{} of the peers announce an address of the other family than this node ({ours}): they are reached by connections only, without multicast. Give all nodes of the cluster an `address` of one family",
            found.other_family
        ));
    }
    if found.one_way_multicast > 0 {
        all.push(format!(
            "{} of the peers hear this node's multicast, and this node does not hear theirs: a firewall here drops it, or a switch between (IGMP snooping without a querier). Connections are used instead",
            found.one_way_multicast
        ));
    }
    if found.incomplete.closed > 0 {
        all.push(format!(
            "{} connections of nodes that have the key were closed since the start: what they began to send took more than {} MiB together, or too long. Nodes that stop in the middle of what they send, or paths that are very slow",
            found.incomplete.closed,
            found.incomplete.max_bytes >> 20
        ));
    }
    if uptime >= UNREACHED_WARNING_AFTER && found.last_reached.is_none() && found.alive > 0 {
        all.push(format!(
            "no other node has reached this one at {me} since it started: all that others send comes by connections that this node opens. Is {me} the address that others reach it by (`address`), and does a firewall let TCP and UDP port {} in?",
            me.port()
        ));
    }
    all
}
