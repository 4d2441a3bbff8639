//! Schedule of anti-entropy: when exchanges start, and by which transport. The interval is short
//! while nodes differ, and backs off while they agree.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::{Path, Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, Root};
use gm_data::{GroupName, Replica};

use crate::counter::NodeCounter;
use crate::groups::HostedGroup;
use crate::node::NodeMachine;
use crate::node::timers::NodeTimer;
use crate::store::Store;

/// State of the exchange schedule.
#[derive(Debug)]
pub(in crate::node) struct ExchangeSchedule {
    /// Current interval between exchanges.
    period: Duration,
    /// The peer that was asked and has not answered, and the transport.
    pending: Option<(NetId, Transport)>,
    /// Consecutive exchanges that found a difference, by peer. A path that loses large datagrams
    /// would show the same difference for ever.
    differing: BTreeMap<NetId, u32>,
    /// Consecutive exchanges without an answer.
    pub(in crate::node) unanswered: u32,
    /// Number of exchanges started.
    exchanges: u64,
    /// Number of exchanges that found no difference.
    equal_exchanges: u64,
    /// End of the newcomer period, see [`EAGER_PERIOD`].
    eager_until: Time,
    /// Last name of the page sent last.
    pub(in crate::node) names_cursor: Option<GroupName>,
    /// Peers that were reached before the start.
    pub(in crate::node) old_peers: Vec<NetId>,
}

impl ExchangeSchedule {
    pub(in crate::node) fn new(now: Time, period: Duration) -> ExchangeSchedule {
        ExchangeSchedule {
            period,
            pending: None,
            differing: BTreeMap::new(),
            unanswered: 0,
            exchanges: 0,
            equal_exchanges: 0,
            eager_until: now + EAGER_PERIOD,
            names_cursor: None,
            old_peers: Vec::new(),
        }
    }
}

/// Consecutive exchanges without an answer, after which the schedule stops retrying at the exchange
/// timeout and backs off.
const MAX_UNANSWERED: u32 = 8;
/// A page of names follows each n-th exchange that found no difference.
const NAMES_EVERY: u64 = 4;
/// Maximum number of groups that one exchange compares by name, because they were left or have no
/// other known member.
const MAX_NAMED: usize = 64;
/// Newcomer period, after a start or a join. A newcomer may be in sync with another newcomer while
/// all other nodes have more records; so it exchanges more often with any peers, and does not back
/// off.
const EAGER_PERIOD: Duration = Duration::from_secs(2);
/// A peer that was heard from within this time is considered alive: if it does not answer a
/// datagram, a connection may work.
const ALIVE_WINDOW: Duration = Duration::from_secs(30);
/// Consecutive exchanges that found a difference, after which exchanges with that peer go by a
/// connection.
const MAX_DIFFERING: u32 = 4;
/// Maximum number of peers for which such exchanges are counted.
const MAX_DIFFERING_PEERS: usize = 256;

impl<S: Store> NodeMachine<S> {
    /// Starts the newcomer period after a join.
    pub(in crate::node) fn be_eager(&mut self, now: Time) {
        self.schedule.eager_until = now + EAGER_PERIOD;
    }

    /// Whether this node is a newcomer, in the cluster or in a group.
    pub(in crate::node) fn is_eager(&self, now: Time) -> bool {
        self.schedule.eager_until > now
    }

    /// Shortens the interval, and starts the next exchange within it.
    pub(in crate::node) fn hasten(&mut self, now: Time, period: Duration) {
        self.schedule.period = self.schedule.period.min(period);
        self.schedule_within(now, period);
    }

    /// Starts the next exchange within `period`, at a random time, so that nodes that heard of the
    /// same event do not all exchange at once.
    fn schedule_within(&mut self, now: Time, period: Duration) {
        let at = now + period / 2 + self.rng.duration_up_to(period / 2);
        self.timers.set_by(NodeTimer::Exchange, at);
    }

    /// Handles a newly discovered peer.
    pub(in crate::node) fn on_peer_found(&mut self, now: Time, node: NetId) {
        self.hasten(now, self.config.timing.exchange_interval_active);
        self.consider_rendezvous(now, node);
        self.probe_rendezvous(now, node);
    }

