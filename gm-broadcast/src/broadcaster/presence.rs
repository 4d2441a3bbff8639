//! Presence: shows that the sender of a datagram is running.
//!
//! A datagram may be a recording from before this node's start, of a node that is gone; the replay
//! window does not know epochs from before the start. So a node counts as a peer only once it sent
//! data created since: a frame by a connection, which is bound to random bytes of this node; the
//! response to a challenge of eight random bytes; or a frame that names this node's epoch, or has a
//! digest over it. Or once a present node vouches for it: lists it as a neighbor that is present,
//! with its epoch. Later frames of the same epoch are evidence about the node, too; a new epoch
//! needs a new proof. The contents of all other datagrams are delivered, but are no evidence about
//! the node itself.
//!
//! Each node of an island hears a newcomer, and nodes that start together hear each other. So a
//! challenge waits for a random time, in which another node may vouch (compare the suppression of
//! repair requests in SRM), and beyond a few in a second for the reports of reception, which make
//! most challenges unnecessary.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{Body, Extension, Header, Routing};

use super::Broadcaster;
use super::beacons::repeated_numbers;
use super::inbound::Inbound;
use super::reachability::peer_question;
use super::timeouts::BroadcasterTimer;
use super::vouching::neighbor_frames;
use crate::counter::Counter;
use crate::handler::Path;
use crate::heard::HeardFrame;
use crate::machine::Output;
use crate::peers::PresenceProof;
use crate::time::Time;

/// Bytes of a challenge, and of its response.
const CHALLENGE_BYTES: usize = 8;

/// Open challenges; beyond it, a node is challenged at its next datagram.
pub(super) const MAX_CHALLENGES: usize = 1_024;
/// Challenges by datagram; then one request goes by a connection, which may work where datagrams do
/// not, and then the node is given up.
const DATAGRAM_TRIES: u8 = 2;
/// Delays between challenges.
const RETRY_AFTER: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(5)];
/// In a large island all nodes receive a newcomer's multicast at the same time: each delays its
/// challenge by up to this time per neighbor, so that few challenge it before one vouches for it.
const SPREAD: Duration = Duration::from_millis(1);
/// New challenges in a second before the others wait.
pub(super) const PROMPT_CHALLENGES: u32 = 2;
/// Other challenges in a second.
pub(super) const LATE_CHALLENGES: u32 = 32;
/// Open challenges from which on none waits to be sent by a connection.
const CROWDED: usize = 128;
/// Challenges in a second by a connection.
pub(super) const CHALLENGE_DIALS: u32 = 2;
/// Lateness of timers from which on a machine is overloaded, so that they wait longer.
const OVERLOADED: Duration = Duration::from_millis(100);
/// Mean interval of the others, after most reports of reception have arrived.
const DEFERRED_SPREAD: Duration = Duration::from_millis(10);

/// An open challenge.
#[derive(Debug)]
pub(super) struct PresenceChallenge {
    challenge: [u8; CHALLENGE_BYTES],
    tries: u8,
    /// Time of the last try.
    sent_at: Time,
    /// It waits for reports of reception.
    deferred: bool,
    /// The node sent a datagram to this node alone, so no report will be about it.
    is_direct: bool,
    /// Reports of this node's reception have included the node.
    pub(super) reported: bool,
    /// Its last multicast, which is evaluated once the node is known to be present.
    pub(super) last_multicast: Option<UnprovenMulticast>,
}

/// The nonce, source address and header of a multicast.
#[derive(Debug)]
pub(super) struct UnprovenMulticast {
    pub(super) proof: PresenceProof,
    source: Option<IpAddr>,
    header: Header,
}

/// Open challenges by node.
pub(super) type PresenceChallenges = BTreeMap<NetId, PresenceChallenge>;

impl<D> Broadcaster<D> {
    /// Whether the sender of a payload is known to be present, perhaps by this payload. If not, it
    /// is challenged.
    pub(super) fn is_present(
        &mut self,
        now: Time,
        inbound: &Inbound<'_>,
        (header, is_ack): (&Header, bool),
    ) -> bool {
        let node = header.sender;
        let known = self.config.directory.get(node);
        let Some(epoch) = inbound.epoch.filter(|_| known.is_none()) else {
            // Frames without encryption show nothing, and nodes of the directory need no challenge.
            return true;
        };
        let by_connection = inbound.path == Path::Connection;
        let peer = self.peers.entry(node, known).0;
        if let Some(proof) = peer.proof.as_mut().filter(|proof| proof.epoch == epoch) {
            // An earlier frame of the epoch, by datagram, is late, or older than this node's start.
            if by_connection {
                proof.counter = proof.counter.min(inbound.counter);
            }
            return peer.is_shown_by(epoch, inbound.counter);
        }
        let proof = PresenceProof { epoch, counter: inbound.counter };
        let answers = |asked: &PresenceChallenge| {
            section(header, Extension::PRESENCE_RESPONSE) == Some(asked.challenge)
        };
        let answered = self.presence_challenges.get(&node).is_some_and(answers);
        let once = self.presence_challenges.get(&node).filter(|asked| answered && asked.tries == 1);
        if let (Some(asked), Some(peer)) = (once, self.peers.get_mut(node)) {
            peer.round_trip.on_sample(now.since(asked.sent_at));
        }
        if by_connection || answered {
            self.on_presence_proof(now, node, proof);
            if answered {
                self.vouch(now, node);
            }
            return true;
        }
        self.note_unproven(now, inbound, proof, node);
        if self.is_later_than_our_start(header) {
            self.on_presence_proof(now, node, proof);
            return true;
        }
        // A known node that only acknowledges, or asks for an acknowledgement, needs no proof yet.
        let is_known = self.peers.get(node).is_some_and(|peer| peer.contacted);
        let is_leaf = header.broadcast().is_some_and(|it| it.targets.is_empty());
        let asks = inbound.path != Path::Datagram || !(is_leaf || is_ack);
        if asks || !is_known {
            self.challenge_presence(now, inbound, proof, header);
        }
        false
    }

