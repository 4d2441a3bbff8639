//! Vouching: a node that is present shows that others are.

use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{Extension, Header, Routing};

use super::Broadcaster;
use super::inbound::Inbound;
use super::timeouts::BroadcasterTimer;
use crate::counter::Counter;
use crate::handler::Path;
use crate::heard::HeardFrame;
use crate::peers::PresenceProof;
use crate::time::Time;

/// A node that verified a newcomer vouches for it after up to this time.
const VOUCH_AFTER: Duration = Duration::from_millis(2);
/// Open challenges up to which a node vouches at once: with more, reports do it.
const MAX_NEWCOMERS: usize = 4;
/// Neighbors for which vouching is worth a multicast.
const MIN_VOUCHING: usize = 4;
/// Bytes of an epoch and a counter.
const FRAME_BYTES: usize = 12;

impl<D> Broadcaster<D> {
    /// This node verified a newcomer, and tells its island soon, if the others know this node.
    pub(super) fn vouch(&mut self, now: Time, node: NetId) {
        let near = self.reception.near().len();
        if self.config.multicast
            && self.reception.is_near(node)
            && near > MIN_VOUCHING
            && self.presence_challenges.len() <= MAX_NEWCOMERS
            && self.reception.gained_len() <= near / 4
        {
            self.reports.vouching.push(node);
            let wait = self.jitter_rng.duration_up_to(VOUCH_AFTER);
            self.timers.set_by(BroadcasterTimer::ReceptionReport, now + wait);
        }
    }

    /// Evaluates what a node that is present knows about others: they are present too.
    pub(super) fn note_vouchers(&mut self, now: Time, inbound: &Inbound<'_>, header: &Header) {
        if inbound.epoch.is_none() || inbound.path == Path::Connection {
            return;
        }
        for (node, frame) in neighbor_frames(header) {
            let known = self.config.directory.get(node);
            if node == self.config.me || known.is_some() {
                continue;
            }
            let speaks = self.presence_challenges.get(&node).and_then(|asked| asked.last_multicast.as_ref());
            let speaks = speaks.is_some_and(|last| last.proof.epoch == frame.epoch);
            if speaks || self.peers.entry(node, known).0.proof.is_none() {
                let proof = PresenceProof { epoch: frame.epoch, counter: frame.counter };
                self.on_presence_proof(now, node, proof);
                self.counters.count(Counter::PresenceVouched);
            }
            self.learn(now, node, header.island);
        }
    }

    /// The epochs and counters of a list of neighbors; `None` if one is unknown.
    pub(super) fn neighbor_frames_section(&self, nodes: &[NetId]) -> Option<Extension> {
        let mut bytes = Vec::with_capacity(nodes.len() * FRAME_BYTES);
        for node in nodes {
            let frame = self.heard.get(*node)?;
            bytes.extend_from_slice(&frame.epoch);
            bytes.extend_from_slice(&frame.counter.to_be_bytes());
        }
        (!bytes.is_empty()).then_some(Extension { kind: Extension::NEIGHBOR_FRAMES, bytes })
    }
}

/// The neighbors that the sender of a header lists, with their frames, if it adds these.
pub(super) fn neighbor_frames(header: &Header) -> impl Iterator<Item = (NetId, HeardFrame)> + '_ {
    let is_direct = header.routing == Routing::Direct;
    let section = header.extensions.iter().find(|section| section.kind == Extension::NEIGHBOR_FRAMES);
    let frames = section.map_or(&[][..], |section| section.bytes.as_chunks::<FRAME_BYTES>().0);
    let fits = is_direct && section.is_some_and(|section| section.bytes.len() == frames.len() * FRAME_BYTES);
    let is_complete = fits && frames.len() == header.neighbors_gained.len();
    let frames = frames.iter().map(|frame| {
        let [a, b, c, d, e, f, g, h, counter @ ..] = *frame;
        HeardFrame { epoch: [a, b, c, d, e, f, g, h], counter: u32::from_be_bytes(counter) }
    });
    header.neighbors_gained.iter().copied().zip(frames).filter(move |_| is_complete)
}
