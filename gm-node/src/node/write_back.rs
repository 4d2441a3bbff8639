//! Write-back: records received from other members are stored together after a delay, or sooner if
//! a peer waits for an ack from disk.

use gm_broadcast::Time;
use gm_codec::BroadcastId;

use super::NodeMachine;
use super::commit::PendingBatch;
use super::timers::NodeTimer;
use crate::store::{Batch, Store};

/// After a group was released, broadcasts received before are not acknowledged as stored for this
/// time, since the group of a broadcast is not remembered.
const RELEASED_GRACE: std::time::Duration = std::time::Duration::from_secs(60);

/// Minimum time between stores of the contacts, which are all written each time.
const CONTACTS_INTERVAL: std::time::Duration = std::time::Duration::from_secs(30);

impl<S: Store> NodeMachine<S> {
    /// Schedules a write-back if the known peers or the contacts have changed.
    pub(super) fn write_back_if_changed(&mut self, now: Time) {
        if self.peers_changed {
            return self.schedule_write_back(now, false);
        }
        if self.groups.contacts.changed {
            let at = self.contacts_at(now);
            if at <= now {
                self.schedule_write_back(now, false);
            } else {
                self.timers.set_by(NodeTimer::WriteBack, at);
            }
        }
    }

    /// Earliest time at which contacts may be stored.
    fn contacts_at(&self, now: Time) -> Time {
        self.contacts_stored_at.map_or(now, |last| last + CONTACTS_INTERVAL)
    }

    /// Schedules a write-back.
    pub(super) fn schedule_write_back(&mut self, now: Time, at_once: bool) {
        let pause = if self.store_failures > 0 {
            self.store_retry_delay()
        } else if at_once {
            std::time::Duration::ZERO
        } else {
            self.config.timing.write_back_delay
        };
        self.timers.set_by(NodeTimer::WriteBack, now + pause);
    }

    /// A peer waits until a broadcast is on disk here.
    pub(super) fn on_store_wanted(&mut self, now: Time, id: BroadcastId) {
        if !self.store.is_durable() {
            return self.command_broadcaster(now, gm_broadcast::BroadcastCommand::NotStored(id));
        }
        let under_way = |pending: &PendingBatch| matches!(pending, PendingBatch::Learned { broadcasts, .. } if broadcasts.contains(&id));
        if self.pending_batches.iter().any(under_way) {
            return;
        }
        if !self.unstored_broadcasts.iter().any(|(_, unstored)| *unstored == id) {
            if self.released_at.is_some_and(|at| now.since(at) < RELEASED_GRACE) {
                // It may be of the released group.
                return self.command_broadcaster(now, gm_broadcast::BroadcastCommand::NotStored(id));
            }
            // Its content was known here before: it is stored once all that is dirty now is.
            self.unstored_broadcasts.push_back((None, id));
        }
        self.schedule_write_back(now, true);
    }

    /// Stores what changed.
    pub(super) fn write_back(&mut self, now: Time) {
        let max = self.config.limits.stored_peers;
        let me = self.me();
        let peers = std::mem::take(&mut self.peers_changed).then(|| {
            let mut known = self.broadcaster.known();
            self.rng.shuffle(&mut known);
            known.truncate(max);
            known.sort_unstable();
            known
        });
        let may_store_contacts = self.contacts_at(now) <= now;
        let groups = &mut self.groups;
        let dirty = std::mem::take(&mut groups.dirty);
        let contacts = may_store_contacts && std::mem::take(&mut groups.contacts.changed);
        // Durable, since peers that receive an ack rely on it.
        let mut batch = Batch { durable: true, me: Some(me), ..Batch::default() };
        for (group, member) in &dirty {
            // Own records are stored by the write path, before they are sent.
            if *member == me {
                continue;
            }
            match groups.record(group, *member) {
                Some(record) => batch.records.push((group.clone(), record.clone())),
                None => batch.removed.push((group.clone(), *member)),
            }
        }
        if contacts {
            // Gossip is not stored: otherwise names that no node hosts would survive restarts.
            let own = groups.contacts.direct_contacts(None);
            batch.contacts = Some(own.map(|(group, node)| (group.clone(), node)).collect());
            self.contacts_stored_at = Some(now);
        }
        let with_peers = peers.is_some();
        batch.peers = peers;
        let broadcasts: Vec<BroadcastId> =
            std::mem::take(&mut self.unstored_broadcasts).into_iter().map(|(_, id)| id).collect();
        let records = dirty.into_iter().collect();
        self.store.submit(now, batch);
        self.pending_batches.push_back(PendingBatch::Learned {
            records,
            broadcasts,
            contacts,
            peers: with_peers,
        });
    }

    /// Acknowledges broadcasts whose records are stored.
    pub(super) fn on_learned_stored(&mut self, now: Time, broadcasts: Vec<BroadcastId>) {
        let keeps = self.store.is_durable();
        for id in broadcasts {
            // An ephemeral store finishes batches without storing them.
            let command = if keeps {
                gm_broadcast::BroadcastCommand::Stored
            } else {
                gm_broadcast::BroadcastCommand::NotStored
            };
            self.command_broadcaster(now, command(id));
        }
    }
}
