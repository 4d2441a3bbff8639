//! Registration at rendezvous nodes: every member of a group makes itself known to the nodes at which the group's members meet (see `rendezvous.rs`). There
//! it learns who else is a member (see `registrar.rs`), so two nodes that join a group find each other within a round trip or two, however many groups the
//! cluster has.
//!
//! A node registers when it joins, when a better rendezvous node is found, and again every few minutes. Names go in pages, one page at a time to each
//! node, and every page is answered. A node that does not answer is left out for a while, longer each time, and the next best one takes its part.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gm_broadcast::{Rng, Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, Fingerprints, GroupEntry};
use gm_data::{GroupName, Replica};

use super::Node;
use crate::groups::Groups;
use crate::plant::{Bug, planted};
use crate::rendezvous::{COUNT, Weight, best, insert, key, weight};
use crate::store::Store;

mod silence;

use silence::Silences;

/// The best nodes for a group are remembered beyond those that are used, as some may not answer.
const KEPT: usize = 4;
/// The maximum of names on a page, and about of their bytes, so that a page fits into a datagram.
const NAMES: usize = 64;
const BYTES: usize = 900;
/// A page is sent this often before its receiver is left out: first by datagram, then by connection.
const TRIES: u32 = 2;
/// A page that is not answered within this time is sent again.
const ANSWER: Duration = Duration::from_millis(500);
/// A member that knows no other one registers after this time and up to twice as long: nodes that start together find each other otherwise meanwhile.
const SOON: Duration = Duration::from_millis(20);
/// All other members register at a new rendezvous node within this part of the time between two registrations, so that those of one group do not come at
/// once.
const SPREAD: u32 = 120;
/// This many members keep a group known at its rendezvous nodes: where there are more, each one refreshes its registration less often.
const FRESH: usize = 4;
const RAREST: usize = 256;
/// The maximum of registrations that a node refreshes a second.
const PACE: u32 = 4;
/// The rendezvous nodes of a group are asked for members this often until a member answers: all members that they know may be dead.
const SOUGHT: u32 = 3;

/// The rendezvous nodes of our groups, and when to register there.
#[derive(Debug)]
pub(super) struct Register {
    groups: BTreeMap<GroupName, Enrolled>,
    /// Pages that were sent and not answered yet, by receiver.
    pages: BTreeMap<NetId, Page>,
    silences: Silences,
    /// The time within which members register at a new rendezvous node.
    spread: Duration,
    pub(super) at: Option<Time>,
    chance: Rng,
}

/// A group of which this node is a member.
#[derive(Debug)]
struct Enrolled {
    key: u32,
    /// This node's own weight.
    mine: Weight,
    /// The best other nodes, the best one first.
    ranked: Vec<Weight>,
    /// Whether `ranked` has all nodes that are known.
    complete: bool,
    /// When to register at each rendezvous node.
    due: BTreeMap<NetId, Due>,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    at: Time,
    /// Whether it can wait if another member is known by then.
    lonely: bool,
}

/// Names that were sent to one rendezvous node.
#[derive(Debug)]
struct Page {
    names: Vec<GroupName>,
    tries: u32,
    due: Time,
}

impl Enrolled {
    /// The rendezvous nodes besides this one, which is one itself if its own weight is great enough.
    fn rendezvous(&self) -> impl Iterator<Item = NetId> + '_ {
        let ranked = self.ranked.iter().enumerate();
        let used = ranked.filter(|(at, weight)| at + usize::from(self.mine > **weight) < COUNT);
        used.map(|(_, (_, node))| *node)
    }

    /// Schedules registrations at rendezvous nodes that are new, and drops those at nodes that are none any more.
    fn plan(&mut self, now: Time, soon: Duration, groups: &Groups, name: &GroupName) {
        let used: BTreeSet<NetId> = self.rendezvous().collect();
        self.due.retain(|node, _| used.contains(node));
        let others = others_of(groups, name);
        let lonely = others == 0;
        let wait = if lonely { SOON + soon.min(SOON) } else { soon * rarity(others) };
        for node in used {
            self.due.entry(node).or_insert(Due { at: now + wait, lonely });
        }
    }
}

impl Register {
    /// `seed` is the node's; numbers that are drawn here do not move those that are drawn elsewhere.
    pub(super) fn new(mut seed: [u8; 32], period: Duration) -> Register {
        seed[0] ^= 0x52;
        Register {
            groups: BTreeMap::new(),
            pages: BTreeMap::new(),
            silences: Silences::default(),
            spread: period / SPREAD,
            at: None,
            chance: Rng::new(seed),
        }
    }

