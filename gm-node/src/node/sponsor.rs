//! The sponsor of a newcomer: the seed that it asked by a connection before its first write, and
//! that introduces it to the members (see `introduction.rs`). Until the sponsor shows this node its
//! record, this node starts no exchanges and no announcements, which would only load busy peers; if
//! their connection ends, or the time is over, it does.

use std::time::Duration;

use gm_broadcast::Transport;
use gm_clock::NetId;
use gm_codec::{Body, Fingerprints, GroupUpdate, MemberUpdate};
use gm_data::GroupName;

use super::context::Context;
use super::messages::ask_for_own_record;
use super::timers::NodeTimer;
use crate::groups::Sponsor;

/// Time after the start in which a seed is asked first.
const START_PERIOD: Duration = Duration::from_secs(2);
/// Number of comparisons with the sponsor that a newcomer may defer: then it looks for the
/// difference.
const MAX_DEFERRED: u32 = 3;
/// Time that a sponsor has to show a newcomer its record: it may be busy with hundreds of them.
const SPONSOR_TIMEOUT: Duration = Duration::from_secs(3);
/// Interval at which a newcomer looks whether the sponsor is still connected.
pub(super) const SPONSOR_CHECK: Duration = Duration::from_millis(250);

/// A seed that is connected or being dialed, for a node that has just started: it is asked first,
/// whichever peers it named meanwhile.
pub(super) fn choose_seed(cx: &mut Context) -> Option<NetId> {
    if cx.now.since(cx.start_time) >= START_PERIOD {
        return None;
    }
    let peers = cx.peers();
    let seeds: Vec<NetId> =
        peers.seeds().iter().copied().filter(|seed| peers.has_connection(*seed)).collect();
    (!seeds.is_empty()).then(|| seeds[cx.rng.index(seeds.len())])
}

/// The transport of a question for this node's own record. The first one, to a seed, goes by the
/// connection that is dialed at the start in any case, and makes the seed the sponsor; the second
/// one only if the connection is open, as datagrams may get through where none can be dialed.
pub(super) fn choose_transport(cx: &mut Context, group: &GroupName, to: NetId, turn: u32) -> Transport {
    let is_possible = match turn {
        0 => cx.peers().has_connection(to),
        _ => cx.peers().peer_status(cx.now, to).is_some_and(|status| status.connected),
    };
    if !is_possible || !cx.peers().seeds().contains(&to) {
        return probe_transport(turn);
    }
    if let Some(hosted) = cx.groups.hosted.get_mut(group) {
        let until = cx.now + SPONSOR_TIMEOUT;
        let (has_answered, is_confirmed) = (false, false);
        hosted.sponsor = Some(Sponsor { node: to, until, has_answered, is_confirmed, deferred: 0 });
    }
    Transport::Tcp
}

/// The transport of a question: after two unanswered ones, a connection may get through.
const fn probe_transport(turn: u32) -> Transport {
    if turn < 2 { Transport::Udp } else { Transport::Tcp }
}

/// A peer has no record of this node. If it is the sponsor, it awaits the first one.
pub(super) fn on_answered(cx: &mut Context, group: &GroupName, by: NetId) {
    let sponsor = cx.groups.hosted.get_mut(group).and_then(|hosted| hosted.sponsor.as_mut());
    if let Some(sponsor) = sponsor.filter(|sponsor| sponsor.node == by) {
        sponsor.has_answered = true;
    }
}

/// Sends this node's first record to its sponsor, with the question again if it is not answered: it
/// may be lost.
pub(super) fn send_record(cx: &mut Context, group: &GroupName, sponsor: NetId, updates: Vec<MemberUpdate>) {
    let hosted = cx.groups.hosted.get(group);
    if !hosted.and_then(|hosted| hosted.sponsor).is_some_and(|sponsor| sponsor.has_answered) {
        ask_for_own_record(cx, group.clone(), (sponsor, Transport::Tcp));
    }
    let body = Body::GroupUpdate(GroupUpdate { name: group.clone(), updates });
    cx.send(sponsor, body, Transport::Tcp);
    cx.timers.set(NodeTimer::Announcement(group.clone()), cx.now + SPONSOR_CHECK);
}

/// The sponsor in a group, until it has shown this node its record.
pub(super) fn pending_sponsor(cx: &Context, group: &GroupName) -> Option<NetId> {
    let sponsor = cx.groups.hosted.get(group).and_then(|hosted| hosted.sponsor);
    sponsor.filter(|sponsor| !sponsor.is_confirmed).map(|sponsor| sponsor.node)
}

/// Whether this node waits for a sponsor in any group.
pub(super) fn has_pending_sponsor(cx: &Context) -> bool {
    let sponsors = cx.groups.hosted.values().filter_map(|hosted| hosted.sponsor);
    sponsors.filter(|sponsor| !sponsor.is_confirmed).any(|sponsor| !is_lost(cx, sponsor))
}

/// Ends the wait for a sponsor that is lost. Returns whether it ended.
pub(super) fn end_if_lost(cx: &mut Context, group: &GroupName) -> bool {
    let sponsor = cx.groups.hosted.get(group).and_then(|hosted| hosted.sponsor);
    let ends = sponsor.is_some_and(|sponsor| !sponsor.is_confirmed && is_lost(cx, sponsor));
    if ends && let Some(hosted) = cx.groups.hosted.get_mut(group) {
        hosted.sponsor = None;
    }
    ends
}

