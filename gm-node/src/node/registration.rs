//! Registration: each member of a group registers with the group's rendezvous nodes (see
//! `rendezvous.rs`) and learns other members from them. So two nodes that join a group find each
//! other within one or two round trips, however many groups the cluster has.
//!
//! A node registers when it joins, unless a sponsor introduces it, when a higher-ranked node is
//! discovered, and again every few minutes. Names go in pages, one page at a time to each node, and
//! every page is answered. A node that does not answer is skipped for a while, longer each time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gm_broadcast::{BroadcastCommand, Rng, Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, Fingerprints, GroupEntry, Versions};
use gm_data::GroupName;

use super::context::{Context, Route};
use super::messages::ask_for_own_record;
use super::sponsor;
use super::timers::NodeTimer;
use crate::counter::NodeCounter;
use crate::groups::Groups;
use crate::rendezvous::{COUNT, Weight, best, insert, key, weight};

mod unresponsive;

use unresponsive::UnresponsiveNodes;

/// Number of ranked nodes kept for a group: more than the rendezvous nodes, as some may not answer.
const MAX_RANKED: usize = 4;
/// Maximum number of names on a page, and the approximate maximum of their bytes, so that a page
/// fits into a datagram.
const PAGE_NAMES: usize = 64;
const PAGE_BYTES: usize = 900;
/// Number of times a page is sent before its receiver is skipped: first by datagram, then by
/// connection.
const MAX_TRIES: u32 = 2;
/// Time after which an unanswered page is sent again.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
/// Minimum delay before a member without other known members registers (at most twice as long):
/// nodes that start together find each other otherwise in the meantime.
const JOIN_DELAY: Duration = Duration::from_millis(20);
/// Fraction of the registration interval within which all other members register with a new
/// rendezvous node, so that the members of one group do not register at once.
const SPREAD_DIVISOR: u32 = 120;
/// This number of members keeps a group registered: in larger groups, each member registers less
/// often.
const REFRESHING_MEMBERS: usize = 4;
const MAX_SLOWDOWN: usize = 256;
/// Maximum number of registrations that a node refreshes per second.
const MAX_PER_SECOND: u32 = 4;
/// Number of nodes named in a referral for one group; some of them may be dead.
const MAX_REFERRED_NODES: usize = 4;
/// Maximum number of names in one message for which its sender is referred to other nodes.
const MAX_REFERRED_GROUPS: usize = 32;
/// Number of queries to the rendezvous nodes until a member answers: all members that they know may
/// be dead.
const MAX_QUERIES: u32 = 3;

/// The rendezvous nodes of this node's groups, and the times of registration.
#[derive(Debug)]
pub(super) struct Registration {
    groups: BTreeMap<GroupName, RegisteredGroup>,
    /// Pages that are sent and not answered yet, by receiver.
    pages: BTreeMap<NetId, PendingPage>,
    unresponsive: UnresponsiveNodes,
    /// Time within which members register with a new rendezvous node.
    spread: Duration,
    rng: Rng,
}

#[derive(Debug)]
struct RegisteredGroup {
    key: u32,
    own_weight: Weight,
    /// The highest-ranked other nodes, best first.
    ranked: Vec<Weight>,
    /// Whether `ranked` contains all known nodes.
    complete: bool,
    /// Time of the next registration with each rendezvous node.
    due: BTreeMap<NetId, DueRegistration>,
}

#[derive(Clone, Copy, Debug)]
struct DueRegistration {
    at: Time,
    /// Whether no other member was known; if one is known when due, the registration can wait.
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
    /// The rendezvous nodes other than this one, which is one itself if its own weight is great
    /// enough.
    fn rendezvous(&self) -> impl Iterator<Item = NetId> + '_ {
        let ranked = self.ranked.iter().enumerate();
        let used = ranked.filter(|(at, weight)| at + usize::from(self.own_weight > **weight) < COUNT);
        used.map(|(_, (_, node))| *node)
    }

    /// Schedules registrations with new rendezvous nodes, and drops those with former ones.
    fn plan(&mut self, now: Time, soon: Duration, groups: &Groups, name: &GroupName) {
        let used: BTreeSet<NetId> = self.rendezvous().collect();
        self.due.retain(|node, _| used.contains(node));
        let others = groups.other_member_count(name);
        let is_alone = others == 0;
        let wait = if is_alone { JOIN_DELAY + soon.min(JOIN_DELAY) } else { soon * slowdown(others) };
        for node in used {
            self.due.entry(node).or_insert(DueRegistration { at: now + wait, is_alone });
        }
    }
}

