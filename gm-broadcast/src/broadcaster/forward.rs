//! Passing on: who is told in full, who by a notice, who not at all, and who passes what on to whom. Knows nothing of connections.

use std::sync::Arc;
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::BroadcastId;

use super::Broadcaster;
use super::receive::Duty;
use crate::class::Class;
use crate::event::Event;
use crate::handler::Handler;
use crate::hearing::Ear;
use crate::islands::{Target, islands};
use crate::links::{Ask, Parcel};
use crate::plan::{Share, plan};
use crate::plant::{Bug, planted};
use crate::recent::Content;
use crate::tally::{Own, Tally, TallyKey};
use crate::time::Time;

/// How a broadcast is passed on.
#[derive(Clone, Debug, Default)]
pub(super) struct How {
    pub(super) tally: Option<TallyKey>,
    /// What hops are asked for; the time until which is taken for each anew.
    pub(super) ask: Option<Ask>,
    pub(super) topic: Option<u64>,
    pub(super) instead: Option<Arc<Content>>,
}

impl<H: Handler> Broadcaster<H> {
    /// Takes a share over.
    pub(super) fn pass_on(&mut self, now: Time, id: BroadcastId, duty: Duty) {
        let Some((content, counts, stored)) = self.recent.whole(&id) else {
            return self.counters.count("dropped", "share, content gone");
        };
        let mut how = How { ask: duty.ask, ..How::default() };
        if let Some(ask) = duty.ask {
            let own = match (counts, stored || !ask.durable) {
                (false, _) => Own::Refused,
                (true, true) => Own::Counts,
                (true, false) => Own::Waiting,
            };
            if own == Own::Waiting {
                self.emit(Event::StoreWanted(id));
            }
            let key = TallyKey { id, parent: Some(duty.from), again: ask.again };
            how.tally = self.open_tally(key, Tally::new(ask.until, ask.durable, own, now));
        }
        self.disperse(now, id, &content, duty.list, &how);
        if let Some(key) = how.tally {
            self.gather(now, key);
        }
    }

    /// Cuts targets into shares and begins to give them out.
    pub(super) fn disperse(
        &mut self,
        now: Time,
        id: BroadcastId,
        content: &Arc<Content>,
        targets: Vec<NetId>,
        how: &How,
    ) {
        let mut confirmed = Vec::new();
        let mut rest = Vec::with_capacity(targets.len());
        for node in targets.into_iter().filter(|node| *node != self.config.me) {
            // Whoever said that it hears our multicast has heard this one.
            let heard = content.by_us && self.hearing.ear(node, now) == Ear::Confirmed;
            if heard && how.ask.is_none() {
                confirmed.push(node);
            } else {
                rest.push(self.target(now, node));
            }
        }
        let mut shares = plan(islands(rest), &self.config.classes, self.config.shape, &mut self.plans);
        self.fold(&mut shares);
        // One of the confirmed is told that there was something: if it lacks it, so may others.
        if !confirmed.is_empty() && !planted(Bug::NobodyKept) {
            let pick = confirmed.swap_remove(self.jitter.place(confirmed.len()));
            shares.push(Share { class: Class::Island, nodes: vec![pick] });
        }
        if planted(Bug::TargetDropped)
            && let Some(share) = shares.iter_mut().find(|share| share.nodes.len() > 1)
        {
            share.nodes.pop();
        }
        if let Some(tally) = how.tally.and_then(|key| self.tallies.get_mut(&key)) {
            tally.open += shares.len();
        }
        for share in shares {
            let parcel = Parcel {
                id,
                content: content.clone(),
                list: Vec::new(),
                notice: false,
                ask: how.ask,
                tally: how.tally,
                topic: how.topic,
                instead: how.instead.clone(),
                tries: 0,
            };
            self.start_share(now, parcel, share.class, share.nodes);
        }
    }

    /// What a plan needs to know of a node.
    fn target(&self, now: Time, node: NetId) -> Target {
        let near = self.hearing.is_near(node);
        let known = self.config.directory.get(node);
        let peer = self.peers.get(node);
        let label = peer.map_or(known.and_then(|known| known.label), |peer| peer.label);
        // Our own island heard it from us: each of it is told alone.
        let label = label.filter(|label| !near && Some(*label) != self.label);
        let class = peer.and_then(|peer| peer.class).or(known.map(|known| known.class)).unwrap_or(Class::Lan);
        // A class of its own only if it differs: several classes are several lists, and a plan of one is better.
        let own = self.config.classes.island != self.config.classes.lan;
        let class = match (near, own) {
            (true, true) => Class::Island,
            (true, false) => Class::Lan,
            (false, _) => class,
        };
        let failing = peer.is_some_and(|peer| peer.not_before > now);
        Target { node, label, class, failing }
    }

    /// No more shares than may be given at once: what is beyond is given to the others.
    fn fold(&self, shares: &mut Vec<Share>) {
        let most = self.config.bounds.fan_out;
        if shares.len() > most {
            for (place, extra) in shares.split_off(most).into_iter().enumerate() {
                if let Some(share) = shares.get_mut(place % most) {
                    share.nodes.extend(extra.nodes);
                }
            }
        }
    }

    /// Begins to gather receipts; nothing if too many are gathered already.
    pub(super) fn open_tally(&mut self, key: TallyKey, tally: Tally) -> Option<TallyKey> {
        if self.tallies.len() >= self.config.bounds.tallies || self.tallies.contains_key(&key) {
            self.counters.count("dropped", "receipts, too many");
            return None;
        }
        self.tallies.insert(key, tally);
        Some(key)
    }

    /// A near node did not get what we multicast: nobody's word holds any longer, and all who were left out are told that there was something.
    pub(super) fn doubt_multicast(&mut self, now: Time, sender: NetId, id: BroadcastId) {
        let Some(content) = self.recent.broadcast(&id).cloned() else { return };
        if !content.by_us || !self.hearing.is_near(sender) || self.doubted == Some(id) {
            return;
        }
        self.doubted = Some(id);
        self.counters.count("multicast", "doubted");
        let left_out = |node: &NetId| *node != sender && self.hearing.ear(*node, now) == Ear::Confirmed;
        let near: Vec<NetId> = self.hearing.near().filter(left_out).collect();
        self.hearing.doubt();
        if !self.tallies_of(id).is_empty() {
            // With receipts everybody is told of it anyway; a share beside would only make theirs the second one.
            return;
        }
        // It may be the second share of it that they take, so it says that it was another's.
        let ask = Ask { until: now + DOUBT, durable: false, again: true };
        self.disperse(now, id, &content, near, &How { ask: Some(ask), ..How::default() });
    }
}

/// How long relays of a notice wait for each other: they report to nobody.
const DOUBT: Duration = Duration::from_secs(2);
