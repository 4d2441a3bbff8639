//! Writing one's own record: batches, joining, leaving. A write is one tick, and nobody sees half
//! of it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Replica, WriteContext};
use crate::change::{BatchContents, BatchPlanner, REMOVAL};
use crate::eviction::{Eviction, HORIZON};
use crate::packed_item::{PackedItem, range_key};
use crate::planted_bugs::{Bug, planted};
use crate::{Change, ChangeError, Increment, KeyRange, Predecessor, Record, Version, hash};

/// What a write did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteOutcome {
    /// The version of one's record after it.
    pub version: Version,
    /// Whether anything was written. If not, everything stood there already and the clock did not
    /// tick.
    pub changed: bool,
    /// What brings those up who hold the version before: to be sent once the record is durable.
    /// `None` if nothing was written, and where only the whole record will do: one's first, or the
    /// first after being forgotten.
    pub increment: Option<Increment>,
    /// What everybody has to evict, as this life is below what was heard of this node, beyond the
    /// [`HORIZON`]. `None` but for that.
    pub eviction: Option<Eviction>,
}

impl WriteOutcome {
    /// Everything stood there already.
    const fn unchanged(version: Version) -> WriteOutcome {
        WriteOutcome { version, changed: false, increment: None, eviction: None }
    }
}

/// A life within range has begun, and this is to be evicted for it.
struct Renewed(Option<Eviction>);

impl Replica {
    /// Makes all changes of the batch in one write, or none.
    ///
    /// The new record must be durable before anything of it is sent. A batch that says what stands
    /// there already writes nothing.
    ///
    /// # Errors
    /// A [`ChangeError`] that names the first change that cannot be made. Nothing was changed.
    pub fn change(&mut self, batch: &[Change], context: WriteContext) -> Result<WriteOutcome, ChangeError> {
        self.check_conflict(context)?;
        let planner =
            BatchPlanner { me: self.me, default_port: self.default_port, record: self.own_record() };
        let contents = match planner.plan(batch) {
            Err(error) if planted(Bug::BatchTorn) && batch.len() > 1 => {
                let _ = self.change(&batch[..1], context);
                return Err(error);
            }
            result => result?,
        };
        self.write(&contents, context)
    }

    /// Joins the group by being interested in those ranges; in the whole key space, if none are
    /// named and this node is not a member yet. Ranges that this node already speaks of stay as
    /// they are.
    ///
    /// # Errors
    /// [`ChangeError::IdentityConflict`]. Nothing was changed.
    pub fn join(&mut self, ranges: &[KeyRange], context: WriteContext) -> Result<WriteOutcome, ChangeError> {
        self.check_conflict(context)?;
        let whole = [KeyRange::WHOLE];
        let ranges = if ranges.is_empty() && !self.is_member() { whole.as_slice() } else { ranges };
        let is_live = |range: KeyRange| {
            self.own_record().and_then(|own| own.get(range)).is_some_and(|timed| timed.item.op().is_live())
        };
        let batch: Vec<Change> =
            ranges.iter().filter(|range| !is_live(**range)).map(|range| Change::Interest(*range)).collect();
        match self.own_record() {
            Some(own) if batch.is_empty() => Ok(WriteOutcome::unchanged(own.version())),
            Some(_) | None => self.change(&batch, context),
        }
    }

    /// Leaves the group: one write that drops everything. Incarnation and clock stay, so a later
    /// join goes on from there.
    ///
    /// # Errors
    /// [`ChangeError::NotAMember`] or [`ChangeError::IdentityConflict`]. Nothing was changed.
    pub fn leave(&mut self, context: WriteContext) -> Result<WriteOutcome, ChangeError> {
        self.check_conflict(context)?;
        let own = self.own_record().filter(|own| own.is_member()).ok_or(ChangeError::NotAMember)?;
        let contents = own.live_items().map(|packed| (packed.range(), REMOVAL)).collect();
        self.write(&contents, context)
    }

    /// Begins a life within range, with what is live, if the present one, or the next, is not.
    fn renew_if_beyond_horizon(&mut self, context: WriteContext) -> Option<Renewed> {
        let life = self.new_incarnation(context);
        let clock_ends = self.own_record().is_some_and(|own| own.version().clock >= HORIZON);
        if !clock_ends && (self.began_incarnation || life.eviction.is_none()) {
            return None;
        }
        self.rewrite_own_record(life, self.new_clock(None), context);
        Some(Renewed(life.eviction))
    }

    /// Writes those contents in one tick, in a new life if this is the first write since the start.
    fn write(
        &mut self,
        contents: &BatchContents,
        context: WriteContext,
    ) -> Result<WriteOutcome, ChangeError> {
        let before = self.own_record().map(Record::version);
        if contents.is_empty() {
            // Who has no record and wants nothing written, as by serving and unserving in one
            // batch, stays away.
            let version = before.ok_or(ChangeError::NotAMember)?;
            return Ok(WriteOutcome::unchanged(version));
        }
        let renewed = self.renew_if_beyond_horizon(context);
        // Nobody holds the beginning of the life that has just begun.
        let shown = before.filter(|_| renewed.is_none());
        let before = self.own_record().map(Record::version);
        let (version, predecessor) = self.next_version(before, context);
        let packed_items: Vec<PackedItem> = contents
            .iter()
            .map(|(&range, &content)| PackedItem::new(range, content, version.clock))
            .collect();

        let me = self.me;
        if before.is_none() {
            self.state_mut().put_record(Arc::new(Record::from_packed(me, version, None, 0, &[])));
        }
        self.state_mut().edit_record(me, |record, edit| {
            let seed = hash::member_hash(me);
            for packed in &packed_items {
                let old = record.put(seed, *packed);
                edit.replaced(old, *packed);
                if !packed.is_live() && planted(Bug::RemovalLeavesNothing) {
                    record.items.remove(range_key(packed.range()));
                }
            }
            record.version = version;
            record.predecessor = predecessor;
        });
        self.began_incarnation = true;
        self.highest_incarnation = self.highest_incarnation.max(version.incarnation);

        let increment = match (shown, self.own_record()) {
            (Some(before), Some(own)) if !before.forgotten && before.clock >= own.floor => {
                Some(own.increment_from(before.clock, packed_items))
            }
            _ => None,
        };
        let eviction = renewed.and_then(|Renewed(eviction)| eviction);
        Ok(WriteOutcome { version, changed: true, increment, eviction })
    }

    /// The version of the next write, and what its life was opened from. A forgotten life is no
    /// ground to go on from.
    fn next_version(&self, before: Option<Version>, context: WriteContext) -> (Version, Option<Predecessor>) {
        let clock = before.map_or(0, |before| before.clock);
        let own = self.own_record();
        let (incarnation, predecessor) = match before {
            Some(before) if self.began_incarnation => (before.incarnation, own.and_then(Record::predecessor)),
            _ => {
                let predecessor = before
                    .filter(|before| !before.forgotten)
                    .map(|before| Predecessor { incarnation: before.incarnation, clock });
                (self.new_incarnation(context).incarnation, predecessor)
            }
        };
        (Version { incarnation, forgotten: false, clock: clock + 1 }, predecessor)
    }
}
