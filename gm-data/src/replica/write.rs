//! Writes of the node's own record: batches of changes, joining, leaving. A write is one tick, and
//! no other node sees a part of it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Replica, WriteContext};
use crate::change::{BatchContents, BatchPlanner, REMOVAL};
use crate::eviction::{Eviction, HORIZON};
use crate::packed_item::PackedItem;
use crate::{Change, ChangeError, Increment, KeyRange, Predecessor, Record, Version, hash};

/// Outcome of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteOutcome {
    /// The version of the own record after the write.
    pub version: Version,
    /// Whether anything was written. If not, the record had these contents already and the clock
    /// did not tick.
    pub changed: bool,
    /// The increment for holders of the previous version, to be sent once the record is durable.
    /// `None` if nothing was written, and if only the whole record will do: for a first write, or
    /// the first after being forgotten.
    pub increment: Option<Increment>,
    /// The eviction that all nodes must apply, if the write reset the incarnation below foreign
    /// versions beyond the [`HORIZON`]. Otherwise `None`.
    pub eviction: Option<Eviction>,
}

impl WriteOutcome {
    /// The outcome of a write that changes nothing.
    const fn unchanged(version: Version) -> WriteOutcome {
        WriteOutcome { version, changed: false, increment: None, eviction: None }
    }
}

/// The effect of a renewed incarnation: the eviction of the versions above it, if any.
struct Renewed(Option<Eviction>);

impl Replica {
    /// Applies all changes of the batch in one write, or none.
    ///
    /// The new record must be durable before any of it is sent. A batch that changes nothing is not
    /// written.
    ///
    /// # Errors
    /// A [`ChangeError`] of the first change that cannot be made. Nothing was changed.
    pub fn change(&mut self, batch: &[Change], context: WriteContext) -> Result<WriteOutcome, ChangeError> {
        self.check_conflict(context)?;
        let planner =
            BatchPlanner { me: self.me, default_port: self.default_port, record: self.own_record() };
        let contents = planner.plan(batch)?;
        self.write(&contents, context)
    }

    /// Joins the group with an interest in the given ranges. If none are given and this node is not
    /// a member yet, the interest is in the whole key space. Ranges for which this node has a live
    /// item already stay as they are.
    ///
    /// # Errors
    /// [`ChangeError::IdentityConflict`]. Nothing was changed.
    pub fn join(&mut self, ranges: &[KeyRange], context: WriteContext) -> Result<WriteOutcome, ChangeError> {
        self.check_conflict(context)?;
        let whole = [KeyRange::WHOLE];
        let ranges = if ranges.is_empty() && !self.is_member() { whole.as_slice() } else { ranges };
        let is_live = |range: KeyRange| {
            self.own_record()
                .and_then(|own| own.get(range))
                .is_some_and(|stamped| stamped.item.op().is_live())
        };
        let batch: Vec<Change> =
            ranges.iter().filter(|range| !is_live(**range)).map(|range| Change::Interest(*range)).collect();
        match self.own_record() {
            Some(own) if batch.is_empty() => Ok(WriteOutcome::unchanged(own.version())),
            Some(_) | None => self.change(&batch, context),
        }
    }

    /// Leaves the group: one write that removes all items. Incarnation and clock are kept, so a
    /// later join continues from there.
    ///
    /// # Errors
    /// [`ChangeError::NotAMember`] or [`ChangeError::IdentityConflict`]. Nothing was changed.
    pub fn leave(&mut self, context: WriteContext) -> Result<WriteOutcome, ChangeError> {
        self.check_conflict(context)?;
        let own = self.own_record().filter(|own| own.is_member()).ok_or(ChangeError::NotAMember)?;
        let contents = own.live_items().map(|packed| (packed.range(), REMOVAL)).collect();
        self.write(&contents, context)
    }

    /// If the present or the next incarnation or clock is beyond the horizon, rewrites the live
    /// items in an incarnation below it.
    fn renew_if_beyond_horizon(&mut self, context: WriteContext) -> Option<Renewed> {
        let new = self.new_incarnation(context);
        let clock_exhausted = self.own_record().is_some_and(|own| own.version().clock >= HORIZON);
        if !clock_exhausted && (self.began_incarnation || new.eviction.is_none()) {
            return None;
        }
        self.rewrite_own_record(new, self.new_clock(None), context);
        Some(Renewed(new.eviction))
    }

    /// Writes the contents in one tick, in a new incarnation if this is the first write since the
    /// start.
    fn write(
        &mut self,
        contents: &BatchContents,
        context: WriteContext,
    ) -> Result<WriteOutcome, ChangeError> {
        let before = self.own_record().map(Record::version);
        if contents.is_empty() {
            // A node without a record that writes nothing, as by serving and unserving a range in
            // one batch, gets no record.
            let version = before.ok_or(ChangeError::NotAMember)?;
            return Ok(WriteOutcome::unchanged(version));
        }
        let renewed = self.renew_if_beyond_horizon(context);
        // After a renewal no peer has the beginning of the incarnation, so there is no increment.
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

    /// The version of the next write and the predecessor of its incarnation. A forgotten
    /// incarnation is not continued.
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
