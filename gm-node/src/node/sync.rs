//! Anti-entropy: when to compare, and what is known of the exchanges. Fast while nodes differ, slow in quiet; for ever. Knows nothing of what is compared.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::{Path, Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, Root};
use gm_data::{GroupName, Replica};

use super::Node;
use crate::groups::Held;
use crate::plant::{Bug, planted};
use crate::store::Store;

/// The pace of anti-entropy.
#[derive(Debug)]
pub(super) struct Sync {
    /// When somebody is asked next.
    pub(super) at: Option<Time>,
    /// How long after one exchange the next is.
    period: Duration,
    /// The peer that was asked and has not answered, and how it was asked.
    asked: Option<(NetId, Transport)>,
    /// Exchanges in a row that found a difference, by peer: a path that loses large datagrams would show the same one for ever.
    differing: BTreeMap<NetId, u32>,
    /// How many did not answer, one after the other.
    pub(super) silent: u32,
    /// Exchanges that were begun.
    turn: u64,
    /// Exchanges that found nothing to do.
    quiet: u64,
    /// Until then we are new here: see [`EAGER`].
    eager_until: Time,
    /// The last name of the page of names that was sent last.
    pub(super) told: Option<GroupName>,
    /// Nodes that were reached before our start.
    pub(super) old_peers: Vec<NetId>,
}

impl Sync {
    pub(super) fn new(now: Time, period: Duration) -> Sync {
        Sync {
            at: Some(now),
            period,
            asked: None,
            differing: BTreeMap::new(),
            silent: 0,
            turn: 0,
            quiet: 0,
            eager_until: now + EAGER,
            told: None,
            old_peers: Vec::new(),
        }
    }
}

/// After so many who did not answer the pace is no longer that of somebody who waits for an answer.
const SILENT: u32 = 8;
/// One in so many exchanges that found nothing tells names of groups.
const NAMES_EVERY: u64 = 4;
/// Groups of one exchange that are compared because they were left, or because no other member of them is known.
const NAMED: usize = 64;
/// So long after its start, and after it joined a group, a node may agree with one that is as new, while all others hold more: it asks those who are no members as
/// far as it knows oftener, and does not slow down.
const EAGER: Duration = Duration::from_secs(2);
/// A peer of which something came within this time is alive: if it does not answer a datagram, a connection may get through.
const ALIVE: Duration = Duration::from_secs(30);
/// After so many exchanges in a row that found a difference, the next ones with that peer go by a connection.
const DIFFERING: u32 = 4;
/// Peers for which such exchanges are counted, at most.
const DIFFERING_PEERS: usize = 256;

impl<S: Store> Node<S> {
    /// We joined a group.
    pub(super) fn be_eager(&mut self, now: Time) {
        self.sync.eager_until = now + EAGER;
    }

    /// Whether we are new, here or in a group.
    pub(super) fn is_eager(&self, now: Time) -> bool {
        self.sync.eager_until > now
    }

    /// Something moves: the next exchange is not later than after that.
    pub(super) fn hasten(&mut self, now: Time, period: Duration) {
        if planted(Bug::NeverFast) {
            return;
        }
        self.sync.period = self.sync.period.min(period);
        self.sync_within(now, period);
    }

    /// The next exchange is within that time. Not all who heard of something ask at the same time.
    fn sync_within(&mut self, now: Time, period: Duration) {
        let at = now + period / 2 + self.chance.duration_up_to(period / 2);
        self.sync.at = Some(self.sync.at.map_or(at, |set| set.min(at)));
    }

    /// A node that was not known is there.
    pub(super) fn on_found(&mut self, now: Time, node: NetId) {
        self.hasten(now, self.config.times.moving);
        self.consider_rendezvous(now, node);
        self.ask_rendezvous(now, node);
    }

