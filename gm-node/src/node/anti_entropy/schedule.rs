//! Anti-entropy: when to compare, and what is known of the exchanges. Fast while nodes differ, slow
//! in quiet; for ever. Knows nothing of what is compared.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::{Path, Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, Root};
use gm_data::{GroupName, Replica};

use crate::groups::HostedGroup;
use crate::node::NodeMachine;
use crate::plant::{Bug, planted};
use crate::store::Store;

/// The pace of anti-entropy.
#[derive(Debug)]
pub(in crate::node) struct ExchangeSchedule {
    /// When somebody is asked next.
    pub(in crate::node) at: Option<Time>,
    /// How long after one exchange the next is.
    period: Duration,
    /// The peer that was asked and has not answered, and how it was asked.
    pending: Option<(NetId, Transport)>,
    /// Exchanges in a row that found a difference, by peer: a path that loses large datagrams would
    /// show the same one for ever.
    differing: BTreeMap<NetId, u32>,
    /// How many did not answer, one after the other.
    pub(in crate::node) unanswered: u32,
    /// Exchanges that were begun.
    exchanges: u64,
    /// Exchanges that found nothing to do.
    equal_exchanges: u64,
    /// Until then we are new here: see [`EAGER_PERIOD`].
    eager_until: Time,
    /// The last name of the page of names that was sent last.
    pub(in crate::node) names_cursor: Option<GroupName>,
    /// Nodes that were reached before our start.
    pub(in crate::node) old_peers: Vec<NetId>,
}