    fn soon(&mut self) -> Duration {
        self.chance.duration_up_to(self.spread)
    }

    fn wake_by(&mut self, at: Time) {
        self.at = Some(self.at.map_or(at, |set| set.min(at)));
    }

    /// A node that is known, or known again, may be a rendezvous node of any group.
    fn consider(&mut self, now: Time, node: NetId, groups: &Groups) {
        let soon = self.soon();
        for (name, enrolled) in &mut self.groups {
            // Of the nodes behind the last one that is ranked, others may be better.
            let most = if enrolled.complete { KEPT } else { enrolled.ranked.len() };
            if insert(&mut enrolled.ranked, weight(enrolled.key, node), most).is_some() {
                enrolled.plan(now, soon, groups, name);
            } else {
                enrolled.complete = false;
            }
        }
        self.wake_by(now);
    }

    /// When to look again.
    fn next(&self) -> Option<Time> {
        let dues = self.groups.values().flat_map(|enrolled| &enrolled.due);
        let dues = dues.filter(|(node, _)| !self.pages.contains_key(node)).map(|(_, due)| due.at);
        dues.chain(self.pages.values().map(|page| page.due)).chain(self.silences.next()).min()
    }

    pub(super) fn is_silent(&self, node: NetId) -> bool {
        self.silences.is_silent(node)
    }
}

/// The number of members of a group that are known besides this node.
fn others_of(groups: &Groups, name: &GroupName) -> usize {
    let me = groups.me();
    let state = groups.topology.group(name).map(Replica::state);
    state.map_or(0, |state| state.member_count() - usize::from(state.is_member(me)))
}

/// By what factor a member of a group with this many others registers less often.
fn rarity(others: usize) -> u32 {
    let rarity = ((others + 1) / FRESH).next_power_of_two().min(RAREST);
    u32::try_from(rarity).unwrap_or(1)
}

impl<S: Store> Node<S> {
    /// This node is a member of a group from now on.
    pub(super) fn enroll(&mut self, now: Time, group: &GroupName) {
        if self.config.alone || self.register.groups.contains_key(group) {
            return;
        }
        let key = key(group);
        let mine = weight(key, self.me());
        let enrolled = Enrolled { key, mine, ranked: Vec::new(), complete: false, due: BTreeMap::new() };
        self.register.groups.insert(group.clone(), enrolled);
        self.register.wake_by(now);
    }

    /// This node is no longer a member of a group.
    pub(super) fn unenroll(&mut self, group: &GroupName) {
        self.register.groups.remove(group);
        for page in self.register.pages.values_mut() {
            page.names.retain(|name| name != group);
        }
    }

    /// A node was found: it may be a better rendezvous node.
    pub(super) fn consider_rendezvous(&mut self, now: Time, node: NetId) {
        if node != self.me() {
            self.register.consider(now, node, self.caster.handler());
        }
    }

    /// A message came from a node: if it was left out, it is considered again, and others that were left out are soon.
    pub(super) fn revive(&mut self, now: Time, node: NetId) {
        if !self.register.silences.is_silent(node) {
            return;
        }
        let wait = self.register.soon();
        if self.register.silences.heard(now, node, wait) {
            self.register.consider(now, node, self.caster.handler());
        }
    }

    /// Sends the registrations that are due.
    pub(super) fn register(&mut self, now: Time) {
        if planted(Bug::SeedsGivenUp) && self.sync.silent > 2 {
            self.register.at = Some(now + ANSWER);
            return;
        }
        for node in self.register.silences.over(now) {
            self.register.consider(now, node, self.caster.handler());
        }
        self.end_pages(now);
        self.choose_rendezvous(now);
        for (node, names) in self.due_pages(now) {
            self.count("registration", "sent");
            self.send_page(now, node, &names, Transport::Udp);
            self.register.pages.insert(node, Page { names, tries: 1, due: now + ANSWER });
        }
        self.register.at = self.register.next();
    }