    /// Runs when the next exchange is due.
    pub(in crate::node) fn on_exchange_due(&mut self, now: Time) {
        let unanswered = self.schedule.pending.take();
        if let Some((node, by)) = unanswered {
            self.schedule.unanswered = self.schedule.unanswered.saturating_add(1);
            self.count(NodeCounter::ExchangesUnanswered);
            self.command_broadcaster(now, gm_broadcast::BroadcastCommand::Unanswered { node, by });
        }
        self.end_leaving(now);
        let times = self.config.timing;
        let partner = self.start_exchange(now, unanswered);
        if partner.is_some() {
            self.schedule.pending = partner;
            self.count(NodeCounter::ExchangesStarted);
        }
        let pause = match (partner, self.schedule.unanswered) {
            (Some(_), ..=MAX_UNANSWERED) => {
                times.exchange_timeout.min(self.schedule.period.max(times.exchange_interval_min))
            }
            _ => self.schedule.period,
        };
        let next = now + pause - pause / 8 + self.rng.duration_up_to(pause / 4);
        self.timers.set(NodeTimer::Exchange, next);
        self.schedule_lagging(now);
        if self.schedule.unanswered > MAX_UNANSWERED {
            self.schedule.period = (self.schedule.period * 2).min(times.exchange_interval_max);
        }
    }

    /// Starts an exchange with a new partner; but a peer that is alive and did not answer a
    /// datagram is asked again by a connection. So nodes between which datagrams are lost still
    /// compare, and learn that they are lost.
    fn start_exchange(
        &mut self,
        now: Time,
        unanswered: Option<(NetId, Transport)>,
    ) -> Option<(NetId, Transport)> {
        let again = unanswered.filter(|(node, by)| {
            *by == Transport::Udp && self.broadcaster.is_alive(now, *node, ALIVE_WINDOW)
        });
        let (to, by) = match again {
            Some((node, _)) => (node, Transport::Tcp),
            // A connection may reach a peer from which no message ever came.
            None if self.schedule.unanswered % 4 == 3 => (self.choose_partner(now)?, Transport::Tcp),
            None => {
                let to = self.choose_partner(now)?;
                (to, self.transport_for(to, Transport::Udp))
            }
        };
        // A group that was left is part of no root. For a group without another known member, the
        // peer is asked whether it knows one.
        self.schedule.exchanges = self.schedule.exchanges.wrapping_add(1);
        let named = self.named_groups(now, self.schedule.exchanges.is_multiple_of(2));
        self.compare_groups(now, (to, by), &named);
        if self.shares_a_group(to) {
            let root = self.root_with(to);
            self.send(now, to, Body::Root(Root { answer: false, root }), by);
        } else if named.is_empty() {
            // Roots over no groups are always equal. The peer may share groups with us without
            // either knowing it.
            self.send_names_page(now, to, by);
        }
        Some((to, by))
    }

    /// Groups to compare by name with any partner: those that were left and, if `asks` is set,
    /// those without another known member for which not enough peers were asked.
    fn named_groups(&self, now: Time, asks: bool) -> Vec<GroupName> {
        let peers = if asks { self.peers_to_ask(now) } else { 0 };
        let groups = &self.groups;
        let me = self.me();
        let alone = |name: &GroupName| {
            let state = groups.set.group(name).map(Replica::state);
            !state.is_some_and(|state| state.members().any(|member| member != me))
        };
        let named = groups.hosted.iter().filter(|(name, hosted)| {
            hosted.leaving_until.is_some() || asks && hosted.is_unverified(peers) && alone(name)
        });
        named.map(|(name, _)| name.clone()).take(MAX_NAMED).collect()
    }

    /// Starts the next exchange at the latest when a lagging member is due.
    fn schedule_lagging(&mut self, now: Time) {
        if let Some(next) = self.lagging.next(now) {
            self.timers.set_by(NodeTimer::Exchange, next);
        }
    }

    /// Handles an anti-entropy message as a sign of life; returns whether it is from the peer that
    /// was asked, which has then answered.
    pub(in crate::node) fn on_exchange_answer(
        &mut self,
        now: Time,
        from: NetId,
        path: Path,
        answers: bool,
    ) -> bool {
        if std::mem::take(&mut self.schedule.unanswered) > MAX_UNANSWERED {
            // This node was cut off, and other members may have written meanwhile.
            self.groups.hosted.values_mut().for_each(HostedGroup::mark_unsettled);
        }
        let Some((_, by)) = self.schedule.pending.take_if(|(node, _)| *node == from) else { return false };
        if answers && (by, path) == (Transport::Udp, Path::Datagram) {
            self.command_broadcaster(now, gm_broadcast::BroadcastCommand::Answered(from));
        }
        true
    }

