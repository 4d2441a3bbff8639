//! Planted bugs: deliberate bugs, one at a time, with which the tests show that each of them would
//! be found. They exist only in the crate's own tests; everywhere else `planted` is `false` at
//! compile time.

/// A bug that a test can plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code))]
pub(crate) enum Bug {
    /// A whole record is taken over without its floor.
    FloorNotCarried,
    /// An increment is treated as a whole record.
    IncrementMerged,
    /// An increment is applied although it begins above the local clock, and without the check of
    /// its digest.
    IncrementOverGap,
    /// An increment is applied without the check of its digest.
    IncrementUnverified,
    /// The first write after a start continues the old incarnation.
    NoNewIncarnation,
    /// Records with equal versions are treated as equal.
    DigestNotCompared,
    /// A purge of removals does not raise the floor.
    PurgeWithoutFloor,
    /// A forgotten record loses against any write of its incarnation.
    ForgetAsFilter,
    /// A refutation keeps the stamps and the floor of the refuted record.
    RefutationKeepsStamps,
    /// A refutation does not exceed the received clock.
    RefutationBelow,
    /// A removal deletes the item instead of keeping it.
    RemovalLeavesNothing,
    /// An applied increment does not update the fingerprint.
    FingerprintStale,
    /// Unserving the last item ends the membership.
    LastItemLeaves,
    /// A refused batch has already written the changes before the refused one.
    BatchTorn,
    /// The items of a merged record are merged one by one.
    ItemsMerged,
    /// The events of a newcomer omit its ranges.
    NewcomerWithoutRanges,
    /// An applied increment does not update the index.
    IndexMissesIncrements,
    /// An applied increment does not update the buckets.
    BucketsMissIncrements,
    /// The index keeps ranges that are no longer served.
    IndexKeepsRemoved,
    /// Members of equal priority are ordered by the member's hash alone, whatever the key.
    OwnersAlikeForAllKeys,
    /// A member with a foreign record of the greatest incarnation does not reset to a lower one.
    NoIncarnationReset,
    /// An evicted record is accepted again.
    EvictedReturns,
}

#[cfg(not(test))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}

#[cfg(test)]
pub(crate) use planting::{ALL, planted, with_planted};

#[cfg(test)]
mod planting {
    use core::cell::Cell;

    use super::Bug;

    std::thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Every bug.
    pub(crate) const ALL: [Bug; 22] = [
        Bug::FloorNotCarried,
        Bug::IncrementMerged,
        Bug::IncrementOverGap,
        Bug::IncrementUnverified,
        Bug::NoNewIncarnation,
        Bug::DigestNotCompared,
        Bug::PurgeWithoutFloor,
        Bug::ForgetAsFilter,
        Bug::RefutationKeepsStamps,
        Bug::RefutationBelow,
        Bug::RemovalLeavesNothing,
        Bug::FingerprintStale,
        Bug::LastItemLeaves,
        Bug::BatchTorn,
        Bug::ItemsMerged,
        Bug::NewcomerWithoutRanges,
        Bug::IndexMissesIncrements,
        Bug::BucketsMissIncrements,
        Bug::IndexKeepsRemoved,
        Bug::OwnersAlikeForAllKeys,
        Bug::NoIncarnationReset,
        Bug::EvictedReturns,
    ];

    pub(crate) fn planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    /// Plants the bug in this thread while `test` runs, even if that panics.
    pub(crate) fn with_planted<R>(bug: Option<Bug>, test: impl FnOnce() -> R) -> R {
        struct Restore(Option<Bug>);
        impl Drop for Restore {
            fn drop(&mut self) {
                PLANTED.set(self.0);
            }
        }
        let _restore = Restore(PLANTED.replace(bug));
        test()
    }
}