impl Registration {
    /// `seed` is the node's seed. A separate generator keeps the draws here independent of those
    /// elsewhere.
    pub(super) fn new(mut seed: [u8; 32], period: Duration) -> Registration {
        seed[0] ^= 0x52;
        Registration {
            groups: BTreeMap::new(),
            pages: BTreeMap::new(),
            unresponsive: UnresponsiveNodes::default(),
            spread: period / SPREAD_DIVISOR,
            rng: Rng::new(seed),
        }
    }

    fn random_delay(&mut self) -> Duration {
        self.rng.duration_up_to(self.spread)
    }

    /// Considers a node, new or answering again, as a rendezvous node of each group.
    fn consider(&mut self, cx: &mut Context, node: NetId) {
        let soon = self.random_delay();
        for (name, registered) in &mut self.groups {
            // Nodes beyond the last ranked one are unknown, and may rank higher.
            let max = if registered.complete { MAX_RANKED } else { registered.ranked.len() };
            if insert(&mut registered.ranked, weight(registered.key, node), max).is_some() {
                registered.plan(cx.now, soon, &cx.groups, name);
            } else {
                registered.complete = false;
            }
        }
        cx.timers.set_by(NodeTimer::Registration, cx.now);
    }

    /// Time of the next action.
    fn next(&self) -> Option<Time> {
        let dues = self.groups.values().flat_map(|registered| &registered.due);
        let dues = dues.filter(|(node, _)| !self.pages.contains_key(node)).map(|(_, due)| due.at);
        dues.chain(self.pages.values().map(|page| page.due)).chain(self.unresponsive.next()).min()
    }

    /// Starts registering as a member of a group.
    pub(super) fn enroll(&mut self, cx: &mut Context, group: &GroupName) {
        if cx.config.single_node || self.groups.contains_key(group) {
            return;
        }
        let key = key(group);
        let mine = weight(key, cx.me());
        let registered = RegisteredGroup {
            key,
            own_weight: mine,
            ranked: Vec::new(),
            complete: false,
            due: BTreeMap::new(),
        };
        self.groups.insert(group.clone(), registered);
        cx.timers.set_by(NodeTimer::Registration, cx.now);
    }

    /// Stops registering in a group.
    pub(super) fn unenroll(&mut self, group: &GroupName) {
        self.groups.remove(group);
        for page in self.pages.values_mut() {
            page.names.retain(|name| name != group);
        }
    }

    /// Considers a discovered node as a rendezvous node.
    pub(super) fn consider_rendezvous(&mut self, cx: &mut Context, node: NetId) {
        if node != cx.me() {
            self.consider(cx, node);
        }
    }

    /// Handles a message from an unresponsive node: it is considered again, and other unresponsive
    /// nodes soon are.
    pub(super) fn on_message_from(&mut self, cx: &mut Context, node: NetId) {
        if !self.unresponsive.is_unresponsive(node) {
            return;
        }
        let wait = self.random_delay();
        if self.unresponsive.on_message(cx.now, node, wait) {
            self.consider(cx, node);
        }
    }

    /// Sends the registrations that are due.
    pub(super) fn send_registrations(&mut self, cx: &mut Context) {
        for node in self.unresponsive.take_expired(cx.now) {
            self.consider(cx, node);
        }
        self.end_pages(cx);
        self.choose_rendezvous(cx);
        for (node, names) in self.due_pages(cx) {
            cx.count(NodeCounter::RegistrationsSent);
            send_page(cx, (node, Transport::Udp), &names);
            self.pages.insert(node, PendingPage { names, tries: 1, due: cx.now + ANSWER_TIMEOUT });
        }
        cx.timers.set_or_cancel(NodeTimer::Registration, self.next());
    }

