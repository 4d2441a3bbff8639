//! What a member wrote since a version: a compressed way to hand over a whole record, checked by its digest. Never
//! joined. Knows nothing of other members.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use gm_clock::{Incarnation, NetId};

use crate::plant::{Bug, planted};
use crate::record::{check_opened, slots_of};
use crate::slot::Slot;
use crate::tree::Entry as _;
use crate::{Opened, Record, RecordError, Stamp, TimedItem, Version, hash};

/// The items of one member that were written in `(since, upto]`, removals included, and the digest of the whole record
/// that they lead to.
#[derive(Clone, PartialEq, Eq)]
pub struct Increment {
    member: NetId,
    incarnation: Incarnation,
    opened: Option<Opened>,
    since: u64,
    upto: u64,
    digest: u64,
    slots: Vec<Slot>,
}

/// What came of an increment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Applied {
    /// The record is now the one that the increment stands for.
    Applied,
    /// The record here is at that version or above it: nothing was to do.
    Known,
    /// It does not fit onto what is held here, which was left as it was: ask somebody who has shown that version.
    Ask,
    /// The record that it leads to was [evicted](crate::Eviction): a replica refuses it.
    Refused,
}

impl Increment {
    /// The increment of those parts, as somebody sent it.
    ///
    /// # Errors
    /// A [`RecordError`] that names the first part that cannot be. The digest is checked when it is applied.
    pub fn from_parts(
        member: NetId,
        incarnation: Incarnation,
        opened: Option<Opened>,
        (since, upto): (u64, u64),
        digest: u64,
        items: impl IntoIterator<Item = TimedItem>,
    ) -> Result<Increment, RecordError> {
        Version { incarnation, gone: false, clock: upto }.check()?;
        if since >= upto {
            return Err(RecordError::EmptySpan { member, since, upto });
        }
        check_opened(member, opened, incarnation, upto)?;
        let slots = slots_of(member, items, since + 1..=upto)?;
        Ok(Increment { member, incarnation, opened, since, upto, digest, slots })
    }

    /// Whose writes they are.
    pub const fn member(&self) -> NetId {
        self.member
    }

    /// Version and digest of the record that it leads to.
    pub const fn stamp(&self) -> Stamp {
        let version = Version { incarnation: self.incarnation, gone: false, clock: self.upto };
        Stamp { version, digest: self.digest }
    }

    /// What the incarnation was opened from.
    pub const fn opened(&self) -> Option<Opened> {
        self.opened
    }

    /// (from which clock, up to which clock), in ticks; the first is not part of it.
    pub const fn span(&self) -> (u64, u64) {
        (self.since, self.upto)
    }

    /// The items, sorted by range, removals included.
    pub fn items(&self) -> impl ExactSizeIterator<Item = TimedItem> + '_ {
        self.slots.iter().map(|slot| slot.timed(self.member))
    }
}

impl core::fmt::Debug for Increment {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Increment")
            .field("member", &self.member)
            .field("incarnation", &self.incarnation)
            .field("opened", &self.opened)
            .field("span", &self.span())
            .field("items", &self.items().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Record {
    /// What brings a holder of `known` up to this record: an increment, if one can be made. `None` where only the whole
    /// record will do. `known` must be an older version of the same member.
    pub fn increment_since(&self, known: Version) -> Option<Increment> {
        if self.version.gone || known.gone || known.clock < self.floor {
            return None;
        }
        let from = known.clock;
        let from_this_life = known.incarnation == self.version.incarnation && from < self.version.clock;
        let from_the_former =
            self.opened.is_some_and(|opened| opened.incarnation == known.incarnation && from <= opened.clock);
        if !from_this_life && !from_the_former {
            return None;
        }
        let mut slots = Vec::new();
        self.items.each_up_to(u64::MAX, |stamp| stamp > from, |slot| slots.push(*slot));
        Some(self.increment_of(from, slots))
    }

    /// The increment of those sorted slots, which are all that were written after `since`.
    pub(crate) fn increment_of(&self, since: u64, slots: Vec<Slot>) -> Increment {
        Increment {
            member: self.member(),
            incarnation: self.version.incarnation,
            opened: self.opened,
            since,
            upto: self.version.clock,
            digest: self.digest,
            slots,
        }
    }

    /// Whether the increment fits onto this record, by its span, and which of its slots are news. Changes nothing.
    pub(crate) fn fits<'a>(&self, increment: &'a Increment) -> Result<News<'a>, Applied> {
        let mine = self.version;
        if increment.stamp().version <= mine {
            return Err(Applied::Known);
        }
        if mine.gone {
            return Err(Applied::Ask);
        }
        let after = if increment.incarnation == mine.incarnation {
            // What it covers must begin where my knowledge ends, or before.
            (increment.since <= mine.clock || planted(Bug::IncrementOverGap)).then_some(mine.clock)
        } else {
            let opened = increment.opened.filter(|opened| opened.incarnation == mine.incarnation);
            let fits = opened.is_some_and(|from| (increment.since..=from.clock).contains(&mine.clock));
            fits.then_some(increment.since)
        };
        let after = after.ok_or(Applied::Ask)?;
        let slots = increment.slots.as_slice();
        // Mostly all of them are.
        if slots.iter().all(|slot| slot.stamp() > after) {
            return Ok(News(Cow::Borrowed(slots)));
        }
        Ok(News(slots.iter().copied().filter(|slot| slot.stamp() > after).collect()))
    }

    /// Takes the news of an increment that [fits](Record::fits), and says what each slot replaced; or finds that they do not
    /// lead to the digest that they should, undoes everything, and says so.
    ///
    /// Written first and undone if need be: to compute the digest beforehand every slot would be searched for twice.
    pub(crate) fn apply(&mut self, increment: &Increment, news: &News<'_>) -> Result<Vec<Replaced>, Applied> {
        let seed = hash::member(self.member());
        let (mut digest, mut live) = (self.digest, self.live);
        let mut replaced: Vec<Replaced> = Vec::with_capacity(news.0.len());
        let mut take = |old: Option<Slot>, new: Slot| {
            digest = digest.wrapping_add(hash::change(seed, old, new));
            live = live + usize::from(new.is_live()) - usize::from(old.is_some_and(Slot::is_live));
            replaced.push((old, new));
        };
        let mut fresh: Vec<Slot> = Vec::new();
        self.items.replace_sorted(&news.0, |old, new| take(Some(old), *new), |new| fresh.push(*new));
        for new in fresh {
            take(self.items.insert(new), new);
        }
        let unchecked = planted(Bug::IncrementUnverified) || planted(Bug::IncrementOverGap);
        if digest != increment.digest && !unchecked {
            for (old, new) in replaced.into_iter().rev() {
                match old {
                    Some(old) => drop(self.items.insert(old)),
                    None => drop(self.items.remove(new.key())),
                }
            }
            return Err(Applied::Ask);
        }
        Stamp { version: self.version, digest: self.digest } = increment.stamp();
        self.live = live;
        self.opened = increment.opened;
        Ok(replaced)
    }
}

/// A slot, if there was one, and the slot that took its place.
pub(crate) type Replaced = (Option<Slot>, Slot);

/// The slots of an increment that were written after what is known, sorted.
pub(crate) struct News<'a>(Cow<'a, [Slot]>);
