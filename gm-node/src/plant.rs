//! Planted bugs, which the checkers of the worlds must find. Without the feature `plant`, which
//! only the tests of the worlds enable, `planted` is `false` at compile time.

gm_broadcast::bugs! {
    /// A broadcast is acknowledged although it was not merged.
    AckForUnmerged,
    /// A write is sent before it is stored.
    SentBeforeStored,
    /// An unanswered pull is not repeated.
    PullNotRetried,
    /// The comparison of hash trees skips a bucket.
    BucketSkipped,
    /// Seeds that did not answer once are never dialed again.
    SeedsGivenUp,
    /// A wait counts the writer.
    WaitCountsWriter,
    /// A wait asks each member only once, answered or not.
    WaitNotRetried,
    /// A wait for a number of members asks only affected ones.
    OnlyAffectedCount,
    /// A foreign record of the node is not refuted.
    NoRefutation,
    /// A failure of the store is ignored.
    RefusalIgnored,
    /// A group is released at once after a leave, and later questions about it are not answered.
    LeaveNotAnnounced,
    /// A node with a new address does not take over from its former address.
    FormerAddressStays,
    /// Received records are never stored.
    LearnedNotStored,
    /// Digests of equal versions are not compared.
    DigestsIgnored,
    /// An outdated record is not answered.
    OlderNotAnswered,
    /// Anti-entropy always runs at its slowest interval.
    SlowExchangesOnly,
    /// A wait for all members is satisfied before the group is in sync.
    AllBeforeInSync,
    /// A slow watcher does not receive the changes made meanwhile.
    SlowWatcherMisses,
    /// A record is sent without its floor.
    FloorNotCarried,
    /// A write is acknowledged when it is handed to the store.
    AnsweredBeforeStored,
    /// A write is sent before it would survive a power loss.
    OwnNotSynced,
    /// A write is acknowledged as on disk although a power loss would lose it.
    AckNotSynced,
    /// Committing a draft overwrites what was merged while the store worked.
    MergedIsOverwritten,
    /// A caller whose write the store refused gets no answer.
    RefusalNotAnswered,
    /// A forget order is acknowledged but not applied.
    ForgetNotApplied,
    /// A node takes over from its former address, which does not leave.
    FormerAddressNotLeft,
    /// Records beyond the limits are merged.
    LimitIgnored,
    /// Newcomer announcements are not sent.
    NewcomerNotInformed,
    /// A reported host of a hosted group is ignored.
    HostCandidateIgnored,
    /// A forget order is acknowledged but not stored.
    ForgettingNotStored,
    /// Anti-entropy uses only datagrams, even if they are lost.
    DatagramsOnly,
}
