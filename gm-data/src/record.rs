//! [`Record`], the replicated state of one member in one group.

use alloc::vec::Vec;

use gm_clock::{ClockError, Incarnation, LocalClock, NetId};
use thiserror::Error;

use crate::packed_item::{PackedItem, range_key};
use crate::tree::Tree;
use crate::{Item, KeyRange, Predecessor, StampedItem, Version, VersionDigest, hash};

/// The replicated state of one member in one group: its version, its items, and the floor from
/// which increments can be made.
///
/// A clone is cheap, because it shares the items. Equality compares the whole record, including
/// kept removals.
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

/// Reason why the parts of a record or of an increment are invalid. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum RecordError {
    /// A clock or an incarnation is above the ceiling.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The items are not sorted by range, or two have the same range.
    #[error("the items of {member} are not sorted by range, each range once: {range} is out of order")]
    Unsorted {
        /// The member that owns the items.
        member: NetId,
        /// The range that is not above the preceding one.
        range: KeyRange,
    },
    /// An item belongs to another member: only a member itself writes its items.
    #[error("the record of {member} contains an item of {other}")]
    ForeignItem {
        /// The member that owns the record.
        member: NetId,
        /// The member that owns the item.
        other: NetId,
    },
    /// The stamp of an item is above the clock of the record or, in an increment, outside its span.
    #[error(
        "the item of {member} on {range} has the stamp {stamp}, outside the range of clocks of its record or increment"
    )]
    StampOutOfRange {
        /// The member that owns the item.
        member: NetId,
        /// The item's range.
        range: KeyRange,
        /// The item's stamp, in ticks.
        stamp: u64,
    },
    /// A forgotten record has items or a predecessor.
    #[error("the record of {member} is forgotten and has items or a predecessor")]
    ForgottenNotEmpty {
        /// The member that owns the record.
        member: NetId,
    },
    /// The floor is above the clock.
    #[error("the record of {member} has the floor {floor}, above its clock {clock}")]
    FloorAboveClock {
        /// The member that owns the record.
        member: NetId,
        /// The record's floor, in ticks.
        floor: u64,
        /// The record's clock, in ticks.
        clock: u64,
    },
    /// The predecessor of the incarnation is not an earlier incarnation, or ended at a clock that
    /// is not lower.
    #[error("the record of {member} has a predecessor that is not before its own incarnation and clock")]
    PredecessorNotEarlier {
        /// The member that owns the record.
        member: NetId,
    },
    /// The span of an increment is empty.
    #[error("the increment of {member} has the span {since} to {upto}, which covers nothing")]
    EmptySpan {
        /// The member that owns the increment.
        member: NetId,
        /// The clock at which the increment begins, in ticks.
        since: u64,
        /// The clock at which the increment ends, in ticks.
        upto: u64,
    },
}

impl Record {
    /// Creates a record from parts that were received or stored. Linear; computes the digest on the
    /// way.
    ///
    /// `items` must be sorted by range, each range once, and include the kept removals.
    ///
    /// # Errors
    /// A [`RecordError`] that names the first invalid part.
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

    /// Creates a record from sorted items.
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

    /// The member that owns the record.
    pub const fn member(&self) -> NetId {
        self.member
    }

    /// The version of the record. Of two records of a member, the one with the greater version is
    /// newer.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The sum of the hashes of the live items.
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Version and digest, by which a merge compares two records of a member.
    pub const fn version_digest(&self) -> VersionDigest {
        VersionDigest { version: self.version, digest: self.digest }
    }

    /// The predecessor of the incarnation, if it continues an earlier one.
    pub const fn predecessor(&self) -> Option<Predecessor> {
        self.predecessor
    }

    /// The lowest clock from which increments can be made, in ticks.
    pub const fn floor(&self) -> u64 {
        self.floor
    }

    /// The member's clock: incarnation and time of the version.
    pub fn clock(&self) -> LocalClock {
        LocalClock::new(self.member, self.version.incarnation, self.version.clock)
            .expect("a record's clock is in its range")
    }

    /// Whether the member belongs to the group, which means that it has a live item.
    pub const fn is_member(&self) -> bool {
        self.live_count > 0
    }

    /// The number of live items, and of all items including kept removals.
    pub const fn item_counts(&self) -> (usize, usize) {
        (self.live_count, self.items.len())
    }

    /// The items sorted by range, including kept removals.
    pub fn stamped_items(&self) -> impl ExactSizeIterator<Item = StampedItem> + '_ {
        self.items.iter().map(|packed| packed.stamped_item(self.member))
    }

    /// The live items, sorted by range.
    pub fn items(&self) -> impl Iterator<Item = Item> + '_ {
        self.live_items().map(|packed| packed.item(self.member))
    }

    /// The item on exactly the given range, which may be a kept removal.
    pub fn get(&self, range: KeyRange) -> Option<StampedItem> {
        self.items.get(range_key(range)).map(|packed| packed.stamped_item(self.member))
    }

    /// The record's summand of the group's fingerprint. `seed` is H0 of the member.
    pub(crate) fn record_hash(&self, seed: u64) -> u128 {
        hash::record_hash(seed, self.version, self.digest)
    }

    /// Stores the item and returns the one of the same range that it replaced. Updates digest and
    /// live count; the caller updates the version.
    pub(crate) fn put(&mut self, seed: u64, packed: PackedItem) -> Option<PackedItem> {
        let old = self.items.insert(packed);
        self.digest = self.digest.wrapping_add(hash::digest_change(seed, old, packed));
        self.live_count -= usize::from(old.is_some_and(PackedItem::is_live));
        self.live_count += usize::from(packed.is_live());
        old
    }

    /// The live items, sorted by range.
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

/// Refuses a predecessor that is not an earlier incarnation, or whose clock the incarnation has not
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

/// Packs the member's items, which must be sorted, each range once, all of one member, with each
/// stamp within `times`.
pub(crate) fn pack_items(
    member: NetId,
    items: impl IntoIterator<Item = StampedItem>,
    times: core::ops::RangeInclusive<u64>,
) -> Result<Vec<PackedItem>, RecordError> {
    let items = items.into_iter();
    let mut packed_items: Vec<PackedItem> = Vec::with_capacity(items.size_hint().0);
    let mut last = None;
    for stamped in items {
        let (other, range, time) = (stamped.item.member(), stamped.item.range(), stamped.stamp);
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
        packed_items.push(PackedItem::pack(&stamped));
    }
    Ok(packed_items)
}
