//! Nodes start, die, are paused and go on. Knows not why.

use std::time::Duration;

use gm_broadcast::{Input, Machine, Time};

use super::drive::input_bytes;
use super::{World, derive_seed};
use crate::conn::{ConnKey, EndState, Segment};
use crate::fault::FaultClass;
use crate::node::{NodeIndex, NodeState, PausedInputs, PendingInput, StartContext};
use crate::observation::Observation;

impl<M: Machine> World<M> {
    /// Starts every node whose process is dead, in order.
    pub fn start_all(&mut self) {
        for node in self.indices() {
            self.start(node);
        }
    }

    /// Starts a node's process, and its host if that is dead too. Does nothing if it runs.
    pub fn start(&mut self, node: NodeIndex) {
        let now = self.now;
        let Some(state) = self.nodes.get_mut(node.index()) else { return };
        if state.machine.is_some() {
            return;
        }
        let restarts = state.life;
        let birth = StartContext {
            node,
            location: state.location,
            restarts,
            seed: derive_seed(self.seed, 1 + u64::from(node.0), u64::from(restarts)),
            now: state.local_time(now),
            param: state.param,
            wrong_key: state.wrong_key,
        };
        state.life += 1;
        state.host_up = true;
        state.busy_until = now;
        state.next_wake = Time::NEVER;
        state.machine = Some((self.factory)(&birth));
        let wrong_key = state.wrong_key;
        self.trace.note(now, node, || format!("started, {restarts} times before"));
        self.observe(node, &Observation::Started { restarts });
        if wrong_key {
            self.fault_happened(node, FaultClass::WrongKey);
        }
        self.drain(node);
    }

    /// What the factory is told at the next start.
    pub fn set_param(&mut self, node: NodeIndex, param: u64) {
        if let Some(state) = self.nodes.get_mut(node.index()) {
            state.param = param;
        }
    }

    /// The process dies. Its host closes its connections, refuses new ones and throws datagrams
    /// away.
    pub fn crash(&mut self, node: NodeIndex) {
        if self.end_process(node) {
            for (key, side) in self.links_of(node) {
                self.drop_end(key, side);
                self.transmit(key, side, Segment::Reset);
                self.remove_if_closed(key);
            }
        }
    }

    /// The host dies with the process: nobody answers, nobody is told.
    pub fn kill_host(&mut self, node: NodeIndex) {
        let running = self.end_process(node);
        let Some(state) = self.nodes.get_mut(node.index()) else { return };
        state.host_up = false;
        if running {
            self.links_of(node);
        }
        // Also ends that the program had closed, but the kernel still had bytes of.
        for key in self.conns.keys() {
            for side in [0, 1] {
                if self.conns.get(key).is_some_and(|conn| conn[side as usize].node == node) {
                    self.drop_end(key, side);
                }
            }
            self.remove_if_closed(key);
        }
    }

    fn links_of(&mut self, node: NodeIndex) -> Vec<(ConnKey, u8)> {
        std::mem::take(&mut self.nodes[node.index()].conns).into_values().collect()
    }

    /// The process is no more; says whether it was.
    fn end_process(&mut self, node: NodeIndex) -> bool {
        let Some(state) = self.nodes.get_mut(node.index()) else { return false };
        let running = state.machine.take().is_some();
        let waiting = state.paused.take().map(|frozen| frozen.queue).unwrap_or_default();
        for thing in waiting {
            match thing {
                PendingInput::Input(input) => {
                    if let Some((flow, length)) = input_bytes(&input) {
                        self.observe(node, &Observation::Lost { flow, length });
                    }
                }
                PendingInput::Segment(_, _, wire) => self.stream_lost(node, wire.payload_length()),
                PendingInput::Read(..) => {}
            }
        }
        if running {
            self.trace.note(self.now, node, || "ended".to_owned());
            self.observe(node, &Observation::Ended);
        }
        running
    }

    /// An end whose program is no more: what it had not sent, and not read, is lost.
    fn drop_end(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[side as usize];
        let node = end.node;
        let lost = end.send_buffer.drain(..).map(|bytes| bytes.len()).sum::<usize>()
            + end.blocked.drain(..).map(|wire| wire.payload_length()).sum::<usize>()
            + end.receive_buffer.drain(..).len();
        (end.state, end.closing) = (EndState::Closed, false);
        self.stream_lost(node, lost);
    }

    /// The process stops where it is. Its kernel goes on: it accepts connections and keeps what
    /// comes.
    pub fn pause(&mut self, node: NodeIndex) {
        let Some(state) = self.nodes.get_mut(node.index()) else { return };
        if state.machine.is_some() && state.paused.is_none() {
            state.paused = Some(Box::new(PausedInputs::new()));
            self.trace.note(self.now, node, || "paused".to_owned());
            self.observe(node, &Observation::Paused);
        }
    }

    /// It goes on, and handles at once and in order what came meanwhile; then it is woken, if that
    /// was due.
    pub fn resume(&mut self, node: NodeIndex) {
        let Some(state) = self.nodes.get_mut(node.index()) else { return };
        let Some(frozen) = state.paused.take() else { return };
        self.trace.note(self.now, node, || "goes on".to_owned());
        self.observe(node, &Observation::Resumed);
        for thing in frozen.queue {
            match thing {
                PendingInput::Input(input) => self.deliver_input(node, input),
                PendingInput::Segment(key, side, wire) => self.receive_while_paused(key, side, wire),
                PendingInput::Read(key, side) => self.read_slowly(key, side),
            }
        }
        self.schedule_wake(node);
    }

    fn receive_while_paused(&mut self, key: ConnKey, side: u8, wire: Segment) {
        if self.conns.get(key).is_some() {
            self.receive_segment(key, side, wire);
        } else {
            self.stream_lost(NodeIndex::OUTSIDER, wire.payload_length());
        }
    }

    /// A node's clock shows so much more from now on, and its machine gets fresh chance.
    pub fn jump_clock(&mut self, node: NodeIndex, ahead: Duration) {
        self.set_clock(node, ahead, None);
        let rng = self.world_rng.bytes();
        self.deliver_input(node, Input::Entropy(rng));
    }

    /// A node's clock is so many parts in 10^9 too fast from now on; at least -900,000,000.
    pub fn drift_clock(&mut self, node: NodeIndex, drift: i32) {
        self.set_clock(node, Duration::ZERO, Some(drift));
    }

    fn set_clock(&mut self, node: NodeIndex, ahead: Duration, drift: Option<i32>) {
        let now = self.now;
        let Some(state) = self.nodes.get_mut(node.index()) else { return };
        let clock = state.clock.as_deref().copied().unwrap_or_default();
        state.clock = Some(Box::new(clock.changed(now, ahead, drift)));
        self.schedule_wake(node);
    }

    /// Every connection of a node ends at both ends, and what is on its way is lost.
    pub fn reset_links(&mut self, node: NodeIndex) {
        let Some(state) = self.nodes.get(node.index()) else { return };
        let links: Vec<ConnKey> = state.conns.values().map(|(key, _)| *key).collect();
        links.into_iter().for_each(|key| self.reset_both(key));
    }

    pub(super) fn node_states(&self) -> impl Iterator<Item = &NodeState<M>> {
        self.nodes.iter()
    }
}