    /// Sends pages that were not answered again, by connection, or leaves out the nodes that do not answer.
    fn end_pages(&mut self, now: Time) {
        let late = self.register.pages.iter().filter(|(_, page)| page.due <= now);
        let late: Vec<NetId> = late.map(|(node, _)| *node).collect();
        for node in late {
            let Some(page) = self.register.pages.get_mut(&node) else { continue };
            if page.tries < TRIES && !page.names.is_empty() {
                page.tries += 1;
                page.due = now + 2 * ANSWER;
                let names = page.names.clone();
                let by = if planted(Bug::DatagramsOnly) { Transport::Udp } else { Transport::Tcp };
                self.send_page(now, node, &names, by);
                continue;
            }
            let page = self.register.pages.remove(&node);
            if page.is_some_and(|page| !page.names.is_empty()) {
                self.count("registration", "not answered");
                self.register.silences.begin(now, node);
                self.drop_rendezvous(now, node);
            }
        }
    }

    /// A node is left out: the next best one takes its part.
    fn drop_rendezvous(&mut self, now: Time, node: NetId) {
        let soon = self.register.soon();
        for (name, enrolled) in &mut self.register.groups {
            let before = enrolled.ranked.len();
            enrolled.ranked.retain(|(_, ranked)| *ranked != node);
            if enrolled.ranked.len() < before {
                enrolled.plan(now, soon, self.caster.handler(), name);
            }
        }
    }

    /// Ranks all nodes for groups that have too few.
    fn choose_rendezvous(&mut self, now: Time) {
        let few = |enrolled: &Enrolled| enrolled.ranked.len() < COUNT;
        if !self.register.groups.values().any(few) {
            return;
        }
        let known = self.candidates();
        let soon = self.register.soon();
        let groups = self.caster.handler();
        for (name, enrolled) in self.register.groups.iter_mut().filter(|(_, enrolled)| few(enrolled)) {
            if enrolled.ranked.len() < known.len() {
                enrolled.ranked = best(enrolled.key, known.iter().copied(), KEPT);
                enrolled.complete = enrolled.ranked.len() == known.len();
                enrolled.plan(now, soon, groups, name);
            }
        }
    }

    /// The names that are due, by rendezvous node: a page for each that has none on its way.
    fn due_pages(&mut self, now: Time) -> BTreeMap<NetId, Vec<GroupName>> {
        let (groups, register) = (self.caster.handler(), &mut self.register);
        let mut pages: BTreeMap<NetId, (usize, Vec<GroupName>)> = BTreeMap::new();
        for (name, enrolled) in &mut register.groups {
            let due = enrolled.due.iter_mut();
            for (node, due) in due.filter(|(node, due)| due.at <= now && !register.pages.contains_key(node)) {
                let others = others_of(groups, name);
                if due.lonely && others > 0 {
                    // Another member was found meanwhile: there is no hurry.
                    let at = now + register.chance.duration_up_to(register.spread) * rarity(others);
                    *due = Due { at, lonely: false };
                    continue;
                }
                let (bytes, names) = pages.entry(*node).or_default();
                if names.len() < NAMES && *bytes < BYTES {
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

    /// A node answered the page that ends with that name: it is registered there until the page is due again.
    pub(super) fn on_registered(&mut self, now: Time, from: NetId, until: &GroupName) {
        if self.register.pages.get(&from).is_none_or(|page| page.names.last() != Some(until)) {
            return;
        }
        let Some(page) = self.register.pages.remove(&from) else { return };
        self.register.silences.end(from);
        let all = u32::try_from(COUNT * self.register.groups.len()).unwrap_or(u32::MAX);
        let period = self.config.times.register.max(Duration::from_secs(1) / PACE * all);
        let period = period - period / 8 + self.register.chance.duration_up_to(period / 4);
        for name in page.names {
            let others = others_of(self.caster.handler(), &name);
            let enrolled = self.register.groups.get_mut(&name);
            if let Some(due) = enrolled.and_then(|enrolled| enrolled.due.get_mut(&from)) {
                *due = Due { at: now + period * rarity(others), lonely: false };
            }
        }
        self.register.at = self.register.next();
    }

    /// A node that was said to hold a group did not answer: if no other member is known, the rendezvous nodes are asked for another one.
    pub(super) fn look_elsewhere(&mut self, now: Time, group: &GroupName) {
        let others = others_of(self.groups(), group);
        let Some(held) = self.groups_mut().held.get_mut(group) else { return };
        if others > 0 || !held.leads.is_empty() || held.sought >= SOUGHT {
            return;
        }
        held.sought += 1;
        for node in self.rendezvous_of(group) {
            self.ask_what_is_known(now, group.clone(), (node, Transport::Udp));
        }
    }
}
