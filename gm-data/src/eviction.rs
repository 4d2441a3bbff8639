//! Evictions, which make nodes drop a member's record of certain versions and refuse it for a time.
//! With them a member can recover from a record of the greatest possible version, and records of
//! forgotten members can be deleted.
//!
//! Merging alone can do neither, because it is a maximum: a holder of the greatest possible version
//! cannot be superseded. An eviction is therefore not merged. It is an order to drop, which every
//! node remembers for [`Evictions::MAX_AGE`], long enough for all connected nodes to drop the
//! record. A node that was disconnected for longer brings the record back, and it is evicted again.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use gm_clock::{CEILING, Incarnation, NetId};

use crate::{GroupState, Record, Version};

/// The horizon, 2^61: no honest writer reaches incarnations and clocks from here on. A member that
/// ticks a million times a second would reach it after 73 thousand years. A greater incarnation or
/// clock is therefore a fault, or was written to make it impossible to supersede.
pub const HORIZON: u64 = 1 << 61;

/// A range of versions of one member's record that every node must drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Eviction {
    /// The member that owns the record.
    pub member: NetId,
    /// The least version that is evicted.
    pub least: Version,
    /// The greatest version that is evicted, not below `least`.
    pub greatest: Version,
}

impl Eviction {
    /// Number of incarnations between a reset member and its own eviction: far more than it can
    /// open within an hour.
    const MARGIN: u64 = 1 << 32;

    /// The eviction of everything that the member wrote up to the given version, used for forgotten
    /// members. For a version beyond the [`HORIZON`] it covers only versions beyond the horizon,
    /// because a living member resets to a version below it.
    #[must_use]
    pub fn up_to(member: NetId, greatest: Version) -> Eviction {
        let least = if greatest.incarnation.get() < HORIZON { 0 } else { HORIZON };
        let incarnation = Incarnation::new(least).unwrap_or(Incarnation::ORIGINAL);
        Eviction { member, least: Version { incarnation, forgotten: false, clock: 0 }, greatest }
    }

    /// The eviction of all versions far above the given incarnation, used if no greater incarnation
    /// is possible.
    pub(crate) fn far_above(member: NetId, incarnation: Incarnation) -> Eviction {
        let incarnation = Incarnation::new(incarnation.get().saturating_add(Eviction::MARGIN).min(CEILING));
        let least =
            Version { incarnation: incarnation.unwrap_or(Incarnation::MAX), forgotten: false, clock: 0 };
        Eviction {
            member,
            least,
            greatest: Version { incarnation: Incarnation::MAX, forgotten: true, clock: CEILING },
        }
    }

    /// Whether the eviction covers a record of the given version.
    #[must_use]
    pub fn covers(&self, version: Version) -> bool {
        (self.least..=self.greatest).contains(&version)
    }
}

/// The evictions that a replica remembers: at most one per member, the latest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evictions {
    /// The eviction and the time at which it was received, in the milliseconds of
    /// [`WriteContext::millis`](crate::WriteContext).
    by_member: BTreeMap<NetId, (Eviction, u64)>,
}

impl Evictions {
    /// Time for which an eviction is remembered, in milliseconds: one hour.
    pub(crate) const MAX_AGE: u64 = 3_600_000;
    /// Maximum number of remembered evictions. If there are more, those of further members are not
    /// remembered.
    pub(crate) const MAX: usize = 1 << 20;

    pub(crate) const fn new() -> Evictions {
        Evictions { by_member: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_member.is_empty()
    }

    /// The remembered eviction of the member.
    pub(crate) fn get(&self, member: NetId) -> Option<Eviction> {
        self.by_member.get(&member).map(|(eviction, _)| *eviction)
    }

    /// The remembered eviction of the member, if it covers the version.
    pub(crate) fn covering(&self, member: NetId, version: Version) -> Option<Eviction> {
        self.get(member).filter(|eviction| eviction.covers(version))
    }

    /// Remembers the evictions. One that is remembered already keeps its time, so that two nodes
    /// cannot keep refreshing each other's.
    pub(crate) fn remember(&mut self, evictions: &[Eviction], millis: u64) {
        for eviction in evictions {
            let known = self.by_member.get(&eviction.member).is_some_and(|(known, _)| known == eviction);
            if !known
                && (self.by_member.len() < Evictions::MAX || self.by_member.contains_key(&eviction.member))
            {
                self.by_member.insert(eviction.member, (*eviction, millis));
            }
        }
    }

    /// Removes the eviction of the member.
    pub(crate) fn remove(&mut self, member: NetId) {
        self.by_member.remove(&member);
    }

    /// Copies the eviction of one member from another set.
    pub(crate) fn copy_from(&mut self, other: &Evictions, member: NetId) {
        if let Some(theirs) = other.by_member.get(&member) {
            self.by_member.insert(member, *theirs);
        }
    }

    /// Removes the evictions that are older than [`Evictions::MAX_AGE`].
    pub(crate) fn expire(&mut self, millis: u64) {
        self.by_member.retain(|_, (_, since)| millis.saturating_sub(*since) < Evictions::MAX_AGE);
    }
}

impl GroupState {
    /// Drops the records that the evictions cover. Returns the members that owned them, in order.
    /// Linear if any record is dropped.
    pub fn evict(&mut self, evictions: &[Eviction]) -> Vec<NetId> {
        let covered = |eviction: &Eviction| {
            self.record(eviction.member).map(Record::version).is_some_and(|version| eviction.covers(version))
        };
        let mut members: Vec<NetId> =
            evictions.iter().filter(|eviction| covered(eviction)).map(|eviction| eviction.member).collect();
        members.sort_unstable();
        members.dedup();
        if !members.is_empty() {
            self.drop_records(|member| members.binary_search(&member).is_ok());
        }
        members
    }
}
