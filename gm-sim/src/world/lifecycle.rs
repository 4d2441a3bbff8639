//! Life cycle of nodes: start, death, pause, resume.

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

    /// Starts a node's process, and its host if that is dead too. Does nothing if the process
    /// lives.
    pub fn start(&mut self, node: NodeIndex) {
        let now = self.now;
        let Some(state) = self.nodes.get_mut(node.index()) else { return };
        if state.machine.is_some() {
            return;
        }
        let restarts = state.life;
        let context = StartContext {
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
        state.machine = Some((self.factory)(&context));
        let wrong_key = state.wrong_key;
        self.trace.note(now, node, || format!("started, restart {restarts}"));
        self.observe(node, &Observation::Started { restarts });
        if wrong_key {
            self.fault_happened(node, FaultClass::WrongKey);
        }
        self.drain(node);
    }

    /// Sets the parameter that the factory receives at the next start.
    pub fn set_param(&mut self, node: NodeIndex, param: u64) {
        if let Some(state) = self.nodes.get_mut(node.index()) {
            state.param = param;
        }
    }

    /// Kills a process. Its host closes its connections, refuses new ones and drops datagrams.
    pub fn crash(&mut self, node: NodeIndex) {
        if self.end_process(node) {
            for (key, side) in self.links_of(node) {
                self.drop_end(key, side);
                self.transmit(key, side, Segment::Reset);
                self.remove_if_closed(key);
            }
        }
    }

    /// Kills a host with its process: it answers nothing, and its peers are not notified.
    pub fn kill_host(&mut self, node: NodeIndex) {
        let running = self.end_process(node);
        let Some(state) = self.nodes.get_mut(node.index()) else { return };
        state.host_up = false;
        if running {
            self.links_of(node);
        }
        // These include ends that the program had closed while the kernel still had bytes to send.
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

    /// Ends the process; returns whether it lived.
    fn end_process(&mut self, node: NodeIndex) -> bool {
        let Some(state) = self.nodes.get_mut(node.index()) else { return false };
        let running = state.machine.take().is_some();
        let waiting = state.paused.take().map(|paused| paused.queue).unwrap_or_default();
        for thing in waiting {
            match thing {
                PendingInput::Input(input) => {
                    if let Some((flow, length)) = input_bytes(&input) {
                        self.observe(node, &Observation::Lost { flow, length });
                    }
                }
                PendingInput::Segment(_, _, segment) => self.stream_lost(node, segment.payload_length()),
                PendingInput::Read(..) => {}
            }
        }
        if running {
            self.trace.note(self.now, node, || "ended".to_owned());
            self.observe(node, &Observation::Ended);
        }
        running
    }

    /// Closes an end whose process has ended; unsent and unread bytes are lost.
    fn drop_end(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[side as usize];
        let node = end.node;
        let lost = end.send_buffer.drain(..).map(|bytes| bytes.len()).sum::<usize>()
            + end.blocked.drain(..).map(|segment| segment.payload_length()).sum::<usize>()
            + end.receive_buffer.drain(..).len();
        (end.state, end.closing) = (EndState::Closed, false);
        self.stream_lost(node, lost);
    }

    /// Pauses a process. Its kernel still accepts connections and buffers received bytes.
    pub fn pause(&mut self, node: NodeIndex) {
        let Some(state) = self.nodes.get_mut(node.index()) else { return };
        if state.machine.is_some() && state.paused.is_none() {
            state.paused = Some(Box::new(PausedInputs::new()));
            self.trace.note(self.now, node, || "paused".to_owned());
            self.observe(node, &Observation::Paused);
        }
    }

    /// Resumes a process. It handles the buffered inputs at once and in order, then a wake if one
    /// was due.
    pub fn resume(&mut self, node: NodeIndex) {
        let Some(state) = self.nodes.get_mut(node.index()) else { return };
        let Some(paused) = state.paused.take() else { return };
        self.trace.note(self.now, node, || "resumed".to_owned());
        self.observe(node, &Observation::Resumed);
        for thing in paused.queue {
            match thing {
                PendingInput::Input(input) => self.deliver_input(node, input),
                PendingInput::Segment(key, side, segment) => self.receive_while_paused(key, side, segment),
                PendingInput::Read(key, side) => self.read_slowly(key, side),
            }
        }
        self.schedule_wake(node);
    }

    fn receive_while_paused(&mut self, key: ConnKey, side: u8, segment: Segment) {
        if self.conns.get(key).is_some() {
            self.receive_segment(key, side, segment);
        } else {
            self.stream_lost(NodeIndex::OUTSIDER, segment.payload_length());
        }
    }

    /// Advances a node's clock, and passes fresh entropy to its machine.
    pub fn jump_clock(&mut self, node: NodeIndex, ahead: Duration) {
        self.set_clock(node, ahead, None);
        let rng = self.world_rng.bytes();
        self.deliver_input(node, Input::Entropy(rng));
    }

    /// Sets the drift of a node's clock in parts per 10^9, -900,000,000 at least; positive if it is
    /// too fast.
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

    /// Closes every connection of a node at both ends; the segments in flight are lost.
    pub fn reset_links(&mut self, node: NodeIndex) {
        let Some(state) = self.nodes.get(node.index()) else { return };
        let links: Vec<ConnKey> = state.conns.values().map(|(key, _)| *key).collect();
        links.into_iter().for_each(|key| self.reset_both(key));
    }

    pub(super) fn node_states(&self) -> impl Iterator<Item = &NodeState<M>> {
        self.nodes.iter()
    }
}
