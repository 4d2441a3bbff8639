//! What anybody may do to any record it holds: purge removals, forget a member, hand a record over.
//! Knows nothing of time and of who asks.

use alloc::sync::Arc;
use alloc::vec::Vec;

use gm_clock::{CEILING, NetId};
use thiserror::Error;

use crate::packed_item::PackedItem;
use crate::planted_bugs::{Bug, planted};
use crate::tree::{Entry as _, Tree};
use crate::{GroupState, Increment, Record, Version};

/// Which removals are kept. A kept removal lets others be brought up by an increment; a purged one
/// costs them a whole record. Purging changes no version, digest or fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PurgePolicy {
    /// Removals that are kept per member, at most: the latest. Removals of one write are kept or
    /// dropped together.
    pub keep: usize,
    /// Removals older than that many ticks of their member's clock are dropped. `u64::MAX`: age
    /// does not matter.
    pub max_age: u64,
}

impl PurgePolicy {
    /// Drops every removal.
    pub const EVERYTHING: PurgePolicy = PurgePolicy { keep: 0, max_age: 0 };
}

/// Why a member was not forgotten. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ForgetError {
    /// Nothing is known of the member in this group.
    #[error("nothing is known of {member}")]
    Unknown {
        /// Who was to be forgotten.
        member: NetId,
    },
    /// The member is forgotten already, and has not come back since.
    #[error("{member} is forgotten already")]
    Already {
        /// Who was to be forgotten.
        member: NetId,
    },
    /// A node does not forget itself: it leaves.
    #[error("{member} is this node itself: a node leaves a group, and does not forget itself")]
    ThisNode {
        /// Who was to be forgotten.
        member: NetId,
    },
}

/// What to send to a node that shows a version of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// Nothing: it holds the same version, or nothing is known of the member on either side.
    Nothing,
    /// One's own version, or the wish for the record if there is none: it is ahead.
    Request,
    /// What was written since.
    Increment(Increment),
    /// The whole record.
    Whole(Record),
}

impl GroupState {
    /// Drops the removals that the policy does not keep, of every member, and says how many went.
    pub fn purge(&mut self, policy: PurgePolicy) -> usize {
        let holders: Vec<NetId> = self
            .records()
            .filter(|record| record.live_count < record.items.len())
            .map(Record::member)
            .collect();
        holders.into_iter().map(|member| self.edit_record(member, |record, _| record.purge(policy))).sum()
    }

    /// Forgets a member of which a record is held: nothing of its present life returns. If it lives
    /// it will hear of it, and come back in a new life.
    ///
    /// # Errors
    /// A [`ForgetError`].
    pub fn forget(&mut self, member: NetId) -> Result<Version, ForgetError> {
        let record = self.record(member).ok_or(ForgetError::Unknown { member })?;
        let Version { incarnation, forgotten, clock } = record.version();
        if forgotten {
            return Err(ForgetError::Already { member });
        }
        // At the end of its range the clock stays: a forgotten version is greater than any other of
        // its life anyway.
        let version = Version { incarnation, forgotten: true, clock: (clock + 1).min(CEILING) };
        self.put_record(Arc::new(Record::from_packed(member, version, None, version.clock, &[])));
        Ok(version)
    }

    /// What to send of the member to somebody who holds `known` of it.
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
    /// Drops the removals that the policy does not keep; the floor rises above them. Says how many
    /// went.
    fn purge(&mut self, policy: PurgePolicy) -> usize {
        let mut removals: Vec<u64> =
            self.items.iter().filter(|packed| !packed.is_live()).map(|packed| packed.stamp()).collect();
        removals.sort_unstable();
        // The latest stamp that goes, by number and by age: whatever was removed up to it goes, so
        // the floor is exact.
        let by_number = removals.len().checked_sub(policy.keep.saturating_add(1)).map(|at| removals[at]);
        let oldest_kept = self.version.clock.saturating_sub(policy.max_age);
        let by_age = removals.iter().copied().take_while(|&stamp| stamp < oldest_kept).last();
        let Some(last) = by_number.max(by_age) else { return 0 };

        let goes = |packed: &PackedItem| !packed.is_live() && packed.stamp() <= last;
        let count = removals.partition_point(|&stamp| stamp <= last);
        if count < self.items.len() / 8 {
            let keys: Vec<u64> =
                self.items.iter().filter(|packed| goes(packed)).map(PackedItem::key).collect();
            for key in keys {
                self.items.remove(key);
            }
        } else {
            let kept: Vec<PackedItem> = self.items.iter().filter(|packed| !goes(packed)).copied().collect();
            self.items = Tree::from_sorted(&kept);
        }
        if !planted(Bug::PurgeWithoutFloor) {
            self.floor = self.floor.max(last);
        }
        count
    }
}