impl ExchangeSchedule {
    pub(in crate::node) fn new(now: Time, period: Duration) -> ExchangeSchedule {
        ExchangeSchedule {
            at: Some(now),
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

/// After so many who did not answer the pace is no longer that of somebody who waits for an answer.
const MAX_UNANSWERED: u32 = 8;
/// One in so many exchanges that found nothing tells names of groups.
const NAMES_EVERY: u64 = 4;
/// Groups of one exchange that are compared because they were left, or because no other member of
/// them is known.
const MAX_NAMED: usize = 64;
/// So long after its start, and after it joined a group, a node may agree with one that is as new,
/// while all others hold more: it asks those who are no members as far as it knows oftener, and
/// does not slow down.
const EAGER_PERIOD: Duration = Duration::from_secs(2);
/// A peer of which something came within this time is alive: if it does not answer a datagram, a
/// connection may get through.
const ALIVE_WINDOW: Duration = Duration::from_secs(30);
/// After so many exchanges in a row that found a difference, the next ones with that peer go by a
/// connection.
const MAX_DIFFERING: u32 = 4;
/// Peers for which such exchanges are counted, at most.
const MAX_DIFFERING_PEERS: usize = 256;

impl<S: Store> NodeMachine<S> {
    /// We joined a group.
    pub(in crate::node) fn be_eager(&mut self, now: Time) {
        self.schedule.eager_until = now + EAGER_PERIOD;
    }

    /// Whether we are new, here or in a group.
    pub(in crate::node) fn is_eager(&self, now: Time) -> bool {
        self.schedule.eager_until > now
    }

    /// Something moves: the next exchange is not later than after that.
    pub(in crate::node) fn hasten(&mut self, now: Time, period: Duration) {
        if planted(Bug::NeverFast) {
            return;
        }
        self.schedule.period = self.schedule.period.min(period);
        self.schedule_within(now, period);
    }

    /// The next exchange is within that time. Not all who heard of something ask at the same time.
    fn schedule_within(&mut self, now: Time, period: Duration) {
        let at = now + period / 2 + self.rng.duration_up_to(period / 2);
        self.schedule.at = Some(self.schedule.at.map_or(at, |set| set.min(at)));
    }

    /// A node that was not known is there.
    pub(in crate::node) fn on_peer_found(&mut self, now: Time, node: NetId) {
        self.hasten(now, self.config.timing.exchange_interval_active);
        self.consider_rendezvous(now, node);
        self.probe_rendezvous(now, node);
    }

    /// The time of an exchange.
    pub(in crate::node) fn on_exchange_due(&mut self, now: Time) {
        let unanswered = self.schedule.pending.take();
        if let Some((node, by)) = unanswered {
            self.schedule.unanswered = self.schedule.unanswered.saturating_add(1);
            self.count("anti-entropy", "no answer");
            if !planted(Bug::DatagramsOnly) {
                self.command_broadcaster(now, gm_broadcast::BroadcastCommand::Unanswered { node, by });
            }
        }
        self.end_leaving(now);
        let times = self.config.timing;
        let partner = self.start_exchange(now, unanswered);
        if partner.is_some() {
            self.schedule.pending = partner;
            self.count("anti-entropy", "asked");
        }
        let pause = match (partner, self.schedule.unanswered) {
            (Some(_), ..=MAX_UNANSWERED) => {
                times.exchange_timeout.min(self.schedule.period.max(times.exchange_interval_min))
            }
            _ => self.schedule.period,
        };
        self.schedule.at = Some(now + pause - pause / 8 + self.rng.duration_up_to(pause / 4));
        self.schedule_lagging(now);
        if self.schedule.unanswered > MAX_UNANSWERED {
            self.schedule.period = (self.schedule.period * 2).min(times.exchange_interval_max);
        }
    }

    /// Asks a peer whether we hold the same: another one each time, but a peer that is alive and
    /// did not answer a datagram is asked once more, by a connection. So nodes between which
    /// datagrams are lost compare all the same, and learn that they are lost.
    fn start_exchange(
        &mut self,
        now: Time,
        unanswered: Option<(NetId, Transport)>,
    ) -> Option<(NetId, Transport)> {
        let again = unanswered.filter(|(node, by)| {
            *by == Transport::Udp
                && self.broadcaster.is_alive(now, *node, ALIVE_WINDOW)
                && !planted(Bug::DatagramsOnly)
        });
        let (to, by) = match again {
            Some((node, _)) => (node, Transport::Tcp),
            // Where nothing of a peer ever came, a connection may get through.
            None if self.schedule.unanswered % 4 == 3 && !planted(Bug::DatagramsOnly) => {
                (self.choose_partner(now)?, Transport::Tcp)
            }
            None => {
                let to = self.choose_partner(now)?;
                (to, self.transport_for(to, Transport::Udp))
            }
        };
        // A group that we left is in no root; and of one in which no other member is known a peer
        // is asked whether it knows one.
        self.schedule.exchanges = self.schedule.exchanges.wrapping_add(1);
        let named = self.named_groups(now, self.schedule.exchanges.is_multiple_of(2));
        self.compare_groups(now, (to, by), &named);
        if self.shares_a_group(to) {
            let root = self.root_with(to);
            self.send(now, to, Body::Root(Root { answer: false, root }), by);
        } else if named.is_empty() {
            // Roots of nothing are equal, and say nothing: it may be in our groups, and neither
            // knows.
            self.send_names_page(now, to, by);
        }
        Some((to, by))
    }

    /// Groups that are compared by their names, whoever the partner is: those that we left, and, if
    /// so said, those of which no other member is known and not enough peers were asked yet.
    fn named_groups(&self, now: Time, asks: bool) -> Vec<GroupName> {
        let peers = if asks { self.peers_to_ask(now) } else { 0 };
        let groups = self.groups();
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

    /// The next exchange is not later than the next member that may lack something is due.
    fn schedule_lagging(&mut self, now: Time) {
        let next = self.lagging.next(now).into_iter().chain(self.schedule.at).min();
        self.schedule.at = next;
    }

    /// Something of anti-entropy came: whether it is of whom we asked, who has answered by it.
    pub(in crate::node) fn on_exchange_answer(
        &mut self,
        now: Time,
        from: NetId,
        path: Path,
        answers: bool,
    ) -> bool {
        if std::mem::take(&mut self.schedule.unanswered) > MAX_UNANSWERED {
            // We were cut off, and others may have written meanwhile.
            self.groups_mut().hosted.values_mut().for_each(HostedGroup::mark_unsettled);
        }
        let Some((_, by)) = self.schedule.pending.take_if(|(node, _)| *node == from) else { return false };
        if answers && (by, path) == (Transport::Udp, Path::Datagram) {
            self.command_broadcaster(now, gm_broadcast::BroadcastCommand::Answered(from));
        }
        true
    }

    /// How to send to a peer what would go that way: by a connection, if exchanges with it find a
    /// difference again and again. Then large datagrams may be lost, or there is much to send.
    pub(in crate::node) fn transport_for(&self, peer: NetId, by: Transport) -> Transport {
        let differing = self.schedule.differing.get(&peer).copied().unwrap_or(0);
        if differing >= MAX_DIFFERING && !planted(Bug::DatagramsOnly) { Transport::Tcp } else { by }
    }

    /// An exchange found nothing to do.
    pub(in crate::node) fn on_equal(&mut self, now: Time, with: NetId, was_asked: bool) {
        self.schedule.differing.remove(&with);
        self.on_no_difference(now);
        if !was_asked {
            return;
        }
        let slow = self.config.timing.exchange_interval_max;
        self.schedule.equal_exchanges += 1;
        self.schedule.at = Some(
            now + self.schedule.period - self.schedule.period / 8
                + self.rng.duration_up_to(self.schedule.period / 4),
        );
        if !self.is_eager(now) && self.unsettled_groups().is_empty() {
            self.schedule.period = (self.schedule.period * 2).min(slow);
        }
        self.schedule_lagging(now);
        if self.schedule.equal_exchanges.is_multiple_of(NAMES_EVERY) {
            let by = self.transport_for(with, Transport::Udp);
            self.send_names_page(now, with, by);
        }
    }

    /// An exchange found a difference.
    pub(in crate::node) fn on_difference(&mut self, now: Time, with: NetId) {
        self.count("anti-entropy", "differs");
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
            // Where many are new, what each knows doubles by each exchange: of 2,000 who start at
            // once the last knows all after 1.8 s instead of 2.05 s.
            self.schedule_within(now, fast / 2);
        }
    }

    /// Our root with that node is the same as its own: we agree on every group of which both are
    /// members.
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
        let groups = self.groups_mut();
        for (name, hosted) in groups.hosted.iter_mut().filter(|(_, hosted)| hosted.unsettled_turns > 0) {
            if groups.set.group(name).is_some_and(both) {
                hosted.unsettled_turns = 0;
            }
        }
    }

    /// An exchange found no difference. Nobody can agree on a group of which no other member is
    /// known, but it was compared.
    fn on_no_difference(&mut self, now: Time) {
        let me = self.me();
        let sole = |replica: &Replica| !replica.state().members().any(|member| member != me);
        for group in self.compared(|hosted| !hosted.is_sole, sole) {
            self.note_sole_member(now, &group);
        }
    }

    /// The groups that are held and are so, unless a member of them is still to be asked.
    fn compared(
        &self,
        is_news: impl Fn(&HostedGroup) -> bool,
        is_so: impl Fn(&Replica) -> bool,
    ) -> Vec<GroupName> {
        let groups = self.groups();
        let hosted =
            groups.hosted.iter().filter(|(_, hosted)| hosted.host_candidates.is_empty() && is_news(hosted));
        hosted
            .map(|(name, _)| name)
            .filter(|name| groups.set.group(name).is_some_and(&is_so))
            .cloned()
            .collect()
    }
}
