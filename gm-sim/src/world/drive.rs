//! Input of a machine: passes it in, drains the outputs, and schedules the next wake.

use std::rc::Rc;

use gm_broadcast::{Input, Machine, Output, Time};

use super::{ScheduledEvent, World};
use crate::fault::FaultClass;
use crate::node::{NodeIndex, PendingInput};
use crate::observation::{Observation, ObservationContext, TrafficKind};

/// Number of wakes of one machine at one time after which it counts as an endless loop.
const MAX_REPEATED_WAKES: u32 = 10_000;

impl<M: Machine> World<M> {
    /// Passes an input to a machine, or queues it if the node is paused. Must not be called while
    /// outputs are drained.
    pub(super) fn deliver_input(&mut self, node: NodeIndex, input: Input<M::Command>) {
        let Some(input) = self.unless_paused(node, input) else { return };
        let Some(state) = self.nodes.get_mut(node.index()) else { return };
        let known = match &input {
            Input::ConnectionOpened { link, .. }
            | Input::ConnectionBytes { link, .. }
            | Input::ConnectionSent { link, .. } => state.conns.contains_key(link),
            Input::ConnectionClosed { link, .. } | Input::ConnectionRefused { link, .. } => {
                state.conns.remove(link).is_some()
            }
            Input::Datagram { .. } | Input::Entropy(_) | Input::Command(_) | Input::Wake => true,
        };
        if known {
            self.pass_input(node, input);
        } else {
            self.input_lost(node, &input);
        }
    }

    /// Passes an input to a node's machine, whatever the state of the network is: a datagram that
    /// no node sent, or an event of a connection that does not exist. For tests of what a machine
    /// must withstand.
    pub fn inject(&mut self, node: NodeIndex, input: Input<M::Command>) {
        if let Some((flow, length)) = input_bytes(&input) {
            self.observe(node, &Observation::Added { flow, length });
        }
        if let Some(input) = self.unless_paused(node, input) {
            self.pass_input(node, input);
        }
    }

    /// Returns the input, unless the node is paused: then it is queued.
    fn unless_paused(&mut self, node: NodeIndex, input: Input<M::Command>) -> Option<Input<M::Command>> {
        let Some(paused) = self.nodes.get_mut(node.index()).and_then(|state| state.paused.as_mut()) else {
            return Some(input);
        };
        paused.queue.push_back(PendingInput::Input(input));
        self.fault_happened(node, FaultClass::Pause);
        None
    }

    fn input_lost(&mut self, node: NodeIndex, input: &Input<M::Command>) {
        if let Some((flow, length)) = input_bytes(input) {
            self.observe(node, &Observation::Lost { flow, length });
        }
    }

    fn pass_input(&mut self, node: NodeIndex, input: Input<M::Command>) {
        let Some(state) = self.nodes.get(node.index()) else { return };
        let local = state.local_time(self.now);
        if state.machine.is_none() {
            self.input_lost(node, &input);
            return;
        }
        self.trace.input(self.now, node, &input);
        if let Some((flow, length)) = input_bytes(&input) {
            self.observe(node, &Observation::Arrived { flow, length });
        }
        self.observe(node, &Observation::Input(&input));
        if let Some(machine) = &mut self.nodes[node.index()].machine {
            machine.handle(local, input);
        }
        self.drain(node);
    }

    /// The drain rule: all outputs are polled before the deadline is read.
    pub(super) fn drain(&mut self, node: NodeIndex) {
        while let Some(output) = self.nodes[node.index()].machine.as_mut().and_then(Machine::poll_output) {
            match output {
                Output::Multicast(bytes) => self.multicast(node, bytes),
                Output::Datagram { to, bytes } => self.datagram(node, to, bytes),
                Output::Dial { link, to, small_segments } => self.dial(node, link, to, small_segments),
                Output::Send { link, bytes } => self.send_bytes(node, link, bytes),
                Output::Close { link } => self.close(node, link),
                Output::Deliver(delivery) => self.observe(node, &Observation::Delivered(&delivery)),
                Output::Event(event) => self.observe(node, &Observation::Event(&event)),
            }
        }
        if let Some(machine) = &self.nodes[node.index()].machine {
            for checker in &mut self.checkers {
                if let Err(violation) =
                    checker.after_input(ObservationContext { at: self.now, node }, machine)
                {
                    self.violation.get_or_insert(violation);
                }
            }
        }
        self.schedule_wake(node);
    }

    /// Schedules the next wake, unless an earlier one is scheduled, which will check the deadline
    /// again.
    pub(super) fn schedule_wake(&mut self, node: NodeIndex) {
        let now = self.now;
        let state = &mut self.nodes[node.index()];
        let Some(deadline) = state.machine.as_ref().and_then(Machine::deadline) else { return };
        let at = state.world_time(deadline).max(now);
        if at < state.next_wake {
            state.next_wake = at;
            self.queue.push(at, ScheduledEvent::Wake(node));
        }
    }

    /// Handles a wake: it is stale, early because the deadline moved, or due.
    pub(super) fn handle_wake(&mut self, node: NodeIndex) {
        let now = self.now;
        let state = &mut self.nodes[node.index()];
        if state.next_wake != now {
            return;
        }
        state.next_wake = Time::NEVER;
        if state.paused.is_some() {
            return; // The deadline is read again on resume.
        }
        let Some(deadline) = state.machine.as_ref().and_then(Machine::deadline) else { return };
        if deadline > state.local_time(now) {
            self.schedule_wake(node);
            return;
        }
        let (at, waking, repeated_wakes) = self.repeated_wakes;
        self.repeated_wakes =
            if (at, waking) == (now, node) { (at, waking, repeated_wakes + 1) } else { (now, node, 0) };
        assert!(repeated_wakes < MAX_REPEATED_WAKES, "{node} requests wakes at {now} in an endless loop");
        self.deliver_input(node, Input::Wake);
    }

    /// Handles a datagram that reached a host.
    pub(super) fn receive_packet(&mut self, to: NodeIndex, packet: Rc<super::udp::Packet>) {
        let length = packet.bytes.len();
        let flow = packet.flow();
        let limit = self.network.udp_buffer;
        let state = &mut self.nodes[to.index()];
        if let Some(paused) = &mut state.paused {
            if paused.datagram_bytes + length > limit {
                self.fault_happened(to, FaultClass::Pause);
                self.observe(to, &Observation::Lost { flow, length });
                return;
            }
            paused.datagram_bytes += length;
        }
        if state.machine.is_none() {
            self.observe(to, &Observation::Lost { flow, length });
            return;
        }
        let (from, via) = (packet.from, packet.via);
        let bytes = Rc::try_unwrap(packet).map_or_else(|shared| shared.bytes.clone(), |own| own.bytes);
        self.deliver_input(to, Input::Datagram { from, via, bytes });
    }
}

/// Kind and length of an input's network bytes.
pub(super) const fn input_bytes<C>(input: &Input<C>) -> Option<(TrafficKind, usize)> {
    match input {
        Input::Datagram { via: gm_broadcast::Via::Multicast, bytes, .. } => {
            Some((TrafficKind::Multicast, bytes.len()))
        }
        Input::Datagram { via: gm_broadcast::Via::Unicast, bytes, .. } => {
            Some((TrafficKind::Datagram, bytes.len()))
        }
        Input::ConnectionBytes { bytes, .. } => Some((TrafficKind::Stream, bytes.len())),
        _ => None,
    }
}