    /// Whether a frame names this node's epoch, or has a digest over it.
    fn is_later_than_our_start(&self, header: &Header) -> bool {
        let own = self.nonces.epoch().bytes();
        let names = neighbor_frames(header).any(|(node, frame)| node == self.config.me && frame.epoch == own);
        names
            || repeated_numbers(header).any(|(epoch, _)| epoch == own)
            || self.agrees_with_report(header) == Some(true)
    }

    /// Notes the multicast of a node that is not known to be present: reports of others include it.
    fn note_unproven(&mut self, now: Time, inbound: &Inbound<'_>, proof: PresenceProof, node: NetId) {
        let has_room =
            self.presence_challenges.len() < MAX_CHALLENGES || self.presence_challenges.contains_key(&node);
        if inbound.path == Path::Multicast && has_room && !self.reception.is_near(node) {
            self.heard.note(now, node, HeardFrame { epoch: proof.epoch, counter: proof.counter });
        }
    }

    /// A node is present.
    pub(super) fn on_presence_proof(&mut self, now: Time, node: NetId, proof: PresenceProof) {
        let known = self.config.directory.get(node);
        self.peers.entry(node, known).0.proof = Some(proof);
        self.timers.cancel(&BroadcasterTimer::Presence(node));
        self.repeat_first_hops(now, node);
        let Some(asked) = self.presence_challenges.remove(&node) else { return };
        if let Some(last) = asked.last_multicast.filter(|last| last.proof.epoch == proof.epoch) {
            let multicast = Inbound {
                path: Path::Multicast,
                epoch: Some(proof.epoch),
                counter: last.proof.counter,
                datagram: None,
                link: None,
                bytes: 0,
                source: last.source,
                present: true,
            };
            self.note_sender(now, &multicast, &last.header);
            if asked.reported {
                self.reception.mark_reported(node, now);
            }
        } else if !self.reception.is_near(node) {
            self.heard.remove(node);
        }
    }

    /// Responds to a challenge, if a direct payload contains one.
    pub(super) fn answer_presence_challenge(&mut self, now: Time, inbound: &Inbound<'_>, header: &Header) {
        let Some(challenge) =
            section(header, Extension::PRESENCE_CHALLENGE).filter(|_| header.routing == Routing::Direct)
        else {
            return;
        };
        let node = header.sender;
        let known = self.config.directory.get(node);
        if inbound.path != Path::Datagram || !self.peers.entry(node, known).0.answer_bucket.take(now) {
            return self.counters.count(Counter::PresenceChallengesDropped);
        }
        let mut sections = Vec::new();
        // A challenge to the sender, if it is due, is sent along with the response.
        if let Some(asked) = self.presence_challenges.get_mut(&node).filter(|asked| asked.tries == 0) {
            asked.tries = 1;
            asked.sent_at = now;
            sections.push(Extension { kind: Extension::PRESENCE_CHALLENGE, bytes: asked.challenge.to_vec() });
            self.timers.set(BroadcasterTimer::Presence(node), now + RETRY_AFTER[0]);
        }
        sections.push(Extension { kind: Extension::PRESENCE_RESPONSE, bytes: challenge.to_vec() });
        self.send_presence(now, node, sections);
    }

    fn challenge_presence(
        &mut self,
        now: Time,
        inbound: &Inbound<'_>,
        proof: PresenceProof,
        header: &Header,
    ) {
        let node = header.sender;
        if !self.presence_challenges.contains_key(&node) {
            if self.presence_challenges.len() >= MAX_CHALLENGES {
                return self.counters.count(Counter::PresenceChecksDropped);
            }
            let challenge = self.secret_rng.bytes();
            let asked = PresenceChallenge {
                challenge,
                tries: 0,
                sent_at: now,
                deferred: false,
                is_direct: false,
                reported: false,
                last_multicast: None,
            };
            self.presence_challenges.insert(node, asked);
            let near = u32::try_from(self.reception.near().len()).unwrap_or(u32::MAX);
            let wait = self.jitter_rng.duration_up_to(SPREAD.saturating_mul(near));
            self.timers.set(BroadcasterTimer::Presence(node), now + wait);
        }
        let Some(asked) = self.presence_challenges.get_mut(&node) else { return };
        if inbound.path == Path::Datagram && asked.tries == 0 && !asked.is_direct {
            asked.is_direct = true;
            self.timers.set(BroadcasterTimer::Presence(node), now);
        }
        if inbound.path == Path::Multicast {
            // Its content was handled; its header is evaluated later.
            let last = UnprovenMulticast { proof, source: inbound.source, header: header.clone() };
            asked.reported &=
                asked.last_multicast.as_ref().is_some_and(|last| last.proof.epoch == proof.epoch);
            asked.last_multicast = Some(last);
        }
    }

