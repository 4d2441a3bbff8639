//! Anti-entropy (Demers et al. 1987): pairs of nodes compare their groups by a descent of hash
//! trees, and send each other what differs. Exchanges are frequent while nodes differ, and rare
//! while they agree.
//!
//! State: `schedule.rs`, `answer_times.rs`, `partner.rs` and `lagging.rs`, `freshness.rs`
//! (results), `pull.rs`, `reply.rs`. Messages, each answered from its content alone:
//! `group_names.rs` and `comparison.rs` (groups by name), `shared_groups.rs` and `group_tree.rs`
//! (all shared groups), `descent.rs` (one group), `transfer.rs` (records), `host_probe.rs` (to
//! reported hosts).

mod answer_times;
mod comparison;
mod descent;
mod freshness;
mod group_names;
mod group_tree;
mod host_probe;
mod lagging;
mod partner;
mod pull;
mod reply;
mod schedule;
mod shared_groups;
mod transfer;

use std::time::Duration;

use gm_broadcast::{BroadcastCommand, Path, Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, Fingerprints, Root, Versions};
use gm_data::{Eviction, GroupName, Version};

use super::action::Action;
use super::context::{Context, Route};
use super::sponsor;
use crate::counter::NodeCounter;
use crate::groups::{HostedGroup, is_reserved};
use freshness::Comparisons;
use partner::Partners;
use pull::Pulls;
use reply::Replies;
use schedule::ExchangeSchedule;

pub use freshness::Freshness;
pub(super) use schedule::NEWCOMER_PERIOD;

/// Anti-entropy of a node.
#[derive(Debug)]
pub(super) struct AntiEntropy {
    schedule: ExchangeSchedule,
    partners: Partners,
    comparisons: Comparisons,
    pulls: Pulls,
    replies: Replies,
    /// Last name of the page sent last; the next page starts after it.
    names_cursor: Option<GroupName>,
}

/// A page of names follows each n-th exchange that found no difference.
const NAMES_EVERY: u64 = 4;
/// A peer that was heard from within this time is considered alive: if it does not answer a
/// datagram, a connection may work.
const ALIVE_WINDOW: Duration = Duration::from_secs(30);

impl AntiEntropy {
    /// Anti-entropy of a node that starts; `old_peers` were reached before the start.
    pub(super) fn new(cx: &Context, old_peers: Vec<NetId>) -> AntiEntropy {
        AntiEntropy {
            schedule: ExchangeSchedule::new(cx.config.timing.exchange_interval_min),
            partners: Partners::new(old_peers),
            comparisons: Comparisons::default(),
            pulls: Pulls::default(),
            replies: Replies::new(cx.config.limits.exchange_replies_per_second),
            names_cursor: None,
        }
    }

    /// Schedules the first exchange.
    pub(super) fn start(&mut self, cx: &mut Context) {
        self.schedule.start(cx);
    }

    /// Peers that were reached before the start.
    pub(super) fn old_peers(&self) -> &[NetId] {
        self.partners.old_peers()
    }

    /// Number of open pulls.
    pub(super) fn open_pulls(&self) -> usize {
        self.pulls.len()
    }

    /// Number of delayed replies, and its maximum.
    pub(super) fn delayed_replies(&self) -> (usize, usize) {
        (self.replies.delayed(), reply::MAX_REPLIES)
    }

    /// The freshness of a hosted group.
    pub(super) fn freshness(&self, cx: &Context, now: Time, group: &GroupName) -> Option<Freshness> {
        self.comparisons.freshness(cx, now, group)
    }

    /// Shortens the interval, and starts the next exchange within it.
    pub(super) fn hasten(&mut self, cx: &mut Context, interval: Duration) {
        self.schedule.hasten(cx, interval);
    }

    /// Whether the next exchange has to wait: for an answer, or for a sponsor.
    pub(super) fn must_wait(&self, cx: &mut Context) -> bool {
        if sponsor::has_pending_sponsor(cx) {
            self.schedule.postpone(cx, cx.config.timing.exchange_interval_min);
            return true;
        }
        self.schedule.waits_for_answer(cx)
    }

    /// Ends the exchange that runs. Returns its partner and transport if it was not answered.
    pub(super) fn end_exchange(&mut self, cx: &mut Context) -> Option<Route> {
        let (node, by) = self.schedule.end_exchange()?;
        cx.count(NodeCounter::ExchangesUnanswered);
        cx.command(BroadcastCommand::Unanswered { node, by });
        Some((node, by))
    }

    /// Starts an exchange, and schedules the next one.
    pub(super) fn start_exchange(&mut self, cx: &mut Context, unanswered: Option<Route>) {
        let partner = self.choose_route(cx, unanswered);
        if let Some((to, by)) = partner {
            self.send_first_message(cx, to, by);
            cx.count(NodeCounter::ExchangesStarted);
        }
        self.schedule.on_started(cx, partner);
        self.partners.lagging.schedule(cx);
    }

