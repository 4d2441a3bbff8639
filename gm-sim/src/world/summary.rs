//! What a world adds up to: its trace, its tally, its bytes, its end. Changes nothing.

use gm_broadcast::{Machine, Time};

use super::{ScheduledEvent, World};
use crate::checker::Violation;
use crate::fault::FaultCounts;
use crate::node::PendingInput;
use crate::observation::{Traffic, TrafficKind};
use crate::trace::Trace;

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which.
    pub seed: u64,
    /// The hash of its trace.
    pub trace: u64,
    /// The faults that really happened.
    pub tally: FaultCounts,
    /// Entries of the queue that happened.
    pub events: u64,
    /// When it ended, by its own time.
    pub time: Time,
    /// Whether all was well.
    pub outcome: Result<(), Violation>,
}

impl<M: Machine> World<M> {
    /// Ends the run: every checker looks once more, unless something is wrong already.
    pub fn finish(&mut self) -> Run {
        let mut checkers = std::mem::take(&mut self.checkers);
        for checker in &mut checkers {
            if self.violation.is_none()
                && let Err(violation) = checker.at_end(self)
            {
                self.violation = Some(violation);
            }
        }
        self.checkers = checkers;
        Run {
            seed: self.seed,
            trace: self.trace.hash(),
            tally: self.tally,
            events: self.events,
            time: self.now,
            outcome: self.violation.clone().map_or(Ok(()), Err),
        }
    }

    /// Who looks on, by name.
    pub fn checkers(&self) -> impl Iterator<Item = &'static str> {
        self.checkers.iter().map(|checker| checker.name())
    }

    /// Everything that machines handled.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Keeps the last `lines` of the trace as text from now on: 0 for none, `usize::MAX` for all.
    pub fn keep_trace(&mut self, lines: usize) {
        self.trace.keep(lines);
    }

    /// The faults that really happened so far.
    #[must_use]
    pub const fn tally(&self) -> &FaultCounts {
        &self.tally
    }

    /// What was sent, arrived and was lost so far.
    #[must_use]
    pub const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Entries of the queue that happened so far.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Bytes that are between machines, by [`Flow`]: looked for one by one.
    #[must_use]
    pub fn under_way(&self) -> [u64; 3] {
        let mut sums = [0; 3];
        let mut add = |flow: TrafficKind, length: usize| sums[flow as usize] += length as u64;
        for what in self.queue.iter() {
            if let ScheduledEvent::Packet(_, packet) = what {
                add(packet.flow(), packet.bytes.len());
            }
        }
        for conn in self.conns.iter() {
            for end in conn {
                add(TrafficKind::Stream, end.undelivered_bytes() + end.receive_buffer.len());
            }
        }
        for node in self.node_states() {
            for thing in node.paused.iter().flat_map(|frozen| &frozen.queue) {
                match thing {
                    PendingInput::Input(input) => {
                        if let Some((flow, length)) = super::drive::input_bytes(input) {
                            add(flow, length);
                        }
                    }
                    PendingInput::Segment(_, _, wire) => add(TrafficKind::Stream, wire.payload_length()),
                    PendingInput::Read(..) => {}
                }
            }
        }
        sums
    }
}
