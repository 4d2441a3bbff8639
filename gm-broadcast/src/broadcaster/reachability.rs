//! Reachability: evidence of what does not work between this node and others: frames that cannot be
//! decrypted, lost datagrams, paths that drop large packets, unreachable seeds and addresses.
//! It changes how a peer is sent to, and is reported to the caller.

use std::net::SocketAddr;
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{Body, ConnectionSide, FrameError, PeerExchange};

use super::Broadcaster;
use super::timeouts::BroadcasterTimer;
use crate::counter::Counter;
use crate::datagram_path::ProbeOutcome;
use crate::event::{BroadcastEvent, Transport};
use crate::machine::{ConnectionId, DialFailure, STALL_TIMEOUT};
use crate::peer_status::{CLOSES_BEFORE_REPORT, SeedTrouble};
use crate::peers::SMALL_SEGMENTS_FOR;
use crate::time::Time;
use crate::unopened::{Unopened, UnopenedCause};

/// Time after which an unreachable seed is reported: nodes that start together do not find each
/// other at once.
const SEED_REPORT_DELAY: Duration = Duration::from_secs(3);
/// Time to wait for the reply to a probe by datagram.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);
/// Time without a sign of life after which a peer may be dead: then a missing reply is no evidence.
const RECENTLY_ALIVE: Duration = Duration::from_secs(10);
/// Peers in a row to which datagrams were found to be lost, without a reply by datagram from any
/// peer in between, after which less evidence suffices for the next one: a firewall on this node's
/// side affects all peers.
const CHECK_AFTER_FAILURES: u32 = 2;
/// Least time between two checks of a node's address.
const ADDRESS_CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// Time after a seed's last sign of life in which it is not reported.
const SEED_CONTACT_VALID: Duration = Duration::from_secs(30);

impl<D> Broadcaster<D> {
    /// A frame from an address could not be decrypted.
    pub(super) fn on_unopened(&mut self, now: Time, from: SocketAddr, error: FrameError) {
        if let Some(cause) = UnopenedCause::of(error, self.codec.seals()) {
            self.note_unopened(now, from, cause);
        }
    }

    /// The same for a frame of a connection. Only the first one shows a different configuration;
    /// later ones are damaged.
    pub(super) fn on_unopened_by_connection(&mut self, now: Time, id: ConnectionId, error: FrameError) {
        let Some(link) = self.connections.table.get(&id).filter(|link| !link.authenticated) else { return };
        let dialled =
            link.peer.filter(|_| id.side() == ConnectionSide::Initiator).map(|node| node.socket_addr());
        if let Some(from) = link.from.or(dialled) {
            self.on_unopened(now, from, error);
        }
    }

    fn note_unopened(&mut self, now: Time, from: SocketAddr, cause: UnopenedCause) {
        if self.unopened.note(now, from, cause) {
            let unopened = Unopened { from, cause, count: 1, last: Duration::ZERO };
            self.emit(BroadcastEvent::Unopened(unopened));
        }
    }

    /// A dialed node closed the connection before it sent a frame.
    pub(super) fn on_closed_before_first_frame(&mut self, now: Time, node: NetId) {
        let (peer, _) = self.peers.entry(node, self.config.directory.get(node));
        peer.closed_before_first_frame = peer.closed_before_first_frame.saturating_add(1);
        let fresh = peer.last_contact.is_some_and(|at| now.since(at) < SEED_CONTACT_VALID);
        if peer.closed_before_first_frame < CLOSES_BEFORE_REPORT || fresh {
            return;
        }
        // Seeds have an event of their own.
        if self.config.seeds.contains(&node) {
            self.report_seed(node, SeedTrouble::ClosesBeforeFirstFrame);
        } else {
            self.note_unopened(now, node.socket_addr(), UnopenedCause::ClosedBeforeFirstFrame);
        }
    }

    /// A node could not be reached: if it is a seed, that is reported after a while.
    pub(super) fn check_seed(&mut self, now: Time, node: NetId) {
        let Some(peer) = self.peers.get(node) else { return };
        let fresh = peer.last_contact.is_some_and(|at| now.since(at) < SEED_CONTACT_VALID);
        let Some((since, _, why)) = peer.failure.filter(|_| !fresh) else { return };
        if now.since(since) >= SEED_REPORT_DELAY || why == DialFailure::Unreachable {
            let why = match why {
                DialFailure::Refused => SeedTrouble::Refused,
                DialFailure::Unreachable => SeedTrouble::Unreachable,
            };
            self.report_seed(node, why);
        }
    }

    fn report_seed(&mut self, node: NetId, why: SeedTrouble) {
        if !self.config.seeds.contains(&node) {
            return;
        }
        let (peer, _) = self.peers.entry(node, self.config.directory.get(node));
        if !std::mem::replace(&mut peer.seed_trouble_reported, true) {
            self.emit(BroadcastEvent::SeedTrouble { node, why });
        }
    }