    /// Chooses a new partner; but a peer that is alive and did not answer a datagram is asked again
    /// by a connection. So nodes between which datagrams are lost still compare, and learn that
    /// they are lost.
    fn choose_route(&mut self, cx: &mut Context, unanswered: Option<Route>) -> Option<Route> {
        let again = unanswered
            .filter(|(node, by)| *by == Transport::Udp && cx.peers().is_alive(cx.now, *node, ALIVE_WINDOW));
        if let Some((node, _)) = again {
            return Some((node, Transport::Tcp));
        }
        let to = self.partners.choose(cx, self.schedule.unanswered())?;
        // A connection may reach a peer from which no message ever came.
        let by = if self.schedule.unanswered() % 4 == 3 {
            Transport::Tcp
        } else {
            self.schedule.transport_for(to, Transport::Udp)
        };
        Some((to, by))
    }

    fn send_first_message(&mut self, cx: &mut Context, to: NetId, by: Transport) {
        // A group that was left is part of no root. For a group without another known member, the
        // peer is asked whether it knows one.
        let asks = self.schedule.count_exchange().is_multiple_of(2);
        let named = group_names::groups_to_name(cx, to, asks);
        comparison::compare_groups(cx, (to, by), &named);
        if shared_groups::shares_a_group(cx, to) {
            let root = shared_groups::root_with(cx, to);
            cx.send(to, Body::Root(Root { answer: false, root }), by);
        } else if named.is_empty() {
            // Roots over no groups are always equal. The peer may share groups with us without
            // either knowing it.
            group_names::send_page(cx, &mut self.names_cursor, (to, by));
        }
    }

    /// Handles a message of an exchange.
    pub(super) fn on_message(&mut self, cx: &mut Context, from: NetId, path: Path, body: Body) {
        if !self.replies.may_reply(cx) {
            return cx.count(NodeCounter::ExchangeMessagesRateLimited);
        }
        let was_asked = self.schedule.on_message(cx, from, path, reply::is_reply(from, &body));
        cx.act(Action::PeerHeard(from));
        // A message that came by a connection is answered on it, since datagrams may not arrive.
        let route = (from, self.schedule.transport_for(from, Transport::from(path)));
        match body {
            Body::Root(root) => self.on_root(cx, route, root, was_asked),
            Body::Fingerprints(received) => self.on_fingerprints(cx, route, received, was_asked),
            Body::Buckets(received) if is_reserved(&received.name) => {
                shared_groups::on_group_buckets(cx, route, &received);
            }
            Body::Buckets(received) => descent::on_buckets(cx, route, &received),
            Body::Versions(received) if is_reserved(&received.name) => {
                cx.count(NodeCounter::ReservedNameVersions);
            }
            Body::Versions(received) => self.on_versions(cx, route, path, &received),
            Body::RecordRequests(received) => descent::on_requests(cx, route, &received),
            _ => cx.count(NodeCounter::UnexpectedMessages),
        }
    }

    fn on_versions(&mut self, cx: &mut Context, route: Route, path: Path, received: &Versions) {
        let Some(found) = descent::compare_versions(cx, route, path, received) else { return };
        if !found.evictions.is_empty() {
            self.send_evictions(cx, &received.name, (route.0, path), &found.evictions);
        }
        descent::reply_to_versions(cx, route, received, found);
    }

    fn on_root(&mut self, cx: &mut Context, (from, by): Route, received: Root, was_asked: bool) {
        let root = shared_groups::root_with(cx, from);
        if root != received.root {
            self.on_difference(cx, from);
            return shared_groups::descend(cx, (from, by));
        }
        if !received.answer {
            cx.send(from, Body::Root(Root { answer: true, root }), by);
        }
        self.comparisons.note_equal(cx, from);
        freshness::note_equal_root(cx, from);
        self.partners.lagging.remove(from);
        self.on_equal(cx, from, was_asked);
    }

    fn on_fingerprints(
        &mut self,
        cx: &mut Context,
        (from, by): Route,
        mut received: Fingerprints,
        was_asked: bool,
    ) {
        let hosted = cx.groups.hosted.len();
        let mut compared = group_names::compare(cx, (from, by), &mut received);
        let deferred = sponsor::defer_comparison(cx, from, &received, &mut compared.differ);
        if !compared.differ.is_empty() {
            self.on_difference(cx, from);
        } else if let Some(number) = deferred {
            self.compare_later(cx, from, number);
        } else if !compared.registers && (!compared.is_comparison || was_asked) {
            self.on_equal(cx, from, was_asked);
        }
        for name in &compared.differ {
            freshness::note_difference(cx, name);
            descent::start(cx, from, name, by);
        }
        if !compared.registers && received.answer {
            self.on_page_answered(cx, from, received.until.as_ref(), cx.groups.hosted.len() > hosted);
        }
        group_names::reply(cx, (from, by), &received, compared);
    }

