//! Finding a hop for a share: the first node of it that can be reached takes the list. Knows nothing of what is passed on.
//!
//! Who is refused is followed by the next node of the share at once; who is silent, after a few latencies, by the next one beside him, up to
//! a bound: whoever answers first takes the list, with those who did not answer yet still on it.

use std::collections::VecDeque;
use std::time::Duration;

use gm_clock::NetId;

use super::Broadcaster;
use crate::alarm::Timer;
use crate::class::Class;
use crate::handler::Handler;
use crate::hearing::Ear;
use crate::links::{Ask, Entry, Parcel, State};
use crate::machine::{LinkId, Output};
use crate::plant::{Bug, planted};
use crate::tally::{Child, ChildState};
use crate::time::Time;

/// A share that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Share {
    parcel: Parcel,
    class: Class,
    /// Who was not tried yet, in this order.
    rest: VecDeque<NetId>,
    /// Who is being dialled.
    dialling: Vec<NetId>,
    failed: bool,
}

/// How often a share is given anew to the same hop because its connection ended before it was sent.
const TRIES: u8 = 2;
/// How long a byte may take to go out, at 100 Mbit/s.
const BYTE: Duration = Duration::from_nanos(80);
/// How long a byte may take on its way far away, where a window of 256 KiB goes out once in a quarter of a second.
const BYTE_FAR: Duration = Duration::from_micros(1);

impl<H: Handler> Broadcaster<H> {
    /// Looks for somebody to take a share, unless too many are looked for already.
    pub(super) fn start_share(&mut self, now: Time, parcel: Parcel, class: Class, nodes: Vec<NetId>) {
        if self.shares.len() >= self.config.bounds.shares {
            self.counters.count("dropped", "share, too many");
            if let Some(key) = parcel.tally
                && let Some(tally) = self.tallies.get_mut(&key)
            {
                nodes.into_iter().for_each(|node| tally.miss(node));
                tally.open = tally.open.saturating_sub(1);
                self.gather_soon(now, key);
            }
            return;
        }
        let id = self.next_share;
        self.next_share += 1;
        let share = Share { parcel, class, rest: nodes.into(), dialling: Vec::new(), failed: false };
        self.shares.insert(id, share);
        self.advance(now, id);
    }

    /// Tries the next node of a share.
    fn advance(&mut self, now: Time, id: u64) {
        loop {
            let Some(share) = self.shares.get_mut(&id) else { return };
            let Some(node) = share.rest.pop_front() else {
                if share.dialling.is_empty() {
                    self.close_share(now, id);
                }
                return;
            };
            let link = self.link_to(now, node);
            let is_open = link.and_then(|link| self.links.table.get(&link)).map(|link| link.is_open());
            let Some(share) = self.shares.get_mut(&id) else { return };
            match (link, is_open) {
                (Some(link), Some(true)) => return self.give(now, id, node, link),
                (Some(_), Some(false)) => {
                    share.dialling.push(node);
                    self.waiting.insert((node, id));
                    let cost = self.config.classes.cost(share.class);
                    if !share.rest.is_empty() {
                        let hedge = now + cost.latency.saturating_mul(4) + self.config.times.hedge;
                        self.alarms.set(Timer::Share(id), hedge);
                    }
                    return;
                }
                _ => self.miss(id, node),
            }
        }
    }

    /// The time of the next attempt beside those under way.
    pub(super) fn on_share(&mut self, now: Time, id: u64) {
        let most = self.config.bounds.attempts;
        if self.shares.get(&id).is_some_and(|share| share.dialling.len() < most) {
            self.counters.count("dial", "hedged");
            self.advance(now, id);
        }
    }

    /// A node can be sent to: it takes the shares that wait for it.
    pub(super) fn on_reached(&mut self, now: Time, node: NetId) {
        let Some(link) = self.peers.get(node).and_then(|peer| peer.link) else { return };
        for id in self.waiting_for(node) {
            self.give(now, id, node, link);
        }
    }

    /// A node cannot be reached: shares that wait for it go on to the next.
    pub(super) fn on_unreached(&mut self, now: Time, node: NetId) {
        for id in self.waiting_for(node) {
            self.waiting.remove(&(node, id));
            if let Some(share) = self.shares.get_mut(&id) {
                share.dialling.retain(|dialled| *dialled != node);
            }
            self.miss(id, node);
            self.advance(now, id);
        }
    }

    fn waiting_for(&self, node: NetId) -> Vec<u64> {
        self.waiting.range((node, 0)..=(node, u64::MAX)).map(|(_, id)| *id).collect()
    }

    fn miss(&mut self, id: u64, node: NetId) {
        self.counters.count("hop", "missing");
        let Some(share) = self.shares.get_mut(&id) else { return };
        share.failed = true;
        if let Some(tally) = share.parcel.tally.and_then(|key| self.tallies.get_mut(&key)) {
            tally.miss(node);
        }
    }

