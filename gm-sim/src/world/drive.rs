//! A machine is given an input, its outputs are taken, and its next wake is noted. Knows not where inputs come from.

use std::rc::Rc;

use gm_broadcast::{Input, Machine, Output, Time};

use super::{What, World};
use crate::fault::FaultClass;
use crate::node::{NodeIndex, Waiting};
use crate::watch::{Flow, Seen, Where};

/// Wakes of one machine at one time, after which it is said to spin.
const SPINS: u32 = 10_000;

impl<M: Machine> World<M> {
    /// Gives an input, or lets it wait if the node is paused. Never while outputs are taken.
    pub(super) fn give(&mut self, node: NodeIndex, input: Input<M::Command>) {
        let Some(state) = self.nodes.get_mut(node.at()) else { return };
        if let Some(frozen) = &mut state.frozen {
            frozen.waiting.push_back(Waiting::Input(input));
            self.bite(node, FaultClass::Pause);
            return;
        }
        let length = length(&input);
        let known = match &input {
            Input::ConnectionOpened { link, .. }
            | Input::ConnectionBytes { link, .. }
            | Input::ConnectionSent { link, .. } => state.links.contains_key(link),
            Input::ConnectionClosed { link, .. } | Input::ConnectionRefused { link, .. } => {
                state.links.remove(link).is_some()
            }
            Input::Datagram { .. } | Input::Entropy(_) | Input::Command(_) | Input::Wake => true,
        };
        let local = state.local(self.now);
        if state.machine.is_none() || !known {
            if let Some((flow, length)) = length {
                self.see(node, &Seen::Lost { flow, length });
            }
            return;
        }
        self.trace.input(self.now, node, &input);
        if let Some((flow, length)) = length {
            self.see(node, &Seen::Arrived { flow, length });
        }
        self.see(node, &Seen::Input(&input));
        if let Some(machine) = &mut self.nodes[node.at()].machine {
            machine.handle(local, input);
        }
        self.drain(node);
    }

    /// The drain rule: every output is taken, then the deadline is asked for.
    pub(super) fn drain(&mut self, node: NodeIndex) {
        while let Some(output) = self.nodes[node.at()].machine.as_mut().and_then(Machine::poll_output) {
            match output {
                Output::Multicast(bytes) => self.multicast(node, bytes),
                Output::Datagram { to, bytes } => self.datagram(node, to, bytes),
                Output::Dial { link, to, small_segments: _ } => self.dial(node, link, to),
                Output::Send { link, bytes } => self.send_on(node, link, bytes),
                Output::Close { link } => self.close(node, link),
                Output::Deliver(delivery) => self.see(node, &Seen::Delivered(&delivery)),
                Output::Event(event) => self.see(node, &Seen::Event(&event)),
            }
        }
        if let Some(machine) = &self.nodes[node.at()].machine {
            for checker in &mut self.checkers {
                if let Err(violation) = checker.settled(Where { at: self.now, node }, machine) {
                    self.violation.get_or_insert(violation);
                }
            }
        }
        self.arm(node);
    }

    /// Puts the next wake into the queue, unless an earlier one is there, which will look again.
    pub(super) fn arm(&mut self, node: NodeIndex) {
        let now = self.now;
        let state = &mut self.nodes[node.at()];
        let Some(deadline) = state.machine.as_ref().and_then(Machine::deadline) else { return };
        let at = state.world(deadline).max(now);
        if at < state.wake_at {
            state.wake_at = at;
            self.queue.push(at, What::Wake(node));
        }
    }

    /// A wake of the queue: stale, early because the deadline moved, or due.
    pub(super) fn wake(&mut self, node: NodeIndex) {
        let now = self.now;
        let state = &mut self.nodes[node.at()];
        if state.wake_at != now {
            return;
        }
        state.wake_at = Time::NEVER;
        if state.frozen.is_some() {
            return; // Looked at again when it goes on.
        }
        let Some(deadline) = state.machine.as_ref().and_then(Machine::deadline) else { return };
        if deadline > state.local(now) {
            self.arm(node);
            return;
        }
        let (at, who, spins) = self.spins;
        self.spins = if (at, who) == (now, node) { (at, who, spins + 1) } else { (now, node, 0) };
        assert!(spins < SPINS, "{node} wants to be woken at {now} for ever");
        self.give(node, Input::Wake);
    }

    /// A datagram reached a host.
    pub(super) fn packet(&mut self, to: NodeIndex, packet: Rc<super::udp::Packet>) {
        let length = packet.bytes.len();
        let flow = packet.flow();
        let most = self.network.udp_buffer;
        let state = &mut self.nodes[to.at()];
        if let Some(frozen) = &mut state.frozen {
            if frozen.datagrams + length > most {
                self.bite(to, FaultClass::Pause);
                self.see(to, &Seen::Lost { flow, length });
                return;
            }
            frozen.datagrams += length;
        }
        if state.machine.is_none() {
            self.see(to, &Seen::Lost { flow, length });
            return;
        }
        let (from, via) = (packet.from, packet.via);
        let bytes = Rc::try_unwrap(packet).map_or_else(|shared| shared.bytes.clone(), |own| own.bytes);
        self.give(to, Input::Datagram { from, via, bytes });
    }
}

/// What of an input counts as bytes of the network.
pub(super) const fn length<C>(input: &Input<C>) -> Option<(Flow, usize)> {
    match input {
        Input::Datagram { via: gm_broadcast::Via::Multicast, bytes, .. } => {
            Some((Flow::Multicast, bytes.len()))
        }
        Input::Datagram { via: gm_broadcast::Via::Unicast, bytes, .. } => Some((Flow::Datagram, bytes.len())),
        Input::ConnectionBytes { bytes, .. } => Some((Flow::Stream, bytes.len())),
        _ => None,
    }
}