    /// The transport to a peer, given the preferred one: a connection, if consecutive exchanges
    /// with the peer found a difference. Then large datagrams may be lost, or there is much to
    /// send.
    pub(in crate::node) fn transport_for(&self, peer: NetId, by: Transport) -> Transport {
        let differing = self.schedule.differing.get(&peer).copied().unwrap_or(0);
        if differing >= MAX_DIFFERING { Transport::Tcp } else { by }
    }

    /// Handles an exchange that found no difference.
    pub(in crate::node) fn on_equal(&mut self, now: Time, with: NetId, was_asked: bool) {
        self.schedule.differing.remove(&with);
        self.on_no_difference(now);
        if !was_asked {
            return;
        }
        let slow = self.config.timing.exchange_interval_max;
        self.schedule.equal_exchanges += 1;
        let period = self.schedule.period;
        let next = now + period - period / 8 + self.rng.duration_up_to(period / 4);
        self.timers.set(NodeTimer::Exchange, next);
        if !self.is_eager(now) && self.unsettled_groups().is_empty() {
            self.schedule.period = (self.schedule.period * 2).min(slow);
        }
        self.schedule_lagging(now);
        if self.schedule.equal_exchanges.is_multiple_of(NAMES_EVERY) {
            let by = self.transport_for(with, Transport::Udp);
            self.send_names_page(now, with, by);
        }
    }

    /// Handles an exchange that found a difference.
    pub(in crate::node) fn on_difference(&mut self, now: Time, with: NetId) {
        self.count(NodeCounter::ExchangesDiffering);
        if self.schedule.differing.len() >= MAX_DIFFERING_PEERS
            && !self.schedule.differing.contains_key(&with)
        {
            self.schedule.differing.pop_first();
        }
        let differing = self.schedule.differing.entry(with).or_default();
        *differing = differing.saturating_add(1);
        let fast = self.config.timing.exchange_interval_min;
        self.hasten(now, fast);
        if self.is_eager(now) {
            // With many newcomers, each exchange doubles what a node knows. Of 2,000 nodes that
            // start at once, the last one is complete after 1.8 s instead of 2.05 s.
            self.schedule_within(now, fast / 2);
        }
    }

    /// Handles an equal root: both nodes are in sync in every group of which both are members.
    pub(in crate::node) fn on_same_root(&mut self, now: Time, with: NetId) {
        let me = self.me();
        let both = |replica: &Replica| {
            let state = replica.state();
            state.is_member(with) && state.is_member(me)
        };
        for group in self.compared(|hosted| !hosted.in_sync, both) {
            self.note_in_sync(now, &group, with);
        }
        self.lagging.remove(with);
        let groups = &mut self.groups;
        for (name, hosted) in groups.hosted.iter_mut().filter(|(_, hosted)| hosted.unsettled_turns > 0) {
            if groups.set.group(name).is_some_and(both) {
                hosted.unsettled_turns = 0;
            }
        }
    }

    /// Handles an exchange without a difference. A group without another known member cannot be in
    /// sync, but it counts as compared.
    fn on_no_difference(&mut self, now: Time) {
        let me = self.me();
        let sole = |replica: &Replica| !replica.state().members().any(|member| member != me);
        for group in self.compared(|hosted| !hosted.is_sole, sole) {
            self.note_sole_member(now, &group);
        }
    }

    /// The hosted groups that satisfy both conditions and have no host candidate left to probe.
    fn compared(
        &self,
        is_pending: impl Fn(&HostedGroup) -> bool,
        matches: impl Fn(&Replica) -> bool,
    ) -> Vec<GroupName> {
        let groups = &self.groups;
        let hosted = groups
            .hosted
            .iter()
            .filter(|(_, hosted)| hosted.host_candidates.is_empty() && is_pending(hosted));
        hosted
            .map(|(name, _)| name)
            .filter(|name| groups.set.group(name).is_some_and(&matches))
            .cloned()
            .collect()
    }
}
