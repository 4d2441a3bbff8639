//! Registration at rendezvous nodes: every member of a group makes itself known to the nodes at
//! which the group's members meet (see `rendezvous.rs`). There it learns who else is a member (see
//! `registrar.rs`), so two nodes that join a group find each other within a round trip or two,
//! however many groups the cluster has.
//!
//! A node registers when it joins, when a better rendezvous node is found, and again every few
//! minutes. Names go in pages, one page at a time to each node, and every page is answered. A node
//! that does not answer is left out for a while, longer each time, and the next best one takes its
//! part.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gm_broadcast::{Rng, Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, Fingerprints, GroupEntry};
use gm_data::{GroupName, Replica};

use super::NodeMachine;
use crate::groups::Groups;
use crate::plant::{Bug, planted};
use crate::rendezvous::{COUNT, Weight, best, insert, key, weight};
use crate::store::Store;

mod unresponsive;

use unresponsive::UnresponsiveNodes;

/// The best nodes for a group are remembered beyond those that are used, as some may not answer.
const MAX_RANKED: usize = 4;
/// The maximum of names on a page, and about of their bytes, so that a page fits into a datagram.
const PAGE_NAMES: usize = 64;
const PAGE_BYTES: usize = 900;
/// A page is sent this often before its receiver is left out: first by datagram, then by
/// connection.
const MAX_TRIES: u32 = 2;
/// A page that is not answered within this time is sent again.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
/// A member that knows no other one registers after this time and up to twice as long: nodes that
/// start together find each other otherwise meanwhile.
const JOIN_DELAY: Duration = Duration::from_millis(20);
/// All other members register at a new rendezvous node within this part of the time between two
/// registrations, so that those of one group do not come at once.
const SPREAD_DIVISOR: u32 = 120;
/// This many members keep a group known at its rendezvous nodes: where there are more, each one
/// refreshes its registration less often.
const REFRESHING_MEMBERS: usize = 4;
const MAX_SLOWDOWN: usize = 256;
/// The maximum of registrations that a node refreshes a second.
const MAX_PER_SECOND: u32 = 4;
/// The rendezvous nodes of a group are asked for members this often until a member answers: all
/// members that they know may be dead.
const MAX_QUERIES: u32 = 3;

/// The rendezvous nodes of our groups, and when to register there.
#[derive(Debug)]
pub(super) struct Registrations {
    groups: BTreeMap<GroupName, RegisteredGroup>,
    /// Pages that were sent and not answered yet, by receiver.
    pages: BTreeMap<NetId, PendingPage>,
    unresponsive: UnresponsiveNodes,
    /// The time within which members register at a new rendezvous node.
    spread: Duration,
    pub(super) at: Option<Time>,
    rng: Rng,
}

/// A group of which this node is a member.
#[derive(Debug)]
struct RegisteredGroup {
    key: u32,
    /// This node's own weight.
    own_weight: Weight,
    /// The best other nodes, the best one first.
    ranked: Vec<Weight>,
    /// Whether `ranked` has all nodes that are known.
    complete: bool,
    /// When to register at each rendezvous node.
    due: BTreeMap<NetId, DueRegistration>,
}

#[derive(Clone, Copy, Debug)]
struct DueRegistration {
    at: Time,
    /// Whether it can wait if another member is known by then.
    is_alone: bool,
}

/// Names that were sent to one rendezvous node.
#[derive(Debug)]
struct PendingPage {
    names: Vec<GroupName>,
    tries: u32,
    due: Time,
}

impl RegisteredGroup {
    /// The rendezvous nodes besides this one, which is one itself if its own weight is great
    /// enough.
    fn rendezvous(&self) -> impl Iterator<Item = NetId> + '_ {
        let ranked = self.ranked.iter().enumerate();
        let used = ranked.filter(|(at, weight)| at + usize::from(self.own_weight > **weight) < COUNT);
        used.map(|(_, (_, node))| *node)
    }

    /// Schedules registrations at rendezvous nodes that are new, and drops those at nodes that are
    /// none any more.
    fn plan(&mut self, now: Time, soon: Duration, groups: &Groups, name: &GroupName) {
        let used: BTreeSet<NetId> = self.rendezvous().collect();
        self.due.retain(|node, _| used.contains(node));
        let others = others_of(groups, name);
        let lonely = others == 0;
        let wait = if lonely { JOIN_DELAY + soon.min(JOIN_DELAY) } else { soon * slowdown(others) };
        for node in used {
            self.due.entry(node).or_insert(DueRegistration { at: now + wait, is_alone: lonely });
        }
    }
}

impl Registrations {
    /// `seed` is the node's; numbers that are drawn here do not move those that are drawn
    /// elsewhere.
    pub(super) fn new(mut seed: [u8; 32], period: Duration) -> Registrations {
        seed[0] ^= 0x52;
        Registrations {
            groups: BTreeMap::new(),
            pages: BTreeMap::new(),
            unresponsive: UnresponsiveNodes::default(),
            spread: period / SPREAD_DIVISOR,
            at: None,
            rng: Rng::new(seed),
        }
    }

