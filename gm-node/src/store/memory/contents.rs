//! What a simulated disk holds, and what a batch makes of it. Knows nothing of time and faults.

use std::collections::BTreeMap;

use gm_clock::NetId;
use gm_data::{GroupName, GroupState, Record};

use crate::store::{Batch, StoredState};

/// What a disk holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    me: Option<NetId>,
    records: BTreeMap<(GroupName, NetId), Record>,
    contacts: Vec<(GroupName, NetId)>,
    peers: Vec<NetId>,
}

impl Contents {
    /// Puts a batch in. What is dropped is dropped first: a record that is in the batch too is
    /// there afterwards.
    pub(super) fn put(&mut self, batch: &Batch) {
        self.me = batch.me.or(self.me);
        for dropped in &batch.removed {
            self.records.remove(dropped);
        }
        for (group, record) in &batch.records {
            self.records.insert((group.clone(), record.member()), record.clone());
        }
        if let Some(contacts) = &batch.contacts {
            self.contacts.clone_from(contacts);
            self.contacts.sort();
            self.contacts.dedup();
        }
        if let Some(peers) = &batch.peers {
            self.peers.clone_from(peers);
            self.peers.sort_unstable();
            self.peers.dedup();
        }
    }

    /// As a storage says it when it is opened.
    pub(super) fn stored(&self) -> StoredState {
        let mut groups: BTreeMap<&GroupName, Vec<Record>> = BTreeMap::new();
        for ((group, _), record) in &self.records {
            groups.entry(group).or_default().push(record.clone());
        }
        let group =
            |(name, records): (&GroupName, Vec<Record>)| GroupState::from_records(name.clone(), records);
        StoredState {
            me: self.me,
            groups: groups.into_iter().map(group).collect(),
            contacts: self.contacts.clone(),
            peers: self.peers.clone(),
            suspected_loss: None,
        }
    }
}