    /// The time of an exchange.
    pub(super) fn on_sync_time(&mut self, now: Time) {
        let unanswered = self.sync.asked.take();
        if let Some((node, by)) = unanswered {
            self.sync.silent = self.sync.silent.saturating_add(1);
            self.count("anti-entropy", "no answer");
            if !planted(Bug::DatagramsOnly) {
                self.order(now, gm_broadcast::Command::Unanswered { node, by });
            }
        }
        self.end_leaving(now);
        let times = self.config.times;
        let whom = self.compare_with_somebody(now, unanswered);
        if whom.is_some() {
            self.sync.asked = whom;
            self.count("anti-entropy", "asked");
        }
        let pause = match (whom, self.sync.silent) {
            (Some(_), ..=SILENT) => times.answer.min(self.sync.period.max(times.fast)),
            _ => self.sync.period,
        };
        self.sync.at = Some(now + pause - pause / 8 + self.chance.duration_up_to(pause / 4));
        self.look_into_doubts(now);
        if self.sync.silent > SILENT {
            self.sync.period = (self.sync.period * 2).min(times.slow);
        }
    }

    /// Asks a peer whether we hold the same: another one each time, but a peer that is alive and did not answer a datagram is asked once more,
    /// by a connection. So nodes between which datagrams are lost compare all the same, and learn that they are lost.
    fn compare_with_somebody(
        &mut self,
        now: Time,
        unanswered: Option<(NetId, Transport)>,
    ) -> Option<(NetId, Transport)> {
        let again = unanswered.filter(|(node, by)| {
            *by == Transport::Udp && self.caster.is_alive(now, *node, ALIVE) && !planted(Bug::DatagramsOnly)
        });
        let (to, by) = match again {
            Some((node, _)) => (node, Transport::Tcp),
            // Where nothing of a peer ever came, a connection may get through.
            None if self.sync.silent % 4 == 3 && !planted(Bug::DatagramsOnly) => {
                (self.whom_to_compare_with(now)?, Transport::Tcp)
            }
            None => {
                let to = self.whom_to_compare_with(now)?;
                (to, self.by_for(to, Transport::Udp))
            }
        };
        // A group that we left is in no root; and of one in which no other member is known a peer is asked whether it knows one.
        self.sync.turn = self.sync.turn.wrapping_add(1);
        let named = self.named_groups(now, self.sync.turn.is_multiple_of(2));
        self.compare_groups(now, (to, by), &named);
        if self.shares_a_group(to) {
            let root = self.root_with(to);
            self.send(now, to, Body::Root(Root { answer: false, root }), by);
        } else if named.is_empty() {
            // Roots of nothing are equal, and say nothing: it may be in our groups, and neither knows.
            self.tell_names(now, to, by);
        }
        Some((to, by))
    }

    /// Groups that are compared by their names, whoever the partner is: those that we left, and, if so said, those of which no other member is known and
    /// not enough peers were asked yet.
    fn named_groups(&self, now: Time, asks: bool) -> Vec<GroupName> {
        let peers = if asks { self.peers_to_ask(now) } else { 0 };
        let groups = self.groups();
        let me = self.me();
        let alone = |name: &GroupName| {
            let state = groups.topology.group(name).map(Replica::state);
            !state.is_some_and(|state| state.members().any(|member| member != me))
        };
        let named = groups.held.iter().filter(|(name, held)| {
            held.leaving.is_some() || asks && held.is_unverified(peers) && alone(name)
        });
        named.map(|(name, _)| name.clone()).take(NAMED).collect()
    }

    /// The next exchange is not later than the next member that may lack something is due.
    fn look_into_doubts(&mut self, now: Time) {
        let next = self.doubts.next(now).into_iter().chain(self.sync.at).min();
        self.sync.at = next;
    }

