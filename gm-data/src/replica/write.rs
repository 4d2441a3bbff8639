//! Writing one's own record: batches, joining, leaving. A write is one tick, and nobody sees half of it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Moment, Replica};
use crate::change::{REMOVAL, Writer, Written};
use crate::eviction::{Eviction, HORIZON};
use crate::plant::{Bug, planted};
use crate::slot::{Slot, slot_key};
use crate::{Change, ChangeError, Increment, KeyRange, Opened, Record, Version, hash};

/// What a write did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The version of one's record after it.
    pub version: Version,
    /// Whether anything was written. If not, everything stood there already and the clock did not tick.
    pub changed: bool,
    /// What brings those up who hold the version before: to be sent once the record is durable. `None` if nothing was
    /// written, and where only the whole record will do: one's first, or the first after being forgotten.
    pub increment: Option<Increment>,
    /// What everybody has to evict, as this life is below what was heard of this node, beyond the [`HORIZON`]. `None` but for that.
    pub eviction: Option<Eviction>,
}

impl Write {
    /// Everything stood there already.
    const fn nothing(version: Version) -> Write {
        Write { version, changed: false, increment: None, eviction: None }
    }
}

/// A life within range has begun, and this is to be evicted for it.
struct Renewed(Option<Eviction>);

impl Replica {
    /// Makes all changes of the batch in one write, or none.
    ///
    /// The new record must be durable before anything of it is sent. A batch that says what stands there already writes
    /// nothing.
    ///
    /// # Errors
    /// A [`ChangeError`] that names the first change that cannot be made. Nothing was changed.
    pub fn change(&mut self, batch: &[Change], moment: Moment) -> Result<Write, ChangeError> {
        self.check_conflict(moment)?;
        let writer = Writer { me: self.me, default_port: self.default_port, record: self.own() };
        let written = match writer.written(batch) {
            Err(error) if planted(Bug::BatchTorn) && batch.len() > 1 => {
                let _ = self.change(&batch[..1], moment);
                return Err(error);
            }
            result => result?,
        };
        self.write(&written, moment)
    }

    /// Joins the group by being interested in those ranges; in the whole key space, if none are named and this node is not
    /// a member yet. Ranges that this node already speaks of stay as they are.
    ///
    /// # Errors
    /// [`ChangeError::IdentityConflict`]. Nothing was changed.
    pub fn join(&mut self, ranges: &[KeyRange], moment: Moment) -> Result<Write, ChangeError> {
        self.check_conflict(moment)?;
        let whole = [KeyRange::WHOLE];
        let ranges = if ranges.is_empty() && !self.is_member() { whole.as_slice() } else { ranges };
        let is_live = |range: KeyRange| {
            self.own().and_then(|own| own.get(range)).is_some_and(|timed| timed.item.op().is_live())
        };
        let batch: Vec<Change> =
            ranges.iter().filter(|range| !is_live(**range)).map(|range| Change::Interest(*range)).collect();
        match self.own() {
            Some(own) if batch.is_empty() => Ok(Write::nothing(own.version())),
            Some(_) | None => self.change(&batch, moment),
        }
    }

    /// Leaves the group: one write that drops everything. Incarnation and clock stay, so a later join goes on from there.
    ///
    /// # Errors
    /// [`ChangeError::NotAMember`] or [`ChangeError::IdentityConflict`]. Nothing was changed.
    pub fn leave(&mut self, moment: Moment) -> Result<Write, ChangeError> {
        self.check_conflict(moment)?;
        let own = self.own().filter(|own| own.is_member()).ok_or(ChangeError::NotAMember)?;
        let written = own.live().map(|slot| (slot.range(), REMOVAL)).collect();
        self.write(&written, moment)
    }

    /// Begins a life within range, with what is live, if the present one, or the next, is not.
    fn come_within_range(&mut self, moment: Moment) -> Option<Renewed> {
        let life = self.new_life(moment);
        let clock_ends = self.own().is_some_and(|own| own.version().clock >= HORIZON);
        if !clock_ends && (self.alive || life.eviction.is_none()) {
            return None;
        }
        self.live_on(life, self.new_clock(None), moment);
        Some(Renewed(life.eviction))
    }

    /// Writes those contents in one tick, in a new life if this is the first write since the start.
    fn write(&mut self, written: &Written, moment: Moment) -> Result<Write, ChangeError> {
        let before = self.own().map(Record::version);
        if written.is_empty() {
            // Who has no record and wants nothing written, as by serving and unserving in one batch, stays away.
            let version = before.ok_or(ChangeError::NotAMember)?;
            return Ok(Write::nothing(version));
        }
        let renewed = self.come_within_range(moment);
        // Nobody holds the beginning of the life that has just begun.
        let shown = before.filter(|_| renewed.is_none());
        let before = self.own().map(Record::version);
        let (version, opened) = self.next_version(before, moment);
        let slots: Vec<Slot> =
            written.iter().map(|(&range, &content)| Slot::new(range, content, version.clock)).collect();

        let me = self.me;
        if before.is_none() {
            self.state_mut().put(Arc::new(Record::from_slots(me, version, None, 0, &[])));
        }
        self.state_mut().edit(me, |record, edit| {
            let seed = hash::member(me);
            for slot in &slots {
                let old = record.put(seed, *slot);
                edit.replaced(old, *slot);
                if !slot.is_live() && planted(Bug::RemovalLeavesNothing) {
                    record.items.remove(slot_key(slot.range()));
                }
            }
            record.version = version;
            record.opened = opened;
        });
        self.alive = true;
        self.highest = self.highest.max(version.incarnation);

        let increment = match (shown, self.own()) {
            (Some(before), Some(own)) if !before.gone && before.clock >= own.floor => {
                Some(own.increment_of(before.clock, slots))
            }
            _ => None,
        };
        let eviction = renewed.and_then(|Renewed(eviction)| eviction);
        Ok(Write { version, changed: true, increment, eviction })
    }

    /// The version of the next write, and what its life was opened from. A forgotten life is no ground to go on from.
    fn next_version(&self, before: Option<Version>, moment: Moment) -> (Version, Option<Opened>) {
        let clock = before.map_or(0, |before| before.clock);
        let own = self.own();
        let (incarnation, opened) = match before {
            Some(before) if self.alive => (before.incarnation, own.and_then(Record::opened)),
            _ => {
                let opened = before
                    .filter(|before| !before.gone)
                    .map(|before| Opened { incarnation: before.incarnation, clock });
                (self.new_life(moment).incarnation, opened)
            }
        };
        (Version { incarnation, gone: false, clock: clock + 1 }, opened)
    }
}
