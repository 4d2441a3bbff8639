//! Bugs that the tests plant, to see that they are found. In the program none is: `planted` is
//! false at compile time without the feature `plant`, which only the tests of worlds turn on.

gm_broadcast::bugs! {
    /// A receipt is given for what is not held.
    AckForUnmerged,
    /// A write is sent before the storage has it.
    SentBeforeStored,
    /// A question that is not answered is not asked again.
    PullNotRetried,
    /// The comparison of fingerprints passes over a bucket.
    BucketSkipped,
    /// Nodes that did not answer once are never asked again.
    SeedsGivenUp,
    /// A wait counts the writer.
    WaitCountsWriter,
    /// A wait asks each member once, whether it answers or not.
    WaitNotRetried,
    /// A wait for a number asks only the members that the write concerns.
    OnlyConcernedCount,
    /// A node that hears of itself what it did not write does nothing.
    NoRefutation,
    /// A refusal of the storage is not noticed.
    RefusalIgnored,
    /// A group that was left is dropped before anybody knows, and nobody who asks is told of it.
    LeaveNotAnnounced,
    /// A node under a new address says nothing of its former self.
    FormerSelfStays,
    /// What others wrote is never stored.
    LearnedNotStored,
    /// Digests of equal versions are not compared.
    DigestsIgnored,
    /// A push that is older than what is held is not answered.
    OlderNotAnswered,
    /// Anti-entropy never goes faster than in quiet.
    NeverFast,
    /// A wait for all is satisfied before anybody agreed.
    AllBeforeAgreement,
    /// A watcher that is slow is not told what changed meanwhile.
    SlowWatcherMisses,
    /// A record is taken without its floor.
    FloorNotCarried,
    /// A write is acknowledged when it is handed to the storage.
    AnsweredBeforeStored,
    /// A write is told before it would survive a loss of power.
    OwnNotSynced,
    /// It is said to be on disk what a loss of power would take.
    AckNotSynced,
    /// What was heard while a write was with the storage is overwritten by it.
    MergedIsOverwritten,
    /// Whoever wrote what the storage refused is not told so.
    RefusalNotAnswered,
    /// A forgetting is acknowledged and not written.
    ForgettingNotWritten,
    /// A node under a new address says what its former self said, and that one stays.
    FormerSelfNotLeft,
    /// Records are taken beyond the bounds.
    LimitIgnored,
    /// What was written when few members were known is told to no others.
    NewcomerNotInformed,
    /// Who is named as a member of a group that is held is not noticed.
    HostCandidateIgnored,
    /// A forgetting is acknowledged and not on the disk.
    ForgettingNotStored,
    /// Anti-entropy uses datagrams even where they are lost.
    DatagramsOnly,
}