    /// Handles the reply to a page or a registration, which covers the names up to `until`.
    fn on_page_answered(&mut self, cx: &mut Context, from: NetId, until: Option<&GroupName>, found: bool) {
        let Some(until) = until else { return };
        cx.act(Action::PageAnswered { from, until: until.clone() });
        if self.names_cursor.as_ref().is_none_or(|cursor| until < cursor) {
            // The reply was cut, or added names up to its end: the next page starts there.
            self.names_cursor = Some(until.clone());
        }
        if found {
            // An observer hosts every group that it discovers, and there may be more.
            self.hasten(cx, cx.config.timing.exchange_interval_min);
        }
    }

    /// Handles an exchange that found no difference.
    fn on_equal(&mut self, cx: &mut Context, with: NetId, was_asked: bool) {
        self.schedule.end_differing(with);
        freshness::note_sole_members(cx);
        if !was_asked {
            return;
        }
        let is_introduced = cx.groups.hosted.values().all(HostedGroup::is_introduced);
        let is_settled = (is_introduced || !cx.is_newcomer()) && partner::unsettled_groups(cx).is_empty();
        let equal_exchanges = self.schedule.on_equal(cx, is_settled);
        self.partners.lagging.schedule(cx);
        if equal_exchanges.is_multiple_of(NAMES_EVERY) {
            let by = self.schedule.transport_for(with, Transport::Udp);
            group_names::send_page(cx, &mut self.names_cursor, (with, by));
        }
    }

    /// Handles an exchange that found a difference.
    fn on_difference(&mut self, cx: &mut Context, with: NetId) {
        cx.count(NodeCounter::ExchangesDiffering);
        self.schedule.on_difference(cx, with);
    }

    /// Prepares the exchanges that spread an own change further than its broadcast reached.
    /// `is_first`: this node had no record in the group. `is_sponsored`: a sponsor introduces it,
    /// and is compared with later.
    pub(super) fn on_own_change(
        &mut self,
        cx: &mut Context,
        group: &GroupName,
        is_first: bool,
        is_sponsored: bool,
    ) {
        if let Some(hosted) = cx.groups.hosted.get_mut(group) {
            hosted.mark_unsettled();
        }
        self.partners.lagging.track(cx, group);
        if is_sponsored {
            return;
        }
        if is_first {
            // A newcomer knows few members, and few know it.
            self.hasten(cx, cx.config.timing.exchange_interval_min);
        } else {
            self.schedule.on_own_change(cx);
        }
    }

    /// Replies to a sender with outdated records with our versions of them.
    pub(super) fn on_sender_behind(
        &mut self,
        cx: &mut Context,
        group: &GroupName,
        (to, path): (NetId, Path),
        members: &[NetId],
    ) {
        let by = self.schedule.transport_for(to, Transport::from(path));
        self.replies.on_sender_behind(cx, group, (to, by), path, members);
    }

    /// Replies to a peer that sent evicted records.
    pub(super) fn send_evictions(
        &mut self,
        cx: &mut Context,
        group: &GroupName,
        (to, path): (NetId, Path),
        evictions: &[Eviction],
    ) {
        let by = self.schedule.transport_for(to, Transport::from(path));
        self.replies.send_evictions(cx, group, (to, by), evictions);
    }

    /// Sends a delayed reply.
    pub(super) fn send_due_reply(&mut self, cx: &mut Context) {
        self.replies.send_due(cx);
    }

    /// Handles an increment whose base is not the version held here.
    pub(super) fn on_increment_gap(
        &mut self,
        cx: &mut Context,
        group: &GroupName,
        member: (NetId, Version),
        route: (NetId, Path),
    ) {
        self.pulls.on_increment_gap(cx, group, member, route);
    }

    /// Sends the request of a pull, or gives it up.
    pub(super) fn send_pull(&mut self, cx: &mut Context, group: GroupName, member: NetId) {
        self.pulls.send(cx, group, member);
    }

    /// Ends the pulls that merged records fulfil.
    pub(super) fn on_merged(&mut self, cx: &mut Context, group: &GroupName, members: &[NetId]) {
        members.iter().for_each(|member| self.pulls.settle(cx, group, *member));
    }

    /// Forgets what concerns a released group.
    pub(super) fn on_released(&mut self, cx: &mut Context, group: &GroupName) {
        self.pulls.end_group(cx, group);
    }

    /// Compares hosted groups with the host candidates that are due.
    pub(super) fn probe_hosts(&self, cx: &mut Context) {
        host_probe::probe(cx, &self.schedule);
    }

    /// The sponsor may send records, or more of them: it is compared with, after twice the shortest
    /// interval for each comparison that was `deferred` before.
    pub(super) fn compare_later(&mut self, cx: &mut Context, sponsor: NetId, deferred: u32) {
        self.partners.first = Some(sponsor);
        self.schedule.postpone(cx, cx.config.timing.exchange_interval_min.saturating_mul(1 << deferred));
    }

    /// Chooses the target of a first-write probe.
    pub(super) fn choose_probe_target(
        &self,
        cx: &mut Context,
        group: &GroupName,
        turn: u32,
        rendezvous: &[NetId],
    ) -> Option<NetId> {
        self.partners.choose_probe_target(cx, group, (turn, self.schedule.unanswered()), rendezvous)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
