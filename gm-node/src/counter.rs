//! Counters of the node, each with a name and a help text, in addition to those of its broadcaster.

use gm_broadcast::Counters;

gm_broadcast::counter_enum! {
    /// A quantity that a node counts, in addition to its broadcaster and runtime.
    pub enum NodeCounter {
        // Own records.
        /// Foreign versions of the own record that were refuted in a new incarnation.
        Refutations => "refutations",
        /// Foreign versions of the own record that were ignored, because too many groups wait for a
        /// refutation.
        RefutationsDropped => "refutations_dropped",
        /// Identity conflicts that paused writes in a group.
        IdentityConflicts => "identity_conflicts",
        /// Foreign versions of the own record that came while an identity conflict paused writes.
        ClaimsDuringConflict => "claims_during_conflict",
        /// Claims beyond the horizon that were evicted: the own record restarted below it.
        HorizonResets => "horizon_resets",
        /// Groups in which the node took over the items of its former address.
        AddressTakeovers => "address_takeovers",
        /// Own records that were sent again, to members discovered after the first write.
        NewcomerAnnouncements => "newcomer_announcements",

        // Records of other members.
        /// Records that were dropped, because a limit was reached.
        RecordsOverLimit => "records_over_limit",
        /// Increments that were dropped, because a limit was reached.
        IncrementsOverLimit => "increments_over_limit",
        /// Increments with an unknown base, whose records are requested.
        IncrementGaps => "increment_gaps",
        /// Items that were lost, because the node that forgot their member had not received them.
        ItemsLostByForget => "items_lost_by_forget",
        /// Records that an eviction dropped.
        RecordsEvicted => "records_evicted",
        /// Records that were refused because of an eviction.
        EvictedRecordsRefused => "evicted_records_refused",
        /// Records that were dropped, because their group has the reserved name.
        ReservedNameUpdates => "reserved_name_updates",
        /// Versions that were dropped, because their group has the reserved name.
        ReservedNameVersions => "reserved_name_versions",
        /// Broadcasts that were dropped, because they contain no records.
        UnexpectedBroadcasts => "unexpected_broadcasts",

        // Anti-entropy.
        /// Exchanges that the node started.
        ExchangesStarted => "exchanges_started",
        /// Exchanges that the partner did not answer in time.
        ExchangesUnanswered => "exchanges_unanswered",
        /// Exchanges that found a difference.
        ExchangesDiffering => "exchanges_differing",
        /// Messages of anti-entropy that were dropped, because the rate of replies was exceeded.
        ExchangeMessagesRateLimited => "exchange_messages_rate_limited",
        /// Messages that were dropped, because a node does not expect their kind.
        UnexpectedMessages => "unexpected_messages",
        /// Messages with hashes of buckets of shared groups.
        GroupBucketsSent => "group_buckets_sent",
        /// Buckets of shared groups that were dropped, because their level does not exist.
        GroupBucketsInvalid => "group_buckets_invalid",
        /// Lists of versions that were sent again with digests, because the versions were equal.
        DigestsSent => "digests_sent",
        /// Messages that request records after versions were compared.
        RecordRequestsSent => "record_requests_sent",
        /// Records and increments that were sent in reply to anti-entropy.
        RecordsSent => "records_sent",
        /// Replies to outdated or evicted records that were not sent, because the rate of replies
        /// was exceeded.
        RecordRepliesRateLimited => "record_replies_rate_limited",
        /// Messages that pull a single record.
        PullsSent => "pulls_sent",
        /// Pulls that were not started, because too many are open.
        PullsDropped => "pulls_dropped",

        /// Records that were sent to newcomers, as their sponsor.
        RecordsIntroduced => "records_introduced",

        // Discovery.
        /// Messages to nodes that are reported to host a group.
        HostProbesSent => "host_probes_sent",
        /// Contacts that were displaced or dropped, because the contact table is full.
        ContactsDropped => "contacts_dropped",
        /// Pages of registrations that were sent to rendezvous nodes.
        RegistrationsSent => "registrations_sent",
        /// Pages of registrations that were not answered; another rendezvous node is chosen.
        RegistrationsUnanswered => "registrations_unanswered",

        // Store and watchers.
        /// Batches that the store could not write.
        StoreFailures => "store_failures",
        /// Starts at which the store was suspected to lack commits.
        StoreLossesSuspected => "store_losses_suspected",
        /// Groups in which a peer had a later own record than the suspect store.
        StoreLossesConfirmed => "store_losses_confirmed",
        /// Watchers that were reset, because they retained too much memory.
        WatchersReset => "watchers_reset",
    }
}

/// Counters of a node, in addition to those of its broadcaster: totals since its start.
pub type NodeCounters = Counters<NodeCounter>;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gm_broadcast::Counter;

    use super::*;

    #[test]
    fn names_are_unique_and_in_snake_case() {
        let others = Counter::ALL.iter().map(|counter| counter.name());
        let names: BTreeSet<&str> =
            NodeCounter::ALL.iter().map(|counter| counter.name()).chain(others).collect();
        assert_eq!(names.len(), NodeCounter::ALL.len() + Counter::ALL.len());
        for counter in NodeCounter::ALL {
            assert_eq!(counter.name().replace('_', ""), format!("{counter:?}").to_lowercase());
            assert!(counter.help().ends_with('.') && !counter.help().starts_with(' '), "{counter:?}");
        }
    }
}
