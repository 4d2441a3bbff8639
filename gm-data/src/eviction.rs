//! Eviction: dropping a member's record of certain versions, and refusing it for a while, so that
//! no version is the end of a member and no forgotten member fills a group for ever. Knows nothing
//! of who asks for it.
//!
//! A join alone can do neither: it is a maximum, and whoever holds the greatest version that there
//! is cannot be overtaken. So an eviction is no join. It is an order to drop, which everybody
//! remembers for [`Evictions::MAX_AGE`]: long enough for all that hear each other to have dropped
//! what it names. Whoever was apart for longer brings the record back, and it is evicted again.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use gm_clock::{CEILING, Incarnation, NetId};

use crate::{GroupState, Record, Version};

/// No honest writer comes near incarnations and clocks from here on, 2^61: a member that ticks a
/// million times a second reaches it after 73 thousand years. What is heard from here on is a
/// fault, or was written by somebody who wanted it to be the last word.
pub const HORIZON: u64 = 1 << 61;

/// Versions of one member's record that everybody is to drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Eviction {
    /// Whose record.
    pub member: NetId,
    /// The least of the versions.
    pub least: Version,
    /// The greatest of them, not below `least`.
    pub greatest: Version,
}

impl Eviction {
    /// Lives that a member has left before its own eviction would reach it: far more than it can
    /// open in an hour.
    const MARGIN: u64 = 1 << 32;

    /// Of everything that the member is known to have written up to that version: what is dropped
    /// of the forgotten. Of a version beyond the [`HORIZON`] only of what is beyond it, as a member
    /// that lives comes back below.
    #[must_use]
    pub fn up_to(member: NetId, greatest: Version) -> Eviction {
        let least = if greatest.incarnation.get() < HORIZON { 0 } else { HORIZON };
        let incarnation = Incarnation::new(least).unwrap_or(Incarnation::ORIGINAL);
        Eviction { member, least: Version { incarnation, forgotten: false, clock: 0 }, greatest }
    }

    /// Of everything far above that life of the member: how it gets out where no life can be
    /// greater.
    pub(crate) fn far_above(member: NetId, life: Incarnation) -> Eviction {
        let incarnation = Incarnation::new(life.get().saturating_add(Eviction::MARGIN).min(CEILING));
        let least =
            Version { incarnation: incarnation.unwrap_or(Incarnation::MAX), forgotten: false, clock: 0 };
        Eviction {
            member,
            least,
            greatest: Version { incarnation: Incarnation::MAX, forgotten: true, clock: CEILING },
        }
    }

    /// Whether a record of that version is to be dropped.
    #[must_use]
    pub fn covers(&self, version: Version) -> bool {
        (self.least..=self.greatest).contains(&version)
    }
}

/// The evictions that a replica remembers: at most one a member, the latest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evictions {
    /// With the time at which each came, in the milliseconds of
    /// [`WriteContext::millis`](crate::WriteContext).
    by_member: BTreeMap<NetId, (Eviction, u64)>,
}

impl Evictions {
    /// How long one is remembered, in milliseconds: an hour.
    pub(crate) const MAX_AGE: u64 = 3_600_000;
    /// At most so many are remembered: of more, the members that come last in their order are not.
    pub(crate) const MAX: usize = 1 << 20;

    pub(crate) const fn new() -> Evictions {
        Evictions { by_member: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_member.is_empty()
    }

    /// The eviction of the member.
    pub(crate) fn get(&self, member: NetId) -> Option<Eviction> {
        self.by_member.get(&member).map(|(eviction, _)| *eviction)
    }

    /// The eviction of the member that covers that version.
    pub(crate) fn covering(&self, member: NetId, version: Version) -> Option<Eviction> {
        self.get(member).filter(|eviction| eviction.covers(version))
    }

    /// Remembers them. One that is remembered already keeps its time, so that no two nodes keep
    /// each other's alive.
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

    /// Remembers none of the member.
    pub(crate) fn remove(&mut self, member: NetId) {
        self.by_member.remove(&member);
    }

    /// Takes over what another set remembers of one member.
    pub(crate) fn copy_from(&mut self, other: &Evictions, member: NetId) {
        if let Some(theirs) = other.by_member.get(&member) {
            self.by_member.insert(member, *theirs);
        }
    }

    /// Forgets those that are old enough.
    pub(crate) fn expire(&mut self, millis: u64) {
        self.by_member.retain(|_, (_, since)| millis.saturating_sub(*since) < Evictions::MAX_AGE);
    }
}

impl GroupState {
    /// Drops the records that evictions cover, and returns whose they were, in the order of the
    /// members. Linear if there is one.
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
