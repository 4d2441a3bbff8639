//! Whether a node of which a datagram came is there: a datagram may be a recording from before our start, of a node that is gone. So a
//! node is a peer only once something of it came that was made since: a frame by a connection, which is bound to random bytes of ours, or
//! the answer to a question with eight random bytes. Until then what its datagrams carry is taken, and says nothing about the node itself.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{Body, Extension, Header, PeerExchange, Routing};

use super::Broadcaster;
use super::receive::Came;
use crate::alarm::Timer;
use crate::handler::{Handler, Path};
use crate::machine::Output;
use crate::time::Time;

/// Bytes of a question, and of its answer.
const BYTES: usize = 8;

/// Nodes that are asked at one time; beyond it one more waits for its next datagram.
pub(super) const MOST: usize = 1_024;
/// Questions by datagram, after which one goes by a connection, which may get there where datagrams do not; then it is given up.
const BY_DATAGRAM: u8 = 2;
/// How long after a question the next one goes out.
const AGAIN: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(5)];
/// Of a large island all hear a newcomer in the same moment: each waits up to so long for each neighbour, so that what reaches the
/// newcomer is spread.
const SPREAD: Duration = Duration::from_micros(20);

/// A node that is asked.
#[derive(Debug)]
pub(super) struct Asked {
    challenge: [u8; BYTES],
    tries: u8,
    /// Its last multicast, which counts once it is known to be there: path, epoch and address, and what its header says.
    heard: Option<([u8; 8], Option<std::net::IpAddr>, Header)>,
}

/// The nodes that are asked.
pub(super) type Absent = BTreeMap<NetId, Asked>;

impl<H: Handler> Broadcaster<H> {
    /// Whether the sender of a payload is known to be there, be it by this payload. If not, it is asked.
    pub(super) fn is_present(&mut self, now: Time, came: &Came<'_>, header: &Header) -> bool {
        let node = header.sender;
        let known = self.config.directory.get(node);
        let Some(epoch) = came.epoch.filter(|_| known.is_none()) else {
            // Unsealed frames prove nothing, and who is configured needs no proof.
            return true;
        };
        if self.peers.entry(node, known).0.present {
            return true;
        }
        let answers = |asked: &Asked| section(header, Extension::PRESENCE_RESPONSE) == Some(asked.challenge);
        if came.path != Path::Link && !self.absent.get(&node).is_some_and(answers) {
            self.ask_presence(now, came, epoch, header);
            return false;
        }
        self.peers.entry(node, known).0.present = true;
        self.alarms.cancel(Timer::Presence(node));
        let heard = self.absent.remove(&node).and_then(|asked| asked.heard);
        if let Some((_, source, header)) = heard.filter(|(of, ..)| *of == epoch) {
            let path = Path::Multicast;
            let multicast = Came { path, epoch: Some(epoch), raw: &[], link: None, bytes: 0, source };
            self.note(now, &multicast, &header);
        }
        true
    }

    /// A direct payload may ask whether we are there.
    pub(super) fn on_presence_question(&mut self, now: Time, came: &Came<'_>, header: &Header) {
        let Some(challenge) =
            section(header, Extension::PRESENCE_CHALLENGE).filter(|_| header.routing == Routing::Direct)
        else {
            return;
        };
        let node = header.sender;
        let known = self.config.directory.get(node);
        if came.path != Path::Datagram || !self.peers.entry(node, known).0.answers.take(now) {
            return self.counters.count("dropped", "question of presence");
        }
        let mut sections = Vec::new();
        // Whoever asks is asked along with the answer, if that is to be.
        if let Some(asked) = self.absent.get_mut(&node).filter(|asked| asked.tries == 0) {
            asked.tries = 1;
            sections.push(Extension { kind: Extension::PRESENCE_CHALLENGE, bytes: asked.challenge.to_vec() });
            self.alarms.set(Timer::Presence(node), now + AGAIN[0]);
        }
        sections.push(Extension { kind: Extension::PRESENCE_RESPONSE, bytes: challenge.to_vec() });
        self.send_presence(now, node, sections);
    }

    fn ask_presence(&mut self, now: Time, came: &Came<'_>, epoch: [u8; 8], header: &Header) {
        let node = header.sender;
        if !self.absent.contains_key(&node) {
            if self.absent.len() >= MOST {
                return self.counters.count("dropped", "presence, too many are asked");
            }
            let challenge = self.secrets.bytes();
            self.absent.insert(node, Asked { challenge, tries: 0, heard: None });
            let near = u32::try_from(self.hearing.near().len()).unwrap_or(u32::MAX);
            let wait = self.jitter.within(SPREAD.saturating_mul(near));
            self.alarms.set(Timer::Presence(node), now + wait);
        }
        if came.path == Path::Multicast
            && let Some(asked) = self.absent.get_mut(&node)
        {
            // What it carried is taken care of; whether it had content is all that counts.
            asked.heard = Some((epoch, came.source, header.clone()));
        }
    }

    /// A node is to be asked, or did not answer.
    pub(super) fn on_presence(&mut self, now: Time, node: NetId) {
        let Some(asked) = self.absent.get_mut(&node) else { return };
        let Some(again) = AGAIN.get(usize::from(asked.tries)) else {
            self.absent.remove(&node);
            return self.counters.count("presence", "no answer");
        };
        asked.tries += 1;
        let (tries, challenge) = (asked.tries, asked.challenge);
        self.alarms.set(Timer::Presence(node), now + *again);
        self.counters.count("presence", "asked");
        if tries <= BY_DATAGRAM {
            self.send_presence(
                now,
                node,
                vec![Extension { kind: Extension::PRESENCE_CHALLENGE, bytes: challenge.to_vec() }],
            );
        } else {
            let question =
                PeerExchange { reply_requested: true, islands: Vec::new(), without_island: Vec::new() };
            self.send_by_link(now, node, Body::PeerExchange(question));
        }
    }

    fn send_presence(&mut self, now: Time, to: NetId, sections: Vec<Extension>) {
        self.ready_nonces();
        let header = Header { extensions: sections, ..self.direct_header(now, Some(to), 0) };
        if let Some(bytes) = self.datagram(Some(to), &header, &Body::HeaderOnly) {
            self.out.push(Output::Datagram { to, bytes });
        }
    }
}

/// What a section says, if it is there.
fn section(header: &Header, kind: u64) -> Option<[u8; BYTES]> {
    let section = header.extensions.iter().find(|section| section.kind == kind)?;
    section.bytes.as_slice().try_into().ok()
}
