//! [`Increment`], the changes of one record since a version: a compressed form of the whole record,
//! checked by its digest. A delta in the sense of delta-CRDTs (Almeida et al. 2018) for a single
//! writer, except that it is applied only if the result is exactly the writer's record, and never
//! merged.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use gm_clock::{Incarnation, NetId};

use crate::packed_item::PackedItem;
use crate::record::{check_predecessor, pack_items};
use crate::tree::Entry as _;
use crate::{Predecessor, Record, RecordError, StampedItem, Version, VersionDigest, hash};

/// The items of one member that were written in `(since, upto]`, including removals, and the digest
/// of the resulting whole record.
#[derive(Clone, PartialEq, Eq)]
pub struct Increment {
    member: NetId,
    incarnation: Incarnation,
    predecessor: Option<Predecessor>,
    since: u64,
    upto: u64,
    digest: u64,
    items: Vec<PackedItem>,
}

/// Outcome of applying an increment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApplyOutcome {
    /// The record is now the one that the increment leads to.
    Applied,
    /// The local record has that version or a greater one. Nothing was changed.
    AlreadyKnown,
    /// The increment does not fit onto the local record, which is unchanged. Request the record
    /// from a peer that has that version.
    DoesNotFit,
    /// The resulting record was [evicted](crate::Eviction), so a replica refuses it.
    Refused,
}

impl Increment {
    /// Creates an increment from parts that were received.
    ///
    /// # Errors
    /// A [`RecordError`] that names the first invalid part. The digest is checked when the
    /// increment is applied.
    pub fn from_parts(
        member: NetId,
        incarnation: Incarnation,
        predecessor: Option<Predecessor>,
        (since, upto): (u64, u64),
        digest: u64,
        items: impl IntoIterator<Item = StampedItem>,
    ) -> Result<Increment, RecordError> {
        Version { incarnation, forgotten: false, clock: upto }.check()?;
        if since >= upto {
            return Err(RecordError::EmptySpan { member, since, upto });
        }
        check_predecessor(member, predecessor, incarnation, upto)?;
        let packed_items = pack_items(member, items, since + 1..=upto)?;
        Ok(Increment { member, incarnation, predecessor, since, upto, digest, items: packed_items })
    }

    /// The member that wrote the changes.
    pub const fn member(&self) -> NetId {
        self.member
    }

    /// Version and digest of the resulting record.
    pub const fn version_digest(&self) -> VersionDigest {
        let version = Version { incarnation: self.incarnation, forgotten: false, clock: self.upto };
        VersionDigest { version, digest: self.digest }
    }

    /// The predecessor of the incarnation, if it continues an earlier one.
    pub const fn predecessor(&self) -> Option<Predecessor> {
        self.predecessor
    }

    /// The span (since, upto) in ticks: the changes were written after the clock `since` and up to
    /// `upto`.
    pub const fn span(&self) -> (u64, u64) {
        (self.since, self.upto)
    }

    /// The items sorted by range, including removals.
    pub fn items(&self) -> impl ExactSizeIterator<Item = StampedItem> + '_ {
        self.items.iter().map(|packed| packed.stamped_item(self.member))
    }
}

