//! What is known of a peer, as facts with their times: for an operator who asks why two nodes do
//! not hear each other. Changes nothing.

use std::net::IpAddr;
use std::time::Duration;

use gm_clock::NetId;

use crate::broadcaster::Broadcaster;
use crate::datagram_path::DatagramReachability;
use crate::handler::{Handler, Path};
use crate::latency_class::LatencyClass;
use crate::machine::DialFailure;
use crate::time::Time;

/// A peer counts as heard by multicast for this long after its last multicast at least...
const NEAR_MIN: Duration = Duration::from_secs(60);
/// ... and for so many rounds of an island in which everybody multicasts once.
const NEAR_ROUNDS: u32 = 2;
/// A peer that left so many questions unanswered since it was last heard does not count as heard by
/// multicast.
const NEAR_UNANSWERED: u32 = 3;
/// For so long after a stalled transfer connections to the peer use small segments; then full ones
/// are tried again.
pub(crate) const SMALL_SEGMENTS_FOR: Duration = Duration::from_secs(600);

/// What is known of a peer. Durations count back from now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerStatus {
    /// Whether its multicast is heard: the last one came within two rounds of the island (a minute
    /// at least), and since then it neither refused a connection nor left three questions
    /// unanswered.
    pub near: bool,
    /// How long ago its last multicast came.
    pub multicast: Option<Duration>,
    /// How long ago its last datagram to us came.
    pub datagram: Option<Duration>,
    /// How long ago its last frame by connection came.
    pub connection: Option<Duration>,
    /// Whether a connection to it is open.
    pub connected: bool,
    /// For how long its word still holds that it hears our multicast.
    pub receives_us: Option<Duration>,
    /// How far it is, if a connection has shown it.
    pub class: Option<LatencyClass>,
    /// Questions that it left unanswered since it was last heard.
    pub unanswered: u32,
    /// Failures to reach it since it was last reached.
    pub failures: u32,
    /// How long ago the last of them was, and how it went.
    pub failure: Option<(Duration, DialFailure)>,
    /// It is left alone for so long because of them. After that it is dialled as soon as there is
    /// something for it.
    pub backoff: Option<Duration>,
    /// What is known of datagrams between us.
    pub datagrams: DatagramReachability,
    /// It was reached at its own address: a dial was answered there, or a question by datagram.
    pub reached: bool,
    /// The IP address from which its last connection or datagram came, if that is not the one that
    /// it announces.
    pub source: Option<IpAddr>,
    /// How long ago a transfer to it stalled, if connections to it use small segments because of
    /// that.
    pub stalled: Option<Duration>,
    /// It ended our connections before any frame of it came: most likely it has another key or
    /// another cluster name.
    pub closes_before_first_frame: bool,
}

impl PeerStatus {
    /// How long ago anything of it came, by whatever path; nothing if only others told of it.
    #[must_use]
    pub fn last_heard(&self) -> Option<(Duration, Path)> {
        let by = |path, ago: Option<Duration>| ago.map(|ago| (ago, path));
        let paths = [
            by(Path::Multicast, self.multicast),
            by(Path::Datagram, self.datagram),
            by(Path::Connection, self.connection),
        ];
        paths.into_iter().flatten().min_by_key(|(ago, _)| *ago)
    }

    /// It announces an address at which it is not reached, and is connected all the same.
    #[must_use]
    pub const fn is_unreachable_at_its_address(&self) -> bool {
        self.connected && !self.reached && self.failures > 0
    }
}

/// Why a seed is not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedTrouble {
    /// Nothing listens there, or a firewall refuses.
    Refused,
    /// Nothing answers there.
    Unreachable,
    /// Something accepts our connections and ends them before it sends a frame that opens: another
    /// key, another cluster name, or another program.
    ClosesBeforeFirstFrame,
}

impl<H: Handler> Broadcaster<H> {
    /// For how long after its last multicast a node counts as heard by multicast.
    pub fn near_within(&self) -> Duration {
        let members = u32::try_from(self.near().len() + 1).unwrap_or(u32::MAX);
        let quiet = self.config().timings.multicast_keepalive;
        (quiet.saturating_mul(members).saturating_mul(NEAR_ROUNDS) + quiet).max(NEAR_MIN)
    }

    /// What is known of a node, be it only that it could not be reached; nothing if it is not known
    /// at all.
    pub fn peer_status(&self, now: Time, node: NetId) -> Option<PeerStatus> {
        let known = self.config().directory.get(node);
        let Some(peer) = self.peer_of(node) else {
            return known.map(|known| PeerStatus { class: Some(known.class), ..PeerStatus::default() });
        };
        let ago = |at: Option<Time>| at.map(|at| now.since(at));
        let [multicast, datagram, connection] = peer.last_heard.map(ago);
        let since_heard = |at: Time| peer.last_heard[0].is_some_and(|heard| at > heard);
        let failed_since = peer.failure.is_some_and(|(_, last, _)| peer.failures > 0 && since_heard(last));
        let lately = multicast.is_some_and(|ago| ago <= self.near_within());
        let reception = self.neighbor_times(node);
        let hears_us = reception.and_then(|(_, until)| until).or_else(|| self.early_confirmation(node));
        let hears_us = hears_us.filter(|until| *until > now);
        let datagrams =
            if self.same_family(node) { peer.datagrams.state() } else { DatagramReachability::OtherFamily };
        Some(PeerStatus {
            near: reception.is_some() && lately && !failed_since && peer.unanswered < NEAR_UNANSWERED,
            multicast,
            datagram,
            connection,
            connected: self.is_connected(node),
            receives_us: hears_us.map(|until| until.since(now)),
            class: peer.class,
            unanswered: peer.unanswered,
            failures: peer.failures,
            failure: peer.failure.filter(|_| peer.failures > 0).map(|(_, last, why)| (now.since(last), why)),
            backoff: Some(peer.backoff_until.since(now)).filter(|left| !left.is_zero()),
            datagrams,
            reached: peer.reached,
            source: peer.source.filter(|source| *source != node.ip()),
            stalled: ago(peer.stalled).filter(|ago| *ago < SMALL_SEGMENTS_FOR),
            closes_before_first_frame: peer.closed_before_first_frame >= CLOSES_BEFORE_REPORT,
        })
    }

    /// Whether a node is alive, as far as is known: it is connected, or something of it came within
    /// that time.
    pub fn is_alive(&self, now: Time, node: NetId, within: Duration) -> bool {
        let contact = self.peer_of(node).and_then(|peer| peer.last_contact);
        self.is_connected(node) || contact.is_some_and(|at| now.since(at) < within)
    }

    /// Whether a node was heard itself since our start, in whatever way, or is connected to us.
    pub fn was_heard(&self, node: NetId) -> bool {
        self.is_connected(node)
            || self.peer_of(node).is_some_and(|peer| peer.last_heard.iter().any(Option::is_some))
    }

    /// How many nodes are alive, as [`is_alive`](Self::is_alive) says; no more than `most` are
    /// counted.
    pub fn count_alive(&self, now: Time, within: Duration, most: usize) -> usize {
        self.known_nodes().filter(|node| self.is_alive(now, *node, within)).take(most).count()
    }

    /// How long ago another node last reached us: by a datagram to us, or by a connection that it
    /// opened.
    pub fn reached_by_others(&self, now: Time) -> Option<Duration> {
        self.last_reached_us_at().map(|at| now.since(at))
    }
}

/// Connections that a node ends before its first frame, after which that is taken to be no chance.
pub(crate) const CLOSES_BEFORE_REPORT: u32 = 2;
