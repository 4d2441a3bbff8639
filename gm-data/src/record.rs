//! All that is known of one member in one group. Knows nothing of other members; decides nothing
//! about who may write.

use alloc::vec::Vec;

use gm_clock::{ClockError, Incarnation, LocalClock, NetId};
use thiserror::Error;

use crate::packed_item::{PackedItem, range_key};
use crate::tree::Tree;
use crate::{Item, KeyRange, Predecessor, StampedItem, Version, VersionDigest, hash};

/// All that is known of one member in one group: its version, its items, and from where increments
/// can be made.
///
/// A clone is cheap: it shares the items. Equality is that of the whole record, kept removals
/// included.
#[derive(Clone)]
pub struct Record {
    member: NetId,
    pub(crate) version: Version,
    pub(crate) predecessor: Option<Predecessor>,
    pub(crate) floor: u64,
    pub(crate) digest: u64,
    pub(crate) items: Tree<PackedItem>,
    pub(crate) live_count: usize,
}

/// Why the parts of a record or of an increment do not make one. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum RecordError {
    /// A clock or an incarnation is too near the end of its range.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The items are not sorted by range, or two have the same range.
    #[error("the items of {member} are not sorted by range, each range once: {range} comes too late")]
    Unsorted {
        /// Whose items they are.
        member: NetId,
        /// The range that is not above the one before it.
        range: KeyRange,
    },
    /// An item is another member's: only a member itself writes about itself.
    #[error("an item of {other} stands in the record of {member}")]
    ForeignItem {
        /// Whose record it is.
        member: NetId,
        /// Whose item it is.
        other: NetId,
    },
    /// An item was written after the clock of the record, or, in an increment, outside the span
    /// that it covers.
    #[error("the item of {member} on {range} has the time {stamp}, outside the clock of what it came in")]
    StampOutOfRange {
        /// Whose item it is.
        member: NetId,
        /// Its range.
        range: KeyRange,
        /// Its time, in ticks.
        stamp: u64,
    },
    /// A forgotten member has items, or a life that goes on from another.
    #[error("the record of {member} is forgotten and has items, or was opened from a former life")]
    ForgottenNotEmpty {
        /// Whose record it is.
        member: NetId,
    },
    /// The floor is above the clock.
    #[error("the record of {member} has the floor {floor}, above its clock {clock}")]
    FloorAboveClock {
        /// Whose record it is.
        member: NetId,
        /// Its floor, in ticks.
        floor: u64,
        /// Its clock, in ticks.
        clock: u64,
    },
    /// The incarnation claims to have been opened from one that is not older, or at a clock that is
    /// not lower.
    #[error("the record of {member} was opened from a life or a clock that is not before its own")]
    PredecessorNotEarlier {
        /// Whose record it is.
        member: NetId,
    },
    /// An increment that covers no time.
    #[error("the increment of {member} goes from {since} to {upto}: it covers nothing")]
    EmptySpan {
        /// Whose increment it is.
        member: NetId,
        /// From which clock, in ticks.
        since: u64,
        /// Up to which clock, in ticks.
        upto: u64,
    },
}

impl Record {
    /// The record of those parts, as somebody sent or stored them. Linear; computes the digest on
    /// the way.
    ///
    /// `items` come sorted by range, each range once, with removals that are still kept.
    ///
    /// # Errors
    /// A [`RecordError`] that names the first part that cannot be.
    pub fn from_parts(
        member: NetId,
        version: Version,
        predecessor: Option<Predecessor>,
        floor: u64,
        items: impl IntoIterator<Item = StampedItem>,
    ) -> Result<Record, RecordError> {
        version.check()?;
        let clock = version.clock;
        if floor > clock {
            return Err(RecordError::FloorAboveClock { member, floor, clock });
        }
        check_predecessor(member, predecessor, version.incarnation, clock)?;
        let packed_items = pack_items(member, items, 0..=clock)?;
        if version.forgotten && (predecessor.is_some() || !packed_items.is_empty()) {
            return Err(RecordError::ForgottenNotEmpty { member });
        }
        Ok(Record::from_packed(member, version, predecessor, floor, &packed_items))
    }

    /// The record of those sorted slots.
    pub(crate) fn from_packed(
        member: NetId,
        version: Version,
        predecessor: Option<Predecessor>,
        floor: u64,
        packed_items: &[PackedItem],
    ) -> Record {
        let seed = hash::member_hash(member);
        let digest =
            packed_items.iter().fold(0_u64, |sum, &packed| sum.wrapping_add(hash::item_hash(seed, packed)));
        let live = packed_items.iter().filter(|packed| packed.is_live()).count();
        Record {
            member,
            version,
            predecessor,
            floor,
            digest,
            items: Tree::from_sorted(packed_items),
            live_count: live,
        }
    }