    /// A request of the caller to a node had no reply.
    pub(super) fn on_unanswered(&mut self, node: NetId, by: Transport) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.unanswered = peer.unanswered.saturating_add(1);
            if by == Transport::Udp {
                peer.datagrams.on_unanswered();
            }
        }
    }

    /// A request by datagram had a reply by datagram.
    pub(super) fn on_datagram_answered(&mut self, node: NetId) {
        self.peers_losing_datagrams = 0;
        let Some(peer) = self.peers.get_mut(node) else { return };
        peer.reached = true;
        if peer.datagrams.on_answered() {
            self.counters.count(Counter::DatagramPathsRestored);
            self.emit(BroadcastEvent::DatagramReachability { node, lost: false });
        }
    }

    /// Datagrams to a node are suspicious: sends a probe.
    pub(super) fn probe_datagrams(&mut self, now: Time, node: NetId) {
        self.send_datagram_probe(now, node);
        self.timers.set(BroadcasterTimer::DatagramProbe(node), now + PROBE_TIMEOUT);
    }

    /// A probe by datagram timed out.
    pub(super) fn on_datagram_probe_timer(&mut self, now: Time, node: NetId) {
        let enough = self.peers_losing_datagrams >= CHECK_AFTER_FAILURES;
        let alive = self.is_alive(now, node, RECENTLY_ALIVE);
        let Some(peer) = self.peers.get_mut(node).filter(|_| alive) else { return };
        match peer.datagrams.on_probe_timeout(now, enough) {
            ProbeOutcome::Answered => {}
            ProbeOutcome::TryAgain => self.probe_datagrams(now, node),
            ProbeOutcome::Lost => {
                self.counters.count(Counter::DatagramPathsLost);
                self.peers_losing_datagrams = self.peers_losing_datagrams.saturating_add(1);
                self.emit(BroadcastEvent::DatagramReachability { node, lost: true });
                self.check_address(now, node);
            }
        }
    }

    fn send_datagram_probe(&mut self, now: Time, node: NetId) {
        self.counters.count(Counter::DatagramProbesSent);
        self.send_datagram(now, node, &peer_question());
    }

    /// A node acknowledged nothing that was sent to it by datagram. If it answers by a connection,
    /// datagrams are suspicious.
    pub(super) fn on_hops_unacknowledged(&mut self, now: Time, node: NetId) {
        self.on_unanswered(node, Transport::Udp);
        self.send_by_connection(now, node, peer_question());
    }

    /// Whether datagrams to a node are lost, so that a connection must be used. If they are, they
    /// are probed now and then, and so is the node's own address, if only connections that it opens
    /// work.
    pub(super) fn datagrams_are_lost(&mut self, now: Time, node: NetId) -> bool {
        if !self.same_family(node) {
            self.check_address(now, node);
            return true;
        }
        let Some(peer) = self.peers.get_mut(node) else { return false };
        if !peer.datagrams.is_lost() {
            return false;
        }
        if peer.datagrams.take_probe(now) {
            self.send_datagram_probe(now, node);
            self.check_address(now, node);
        }
        true
    }

    /// Dials a node at its own address if it is connected only by connections that it opened: the
    /// dial shows both sides whether others can reach the node.
    fn check_address(&mut self, now: Time, node: NetId) {
        let Some(peer) = self.peers.get(node) else { return };
        let accepted = peer.connection.is_some_and(|link| link.side() == ConnectionSide::Acceptor);
        let room = self.connections.table.len() < self.config.limits.connections;
        if peer.reached || !accepted || peer.backoff_until > now || peer.check_at > now || !room {
            return;
        }
        if let Some(peer) = self.peers.get_mut(node) {
            peer.check_at = now + ADDRESS_CHECK_INTERVAL;
        }
        self.counters.count(Counter::AddressChecks);
        self.start_dial(now, node);
    }

    /// The system gave up a connection without acknowledgements. If the node is alive, small
    /// packets arrive there and large ones do not.
    pub(super) fn on_stall(&mut self, now: Time, node: NetId) {
        self.counters.count(Counter::ConnectionsStalled);
        let Some(peer) = self.peers.get_mut(node) else { return };
        if peer.last_contact.is_none_or(|at| now.since(at) >= STALL_TIMEOUT) {
            return;
        }
        let before = peer.stalled.replace(now);
        if before.is_none_or(|at| now.since(at) >= SMALL_SEGMENTS_FOR) {
            self.emit(BroadcastEvent::Stalled(node));
        }
    }

    /// Whether a connection must not be used for a node if another one can be dialed: the path to
    /// the node drops large packets, and the connection was accepted, or dialed before that showed.
    /// A node that could not be dialed lately is sent to by what there is.
    pub(super) fn should_be_replaced(&self, now: Time, node: NetId, id: ConnectionId) -> bool {
        let is_small = self.connections.table.get(&id).is_some_and(|link| link.small_segments);
        self.peers.get(node).is_some_and(|peer| {
            let failed = peer.failure.map(|(_, last, _)| last);
            let may_dial = failed.is_none_or(|last| now.since(last) >= ADDRESS_CHECK_INTERVAL);
            !is_small && may_dial && peer.drops_large_packets(now)
        })
    }

    /// Removes a node from the known peers.
    pub(super) fn unlist(&mut self, now: Time, node: NetId) {
        let (peer, _) = self.peers.entry(node, self.config.directory.get(node));
        (peer.contacted, peer.unlisted) = (false, true);
        let silent =
            self.neighbor_times(node).is_some_and(|(heard, _)| now.since(heard) >= self.near_within());
        if silent {
            self.lose_reception(now, node);
        }
    }
}

/// A question that any live peer answers on the path by which it came.
pub(super) fn peer_question() -> Body {
    Body::PeerExchange(PeerExchange { reply_requested: true, ..PeerExchange::default() })
}