    /// Sends unanswered pages again, by connection, or marks their receivers as unresponsive.
    fn end_pages(&mut self, cx: &mut Context) {
        let late = self.pages.iter().filter(|(_, page)| page.due <= cx.now);
        let late: Vec<NetId> = late.map(|(node, _)| *node).collect();
        for node in late {
            let Some(page) = self.pages.get_mut(&node) else { continue };
            if page.tries < MAX_TRIES && !page.names.is_empty() {
                page.tries += 1;
                page.due = cx.now + 2 * ANSWER_TIMEOUT;
                let names = page.names.clone();
                send_page(cx, (node, Transport::Tcp), &names);
                continue;
            }
            let page = self.pages.remove(&node);
            if page.is_some_and(|page| !page.names.is_empty()) {
                cx.count(NodeCounter::RegistrationsUnanswered);
                self.unresponsive.on_timeout(cx.now, node);
                self.drop_rendezvous(cx, node);
            }
        }
    }

    /// Replaces an unresponsive node by the next best one.
    fn drop_rendezvous(&mut self, cx: &mut Context, node: NetId) {
        let soon = self.random_delay();
        for (name, registered) in &mut self.groups {
            let before = registered.ranked.len();
            registered.ranked.retain(|(_, ranked)| *ranked != node);
            if registered.ranked.len() < before {
                registered.plan(cx.now, soon, &cx.groups, name);
            }
        }
    }

    /// Ranks all nodes for groups with too few ranked ones.
    fn choose_rendezvous(&mut self, cx: &mut Context) {
        let few = |registered: &RegisteredGroup| registered.ranked.len() < COUNT;
        if !self.groups.values().any(few) {
            return;
        }
        let known = self.candidates(cx);
        let soon = self.random_delay();
        let groups = &cx.groups;
        for (name, registered) in self.groups.iter_mut().filter(|(_, registered)| few(registered)) {
            if registered.ranked.len() < known.len() {
                registered.ranked = best(registered.key, known.iter().copied(), MAX_RANKED);
                registered.complete = registered.ranked.len() == known.len();
                registered.plan(cx.now, soon, groups, name);
            }
        }
    }

