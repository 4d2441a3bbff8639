//! Maintenance of records, which any holder may do: purging removals, forgetting a member, and
//! choosing what to transfer to another node.

use alloc::sync::Arc;
use alloc::vec::Vec;

use gm_clock::{CEILING, NetId};
use thiserror::Error;

use crate::packed_item::PackedItem;
use crate::tree::{Entry as _, Tree};
use crate::{GroupState, Increment, Record, Version};

/// Policy that determines which removals are kept. With a kept removal other nodes can be updated
/// by an increment; after a purge they need the whole record. Purging changes no version, digest or
/// fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PurgePolicy {
    /// Maximum number of kept removals per member; the latest are kept. Removals of one write are
    /// kept or dropped together.
    pub keep: usize,
    /// Maximum age of a kept removal, in ticks of its member's clock. `u64::MAX` means no limit by
    /// age.
    pub max_age: u64,
}

impl PurgePolicy {
    /// The policy that drops every removal.
    pub const EVERYTHING: PurgePolicy = PurgePolicy { keep: 0, max_age: 0 };
}

/// Reason why a member was not forgotten. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ForgetError {
    /// There is no record of the member in this group.
    #[error("no record of {member}")]
    Unknown {
        /// The member to forget.
        member: NetId,
    },
    /// The member was forgotten already, and has not returned since.
    #[error("{member} was forgotten already")]
    Already {
        /// The member to forget.
        member: NetId,
    },
    /// The member is this node. A node cannot forget itself; it leaves the group.
    #[error("{member} is this node itself: use `leave` to end its membership")]
    ThisNode {
        /// The member to forget.
        member: NetId,
    },
}

/// Reply to a node that reported its version of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// No reply is needed: the peer has the same version, or neither side has a record.
    Nothing,
    /// The peer is ahead: send the local version, or request the record if there is none.
    Request,
    /// The changes since the peer's version.
    Increment(Increment),
    /// The whole record.
    Whole(Record),
}

impl GroupState {
    /// Drops the removals that the policy does not keep, of every member. Returns their number.
    pub fn purge(&mut self, policy: PurgePolicy) -> usize {
        let holders: Vec<NetId> = self
            .records()
            .filter(|record| record.live_count < record.items.len())
            .map(Record::member)
            .collect();
        holders.into_iter().map(|member| self.edit_record(member, |record, _| record.purge(policy))).sum()
    }

    /// Forgets a member whose record is known: no write of its present incarnation supersedes the
    /// forgotten record. If the member is alive, it receives that record and returns in a new
    /// incarnation.
    ///
    /// # Errors
    /// A [`ForgetError`].
    pub fn forget(&mut self, member: NetId) -> Result<Version, ForgetError> {
        let record = self.record(member).ok_or(ForgetError::Unknown { member })?;
        let Version { incarnation, forgotten, clock } = record.version();
        if forgotten {
            return Err(ForgetError::Already { member });
        }
        // At the ceiling the clock stays as it is: a forgotten version is greater than any other of
        // its incarnation anyway.
        let version = Version { incarnation, forgotten: true, clock: (clock + 1).min(CEILING) };
        self.put_record(Arc::new(Record::from_packed(member, version, None, version.clock, &[])));
        Ok(version)
    }

    /// The reply for the member's record to a peer that has version `known` of it.
    pub fn transfer_for(&self, member: NetId, known: Option<Version>) -> Transfer {
        let Some(record) = self.record(member) else {
            return if known.is_some() { Transfer::Request } else { Transfer::Nothing };
        };
        match known {
            Some(known) if known == record.version() => Transfer::Nothing,
            Some(known) if known > record.version() => Transfer::Request,
            Some(known) => record
                .increment_since(known)
                .map_or_else(|| Transfer::Whole(record.clone()), Transfer::Increment),
            None => Transfer::Whole(record.clone()),
        }
    }
}

impl Record {
    /// Drops the removals that the policy does not keep, and raises the floor above them. Returns
    /// their number.
    fn purge(&mut self, policy: PurgePolicy) -> usize {
        let mut removals: Vec<u64> =
            self.items.iter().filter(|packed| !packed.is_live()).map(|packed| packed.stamp()).collect();
        removals.sort_unstable();
        // The latest stamp to drop, by number and by age. All removals up to it are dropped, so the
        // floor is exact.
        let by_number = removals.len().checked_sub(policy.keep.saturating_add(1)).map(|at| removals[at]);
        let oldest_kept = self.version.clock.saturating_sub(policy.max_age);
        let by_age = removals.iter().copied().take_while(|&stamp| stamp < oldest_kept).last();
        let Some(last) = by_number.max(by_age) else { return 0 };

        let is_dropped = |packed: &PackedItem| !packed.is_live() && packed.stamp() <= last;
        let count = removals.partition_point(|&stamp| stamp <= last);
        if count < self.items.len() / 8 {
            let keys: Vec<u64> =
                self.items.iter().filter(|packed| is_dropped(packed)).map(PackedItem::key).collect();
            for key in keys {
                self.items.remove(key);
            }
        } else {
            let kept: Vec<PackedItem> =
                self.items.iter().filter(|packed| !is_dropped(packed)).copied().collect();
            self.items = Tree::from_sorted(&kept);
        }
        self.floor = self.floor.max(last);
        count
    }
}