/// Whether the connection to a sponsor ended, or its time is over.
fn is_lost(cx: &Context, sponsor: Sponsor) -> bool {
    sponsor.until <= cx.now || !cx.peers().has_connection(sponsor.node)
}

/// A peer does not host a group: then it is no sponsor there.
pub(super) fn on_not_hosted(cx: &mut Context, group: &GroupName, by: NetId) {
    if let Some(hosted) = cx.groups.hosted.get_mut(group) {
        hosted.sponsor.take_if(|sponsor| sponsor.node == by);
    }
}

/// A peer has this node's present record. If it is the sponsor, no announcements are needed.
/// Returns whether this is the first time that the sponsor shows it.
pub(super) fn on_confirmed(cx: &mut Context, group: &GroupName, by: NetId) -> bool {
    let Some(hosted) = cx.groups.hosted.get_mut(group) else { return false };
    let pending = hosted.sponsor.as_mut().filter(|sponsor| sponsor.node == by && !sponsor.is_confirmed);
    let Some(sponsor) = pending else { return false };
    sponsor.is_confirmed = true;
    hosted.informed = None;
    cx.timers.cancel(&NodeTimer::Announcement(group.clone()));
    true
}

/// The number of comparisons with the sponsor that were deferred; `None` if the node is not the
/// sponsor, or this one is no newcomer any more.
pub(super) fn deferred_comparisons(cx: &Context, group: &GroupName, node: NetId) -> Option<u32> {
    let sponsor = cx.groups.hosted.get(group).filter(|_| cx.is_newcomer())?.sponsor?;
    (sponsor.node == node).then_some(sponsor.deferred)
}

/// A newcomer that differs from its sponsor is soon sent what it lacks, so it need not look for the
/// difference yet. Removes these groups; returns how many were deferred before.
pub(super) fn defer_comparison(
    cx: &mut Context,
    with: NetId,
    received: &Fingerprints,
    differ: &mut Vec<GroupName>,
) -> Option<u32> {
    let mut number = None;
    if !received.answer {
        // A page of names is answered completely.
        return None;
    }
    differ.retain(|group| {
        let deferred = deferred_comparisons(cx, group, with).filter(|deferred| *deferred < MAX_DEFERRED);
        number = number.max(deferred);
        let hosted = cx.groups.hosted.get_mut(group).filter(|_| deferred.is_some());
        if let Some(sponsor) = hosted.and_then(|hosted| hosted.sponsor.as_mut()) {
            sponsor.deferred += 1;
        }
        deferred.is_none()
    });
    number
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::node::test_context::{at, context, group, node};

    fn sponsored() -> Context {
        let mut cx = context();
        cx.host_with(&[1, 2]);
        cx.newcomer_until = at(2_000);
        let (has_answered, is_confirmed) = (true, false);
        let sponsor = Sponsor { node: node(2), until: at(3_000), has_answered, is_confirmed, deferred: 0 };
        cx.groups.hosted.get_mut(&group()).unwrap().sponsor = Some(sponsor);
        cx
    }

    #[test]
    fn only_the_sponsor_confirms_and_once() {
        let mut cx = sponsored();
        assert_eq!(pending_sponsor(&cx, &group()), Some(node(2)));
        assert!(!on_confirmed(&mut cx, &group(), node(3)));
        assert!(on_confirmed(&mut cx, &group(), node(2)));
        assert!(!on_confirmed(&mut cx, &group(), node(2)));
        assert_eq!(pending_sponsor(&cx, &group()), None);
        assert!(!end_if_lost(&mut cx, &group()), "a confirmed sponsor is not waited for");
    }

    #[test]
    fn a_sponsor_without_connection_or_group_is_none() {
        let mut cx = sponsored();
        assert!(!has_pending_sponsor(&cx));
        assert!(end_if_lost(&mut cx, &group()) && !end_if_lost(&mut cx, &group()));
        let mut cx = sponsored();
        on_not_hosted(&mut cx, &group(), node(3));
        assert_eq!(pending_sponsor(&cx, &group()), Some(node(2)));
        on_not_hosted(&mut cx, &group(), node(2));
        assert_eq!(pending_sponsor(&cx, &group()), None);
    }

    #[test]
    fn a_newcomer_defers_some_comparisons_with_its_sponsor() {
        let mut cx = sponsored();
        let other = vec![group()];
        let answer = Fingerprints { answer: true, after: None, until: None, groups: Vec::new() };
        let defer_comparison = |cx: &mut Context, with: NetId, differ: &mut Vec<GroupName>| {
            defer_comparison(cx, with, &answer, differ)
        };
        assert_eq!(defer_comparison(&mut cx, node(3), &mut other.clone()), None);
        for number in 0..=MAX_DEFERRED {
            let mut differ = other.clone();
            let deferred = defer_comparison(&mut cx, node(2), &mut differ);
            assert_eq!(deferred, (number < MAX_DEFERRED).then_some(number));
            assert_eq!(differ.is_empty(), deferred.is_some());
        }
        let mut cx = sponsored();
        cx.now = at(2_000);
        assert_eq!(defer_comparison(&mut cx, node(2), &mut other.clone()), None, "it is no newcomer");
    }
}