    /// Sends a challenge, or gives the node up.
    pub(super) fn on_presence_timer(&mut self, now: Time, node: NetId) {
        if self.is_proven_by_last_report(now, node) || self.defers_challenge(now, node) {
            return;
        }
        let Some(asked) = self.presence_challenges.get_mut(&node) else { return };
        let Some(again) = RETRY_AFTER.get(usize::from(asked.tries)) else {
            return self.give_up_challenge(node);
        };
        asked.tries += 1;
        asked.sent_at = now;
        let (tries, challenge) = (asked.tries, asked.challenge);
        self.timers.set(BroadcasterTimer::Presence(node), now + *again);
        self.counters.count(Counter::PresenceChallengesSent);
        if tries <= DATAGRAM_TRIES {
            self.send_presence(
                now,
                node,
                vec![Extension { kind: Extension::PRESENCE_CHALLENGE, bytes: challenge.to_vec() }],
            );
        } else {
            self.send_by_connection(now, node, peer_question());
        }
    }

    fn give_up_challenge(&mut self, node: NetId) {
        self.presence_challenges.remove(&node);
        if !self.reception.is_near(node) {
            self.heard.remove(node);
        }
        self.counters.count(Counter::PresenceTimeouts);
    }

    /// Whether a challenge has to wait, because many are due at the same time.
    fn defers_challenge(&mut self, now: Time, node: NetId) -> bool {
        let Some(asked) = self.presence_challenges.get_mut(&node) else { return true };
        let is_prompt = asked.is_direct && asked.tries < DATAGRAM_TRIES;
        if is_prompt || usize::from(asked.tries) >= RETRY_AFTER.len() {
            return false;
        }
        let is_first = asked.tries == 0 && !asked.deferred;
        let bucket = match asked.tries {
            0 if !asked.deferred => &mut self.challenge_bucket,
            0..DATAGRAM_TRIES => &mut self.late_challenge_bucket,
            _ => &mut self.challenge_dial_bucket,
        };
        // What did not arrive may still wait to be read on a busy machine.
        let may_ask = (is_first || self.lateness < OVERLOADED) && bucket.take(now);
        if !may_ask {
            asked.deferred = true;
            if asked.tries >= DATAGRAM_TRIES && self.presence_challenges.len() > CROWDED {
                self.give_up_challenge(node);
                return true;
            }
            let interval = self.report_interval();
            let open = u32::try_from(self.presence_challenges.len()).unwrap_or(u32::MAX);
            let spread = interval + DEFERRED_SPREAD.saturating_mul(open);
            let wait = interval * 11 / 5 + self.jitter_rng.duration_up_to(spread);
            self.timers.set(BroadcasterTimer::Presence(node), now + wait);
        }
        !may_ask
    }

    /// The last report of a node may agree with the nodes that this node has heard since.
    fn is_proven_by_last_report(&mut self, now: Time, node: NetId) -> bool {
        let asked = self.presence_challenges.get(&node);
        let Some(last) = asked.and_then(|asked| asked.last_multicast.as_ref()) else { return false };
        let proof = last.proof;
        let agrees = self.agrees_with_report(&last.header) == Some(true);
        if agrees {
            self.on_presence_proof(now, node, proof);
        }
        agrees
    }

    /// Marks the nodes that are not known to be present as reported.
    pub(super) fn mark_unproven_reported(&mut self) {
        for asked in self.presence_challenges.values_mut() {
            asked.reported = asked.last_multicast.is_some();
        }
    }

    fn send_presence(&mut self, now: Time, to: NetId, sections: Vec<Extension>) {
        self.renew_exhausted_nonces();
        let mut header = self.direct_header(now, Some(to), 0);
        // Kinds are sorted, and those of the header are greater.
        header.extensions = sections.into_iter().chain(header.extensions).collect();
        if let Some(bytes) = self.seal_datagram(Some(to), &header, &Body::HeaderOnly) {
            self.outputs.push(Output::Datagram { to, bytes });
        }
    }
}

/// The bytes of an extension, if it is present.
fn section(header: &Header, kind: u64) -> Option<[u8; CHALLENGE_BYTES]> {
    let section = header.extensions.iter().find(|section| section.kind == kind)?;
    section.bytes.as_slice().try_into().ok()
}
