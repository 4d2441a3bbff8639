//! Presence: a challenge-response that shows that the sender of a datagram is running.
//!
//! A datagram may be a recording from before this node's start, of a node that is gone; the replay
//! window does not know epochs from before the start. So a node counts as a peer only once it sent
//! data created since: a frame by a connection, which is bound to random bytes of this node, or the
//! response to a challenge of eight random bytes. Later frames of the same epoch are evidence about
//! the node, too; a new epoch needs a new proof. The contents of all other datagrams are delivered,
//! but are no evidence about the node itself.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{Body, Extension, Header, PeerExchange, Routing};

use super::Broadcaster;
use super::receive::Inbound;
use super::timeouts::BroadcasterTimer;
use crate::counter::Counter;
use crate::handler::Path;
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
/// challenge by up to this time per neighbor, so that the newcomer is not flooded.
const SPREAD: Duration = Duration::from_micros(20);

/// An open challenge.
#[derive(Debug)]
pub(super) struct PresenceChallenge {
    challenge: [u8; CHALLENGE_BYTES],
    tries: u8,
    /// Its last multicast, which is evaluated once the node is known to be present: epoch, source
    /// address and header.
    last_multicast: Option<([u8; 8], Option<std::net::IpAddr>, Header)>,
}

/// Open challenges by node.
pub(super) type PresenceChallenges = BTreeMap<NetId, PresenceChallenge>;

impl<D> Broadcaster<D> {
    /// Whether the sender of a payload is known to be present, perhaps by this payload. If not, it
    /// is challenged.
    pub(super) fn is_present(&mut self, now: Time, inbound: &Inbound<'_>, header: &Header) -> bool {
        let node = header.sender;
        let known = self.config.directory.get(node);
        let Some(epoch) = inbound.epoch.filter(|_| known.is_none()) else {
            // Frames without encryption show nothing, and nodes of the directory need no challenge.
            return true;
        };
        let by_connection = inbound.path == Path::Connection;
        let peer = self.peers.entry(node, known).0;
        if let Some(proof) = peer.proof.as_mut().filter(|proof| proof.epoch == epoch) {
            // An earlier frame of the epoch, by datagram: late, or recorded before this node's start.
            if by_connection {
                proof.counter = proof.counter.min(inbound.counter);
            }
            return peer.is_shown_by(epoch, inbound.counter);
        }
        let answers = |asked: &PresenceChallenge| {
            section(header, Extension::PRESENCE_RESPONSE) == Some(asked.challenge)
        };
        if !by_connection && !self.presence_challenges.get(&node).is_some_and(answers) {
            self.challenge_presence(now, inbound, epoch, header);
            return false;
        }
        self.peers.entry(node, known).0.proof = Some(PresenceProof { epoch, counter: inbound.counter });
        self.timers.cancel(&BroadcasterTimer::Presence(node));
        let multicast = self.presence_challenges.remove(&node).and_then(|asked| asked.last_multicast);
        if let Some((_, source, header)) = multicast.filter(|(of, ..)| *of == epoch) {
            let path = Path::Multicast;
            let multicast = Inbound {
                path,
                epoch: Some(epoch),
                counter: 0,
                datagram: None,
                link: None,
                bytes: 0,
                source,
            };
            self.note_sender(now, &multicast, &header);
        }
        true
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
            sections.push(Extension { kind: Extension::PRESENCE_CHALLENGE, bytes: asked.challenge.to_vec() });
            self.timers.set(BroadcasterTimer::Presence(node), now + RETRY_AFTER[0]);
        }
        sections.push(Extension { kind: Extension::PRESENCE_RESPONSE, bytes: challenge.to_vec() });
        self.send_presence(now, node, sections);
    }

    fn challenge_presence(&mut self, now: Time, inbound: &Inbound<'_>, epoch: [u8; 8], header: &Header) {
        let node = header.sender;
        if !self.presence_challenges.contains_key(&node) {
            if self.presence_challenges.len() >= MAX_CHALLENGES {
                return self.counters.count(Counter::PresenceChecksDropped);
            }
            let challenge = self.secret_rng.bytes();
            self.presence_challenges
                .insert(node, PresenceChallenge { challenge, tries: 0, last_multicast: None });
            let near = u32::try_from(self.reception.near().len()).unwrap_or(u32::MAX);
            let wait = self.jitter_rng.duration_up_to(SPREAD.saturating_mul(near));
            self.timers.set(BroadcasterTimer::Presence(node), now + wait);
        }
        if inbound.path == Path::Multicast
            && let Some(asked) = self.presence_challenges.get_mut(&node)
        {
            // Its content was handled; its header is evaluated later.
            asked.last_multicast = Some((epoch, inbound.source, header.clone()));
        }
    }

    /// Sends a challenge, or gives the node up.
    pub(super) fn on_presence_timer(&mut self, now: Time, node: NetId) {
        let Some(asked) = self.presence_challenges.get_mut(&node) else { return };
        let Some(again) = RETRY_AFTER.get(usize::from(asked.tries)) else {
            self.presence_challenges.remove(&node);
            return self.counters.count(Counter::PresenceTimeouts);
        };
        asked.tries += 1;
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
            let question =
                PeerExchange { reply_requested: true, islands: Vec::new(), without_island: Vec::new() };
            self.send_by_connection(now, node, Body::PeerExchange(question));
        }
    }

    fn send_presence(&mut self, now: Time, to: NetId, sections: Vec<Extension>) {
        self.renew_exhausted_nonces();
        let header = Header { extensions: sections, ..self.direct_header(now, Some(to), 0) };
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
