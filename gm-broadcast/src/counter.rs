//! Counters, each with a name and a help text: one variant of [`Counter`] for each kind of event,
//! and the totals in [`Counters`]. The broadcaster and the runtime each keep one set.

use std::collections::BTreeMap;

/// Declares an enum of counters: per variant its help text as the doc comment, and its name.
#[doc(hidden)]
#[macro_export]
macro_rules! counter_enum {
    (
        $(#[$meta:meta])*
        pub enum $Counter:ident {
            $($(#[doc = $help:literal])+ $counter:ident => $name:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $Counter {
            $($(#[doc = $help])+ $counter,)+
        }

        impl $Counter {
            /// The counters, in the order of their declaration.
            pub const ALL: &'static [$Counter] = &[$($Counter::$counter),+];

            /// The name in snake case, unique in this enum. For Prometheus, put a prefix before it
            /// and `_total` behind it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $($Counter::$counter => $name,)+
                }
            }

            /// Help text: what is counted, and the meaning of the reason if there is one.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self {
                    $($Counter::$counter => concat!($($help),+).trim_start(),)+
                }
            }
        }
    };
}

counter_enum! {
    /// The counters of a broadcaster and its runtime.
    ///
    /// Counters of errors also have a reason: the error's name in the wire page (`NotAuthentic`),
    /// or a kind of error of the operating system (`connection_reset`).
    pub enum Counter {
        // What came by datagrams.
        /// Datagrams that were not decrypted, because too many datagrams of unknown senders failed
        /// to decrypt.
        DatagramsSkipped => "datagrams_skipped",
        /// Datagrams that failed to decrypt, or were replayed. Reason: the error name of the wire
        /// page.
        DatagramsRejected => "datagrams_rejected",
        /// Payloads of datagrams and retransmissions that failed to decode. Reason: the error name
        /// of the wire page.
        PayloadsRejected => "payloads_rejected",
        /// Own multicasts that the network looped back.
        OwnDatagramsReceived => "own_datagrams_received",
        /// Datagrams of another process that uses this node's NetId.
        IdentityClashes => "identity_clashes",
        /// Datagrams that were decrypted and decoded.
        DatagramsOpened => "datagrams_opened",
        /// Datagrams that were dropped, because their sender exceeded the rate of frames.
        DatagramsRateLimited => "datagrams_rate_limited",
        /// Broadcasts that were dropped, because neither their frame nor their header names an
        /// epoch.
        BroadcastsWithoutEpoch => "broadcasts_without_epoch",
        /// Probes of whether datagrams reach a peer.
        DatagramProbesSent => "datagram_probes_sent",
        /// Peers to which datagrams stopped working.
        DatagramPathsLost => "datagram_paths_lost",
        /// Peers to which datagrams work again.
        DatagramPathsRestored => "datagram_paths_restored",

        // Connections.
        /// Frames of connections that failed to decrypt or decode; the connection was closed.
        /// Reason: the error name of the wire page.
        FramesRejected => "frames_rejected",
        /// Connections that were closed, because the peer sent back this node's own handshake.
        HandshakesEchoed => "handshakes_echoed",
        /// Connections that were closed, because their peer exceeded the rate of frames.
        ConnectionsRateLimited => "connections_rate_limited",
        /// Connections that were closed, because another node spoke than the one that was dialed,
        /// or one with this node's NetId.
        ConnectionsUnexpectedPeer => "connections_unexpected_peer",
        /// Connections that were closed, because they were not established and authenticated in
        /// time.
        AuthenticationTimeouts => "authentication_timeouts",
        /// Unauthenticated connections that were closed to make room for a new one.
        ConnectionsEvictedUnauthenticated => "connections_evicted_unauthenticated",
        /// Idle connections that were closed to make room for an accepted one.
        ConnectionsEvictedIdle => "connections_evicted_idle",
        /// Connections in use that were closed to make room for an accepted one.
        ConnectionsEvictedBusy => "connections_evicted_busy",
        /// Connections that were closed after a time without use.
        ConnectionsIdle => "connections_idle",
        /// Connections that were closed, because their peer stopped reading.
        ConnectionsStuck => "connections_stuck",
        /// Connections that the system gave up, because nothing was acknowledged.
        ConnectionsStalled => "connections_stalled",
        /// Connections that were closed, because the memory of their partial frame was needed for
        /// another.
        PartialFramesEvicted => "partial_frames_evicted",
        /// Connections that were closed, because no memory was left for their partial frame.
        PartialFramesRefused => "partial_frames_refused",
        /// Connections that were closed, because a frame was not complete in time.
        PartialFramesTimedOut => "partial_frames_timed_out",
        /// Empty first frames, sent to authenticate a connection before a long frame.
        AuthenticationFramesSent => "authentication_frames_sent",
        /// Accepted connections that this node closed before their peer was authenticated.
        UnauthenticatedClosed => "unauthenticated_closed",
        /// Accepted connections that their peer closed before it was authenticated.
        UnauthenticatedLeft => "unauthenticated_left",
        /// Dials for which a frame waited.
        DialsStarted => "dials_started",
        /// Dials to find out whether a peer is reachable at its own address.
        AddressChecks => "address_checks",
        /// Further candidates of a subtree that were tried while a dial was still unanswered.
        DialsHedged => "dials_hedged",
        /// Dials that were not made, because the limit of connections was reached and none was
        /// idle.
        DialsOverLimit => "dials_over_limit",
        /// Dials that the host of the peer refused.
        DialsRefused => "dials_refused",
        /// Dials that failed without a refusal of the host.
        DialsUnreachable => "dials_unreachable",
        /// Bytes of frames that were handed to connections.
        FrameBytesSent => "frame_bytes_sent",
        /// Payloads that could not be encoded or encrypted, and were dropped. Reason: the error
        /// name of the wire page.
        EncodingFailures => "encoding_failures",

        // Broadcasts.
        /// Broadcasts that were handed to the handler.
        BroadcastsDelivered => "broadcasts_delivered",
        /// Contents of broadcasts that had arrived before.
        BroadcastDuplicates => "broadcast_duplicates",
        /// Broadcasts that were dropped, because they are older than the window of deduplication.
        BroadcastsTooOld => "broadcasts_too_old",
        /// Subtrees that were dropped, because this node forwarded the broadcast before.
        SubtreeDuplicates => "subtree_duplicates",
        /// Frames and datagrams with the content of a broadcast, each to one node.
        ContentFramesSent => "content_frames_sent",
        /// Frames and datagrams with the announcement of a broadcast, each to one node.
        AnnouncementFramesSent => "announcement_frames_sent",
        /// Targets that were listed in frames of broadcasts.
        FrameTargetsSent => "frame_targets_sent",
        /// Subtrees that were sent by datagram once more, because the relay did not acknowledge
        /// them.
        HopsRetransmitted => "hops_retransmitted",
        /// Subtrees that were acknowledged once more after they were sent again, although they had
        /// arrived.
        HopsRetransmittedNeedlessly => "hops_retransmitted_needlessly",
        /// Subtrees whose relay acknowledged no datagram, and whose other nodes were handed to the
        /// next candidate.
        HopsReplaced => "hops_replaced",
        /// Subtrees that came by datagram and were not accepted, because their sender had not shown
        /// that it is present.
        HopsFromAbsentPeers => "hops_from_absent_peers",
        /// Subtrees that were given up, because the limit of open subtrees was reached.
        SubtreesDropped => "subtrees_dropped",
        /// Subtrees that were not forwarded, because the content was no longer cached.
        SubtreesWithoutContent => "subtrees_without_content",
        /// Candidates of a subtree that could not be reached.
        RelaysUnreachable => "relays_unreachable",
        /// Connections that ended soon after a broadcast was sent on them.
        RelaysGone => "relays_gone",
        /// Broadcasts that were lost from an outbox before they were sent; another relay is looked
        /// for.
        OutboxBroadcastsLost => "outbox_broadcasts_lost",
        /// Broadcasts in an outbox that a newer one of the same topic replaced.
        OutboxReplaced => "outbox_replaced",
        /// Oldest entries of outboxes that were dropped to make room.
        OutboxOverflows => "outbox_overflows",
        /// Requests for the content of an announced broadcast that were answered.
        ContentRequests => "content_requests",
        /// Requests for the content of a broadcast that was no longer cached.
        ContentRequestsExpired => "content_requests_expired",
        /// Announcements that were dropped, because too many broadcasts wait for their content.
        AnnouncementsDropped => "announcements_dropped",
        /// Announced broadcasts whose content never arrived.
        AnnouncementsUnanswered => "announcements_unanswered",

        // Multicast and loss recovery.
        /// Multicasts with the content of a broadcast.
        ContentMulticasts => "content_multicasts",
        /// Multicasts that only repeat the last sequence number.
        SequenceBeacons => "sequence_beacons",
        /// Multicasts because the island was silent.
        MulticastKeepalives => "multicast_keepalives",
        /// Multicasts that only report whose multicast this node receives.
        ReceptionReports => "reception_reports",
        /// The same by a datagram to a newcomer alone.
        ReceptionDatagrams => "reception_datagrams",
        /// Multicasts that did not fit into a datagram.
        MulticastsTooLong => "multicasts_too_long",
        /// Multicasts that a neighbor turned out to have missed; all confirmations were withdrawn.
        IncompleteMulticasts => "incomplete_multicasts",
        /// Gaps in a neighbor's multicasts for which a nack was due.
        GapsRequested => "gaps_requested",
        /// Missed multicasts that a retransmission brought.
        GapsFilled => "gaps_filled",
        /// Missed multicasts that were given up.
        GapsAbandoned => "gaps_abandoned",
        /// Nacks whose receiver did not have the multicast either.
        RetransmissionsUnavailable => "retransmissions_unavailable",
        /// Retransmissions that were dropped, because they contain another multicast than they
        /// claim, or one of no neighbor.
        RetransmissionsMismatched => "retransmissions_mismatched",
        /// Nacked multicasts that were sent again.
        RetransmissionsSent => "retransmissions_sent",
        /// Nacked multicasts that this node did not have.
        RetransmissionsNotCached => "retransmissions_not_cached",

        // Acknowledgements.
        /// Subtrees that were given to another relay, because the first was silent.
        SubtreesReassigned => "subtrees_reassigned",
        /// Acknowledgements that were dropped, because they count more nodes than their subtree
        /// has.
        AcksImplausible => "acks_implausible",
        /// Acknowledgements for which nothing waited.
        AcksUnexpected => "acks_unexpected",
        /// Acknowledgements that were dropped, because their sender is not known to be present.
        AcksFromAbsentPeers => "acks_from_absent_peers",
        /// Broadcasts forwarded without an aggregation of acknowledgements, because too many are
        /// open.
        AckAggregationsDropped => "ack_aggregations_dropped",

        // Peers.
        /// Direct messages that were lost, because their connection ended.
        DirectLostWithConnection => "direct_lost_with_connection",
        /// Direct messages that were dropped, because their receiver is not reachable.
        DirectUnreachable => "direct_unreachable",
        /// Direct messages to this node itself, which were dropped.
        DirectToSelf => "direct_to_self",
        /// Requests that were not answered, because their sender exceeded the rate of replies.
        RepliesRateLimited => "replies_rate_limited",
        /// Seeds that were dropped, because the limit of seeds was reached.
        SeedsDropped => "seeds_dropped",
        /// Multicasts of nodes that are not tracked as neighbors, because the limit of peers was
        /// reached.
        NeighborsDropped => "neighbors_dropped",
        /// Challenges by which a peer has to show that it is present.
        PresenceChallengesSent => "presence_challenges_sent",
        /// Late announcements of broadcasts whose content is no longer cached.
        LateAnnouncementsDropped => "late_announcements_dropped",
        /// Peers that are present because another one vouched for them.
        PresenceVouched => "presence_vouched",
        /// Peers that did not answer any challenge of presence.
        PresenceTimeouts => "presence_timeouts",
        /// Peers that were not challenged, because too many challenges are open.
        PresenceChecksDropped => "presence_checks_dropped",
        /// Challenges that were not answered: not by datagram, or beyond the rate of replies.
        PresenceChallengesDropped => "presence_challenges_dropped",

        // Runtime.
        /// Seeds of the random generator that were renewed, because the system may have been cloned
        /// or suspended.
        EntropyRenewals => "entropy_renewals",
        /// Failures to read random bytes from the system.
        EntropyFailures => "entropy_failures",
        /// Outputs that had to wait, because the application did not take the earlier ones.
        OutputQueueFull => "output_queue_full",
        /// Connections that were accepted.
        ConnectionsAccepted => "connections_accepted",
        /// Connections that were closed at once: by the throttle of their address, or during
        /// shutdown.
        ConnectionsThrottled => "connections_throttled",
        /// Failures to accept a connection. Reason: the error of the system.
        AcceptErrors => "accept_errors",
        /// Failures to connect. Reason: the error of the system.
        DialErrors => "dial_errors",
        /// Errors of connections. Reason: the error of the system.
        ConnectionErrors => "connection_errors",
        /// Connections that were cut, because too many bytes wait to be written.
        ConnectionsOverQueueLimit => "connections_over_queue_limit",
        /// Connections that were cut with unsent bytes, because too many were closing.
        ConnectionsCutWhileClosing => "connections_cut_while_closing",
        /// Connections that were cut, because the peer did not close its side in time.
        LingerTimeouts => "linger_timeouts",
        /// Bytes that were read from connections.
        TcpBytesReceived => "tcp_bytes_received",
        /// Bytes that were written to connections.
        TcpBytesSent => "tcp_bytes_sent",
        /// Datagrams that were read from sockets.
        DatagramsReceived => "datagrams_received",
        /// Datagrams to one node that were handed to the system or queued for it.
        DatagramsSent => "datagrams_sent",
        /// Multicasts that were handed to the system or queued for it.
        MulticastsSent => "multicasts_sent",
        /// Multicasts that were dropped, because there is no multicast socket.
        MulticastsSuppressed => "multicasts_suppressed",
        /// Bytes of datagrams that were read from sockets.
        UdpBytesReceived => "udp_bytes_received",
        /// Bytes of datagrams and multicasts that were handed to the system or queued for it.
        UdpBytesSent => "udp_bytes_sent",
        /// Datagrams of the self-test of multicast.
        SelfTestProbesReceived => "self_test_probes_received",
        /// Oldest queued datagrams that were dropped to make room.
        DatagramQueueOverflows => "datagram_queue_overflows",
        /// Failures to send a datagram. Reason: the error of the system.
        DatagramSendErrors => "datagram_send_errors",
        /// Failures to read a datagram. Reason: the error of the system.
        DatagramReceiveErrors => "datagram_receive_errors",
        /// Failures to resolve the name of a seed.
        SeedResolutionFailures => "seed_resolution_failures",
        /// Addresses of seeds that cannot be those of a node.
        SeedAddressesInvalid => "seed_addresses_invalid",
        /// Addresses of seeds on other machines that were skipped, because this node has a loopback
        /// address.
        SeedAddressesUnreachable => "seed_addresses_unreachable",
    }
}

/// Totals since the start. A counter that never counted takes no memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters<C = Counter> {
    /// By counter and reason; the empty reason is that of counters without reasons.
    totals: BTreeMap<(C, &'static str), u64>,
}

impl<C> Default for Counters<C> {
    fn default() -> Counters<C> {
        Counters { totals: BTreeMap::new() }
    }
}

impl<C: Copy + Ord> Counters<C> {
    /// Adds one to a counter.
    pub fn count(&mut self, counter: C) {
        self.add(counter, 1);
    }

    /// Adds to a counter.
    pub fn add(&mut self, counter: C, more: u64) {
        if more > 0 {
            *self.totals.entry((counter, "")).or_default() += more;
        }
    }

    /// Adds one to a counter, for a reason.
    pub fn count_reason(&mut self, counter: C, reason: &'static str) {
        *self.totals.entry((counter, reason)).or_default() += 1;
    }

    /// The total of a counter, all reasons together.
    #[must_use]
    pub fn get(&self, counter: C) -> u64 {
        self.totals.range((counter, "")..).take_while(|((of, _), _)| *of == counter).map(|(_, n)| n).sum()
    }

    /// The total of a counter for one reason.
    #[must_use]
    pub fn get_reason(&self, counter: C, reason: &str) -> u64 {
        self.iter().find(|(of, why, _)| *of == counter && *why == Some(reason)).map_or(0, |(.., n)| n)
    }

    /// Totals above zero, in the order of the counters: counter, reason if it has one, total.
    pub fn iter(&self) -> impl Iterator<Item = (C, Option<&'static str>, u64)> + '_ {
        let reason = |reason: &'static str| (!reason.is_empty()).then_some(reason);
        self.totals.iter().map(move |((counter, why), total)| (*counter, reason(why), *total))
    }
}

#[cfg(test)]
mod tests;
