//! What a world adds up to: its trace, its tally, its bytes, its end. Changes nothing.

use gm_broadcast::{Machine, Time};

use super::{What, World};
use crate::checker::Violation;
use crate::fault::Tally;
use crate::node::Waiting;
use crate::trace::Trace;
use crate::watch::{Flow, Traffic};

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which.
    pub seed: u64,
    /// The hash of its trace.
    pub trace: u64,
    /// The faults that really happened.
    pub tally: Tally,
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
    pub const fn tally(&self) -> &Tally {
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
        let mut add = |flow: Flow, length: usize| sums[flow as usize] += length as u64;
        for what in self.queue.each() {
            if let What::Packet(_, packet) = what {
                add(packet.flow(), packet.bytes.len());
            }
        }
        for conn in self.conns.each() {
            for end in conn {
                add(Flow::Stream, end.bytes() + end.inbox.len());
            }
        }
        for node in self.each_node() {
            for thing in node.frozen.iter().flat_map(|frozen| &frozen.waiting) {
                match thing {
                    Waiting::Input(input) => {
                        if let Some((flow, length)) = super::drive::length(input) {
                            add(flow, length);
                        }
                    }
                    Waiting::Wire(_, _, wire) => add(Flow::Stream, wire.length()),
                    Waiting::Read(..) => {}
                }
            }
        }
        sums
    }
}