impl core::fmt::Debug for Increment {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Increment")
            .field("member", &self.member)
            .field("incarnation", &self.incarnation)
            .field("predecessor", &self.predecessor)
            .field("span", &self.span())
            .field("items", &self.items().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Record {
    /// The increment that updates a holder of version `known` to this record, or `None` if only the
    /// whole record will do. `known` must be an older version of the same member.
    pub fn increment_since(&self, known: Version) -> Option<Increment> {
        if self.version.forgotten || known.forgotten || known.clock < self.floor {
            return None;
        }
        let from = known.clock;
        let from_this_incarnation =
            known.incarnation == self.version.incarnation && from < self.version.clock;
        let from_predecessor = self.predecessor.is_some_and(|predecessor| {
            predecessor.incarnation == known.incarnation && from <= predecessor.clock
        });
        if !from_this_incarnation && !from_predecessor {
            return None;
        }
        let mut packed_items = Vec::new();
        self.items.each_up_to(u64::MAX, |stamp| stamp > from, |packed| packed_items.push(*packed));
        Some(self.increment_from(from, packed_items))
    }

    /// Creates the increment from sorted items, which must be all items written after `since`.
    pub(crate) fn increment_from(&self, since: u64, packed_items: Vec<PackedItem>) -> Increment {
        Increment {
            member: self.member(),
            incarnation: self.version.incarnation,
            predecessor: self.predecessor,
            since,
            upto: self.version.clock,
            digest: self.digest,
            items: packed_items,
        }
    }

    /// Checks by its span whether the increment fits onto this record. Returns those of its items
    /// that are new, and changes nothing.
    pub(crate) fn new_items<'a>(&self, increment: &'a Increment) -> Result<NewItems<'a>, ApplyOutcome> {
        let mine = self.version;
        if increment.version_digest().version <= mine {
            return Err(ApplyOutcome::AlreadyKnown);
        }
        if mine.forgotten {
            return Err(ApplyOutcome::DoesNotFit);
        }
        let after = if increment.incarnation == mine.incarnation {
            // The span must begin at or before the local clock.
            (increment.since <= mine.clock).then_some(mine.clock)
        } else {
            let predecessor =
                increment.predecessor.filter(|predecessor| predecessor.incarnation == mine.incarnation);
            let fits = predecessor.is_some_and(|from| (increment.since..=from.clock).contains(&mine.clock));
            fits.then_some(increment.since)
        };
        let after = after.ok_or(ApplyOutcome::DoesNotFit)?;
        let packed_items = increment.items.as_slice();
        // Usually all items are new.
        if packed_items.iter().all(|packed| packed.stamp() > after) {
            return Ok(NewItems(Cow::Borrowed(packed_items)));
        }
        Ok(NewItems(packed_items.iter().copied().filter(|packed| packed.stamp() > after).collect()))
    }

    /// Applies the items that [`new_items`](Record::new_items) returned. Returns each item with the
    /// one that it replaced. If the resulting digest is not that of the increment, undoes
    /// everything and returns an error.
    ///
    /// The items are written first and undone if necessary, because computing the digest beforehand
    /// would search for every item twice.
    pub(crate) fn apply(
        &mut self,
        increment: &Increment,
        news: &NewItems<'_>,
    ) -> Result<Vec<Replacement>, ApplyOutcome> {
        let seed = hash::member_hash(self.member());
        let (mut digest, mut live) = (self.digest, self.live_count);
        let mut replaced: Vec<Replacement> = Vec::with_capacity(news.0.len());
        let mut take = |old: Option<PackedItem>, new: PackedItem| {
            digest = digest.wrapping_add(hash::digest_change(seed, old, new));
            live = live + usize::from(new.is_live()) - usize::from(old.is_some_and(PackedItem::is_live));
            replaced.push((old, new));
        };
        let mut fresh: Vec<PackedItem> = Vec::new();
        self.items.replace_sorted(&news.0, |old, new| take(Some(old), *new), |new| fresh.push(*new));
        for new in fresh {
            take(self.items.insert(new), new);
        }
        if digest != increment.digest {
            for (old, new) in replaced.into_iter().rev() {
                match old {
                    Some(old) => drop(self.items.insert(old)),
                    None => drop(self.items.remove(new.key())),
                }
            }
            return Err(ApplyOutcome::DoesNotFit);
        }
        VersionDigest { version: self.version, digest: self.digest } = increment.version_digest();
        self.live_count = live;
        self.predecessor = increment.predecessor;
        Ok(replaced)
    }
}

/// The previous item, if there was one, and the item that replaced it.
pub(crate) type Replacement = (Option<PackedItem>, PackedItem);

/// The items of an increment that are newer than the local record, sorted.
pub(crate) struct NewItems<'a>(Cow<'a, [PackedItem]>);
