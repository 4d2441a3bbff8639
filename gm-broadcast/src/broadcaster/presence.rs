//! Whether a node of which a datagram came is there: a datagram may be a recording from before our
//! start, of a node that is gone. So a node is a peer only once something of it came that was made
//! since: a frame by a connection, which is bound to random bytes of ours, or the answer to a
//! question with eight random bytes. Until then what its datagrams carry is taken, and says nothing
//! about the node itself.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{Body, Extension, Header, PeerExchange, Routing};

use super::Broadcaster;
use super::receive::Inbound;
use crate::counter::Counter;
use crate::handler::{Handler, Path};
use crate::machine::Output;
use crate::time::Time;
use crate::timers::Timer;

/// Bytes of a question, and of its answer.
const CHALLENGE_BYTES: usize = 8;

/// Nodes that are asked at one time; beyond it one more waits for its next datagram.
pub(super) const MAX_CHALLENGES: usize = 1_024;
/// Questions by datagram, after which one goes by a connection, which may get there where datagrams
/// do not; then it is given up.
const DATAGRAM_TRIES: u8 = 2;
/// How long after a question the next one goes out.
const RETRY_AFTER: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(5)];
/// Of a large island all hear a newcomer in the same moment: each waits up to so long for each
/// neighbour, so that what reaches the newcomer is spread.
const SPREAD: Duration = Duration::from_micros(20);

/// A node that is asked.
#[derive(Debug)]
pub(super) struct PresenceChallenge {
    challenge: [u8; CHALLENGE_BYTES],
    tries: u8,
    /// Its last multicast, which counts once it is known to be there: path, epoch and address, and
    /// what its header says.
    last_multicast: Option<([u8; 8], Option<std::net::IpAddr>, Header)>,
}

/// The nodes that are asked.
pub(super) type PresenceChallenges = BTreeMap<NetId, PresenceChallenge>;

impl<H: Handler> Broadcaster<H> {
    /// Whether the sender of a payload is known to be there, be it by this payload. If not, it is
    /// asked.
    pub(super) fn is_present(&mut self, now: Time, inbound: &Inbound<'_>, header: &Header) -> bool {
        let node = header.sender;
        let known = self.config.directory.get(node);
        let Some(epoch) = inbound.epoch.filter(|_| known.is_none()) else {
            // Unsealed frames prove nothing, and who is configured needs no proof.
            return true;
        };
        if self.peers.entry(node, known).0.present {
            return true;
        }
        let answers = |asked: &PresenceChallenge| {
            section(header, Extension::PRESENCE_RESPONSE) == Some(asked.challenge)
        };
        if inbound.path != Path::Connection && !self.presence_challenges.get(&node).is_some_and(answers) {
            self.challenge_presence(now, inbound, epoch, header);
            return false;
        }
        self.peers.entry(node, known).0.present = true;
        self.timers.cancel(Timer::Presence(node));
        let heard = self.presence_challenges.remove(&node).and_then(|asked| asked.last_multicast);
        if let Some((_, source, header)) = heard.filter(|(of, ..)| *of == epoch) {
            let path = Path::Multicast;
            let multicast = Inbound { path, epoch: Some(epoch), raw: &[], link: None, bytes: 0, source };
            self.note_sender(now, &multicast, &header);
        }
        true
    }

    /// A direct payload may ask whether we are there.
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
        // Whoever asks is asked along with the answer, if that is to be.
        if let Some(asked) = self.presence_challenges.get_mut(&node).filter(|asked| asked.tries == 0) {
            asked.tries = 1;
            sections.push(Extension { kind: Extension::PRESENCE_CHALLENGE, bytes: asked.challenge.to_vec() });
            self.timers.set(Timer::Presence(node), now + RETRY_AFTER[0]);
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
            self.timers.set(Timer::Presence(node), now + wait);
        }
        if inbound.path == Path::Multicast
            && let Some(asked) = self.presence_challenges.get_mut(&node)
        {
            // What it carried is taken care of; whether it had content is all that counts.
            asked.last_multicast = Some((epoch, inbound.source, header.clone()));
        }
    }

    /// A node is to be asked, or did not answer.
    pub(super) fn on_presence_timer(&mut self, now: Time, node: NetId) {
        let Some(asked) = self.presence_challenges.get_mut(&node) else { return };
        let Some(again) = RETRY_AFTER.get(usize::from(asked.tries)) else {
            self.presence_challenges.remove(&node);
            return self.counters.count(Counter::PresenceTimeouts);
        };
        asked.tries += 1;
        let (tries, challenge) = (asked.tries, asked.challenge);
        self.timers.set(Timer::Presence(node), now + *again);
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

/// What a section says, if it is there.
fn section(header: &Header, kind: u64) -> Option<[u8; CHALLENGE_BYTES]> {
    let section = header.extensions.iter().find(|section| section.kind == kind)?;
    section.bytes.as_slice().try_into().ok()
}
