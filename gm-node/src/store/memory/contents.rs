//! Content of a simulated disk, and the application of batches to it.

use std::collections::BTreeMap;

use gm_clock::NetId;
use gm_data::{GroupName, GroupState, Record};

use crate::store::{Batch, StoredState};

/// Content of a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    me: Option<NetId>,
    records: BTreeMap<(GroupName, NetId), Record>,
    contacts: Vec<(GroupName, NetId)>,
    peers: Vec<NetId>,
}

impl Contents {
    /// Applies a batch. Removals come first: a record that is also written is kept.
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

    /// The content as a store returns it when it is opened.
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
