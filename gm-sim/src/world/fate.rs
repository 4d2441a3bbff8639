//! Nodes start, die, are paused and go on. Knows not why.

use std::time::Duration;

use gm_broadcast::{Input, Machine, Time};

use super::drive::length;
use super::{World, spread};
use crate::conn::{ConnKey, Stage, Wire};
use crate::fault::FaultClass;
use crate::node::{Birth, Frozen, Node, NodeIndex, Waiting};
use crate::watch::Seen;

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
        let Some(state) = self.nodes.get_mut(node.at()) else { return };
        if state.machine.is_some() {
            return;
        }
        let restarts = state.life;
        let birth = Birth {
            node,
            place: state.place,
            restarts,
            seed: spread(self.seed, 1 + u64::from(node.0), u64::from(restarts)),
            now: state.local(now),
            param: state.param,
            wrong_key: state.wrong_key,
        };
        state.life += 1;
        state.host_up = true;
        state.busy_until = now;
        state.wake_at = Time::NEVER;
        state.machine = Some((self.factory)(&birth));
        let wrong_key = state.wrong_key;
        self.trace.note(now, node, || format!("started, {restarts} times before"));
        self.see(node, &Seen::Started { restarts });
        if wrong_key {
            self.bite(node, FaultClass::WrongKey);
        }
        self.drain(node);
    }

    /// What the factory is told at the next start.
    pub fn set_param(&mut self, node: NodeIndex, param: u64) {
        if let Some(state) = self.nodes.get_mut(node.at()) {
            state.param = param;
        }
    }

    /// The process dies. Its host closes its connections, refuses new ones and throws datagrams away.
    pub fn crash(&mut self, node: NodeIndex) {
        if self.end(node) {
            for (key, side) in self.links_of(node) {
                self.drop_end(key, side);
                self.transmit(key, side, Wire::Reset);
                self.bury(key);
            }
        }
    }

    /// The host dies with the process: nobody answers, nobody is told.
    pub fn kill_host(&mut self, node: NodeIndex) {
        let running = self.end(node);
        let Some(state) = self.nodes.get_mut(node.at()) else { return };
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
            self.bury(key);
        }
    }

    fn links_of(&mut self, node: NodeIndex) -> Vec<(ConnKey, u8)> {
        std::mem::take(&mut self.nodes[node.at()].links).into_values().collect()
    }

    /// The process is no more; says whether it was.
    fn end(&mut self, node: NodeIndex) -> bool {
        let Some(state) = self.nodes.get_mut(node.at()) else { return false };
        let running = state.machine.take().is_some();
        let waiting = state.frozen.take().map(|frozen| frozen.waiting).unwrap_or_default();
        for thing in waiting {
            match thing {
                Waiting::Input(input) => {
                    if let Some((flow, length)) = length(&input) {
                        self.see(node, &Seen::Lost { flow, length });
                    }
                }
                Waiting::Wire(_, _, wire) => self.stream_lost(node, wire.length()),
                Waiting::Read(..) => {}
            }
        }
        if running {
            self.trace.note(self.now, node, || "ended".to_owned());
            self.see(node, &Seen::Ended);
        }
        running
    }

    /// An end whose program is no more: what it had not sent, and not read, is lost.
    fn drop_end(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[side as usize];
        let node = end.node;
        let lost = end.outbox.drain(..).map(|bytes| bytes.len()).sum::<usize>()
            + end.held.drain(..).map(|wire| wire.length()).sum::<usize>()
            + end.inbox.drain(..).len();
        (end.stage, end.closing) = (Stage::Done, false);
        self.stream_lost(node, lost);
    }

    /// The process stops where it is. Its kernel goes on: it accepts connections and keeps what comes.
    pub fn pause(&mut self, node: NodeIndex) {
        let Some(state) = self.nodes.get_mut(node.at()) else { return };
        if state.machine.is_some() && state.frozen.is_none() {
            state.frozen = Some(Box::new(Frozen::new()));
            self.trace.note(self.now, node, || "paused".to_owned());
            self.see(node, &Seen::Paused);
        }
    }

    /// It goes on, and handles at once and in order what came meanwhile; then it is woken, if that was due.
    pub fn resume(&mut self, node: NodeIndex) {
        let Some(state) = self.nodes.get_mut(node.at()) else { return };
        let Some(frozen) = state.frozen.take() else { return };
        self.trace.note(self.now, node, || "goes on".to_owned());
        self.see(node, &Seen::Resumed);
        for thing in frozen.waiting {
            match thing {
                Waiting::Input(input) => self.give(node, input),
                Waiting::Wire(key, side, wire) => self.take_waiting(key, side, wire),
                Waiting::Read(key, side) => self.read_slowly(key, side),
            }
        }
        self.arm(node);
    }

    fn take_waiting(&mut self, key: ConnKey, side: u8, wire: Wire) {
        if self.conns.get(key).is_some() {
            self.take(key, side, wire);
        } else {
            self.stream_lost(NodeIndex::OUTSIDER, wire.length());
        }
    }

    /// A node's clock shows so much more from now on, and its machine gets fresh chance.
    pub fn jump_clock(&mut self, node: NodeIndex, ahead: Duration) {
        self.set_clock(node, ahead, None);
        let chance = self.own_chance.bytes();
        self.give(node, Input::Entropy(chance));
    }

    /// A node's clock is so many parts in 10^9 too fast from now on; at least -900,000,000.
    pub fn drift_clock(&mut self, node: NodeIndex, drift: i32) {
        self.set_clock(node, Duration::ZERO, Some(drift));
    }

    fn set_clock(&mut self, node: NodeIndex, ahead: Duration, drift: Option<i32>) {
        let now = self.now;
        let Some(state) = self.nodes.get_mut(node.at()) else { return };
        let clock = state.clock.as_deref().copied().unwrap_or_default();
        state.clock = Some(Box::new(clock.changed(now, ahead, drift)));
        self.arm(node);
    }

    /// Every connection of a node ends at both ends, and what is on its way is lost.
    pub fn reset_links(&mut self, node: NodeIndex) {
        let Some(state) = self.nodes.get(node.at()) else { return };
        let links: Vec<ConnKey> = state.links.values().map(|(key, _)| *key).collect();
        links.into_iter().for_each(|key| self.sever(key));
    }

    pub(super) fn each_node(&self) -> impl Iterator<Item = &Node<M>> {
        self.nodes.iter()
    }
}