    /// A share ends: somebody took it, or nobody is left to.
    fn close_share(&mut self, now: Time, id: u64) -> Option<Share> {
        let share = self.shares.remove(&id)?;
        self.alarms.cancel(Timer::Share(id));
        for node in &share.dialling {
            self.waiting.remove(&(*node, id));
        }
        let key = share.parcel.tally;
        if let Some(tally) = key.and_then(|key| self.tallies.get_mut(&key)) {
            tally.open = tally.open.saturating_sub(1);
            if share.rest.is_empty()
                && share.dialling.is_empty()
                && let Some(key) = key
            {
                self.gather_soon(now, key);
            }
        }
        Some(share)
    }

    /// Gives a share to a node of it.
    fn give(&mut self, now: Time, id: u64, hop: NetId, link: LinkId) {
        self.waiting.remove(&(hop, id));
        let Some(Share { mut parcel, class, rest, dialling, failed }) = self.close_share(now, id) else {
            return;
        };
        let mut list: Vec<NetId> = dialling.into_iter().filter(|node| *node != hop).chain(rest).collect();
        if failed && planted(Bug::ReplacedHopLosesList) {
            list.clear();
        }
        list.sort_unstable();
        let again = parcel.ask.is_some_and(|ask| ask.again);
        parcel.notice = again || (parcel.content.multicast && self.hearing.ear(hop, now) != Ear::Deaf);
        let latency = self.config.classes.cost(class).latency;
        if let Some(ask) = parcel.ask {
            // What it says must be here in time.
            let left = ask.until.since(now);
            let way = latency.saturating_mul(2) + left / 32;
            parcel.ask = Some(Ask { until: ask.until - way, ..ask });
        }
        // The plan may not have known how far it is; the dial has shown it.
        let measured = self.peers.get(hop).and_then(|peer| peer.class).unwrap_or(class).max(class);
        let bytes = u32::try_from(parcel.content.bytes).unwrap_or(u32::MAX);
        let far = if measured == Class::Wan { BYTE_FAR.saturating_mul(bytes) } else { Duration::ZERO };
        let way = self.config.classes.cost(measured).latency.saturating_mul(4) + far;
        if let Some(tally) = parcel.tally.and_then(|key| self.tallies.get_mut(&key)) {
            // What is given to others goes out first, or between what does not fit into a window.
            let shares = u32::try_from(tally.children.len() + tally.open + 1).unwrap_or(u32::MAX);
            let sending = BYTE.saturating_mul(bytes).saturating_mul(shares);
            tally.children.push(Child {
                hop,
                list: list.clone(),
                again,
                heard: now,
                patience: self.config.times.pulse.saturating_mul(3) + way + sending,
                sum: None,
                state: ChildState::Waiting,
            });
        }
        let key = parcel.tally;
        parcel.list = list;
        self.enqueue(now, link, Entry::Parcel(parcel));
        if let Some(key) = key {
            self.watch(now, key);
        }
        self.pump(now, link);
    }

    /// A share that was given was not sent: its connection ended, or it had to make room.
    pub(super) fn on_parcel_lost(&mut self, now: Time, hop: NetId, mut parcel: Parcel, full: bool) {
        self.counters.count("hop", "lost before it was sent");
        if planted(Bug::OutboxLostWithLink) {
            return;
        }
        let mut nodes = std::mem::take(&mut parcel.list);
        if let Some(tally) = parcel.tally.and_then(|key| self.tallies.get_mut(&key)) {
            let again = parcel.ask.is_some_and(|ask| ask.again);
            let child = tally
                .children
                .iter()
                .position(|child| child.hop == hop && child.again == again && child.sum.is_none());
            let child = child.map(|child| tally.children.remove(child));
            if child.is_some_and(|child| child.state == ChildState::Replaced) {
                // It waited so long that its list was given to others: what is left of it is the hop.
                nodes.clear();
            }
            tally.open += 1;
            parcel.ask = parcel.ask.map(|ask| Ask { until: tally.until, ..ask });
        }
        if full || parcel.tries >= TRIES {
            if let Some(tally) = parcel.tally.and_then(|key| self.tallies.get_mut(&key)) {
                tally.miss(hop);
            }
        } else {
            parcel.tries += 1;
            nodes.insert(0, hop);
        }
        self.start_share(now, parcel, Class::Lan, nodes);
    }

    /// Opens a connection, if there is room for one.
    pub(super) fn dial(&mut self, now: Time, to: NetId) -> Option<LinkId> {
        if self.links.table.len() >= self.config.bounds.links {
            let Some(idlest) = self.links.idlest() else {
                self.counters.count("dial", "no room");
                return None;
            };
            self.lose_link(now, idlest);
        }
        let link = self.links.next();
        self.links.add(link, Some(to), State::Dialling, now, self.codec.limits());
        self.peers.entry(to, self.config.directory.get(to)).0.link = Some(link);
        self.counters.count("dial", "dialled");
        let small_segments = self.swallows_large_packets(now, to);
        self.out.push(Output::Dial { link, to, small_segments });
        Some(link)
    }
}
