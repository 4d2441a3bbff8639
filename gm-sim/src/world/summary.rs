//! Results of a world: trace, fault counts, traffic, outcome.

use gm_broadcast::{Machine, Time};

use super::{ScheduledEvent, World};
use crate::checker::Violation;
use crate::fault::FaultCounts;
use crate::node::PendingInput;
use crate::observation::{Traffic, TrafficKind};
use crate::trace::Trace;

/// Result of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Seed of the run.
    pub seed: u64,
    /// Hash of its trace.
    pub trace: u64,
    /// Faults that had an effect.
    pub tally: FaultCounts,
    /// Number of events processed.
    pub events: u64,
    /// Virtual time at the end.
    pub time: Time,
    /// The violation, if there was one.
    pub outcome: Result<(), Violation>,
}

impl<M: Machine> World<M> {
    /// Ends the run, and calls every checker's [`Checker::at_end`](crate::Checker::at_end) unless
    /// there was a violation.
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

    /// Names of the checkers.
    pub fn checkers(&self) -> impl Iterator<Item = &'static str> {
        self.checkers.iter().map(|checker| checker.name())
    }

    /// The inputs of all machines.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Keeps the last `lines` lines of the trace as text from now on: 0 for none, `usize::MAX` for
    /// all.
    pub fn keep_trace(&mut self, lines: usize) {
        self.trace.keep(lines);
    }

    /// Faults that had an effect so far.
    #[must_use]
    pub const fn tally(&self) -> &FaultCounts {
        &self.tally
    }

    /// Sent, arrived and lost traffic so far.
    #[must_use]
    pub const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Number of events processed so far.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Bytes in flight between machines, by [`TrafficKind`]; computed by a scan of all of them.
    #[must_use]
    pub fn in_flight_bytes(&self) -> [u64; 3] {
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
            for pending in node.paused.iter().flat_map(|paused| &paused.queue) {
                match pending {
                    PendingInput::Input(input) => {
                        if let Some((flow, length)) = super::drive::input_bytes(input) {
                            add(flow, length);
                        }
                    }
                    PendingInput::Segment(_, _, segment) => {
                        add(TrafficKind::Stream, segment.payload_length())
                    }
                    PendingInput::Read(..) => {}
                }
            }
        }
        sums
    }
}
