//! Deliberate bugs, one at a time, so that the tests can show that each would be found. Exists in
//! the crate's own tests only: everywhere else `planted` is `false` at compile time, and no bug is
//! in the program.

/// A bug that the tests can plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code))]
pub(crate) enum Bug {
    /// A whole record is taken without its floor.
    FloorNotCarried,
    /// An increment is taken for a whole record.
    IncrementMerged,
    /// An increment is applied although it begins above what is known, and without its check.
    IncrementOverGap,
    /// An increment is applied without comparing digests.
    IncrementUnverified,
    /// The first write after a start goes on in the old incarnation.
    NoNewIncarnation,
    /// Records of equal versions are taken for equal.
    DigestNotCompared,
    /// Removals are purged and the floor stays.
    PurgeWithoutFloor,
    /// A forgotten record loses against any write of its incarnation.
    ForgetAsFilter,
    /// A re-assertion keeps the stamps and the floor of what it asserts.
    RefutationKeepsStamps,
    /// A re-assertion is not put above the clock that was heard.
    RefutationBelow,
    /// A removal leaves no item behind.
    RemovalLeavesNothing,
    /// An applied increment does not reach the fingerprint.
    FingerprintStale,
    /// Unserving the last item ends the membership.
    LastItemLeaves,
    /// A refused batch has already written what stood before the refused change.
    BatchTorn,
    /// The items of a merged record are joined one by one.
    ItemsMerged,
    /// The events of a newcomer do not name its ranges.
    NewcomerWithoutRanges,
    /// What an increment brings does not reach the index.
    IndexMissesIncrements,
    /// What an increment brings does not reach the buckets.
    BucketsMissIncrements,
    /// The index keeps what is no longer served.
    IndexKeepsRemoved,
    /// Members of equal priority are ordered by their hash alone, whatever the key.
    OwnersAlikeForAllKeys,
    /// A member whose life was overtaken by the last one does not come back below it.
    NoIncarnationReset,
    /// What was evicted is taken again.
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

    /// Plants the bug in this thread while `test` runs, panic or not.
    pub(crate) fn with_planted<R>(bug: Option<Bug>, test: impl FnOnce() -> R) -> R {
        struct Restore(Option<Bug>);
        impl Drop for Restore {
            fn drop(&mut self) {
                PLANTED.set(self.0);
            }
        }
        let _weed = Restore(PLANTED.replace(bug));
        test()
    }
}
