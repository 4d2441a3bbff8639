//! The node as a sans-I/O state machine: components that own their state, and the table of what
//! follows from what. The handle's event loop and the simulated worlds drive it.
//!
//! Each component receives the `context` (time, configuration, group table, peers, timers, random
//! numbers) and queues an `action` for what concerns others; `follow_ups` performs the actions, and
//! is the only file to read for their order. The components: `writes` (own writes, until they are
//! committed), `persistence` (the store), `dissemination` (broadcasts and acks), `anti_entropy`,
//! `introduction` (of newcomers, by their sponsor), `registration` (how the members of a group find
//! each other), and `watchers`. `hosting` decides which groups are hosted, `start` loads the stored
//! state, `queries` is the read access.

mod action;
mod anti_entropy;
mod context;
mod dissemination;
mod follow_ups;
mod hosting;
mod introduction;
mod messages;
mod persistence;
mod queries;
mod registration;
mod sponsor;
mod start;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod test_context;
mod timers;
mod watchers;
mod writes;

use std::collections::VecDeque;
use std::convert::Infallible;

use gm_broadcast::{BroadcastCommand, BroadcastEvent, Input, Machine, Output, Outputs, Rng, Time};

use crate::command::NodeCommand;
use crate::event::NodeEvent;
use crate::store::Store;
use anti_entropy::AntiEntropy;
use context::Context;
use dissemination::Dissemination;
use introduction::Introductions;
use persistence::Persistence;
use registration::Registration;
use timers::NodeTimer;
use watchers::Watchers;
use writes::WriteQueue;

pub use anti_entropy::Freshness;
pub use queries::{ConflictStatus, GroupStatus};
pub use watchers::{Cursor, Difference, DifferencePart};

/// A node. See [`Machine`] for how to drive it.
pub struct NodeMachine<S> {
    cx: Context,
    writes: WriteQueue,
    persistence: Persistence<S>,
    dissemination: Dissemination,
    anti_entropy: AntiEntropy,
    introductions: Introductions,
    registration: Registration,
    watchers: Watchers,
    /// Events of the broadcaster that are not handled yet.
    broadcaster_events: VecDeque<BroadcastEvent>,
    outputs: Outputs<Infallible, NodeEvent>,
}

impl<S: Store> NodeMachine<S> {
    fn emit(&mut self, event: NodeEvent) {
        self.outputs.push(Output::Event(event));
    }

    fn command_broadcaster(&mut self, command: BroadcastCommand) {
        self.drive_broadcaster(Input::Command(command));
    }

    /// Hands the broadcaster an input, and takes over its outputs.
    fn drive_broadcaster(&mut self, input: Input<BroadcastCommand>) {
        self.cx.drive_broadcaster(input);
        while let Some(output) = self.cx.poll_broadcaster() {
            self.outputs.push(match output {
                Output::Event(event) => {
                    self.broadcaster_events.push_back(event);
                    continue;
                }
                Output::Deliver(never) => match never {},
                Output::Multicast(bytes) => Output::Multicast(bytes),
                Output::Datagram { to, bytes } => Output::Datagram { to, bytes },
                Output::Dial { link, to, small_segments } => Output::Dial { link, to, small_segments },
                Output::Send { link, bytes } => Output::Send { link, bytes },
                Output::Close { link } => Output::Close { link },
            });
        }
    }

    /// Takes the rejection of a broadcast, which the broadcaster reports at once.
    fn take_rejection(&mut self, tag: u64) -> Option<String> {
        let rejects =
            |event: &BroadcastEvent| matches!(event, BroadcastEvent::Rejected { tag: of, .. } if *of == tag);
        let index = self.broadcaster_events.iter().rposition(rejects)?;
        match self.broadcaster_events.remove(index)? {
            BroadcastEvent::Rejected { why, .. } => Some(why),
            _ => None,
        }
    }

    /// Performs all that follows from an input. The order is that of the rules in `follow_ups`.
    fn run_pending(&mut self) {
        if self.cx.timers.cancel(&NodeTimer::Start).is_some() {
            self.start();
        }
        loop {
            self.run_actions();
            if let Some((pending, result)) = self.persistence.poll(&mut self.cx) {
                self.on_batch_finished(pending, result);
            } else if let Some(effect) = self.cx.groups.effects.pop_front() {
                self.on_effect(effect);
            } else if let Some(event) = self.broadcaster_events.pop_front() {
                self.on_broadcaster_event(event);
            } else if !self.run_due_timers() {
                break;
            }
        }
        let scheduled = self.dissemination.waits_are_scheduled(&self.cx);
        debug_assert!(scheduled, "a wait changed, and its timer did not");
        self.persistence.write_back_if_changed(&mut self.cx);
        self.watchers.notify(&mut self.cx);
        self.run_actions();
    }

    /// Performs the queued actions, each with all that follows from it before the next one.
    fn run_actions(&mut self) {
        while let Some(action) = self.cx.actions.pop_front() {
            let mut rest = std::mem::take(&mut self.cx.actions);
            self.perform(action);
            if self.cx.actions.is_empty() {
                self.cx.actions = rest;
            } else {
                self.cx.actions.append(&mut rest);
            }
        }
    }

    /// Runs what is due in the broadcaster, or timers of one variant; returns whether there were
    /// any.
    fn run_due_timers(&mut self) -> bool {
        if self.cx.peers().deadline().is_some_and(|at| at <= self.cx.now) {
            self.drive_broadcaster(Input::Wake);
            return true;
        }
        let due = self.cx.timers.take_variant(self.cx.now);
        let any = !due.is_empty();
        for timer in due {
            self.on_timer(timer);
            self.run_actions();
        }
        any
    }
}

impl<S: Store> Machine for NodeMachine<S> {
    type Command = NodeCommand;
    type Delivery = Infallible;
    type Event = NodeEvent;

    fn handle(&mut self, now: Time, input: Input<NodeCommand>) {
        self.cx.now = self.outputs.begin(now);
        match input {
            Input::Command(command) => self.on_command(command),
            Input::Wake => {}
            Input::Entropy(seed) => {
                let mut rng = Rng::new(seed);
                self.cx.rng = rng.fork();
                self.drive_broadcaster(Input::Entropy(rng.bytes()));
            }
            Input::Datagram { from, via, bytes } => {
                self.drive_broadcaster(Input::Datagram { from, via, bytes })
            }
            Input::ConnectionOpened { link, from } => {
                self.drive_broadcaster(Input::ConnectionOpened { link, from });
            }
            Input::ConnectionBytes { link, bytes } => {
                self.drive_broadcaster(Input::ConnectionBytes { link, bytes });
            }
            Input::ConnectionSent { link, bytes } => {
                self.drive_broadcaster(Input::ConnectionSent { link, bytes });
            }
            Input::ConnectionClosed { link, stalled } => {
                self.drive_broadcaster(Input::ConnectionClosed { link, stalled });
            }
            Input::ConnectionRefused { link, refusal } => {
                self.drive_broadcaster(Input::ConnectionRefused { link, refusal });
            }
        }
        self.run_pending();
    }

    fn poll_output(&mut self) -> Option<Output<Infallible, NodeEvent>> {
        self.outputs.pull()
    }

    fn deadline(&self) -> Option<Time> {
        let deadlines = [self.cx.peers().deadline(), self.persistence.next_poll(), self.cx.timers.next()];
        deadlines.into_iter().flatten().min()
    }
}

impl<S> std::fmt::Debug for NodeMachine<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeMachine")
            .field("me", &self.cx.me())
            .field("groups", &self.cx.groups.hosted.len())
            .finish_non_exhaustive()
    }
}
