//! Host probes: hosted groups are compared with nodes that are reported to host them and have no
//! record here yet (candidates). Each candidate has its own schedule, and those of one node go in
//! one message.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::{Time, Transport};
use gm_clock::NetId;
use gm_data::GroupName;

use super::schedule::ExchangeSchedule;
use super::{comparison, descent};
use crate::counter::NodeCounter;
use crate::node::action::Action;
use crate::node::context::Context;
use crate::node::timers::NodeTimer;

/// Number of attempts for one candidate, first by datagram, then by connection; then the node is
/// presumed dead.
const MAX_TRIES: u32 = 3;
/// Delay before the second attempt; it doubles with each one.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// Probes the candidates that are due.
pub(super) fn probe(cx: &mut Context, schedule: &ExchangeSchedule) {
    let (now, groups) = (cx.now, &mut cx.groups);
    let mut next: Option<Time> = None;
    let mut to: BTreeMap<NetId, (u32, Vec<GroupName>)> = BTreeMap::new();
    let mut given_up = Vec::new();
    for (name, hosted) in groups.hosted.iter_mut().filter(|(_, hosted)| !hosted.host_candidates.is_empty()) {
        let state = groups.set.group(name).map(gm_data::Replica::state);
        let is_met = |node: NetId| state.is_some_and(|state| state.is_member(node));
        hosted.host_candidates.retain_mut(|candidate| {
            if is_met(candidate.node) {
                return false;
            }
            if candidate.due <= now {
                if candidate.tries >= MAX_TRIES {
                    given_up.push(name.clone());
                    return false;
                }
                candidate.due = now + RETRY_DELAY * (1 << candidate.tries);
                candidate.tries += 1;
                let (tries, names) = to.entry(candidate.node).or_default();
                *tries = (*tries).max(candidate.tries);
                names.push(name.clone());
            }
            next = Some(next.map_or(candidate.due, |next| next.min(candidate.due)));
            true
        });
    }
    cx.timers.set_or_cancel(NodeTimer::HostProbe, next);
    for (node, (tries, names)) in to {
        // Where datagrams are lost, a connection may work.
        let by = if tries > 1 { Transport::Tcp } else { schedule.transport_for(node, Transport::Udp) };
        cx.count(NodeCounter::HostProbesSent);
        match names.as_slice() {
            [name] => descent::start(cx, node, name, by),
            names => comparison::compare_groups(cx, (node, by), names),
        }
    }
    given_up.into_iter().for_each(|name| cx.act(Action::HostGivenUp(name)));
}
