//! What others wrote goes to the storage lazily: after a while, all of it that changed, in one batch; sooner if somebody waits for it. Knows nothing of
//! what we write ourselves.

use gm_broadcast::Time;
use gm_codec::BroadcastId;

use super::Node;
use super::commit::Flight;
use crate::plant::{Bug, planted};
use crate::store::{Batch, Store};

/// So long after a group was let go nobody is told that something known before is on disk: which group a broadcast was of, is not remembered.
const DROPPED: std::time::Duration = std::time::Duration::from_secs(60);

/// Contacts are stored not oftener than this: all of them are written each time.
const CONTACTS: std::time::Duration = std::time::Duration::from_secs(30);

impl<S: Store> Node<S> {
    /// Which nodes are known, or which members of other groups, is stored after a while if it changed.
    pub(super) fn flush_what_is_known(&mut self, now: Time) {
        if self.peers_changed {
            return self.flush_soon(now, false);
        }
        if self.groups().contacts.changed {
            let at = self.contacts_at(now);
            if at <= now {
                self.flush_soon(now, false);
            } else if self.flush_at.is_none_or(|set| set > at) {
                self.flush_at = Some(at);
            }
        }
    }

    /// When contacts may be stored.
    fn contacts_at(&self, now: Time) -> Time {
        self.contacts_stored.map_or(now, |last| last + CONTACTS)
    }

    /// There is something to be stored.
    pub(super) fn flush_soon(&mut self, now: Time, at_once: bool) {
        let pause = if self.store_failures > 0 {
            self.store_pause()
        } else if at_once {
            std::time::Duration::ZERO
        } else {
            self.config.times.flush
        };
        let at = now + pause;
        if self.flush_at.is_none_or(|set| set > at) {
            self.flush_at = Some(at);
        }
    }

    /// Somebody waits until a broadcast is on disk here.
    pub(super) fn on_store_wanted(&mut self, now: Time, id: BroadcastId) {
        if !self.store.keeps() {
            return self.order(now, gm_broadcast::Command::NotStored(id));
        }
        let under_way =
            |flight: &Flight| matches!(flight, Flight::Learned { said, .. } if said.contains(&id));
        if self.flights.iter().any(under_way) {
            return;
        }
        if !self.unstored.iter().any(|(_, unstored)| *unstored == id) {
            if self.unheld_at.is_some_and(|at| now.since(at) < DROPPED) {
                // It may be of the group that is not kept any more.
                return self.order(now, gm_broadcast::Command::NotStored(id));
            }
            // What it said was known here already: it is stored once what is dirty now is.
            self.unstored.push_back((None, id));
        }
        self.flush_soon(now, true);
    }

    pub(super) fn flush(&mut self, now: Time) {
        self.flush_at = None;
        let most = self.config.bounds.old_peers;
        let me = self.me();
        let peers = std::mem::take(&mut self.peers_changed).then(|| {
            let mut known = self.caster.known();
            self.chance.shuffle(&mut known);
            known.truncate(most);
            known.sort_unstable();
            known
        });
        let may_store_contacts = self.contacts_at(now) <= now;
        let groups = self.groups_mut();
        let dirty = std::mem::take(&mut groups.dirty);
        let contacts = may_store_contacts && std::mem::take(&mut groups.contacts.changed);
        // Whoever is told that it is stored counts on it.
        let mut batch = Batch { durable: !planted(Bug::ReceiptNotSynced), me: Some(me), ..Batch::default() };
        for (group, member) in &dirty {
            // Our own records go their own way, before anybody hears of them.
            if *member == me || planted(Bug::LearnedNotStored) {
                continue;
            }
            match groups.record(group, *member) {
                Some(record) => batch.records.push((group.clone(), record.clone())),
                None => batch.dropped.push((group.clone(), *member)),
            }
        }
        if contacts {
            // Hearsay is not stored: so what no node says of itself does not survive restart after restart.
            let own = groups.contacts.own_words(None);
            batch.contacts = Some(own.map(|(group, node)| (group.clone(), node)).collect());
            self.contacts_stored = Some(now);
        }
        let with_peers = peers.is_some();
        batch.peers = peers;
        let said: Vec<BroadcastId> =
            std::mem::take(&mut self.unstored).into_iter().map(|(_, id)| id).collect();
        let records = dirty.into_iter().collect();
        self.store.submit(now, batch);
        self.flights.push_back(Flight::Learned { records, said, contacts, peers: with_peers });
    }

    /// What others wrote is stored.
    pub(super) fn on_learned_stored(&mut self, now: Time, said: Vec<BroadcastId>) {
        let keeps = self.store.keeps();
        for id in said {
            // What keeps nothing finishes batches, too.
            let command =
                if keeps { gm_broadcast::Command::Stored } else { gm_broadcast::Command::NotStored };
            self.order(now, command(id));
        }
    }
}