    fn random_delay(&mut self) -> Duration {
        self.rng.duration_up_to(self.spread)
    }

    fn schedule_by(&mut self, at: Time) {
        self.at = Some(self.at.map_or(at, |set| set.min(at)));
    }

    /// A node that is known, or known again, may be a rendezvous node of any group.
    fn consider(&mut self, now: Time, node: NetId, groups: &Groups) {
        let soon = self.random_delay();
        for (name, enrolled) in &mut self.groups {
            // Of the nodes behind the last one that is ranked, others may be better.
            let max = if enrolled.complete { MAX_RANKED } else { enrolled.ranked.len() };
            if insert(&mut enrolled.ranked, weight(enrolled.key, node), max).is_some() {
                enrolled.plan(now, soon, groups, name);
            } else {
                enrolled.complete = false;
            }
        }
        self.schedule_by(now);
    }

    /// When to look again.
    fn next(&self) -> Option<Time> {
        let dues = self.groups.values().flat_map(|enrolled| &enrolled.due);
        let dues = dues.filter(|(node, _)| !self.pages.contains_key(node)).map(|(_, due)| due.at);
        dues.chain(self.pages.values().map(|page| page.due)).chain(self.unresponsive.next()).min()
    }

    pub(super) fn is_unresponsive(&self, node: NetId) -> bool {
        self.unresponsive.is_unresponsive(node)
    }
}

/// The number of members of a group that are known besides this node.
fn others_of(groups: &Groups, name: &GroupName) -> usize {
    let me = groups.me();
    let state = groups.set.group(name).map(Replica::state);
    state.map_or(0, |state| state.member_count() - usize::from(state.is_member(me)))
}

/// By what factor a member of a group with this many others registers less often.
fn slowdown(others: usize) -> u32 {
    let rarity = ((others + 1) / REFRESHING_MEMBERS).next_power_of_two().min(MAX_SLOWDOWN);
    u32::try_from(rarity).unwrap_or(1)
}

impl<S: Store> NodeMachine<S> {
    /// This node is a member of a group from now on.
    pub(super) fn enroll(&mut self, now: Time, group: &GroupName) {
        if self.config.single_node || self.registrations.groups.contains_key(group) {
            return;
        }
        let key = key(group);
        let mine = weight(key, self.me());
        let enrolled = RegisteredGroup {
            key,
            own_weight: mine,
            ranked: Vec::new(),
            complete: false,
            due: BTreeMap::new(),
        };
        self.registrations.groups.insert(group.clone(), enrolled);
        self.registrations.schedule_by(now);
    }

    /// This node is no longer a member of a group.
    pub(super) fn unenroll(&mut self, group: &GroupName) {
        self.registrations.groups.remove(group);
        for page in self.registrations.pages.values_mut() {
            page.names.retain(|name| name != group);
        }
    }

    /// A node was found: it may be a better rendezvous node.
    pub(super) fn consider_rendezvous(&mut self, now: Time, node: NetId) {
        if node != self.me() {
            self.registrations.consider(now, node, self.broadcaster.handler());
        }
    }

    /// A message came from a node: if it was left out, it is considered again, and others that were
    /// left out are soon.
    pub(super) fn on_message_from(&mut self, now: Time, node: NetId) {
        if !self.registrations.unresponsive.is_unresponsive(node) {
            return;
        }
        let wait = self.registrations.random_delay();
        if self.registrations.unresponsive.on_message(now, node, wait) {
            self.registrations.consider(now, node, self.broadcaster.handler());
        }
    }

    /// Sends the registrations that are due.
    pub(super) fn send_registrations(&mut self, now: Time) {
        if planted(Bug::SeedsGivenUp) && self.schedule.unanswered > 2 {
            self.registrations.at = Some(now + ANSWER_TIMEOUT);
            return;
        }
        for node in self.registrations.unresponsive.take_expired(now) {
            self.registrations.consider(now, node, self.broadcaster.handler());
        }
        self.end_pages(now);
        self.choose_rendezvous(now);
        for (node, names) in self.due_pages(now) {
            self.count("registration", "sent");
            self.send_page(now, node, &names, Transport::Udp);
            self.registrations.pages.insert(node, PendingPage { names, tries: 1, due: now + ANSWER_TIMEOUT });
        }
        self.registrations.at = self.registrations.next();
    }

    /// Sends pages that were not answered again, by connection, or leaves out the nodes that do not
    /// answer.
    fn end_pages(&mut self, now: Time) {
        let late = self.registrations.pages.iter().filter(|(_, page)| page.due <= now);
        let late: Vec<NetId> = late.map(|(node, _)| *node).collect();
        for node in late {
            let Some(page) = self.registrations.pages.get_mut(&node) else { continue };
            if page.tries < MAX_TRIES && !page.names.is_empty() {
                page.tries += 1;
                page.due = now + 2 * ANSWER_TIMEOUT;
                let names = page.names.clone();
                let by = if planted(Bug::DatagramsOnly) { Transport::Udp } else { Transport::Tcp };
                self.send_page(now, node, &names, by);
                continue;
            }
            let page = self.registrations.pages.remove(&node);
            if page.is_some_and(|page| !page.names.is_empty()) {
                self.count("registration", "not answered");
                self.registrations.unresponsive.on_timeout(now, node);
                self.drop_rendezvous(now, node);
            }
        }
    }