    /// The names that are due, by rendezvous node: a page for each one without a pending page.
    fn due_pages(&mut self, cx: &mut Context) -> BTreeMap<NetId, Vec<GroupName>> {
        let mut pages: BTreeMap<NetId, (usize, Vec<GroupName>)> = BTreeMap::new();
        for (name, registered) in &mut self.groups {
            let due = registered.due.iter_mut();
            for (node, due) in due.filter(|(node, due)| due.at <= cx.now && !self.pages.contains_key(node)) {
                let others = cx.groups.other_member_count(name);
                if others == 0 && sponsor::pending_sponsor(cx, name).is_some() {
                    due.at = cx.now + JOIN_DELAY * 4;
                    continue;
                }
                if due.is_alone && others > 0 {
                    // Another member was discovered meanwhile, so there is no hurry.
                    let at = cx.now + self.rng.duration_up_to(self.spread) * slowdown(others);
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

    /// Handles the answer to the page that ends with `until`: its names are registered with the
    /// node until their next time.
    pub(super) fn on_registered(&mut self, cx: &mut Context, from: NetId, until: &GroupName) {
        if self.pages.get(&from).is_none_or(|page| page.names.last() != Some(until)) {
            return;
        }
        let Some(page) = self.pages.remove(&from) else { return };
        self.unresponsive.remove(from);
        let all = u32::try_from(COUNT * self.groups.len()).unwrap_or(u32::MAX);
        let period =
            cx.config.timing.registration_interval.max(Duration::from_secs(1) / MAX_PER_SECOND * all);
        let period = period - period / 8 + self.rng.duration_up_to(period / 4);
        for name in page.names {
            let others = cx.groups.other_member_count(&name);
            let registered = self.groups.get_mut(&name);
            if let Some(due) = registered.and_then(|registered| registered.due.get_mut(&from)) {
                *due = DueRegistration { at: cx.now + period * slowdown(others), is_alone: false };
            }
        }
        cx.timers.set_or_cancel(NodeTimer::Registration, self.next());
    }

    /// After a reported host did not answer: if no other member is known, asks the rendezvous nodes
    /// for one.
    pub(super) fn query_rendezvous(&self, cx: &mut Context, group: &GroupName) {
        let others = cx.groups.other_member_count(group);
        let Some(hosted) = cx.groups.hosted.get_mut(group) else { return };
        if others > 0 || !hosted.host_candidates.is_empty() || hosted.rendezvous_queries >= MAX_QUERIES {
            return;
        }
        hosted.rendezvous_queries += 1;
        for node in self.rendezvous_of(cx, group) {
            ask_for_own_record(cx, group.clone(), (node, Transport::Udp));
        }
    }

    /// Refers a node to those that rank higher than this one for some groups, as in the iterative
    /// lookup of Kademlia (Maymounkov and Mazières 2002). So a newcomer that knows a single node
    /// ends up registering where all others do.
    pub(super) fn refer(&self, cx: &mut Context, to: NetId, names: &[GroupName]) {
        if names.is_empty() {
            return;
        }
        let candidates = self.candidates(cx);
        let me = cx.me();
        let mut nodes = BTreeSet::new();
        for name in names.iter().take(MAX_REFERRED_GROUPS) {
            let others = candidates.iter().copied().filter(|node| *node != to);
            let better = best(key(name), others.chain([me]), MAX_REFERRED_NODES).into_iter();
            nodes.extend(better.map(|(_, node)| node).take_while(|node| *node != me));
        }
        cx.command(BroadcastCommand::Introduce { to, nodes: nodes.into_iter().collect() });
    }

    /// Answers a node that asks for its record in a group without a known member: it reports
    /// that, or refers the node to the group's rendezvous nodes, which know more.
    pub(super) fn on_record_unknown(&self, cx: &mut Context, (to, by): Route, asked: Versions) {
        if self.ranked_for(cx, &asked.name).contains(&cx.me()) {
            cx.send(to, Body::Versions(asked), by);
        } else {
            self.refer(cx, to, std::slice::from_ref(&asked.name));
        }
    }

    /// The other rendezvous nodes of a group, as far as is known here.
    pub(super) fn rendezvous_of(&self, cx: &Context, group: &GroupName) -> Vec<NetId> {
        let mut nodes = self.ranked_for(cx, group);
        nodes.retain(|node| *node != cx.me());
        nodes
    }

    fn ranked_for(&self, cx: &Context, group: &GroupName) -> Vec<NetId> {
        let all = self.candidates(cx).into_iter().chain([cx.me()]);
        best(key(group), all, COUNT).into_iter().map(|(_, node)| node).collect()
    }

    /// Known nodes that are not unresponsive.
    fn candidates(&self, cx: &Context) -> Vec<NetId> {
        let mut known = cx.peers().known();
        known.retain(|node| !self.unresponsive.is_unresponsive(*node));
        known
    }
}

/// Sends names to a rendezvous node.
fn send_page(cx: &mut Context, (to, by): Route, names: &[GroupName]) {
    let me = cx.me();
    let groups = names.iter().map(|name| (name.clone(), GroupEntry::Contact(me))).collect();
    let body = Fingerprints { answer: true, after: None, until: names.last().cloned(), groups };
    cx.send(to, Body::Fingerprints(body), by);
}

/// The factor by which registrations are rarer with this number of other members.
fn slowdown(others: usize) -> u32 {
    let rarity = ((others + 1) / REFRESHING_MEMBERS).next_power_of_two().min(MAX_SLOWDOWN);
    u32::try_from(rarity).unwrap_or(1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