    /// Whose record it is.
    pub const fn member(&self) -> NetId {
        self.member
    }

    /// Which of two records is the newer.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The sum of the hashes of the live items.
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Version and digest: what a join decides by.
    pub const fn version_digest(&self) -> VersionDigest {
        VersionDigest { version: self.version, digest: self.digest }
    }

    /// What the incarnation was opened from.
    pub const fn predecessor(&self) -> Option<Predecessor> {
        self.predecessor
    }

    /// Increments can be made only from clocks at or above it, in ticks.
    pub const fn floor(&self) -> u64 {
        self.floor
    }

    /// The member's clock: incarnation and time of the version.
    pub fn clock(&self) -> LocalClock {
        LocalClock::new(self.member, self.version.incarnation, self.version.clock)
            .expect("a record's clock is in its range")
    }

    /// Whether the member belongs to the group: it has a live item.
    pub const fn is_member(&self) -> bool {
        self.live_count > 0
    }

    /// Items that are live, and items in all: the others are removals that are kept.
    pub const fn item_counts(&self) -> (usize, usize) {
        (self.live_count, self.items.len())
    }

    /// All items, sorted by range, with the removals that are kept.
    pub fn stamped_items(&self) -> impl ExactSizeIterator<Item = StampedItem> + '_ {
        self.items.iter().map(|packed| packed.stamped_item(self.member))
    }

    /// The live items, sorted by range.
    pub fn items(&self) -> impl Iterator<Item = Item> + '_ {
        self.live_items().map(|packed| packed.item(self.member))
    }

    /// The item on exactly that range, a kept removal too.
    pub fn get(&self, range: KeyRange) -> Option<StampedItem> {
        self.items.get(range_key(range)).map(|packed| packed.stamped_item(self.member))
    }

    /// What the record adds to the fingerprint of its group. `seed` is H0 of the member.
    pub(crate) fn record_hash(&self, seed: u64) -> u128 {
        hash::record_hash(seed, self.version, self.digest)
    }

    /// Puts the slot in its place and returns the one that was there; digest and count follow. The
    /// version is the caller's business.
    pub(crate) fn put(&mut self, seed: u64, packed: PackedItem) -> Option<PackedItem> {
        let old = self.items.insert(packed);
        self.digest = self.digest.wrapping_add(hash::digest_change(seed, old, packed));
        self.live_count -= usize::from(old.is_some_and(PackedItem::is_live));
        self.live_count += usize::from(packed.is_live());
        old
    }

    /// The live slots, sorted by range.
    pub(crate) fn live_items(&self) -> impl Iterator<Item = PackedItem> + '_ {
        self.items.iter().copied().filter(|packed| packed.is_live())
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Record) -> bool {
        self.member == other.member
            && self.version_digest() == other.version_digest()
            && (self.predecessor, self.floor) == (other.predecessor, other.floor)
            && self.items.iter().eq(other.items.iter())
    }
}

impl Eq for Record {}

impl core::fmt::Debug for Record {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Record")
            .field("member", &self.member)
            .field("version", &format_args!("{}", self.version))
            .field("predecessor", &self.predecessor)
            .field("floor", &self.floor)
            .field("items", &self.stamped_items().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Refuses an incarnation that was opened from a later one, or at a clock that its own has not
/// passed.
pub(crate) fn check_predecessor(
    member: NetId,
    predecessor: Option<Predecessor>,
    incarnation: Incarnation,
    clock: u64,
) -> Result<(), RecordError> {
    match predecessor {
        Some(from) if from.incarnation >= incarnation || from.clock >= clock => {
            Err(RecordError::PredecessorNotEarlier { member })
        }
        Some(_) | None => Ok(()),
    }
}

/// The member's items as slots: sorted, each range once, all of one member, each time within
/// `times`.
pub(crate) fn pack_items(
    member: NetId,
    items: impl IntoIterator<Item = StampedItem>,
    times: core::ops::RangeInclusive<u64>,
) -> Result<Vec<PackedItem>, RecordError> {
    let items = items.into_iter();
    let mut packed_items: Vec<PackedItem> = Vec::with_capacity(items.size_hint().0);
    let mut last = None;
    for timed in items {
        let (other, range, time) = (timed.item.member(), timed.item.range(), timed.stamp);
        if other != member {
            return Err(RecordError::ForeignItem { member, other });
        }
        if last.is_some_and(|last| last >= range) {
            return Err(RecordError::Unsorted { member, range });
        }
        if !times.contains(&time) {
            return Err(RecordError::StampOutOfRange { member, range, stamp: time });
        }
        last = Some(range);
        packed_items.push(PackedItem::pack(&timed));
    }
    Ok(packed_items)
}
