//! Reading of received bytes: at once or slowly, whole or in pieces.

use std::time::Duration;

use bytes::Bytes;
use gm_broadcast::{Input, Machine};

use super::{ScheduledEvent, World};
use crate::active_faults::Effect;
use crate::conn::{ConnKey, EndState, Segment, other_side};
use crate::fault::FaultClass;
use crate::node::{NodeIndex, PendingInput};

const MILLION: u64 = 1_000_000;
/// Maximum number of pieces.
const MAX_PIECES: u64 = 8;
/// Number of reads per second of a slow reader.
const READS_PER_SECOND: u64 = 20;

impl<M: Machine> World<M> {
    /// Bytes per second at which the receiver reads from this sender, if a fault makes it slow.
    pub(super) fn slow_reader_rate(&self, from: NodeIndex, to: NodeIndex) -> Option<(FaultClass, u64)> {
        self.first_effect(from, to, |effect| match effect {
            Effect::SlowReader(rate) => Some((*rate).max(1)),
            _ => None,
        })
    }

    /// Passes bytes to the program, and acknowledges them.
    pub(super) fn read(&mut self, key: ConnKey, here: u8, bytes: Bytes) {
        let Some(conn) = self.conns.get(key) else { return };
        let (from, end) = (conn[other_side(here) as usize].node, &conn[here as usize]);
        let (node, link, length) = (end.node, end.link, bytes.len());
        let mut rest = bytes;
        for piece in self.pieces(from, node, length) {
            let open = self.conns.get(key).is_some_and(|conn| conn[here as usize].state == EndState::Open);
            if !open {
                break;
            }
            self.deliver_input(node, Input::ConnectionBytes { link, bytes: rest.split_to(piece) });
        }
        self.stream_lost(node, rest.len());
        self.transmit(key, here, Segment::Ack(length));
    }

    /// Lengths of the pieces in which the bytes are read.
    fn pieces(&mut self, from: NodeIndex, to: NodeIndex, length: usize) -> Vec<usize> {
        let size = self.first_effect(from, to, |effect| match effect {
            Effect::Pieces(size) => Some((*size).max(1)),
            _ => None,
        });
        if let Some((class, size)) = size.filter(|(_, size)| *size < length) {
            self.fault_happened(to, class);
            return (0..length).step_by(size).map(|at| size.min(length - at)).collect();
        }
        let parts = self.first_effect(from, to, |effect| match effect {
            Effect::Chunk(parts) => Some(*parts),
            _ => None,
        });
        let Some((class, parts)) = parts else { return vec![length] };
        if length < 2 || !self.tcp_rng.ratio(u64::from(parts), MILLION) {
            return vec![length];
        }
        self.fault_happened(to, class);
        let mut cuts = vec![0, length];
        // At least one cut between two bytes.
        for _ in 0..=self.tcp_rng.below(MAX_PIECES - 1) {
            cuts.push(1 + self.tcp_rng.index(length - 1));
        }
        cuts.sort_unstable();
        cuts.dedup();
        cuts.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// Performs a slow reader's next read; reads all bytes if it is no longer slow.
    pub(super) fn read_slowly(&mut self, key: ConnKey, here: u8) {
        let now = self.now;
        let Some(conn) = self.conns.get(key) else { return };
        let (from, node) = (conn[other_side(here) as usize].node, conn[here as usize].node);
        if let Some(frozen) = self.nodes.get_mut(node.index()).and_then(|node| node.paused.as_mut()) {
            frozen.queue.push_back(PendingInput::Read(key, here));
            return;
        }
        let slow = self.slow_reader_rate(from, node);
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[here as usize];
        end.reading = false;
        let rate = slow.map_or(u64::MAX, |(_, rate)| rate);
        let limit = usize::try_from((rate / READS_PER_SECOND).max(1))
            .unwrap_or(usize::MAX)
            .min(end.receive_buffer.len());
        let bytes: Bytes = end.receive_buffer.drain(..limit).collect();
        end.reading = !end.receive_buffer.is_empty();
        let (reading, last) = (end.reading, end.fin_received);
        if reading {
            let nanos = (bytes.len() as u64).saturating_mul(1_000_000_000) / rate;
            self.queue.push(now + Duration::from_nanos(nanos), ScheduledEvent::Read(key, here));
        }
        if !bytes.is_empty() {
            self.read(key, here, bytes);
        }
        if last && !reading {
            self.close_by_peer(key, here);
        }
    }
}
