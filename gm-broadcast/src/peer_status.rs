//! Diagnostic status of a peer: evidence with its age, for an operator who asks why two nodes do
//! not reach each other.

use std::net::IpAddr;
use std::time::Duration;

use gm_clock::NetId;

use crate::broadcaster::Broadcaster;
use crate::datagram_path::DatagramReachability;
use crate::handler::Path;
use crate::latency_class::LatencyClass;
use crate::machine::DialFailure;
use crate::peers::SMALL_SEGMENTS_FOR;
use crate::time::Time;

/// Shortest time for which a peer counts as near after its last multicast...
const NEAR_MIN: Duration = Duration::from_secs(60);
/// ... and the number of keepalive rounds of its island for which it does, if that is longer.
const NEAR_ROUNDS: u32 = 2;
/// Requests without reply since a peer's last sign of life after which it no longer counts as near.
const NEAR_UNANSWERED: u32 = 3;

/// Status of a peer. Durations count back from now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerStatus {
    /// Whether this node receives its multicast: the last one is at most two rounds of the island
    /// old (and at least a minute counts), and since then the peer neither refused a connection nor
    /// left three requests without reply.
    pub near: bool,
    /// Age of its last multicast.
    pub multicast: Option<Duration>,
    /// Age of its last datagram to this node.
    pub datagram: Option<Duration>,
    /// Age of its last frame by connection.
    pub connection: Option<Duration>,
    /// Whether a connection to it is open.
    pub connected: bool,
    /// Remaining validity of its confirmation that it receives this node's multicast.
    pub receives_us: Option<Duration>,
    /// Latency class, if a connection has measured it.
    pub class: Option<LatencyClass>,
    /// Requests without reply since its last sign of life.
    pub unanswered: u32,
    /// Failures to reach it since it was last reached.
    pub failures: u32,
    /// Age and kind of the last of these failures.
    pub failure: Option<(Duration, DialFailure)>,
    /// Remaining time in which it is not dialed because of them. After that it is dialed as soon as
    /// a payload waits for it.
    pub backoff: Option<Duration>,
    /// Whether datagrams work between the two nodes.
    pub datagrams: DatagramReachability,
    /// Whether it was reached at its own address: by a dial, or by a datagram that it answered.
    pub reached: bool,
    /// IP address of its last connection or datagram, if it differs from the one that it announces.
    pub source: Option<IpAddr>,
    /// Age of the last stalled transfer, while connections use small segments because of it.
    pub stalled: Option<Duration>,
    /// It closed this node's connections before it sent any frame: most likely it has another key
    /// or another cluster name.
    pub closes_before_first_frame: bool,
}

impl PeerStatus {
    /// Age and path of the last sign of life; `None` if the peer is known only from others.
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

    /// Whether it is connected, although it cannot be reached at the address that it announces.
    #[must_use]
    pub const fn is_unreachable_at_its_address(&self) -> bool {
        self.connected && !self.reached && self.failures > 0
    }
}

/// Cause why a seed is unreachable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedTrouble {
    /// The host refuses connections: no program listens, or a firewall refuses.
    Refused,
    /// The host does not reply.
    Unreachable,
    /// The host accepts connections and closes them before it sends an authentic frame: another
    /// key, another cluster name, or another program.
    ClosesBeforeFirstFrame,
}

impl<D> Broadcaster<D> {
    /// Time after a node's last multicast for which it counts as near.
    pub fn near_within(&self) -> Duration {
        let members = u32::try_from(self.near().len() + 1).unwrap_or(u32::MAX);
        let quiet = self.config().timings.multicast_keepalive;
        (quiet.saturating_mul(members).saturating_mul(NEAR_ROUNDS) + quiet).max(NEAR_MIN)
    }

    /// Status of a node; `None` if the node is unknown.
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
        let receives_us = reception.and_then(|(_, until)| until).or_else(|| self.early_confirmation(node));
        let receives_us = receives_us.filter(|until| *until > now);
        let datagrams =
            if self.same_family(node) { peer.datagrams.state() } else { DatagramReachability::OtherFamily };
        Some(PeerStatus {
            near: reception.is_some() && lately && !failed_since && peer.unanswered < NEAR_UNANSWERED,
            multicast,
            datagram,
            connection,
            connected: self.is_connected(node),
            receives_us: receives_us.map(|until| until.since(now)),
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

    /// Whether a node is connected, or sent anything within the given time.
    pub fn is_alive(&self, now: Time, node: NetId, within: Duration) -> bool {
        let contact = self.peer_of(node).and_then(|peer| peer.last_contact);
        self.is_connected(node) || contact.is_some_and(|at| now.since(at) < within)
    }

    /// Whether there is a connection to a node, open or still being dialed.
    pub fn has_connection(&self, node: NetId) -> bool {
        self.peer_of(node).is_some_and(|peer| peer.connection.is_some())
    }

    /// Whether a node sent anything itself since this node's start, or is connected.
    pub fn was_heard(&self, node: NetId) -> bool {
        self.is_connected(node)
            || self.peer_of(node).is_some_and(|peer| peer.last_heard.iter().any(Option::is_some))
    }

    /// Number of nodes that are alive by [`is_alive`](Self::is_alive), counted up to `max`.
    pub fn count_alive(&self, now: Time, within: Duration, max: usize) -> usize {
        self.known_nodes().filter(|node| self.is_alive(now, *node, within)).take(max).count()
    }

    /// Time since another node last reached this one: by a datagram to it, or by a connection that
    /// it accepted.
    pub fn reached_by_others(&self, now: Time) -> Option<Duration> {
        self.last_reached_us_at().map(|at| now.since(at))
    }
}

/// Connections that a node closes before its first frame, after which this is no coincidence.
pub(crate) const CLOSES_BEFORE_REPORT: u32 = 2;