    /// A node is left out: the next best one takes its part.
    fn drop_rendezvous(&mut self, now: Time, node: NetId) {
        let soon = self.registrations.random_delay();
        for (name, enrolled) in &mut self.registrations.groups {
            let before = enrolled.ranked.len();
            enrolled.ranked.retain(|(_, ranked)| *ranked != node);
            if enrolled.ranked.len() < before {
                enrolled.plan(now, soon, self.broadcaster.handler(), name);
            }
        }
    }

    /// Ranks all nodes for groups that have too few.
    fn choose_rendezvous(&mut self, now: Time) {
        let few = |enrolled: &RegisteredGroup| enrolled.ranked.len() < COUNT;
        if !self.registrations.groups.values().any(few) {
            return;
        }
        let known = self.candidates();
        let soon = self.registrations.random_delay();
        let groups = self.broadcaster.handler();
        for (name, enrolled) in self.registrations.groups.iter_mut().filter(|(_, enrolled)| few(enrolled)) {
            if enrolled.ranked.len() < known.len() {
                enrolled.ranked = best(enrolled.key, known.iter().copied(), MAX_RANKED);
                enrolled.complete = enrolled.ranked.len() == known.len();
                enrolled.plan(now, soon, groups, name);
            }
        }
    }

    /// The names that are due, by rendezvous node: a page for each that has none on its way.
    fn due_pages(&mut self, now: Time) -> BTreeMap<NetId, Vec<GroupName>> {
        let (groups, register) = (self.broadcaster.handler(), &mut self.registrations);
        let mut pages: BTreeMap<NetId, (usize, Vec<GroupName>)> = BTreeMap::new();
        for (name, enrolled) in &mut register.groups {
            let due = enrolled.due.iter_mut();
            for (node, due) in due.filter(|(node, due)| due.at <= now && !register.pages.contains_key(node)) {
                let others = others_of(groups, name);
                if due.is_alone && others > 0 {
                    // Another member was found meanwhile: there is no hurry.
                    let at = now + register.rng.duration_up_to(register.spread) * slowdown(others);
                    *due = DueRegistration { at, is_alone: false };
                    continue;
                }
                let (bytes, names) = pages.entry(*node).or_default();
                if names.len() < PAGE_NAMES && *bytes < PAGE_BYTES {
                    *bytes += name.as_str().len() + 3;
                    names.push(name.clone());
                }
            }
        }
        pages.into_iter().map(|(node, (_, names))| (node, names)).collect()
    }

    fn send_page(&mut self, now: Time, to: NetId, names: &[GroupName], by: Transport) {
        let me = self.me();
        let groups = names.iter().map(|name| (name.clone(), GroupEntry::Contact(me))).collect();
        let body = Fingerprints { answer: true, after: None, until: names.last().cloned(), groups };
        self.send(now, to, Body::Fingerprints(body), by);
    }

    /// A node answered the page that ends with that name: it is registered there until the page is
    /// due again.
    pub(super) fn on_registered(&mut self, now: Time, from: NetId, until: &GroupName) {
        if self.registrations.pages.get(&from).is_none_or(|page| page.names.last() != Some(until)) {
            return;
        }
        let Some(page) = self.registrations.pages.remove(&from) else { return };
        self.registrations.unresponsive.remove(from);
        let all = u32::try_from(COUNT * self.registrations.groups.len()).unwrap_or(u32::MAX);
        let period =
            self.config.timing.registration_interval.max(Duration::from_secs(1) / MAX_PER_SECOND * all);
        let period = period - period / 8 + self.registrations.rng.duration_up_to(period / 4);
        for name in page.names {
            let others = others_of(self.broadcaster.handler(), &name);
            let enrolled = self.registrations.groups.get_mut(&name);
            if let Some(due) = enrolled.and_then(|enrolled| enrolled.due.get_mut(&from)) {
                *due = DueRegistration { at: now + period * slowdown(others), is_alone: false };
            }
        }
        self.registrations.at = self.registrations.next();
    }

    /// A node that was said to hold a group did not answer: if no other member is known, the
    /// rendezvous nodes are asked for another one.
    pub(super) fn query_rendezvous(&mut self, now: Time, group: &GroupName) {
        let others = others_of(self.groups(), group);
        let Some(hosted) = self.groups_mut().hosted.get_mut(group) else { return };
        if others > 0 || !hosted.host_candidates.is_empty() || hosted.rendezvous_queries >= MAX_QUERIES {
            return;
        }
        hosted.rendezvous_queries += 1;
        for node in self.rendezvous_of(group) {
            self.send_probe(now, group.clone(), (node, Transport::Udp));
        }
    }
}