    /// Something of anti-entropy came: whether it is of whom we asked, who has answered by it.
    pub(super) fn answered(&mut self, now: Time, from: NetId, path: Path, answers: bool) -> bool {
        if std::mem::take(&mut self.sync.silent) > SILENT {
            // We were cut off, and others may have written meanwhile.
            self.groups_mut().held.values_mut().for_each(Held::unsettle);
        }
        let Some((_, by)) = self.sync.asked.take_if(|(node, _)| *node == from) else { return false };
        if answers && (by, path) == (Transport::Udp, Path::Datagram) {
            self.order(now, gm_broadcast::Command::Answered(from));
        }
        true
    }

    /// How to send to a peer what would go that way: by a connection, if exchanges with it find a difference again and again. Then large datagrams
    /// may be lost, or there is much to send.
    pub(super) fn by_for(&self, peer: NetId, by: Transport) -> Transport {
        let differing = self.sync.differing.get(&peer).copied().unwrap_or(0);
        if differing >= DIFFERING && !planted(Bug::DatagramsOnly) { Transport::Tcp } else { by }
    }

    /// An exchange found nothing to do.
    pub(super) fn on_equal(&mut self, now: Time, with: NetId, was_asked: bool) {
        self.sync.differing.remove(&with);
        self.on_no_difference(now);
        if !was_asked {
            return;
        }
        let slow = self.config.times.slow;
        self.sync.quiet += 1;
        self.sync.at = Some(
            now + self.sync.period - self.sync.period / 8 + self.chance.duration_up_to(self.sync.period / 4),
        );
        if !self.is_eager(now) && self.unsettled().is_empty() {
            self.sync.period = (self.sync.period * 2).min(slow);
        }
        self.look_into_doubts(now);
        if self.sync.quiet.is_multiple_of(NAMES_EVERY) {
            let by = self.by_for(with, Transport::Udp);
            self.tell_names(now, with, by);
        }
    }

    /// An exchange found a difference.
    pub(super) fn on_difference(&mut self, now: Time, with: NetId) {
        self.count("anti-entropy", "differs");
        if self.sync.differing.len() >= DIFFERING_PEERS && !self.sync.differing.contains_key(&with) {
            self.sync.differing.pop_first();
        }
        let differing = self.sync.differing.entry(with).or_default();
        *differing = differing.saturating_add(1);
        let fast = self.config.times.fast;
        self.hasten(now, fast);
        if self.is_eager(now) {
            // Where many are new, what each knows doubles by each exchange: of 2,000 who start at once the last knows all after 1.8 s instead of 2.05 s.
            self.sync_within(now, fast / 2);
        }
    }

    /// Our root with that node is the same as its own: we agree on every group of which both are members.
    pub(super) fn on_same_root(&mut self, now: Time, with: NetId) {
        let me = self.me();
        let both = |replica: &Replica| {
            let state = replica.state();
            state.is_member(with) && state.is_member(me)
        };
        for group in self.compared(|held| !held.agreed, both) {
            self.agree(now, &group, with);
        }
        self.doubts.end(with);
        let groups = self.groups_mut();
        for (name, held) in groups.held.iter_mut().filter(|(_, held)| held.unsettled > 0) {
            if groups.topology.group(name).is_some_and(both) {
                held.unsettled = 0;
            }
        }
    }

    /// An exchange found no difference. Nobody can agree on a group of which no other member is known, but it was compared.
    fn on_no_difference(&mut self, now: Time) {
        let me = self.me();
        let sole = |replica: &Replica| !replica.state().members().any(|member| member != me);
        for group in self.compared(|held| !held.sole, sole) {
            self.on_sole(now, &group);
        }
    }

    /// The groups that are held and are so, unless a member of them is still to be asked.
    fn compared(&self, is_news: impl Fn(&Held) -> bool, is_so: impl Fn(&Replica) -> bool) -> Vec<GroupName> {
        let groups = self.groups();
        let held = groups.held.iter().filter(|(_, held)| held.leads.is_empty() && is_news(held));
        held.map(|(name, _)| name)
            .filter(|name| groups.topology.group(name).is_some_and(&is_so))
            .cloned()
            .collect()
    }
}
