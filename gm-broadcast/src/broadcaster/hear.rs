//! Our island: saying whom we hear, speaking up in quiet, asking for what was missed. Knows nothing of broadcasts.

use gm_clock::NetId;
use gm_codec::{Body, MissedMulticasts};

use super::Broadcaster;
use crate::alarm::Timer;
use crate::event::{By, Event};
use crate::handler::Handler;
use crate::hearing::ANNOUNCED;
use crate::machine::Output;
use crate::plant::{Bug, planted};
use crate::time::Time;

/// Nodes that one question is about, at most: what a datagram has room for.
const ASKED_ABOUT: usize = 16;
/// Runs of numbers of one node in one question, at most.
const RUNS: usize = 8;

impl<H: Handler> Broadcaster<H> {
    /// After anything that may have changed whom we hear, who hears us, and what we missed.
    pub(super) fn after_hearing(&mut self, now: Time) {
        let label = self.hearing.label(self.config.me);
        if label != self.label {
            self.label = label;
            self.emit(Event::Island(label));
        }
        if self.config.multicast && self.hearing.has_changes() {
            let times = self.config.times;
            let wait = times.announce + self.jitter.within(times.announce);
            self.alarms.set_if_none(Timer::Announce, now + wait);
        }
        if let Some(due) = self.gaps.due() {
            self.alarms.set_by(Timer::Gaps, due);
        }
    }

    /// Multicasts the changes of whom we hear, for their own sake.
    pub(super) fn on_announce(&mut self, now: Time) {
        self.speak(now, "changes");
        self.after_hearing(now);
    }

    /// Nobody has multicast for a while: it may be our turn.
    pub(super) fn on_quiet(&mut self, now: Time) {
        let times = self.config.times;
        let turn = self.hearing.stirred + self.hearing.turn(self.config.me, self.spoke, times.quiet);
        self.alarms.set(Timer::Quiet, if turn > now { turn } else { now + times.quiet });
        if turn <= now {
            self.speak(now, "quiet");
        }
        // Each of an island speaks once in a round of all, if nothing else is said.
        let round = times.quiet.saturating_mul(u32::try_from(self.hearing.near().len()).unwrap_or(u32::MAX));
        for node in self.hearing.silent(now, round.saturating_mul(3) + times.confirmation.saturating_mul(2)) {
            self.lose_hearing(now, node);
        }
    }

    /// We do not hear a node any longer.
    pub(super) fn lose_hearing(&mut self, now: Time, node: NetId) {
        if self.hearing.lose(node) {
            self.gaps.forget(node);
            self.emit(Event::Far(node));
            self.after_hearing(now);
        }
    }

    /// We multicast content: unless more follows, the number of it is multicast again.
    pub(super) fn expect_echo(&mut self, now: Time) {
        self.echoes = 0;
        if !planted(Bug::NoEcho) {
            self.alarms.set(Timer::Echo, now + self.config.times.echo);
        }
    }

    /// Whoever missed the last that we multicast, and would hear no later number, hears it now, and asks. Of so many near nodes who each miss a quarter, less than
    /// one has missed all echoes.
    pub(super) fn on_echo(&mut self, now: Time) {
        let near = self.hearing.near().len();
        if near == 0 {
            return;
        }
        self.speak(now, "echo");
        self.echoes += 1;
        if self.echoes < near.ilog(4) + 1 {
            let wait = self.config.times.echo.saturating_mul(1 << self.echoes.min(16));
            self.alarms.set(Timer::Echo, now + wait);
        }
    }

    fn speak(&mut self, now: Time, why: &'static str) {
        if !self.config.multicast {
            return;
        }
        self.ready_nonces();
        let header = self.direct_header(now, None, ANNOUNCED);
        match self.datagram(None, &header, &Body::HeaderOnly) {
            Some(bytes) => {
                self.counters.count("multicast", why);
                self.out.push(Output::Multicast(bytes));
            }
            None => {
                self.hearing.put_back(&header.neighbors_gained, &header.neighbors_lost);
                self.counters.count("multicast", "too long");
            }
        }
        self.stirred(now);
    }

    /// We multicast.
    pub(super) fn stirred(&mut self, now: Time) {
        self.hearing.stirred = now;
        self.spoke = Some(self.config.me);
        let turn = self.hearing.turn(self.config.me, self.spoke, self.config.times.quiet);
        self.alarms.set(Timer::Quiet, now + turn);
    }

    /// Multicasts are missing: one node of the island is asked, another one each time, then by a connection, and in the
    /// end the one that sent them.
    pub(super) fn on_gaps(&mut self, now: Time) {
        let (questions, given_up) = self.gaps.take_due(now, self.gap_pace());
        self.counters.add("gap", "given up", given_up);
        if !planted(Bug::GapsNeverAsked) {
            let near: Vec<NetId> = self.hearing.near().collect();
            let mut to_random: Vec<MissedMulticasts> = Vec::new();
            for (mut missed, tries) in questions {
                missed.runs.truncate(RUNS);
                self.counters.count("gap", "asked for");
                let random = near.get(self.jitter.place(near.len())).copied();
                match (tries, random) {
                    (0 | 1, _) if to_random.len() < ASKED_ABOUT => to_random.push(missed),
                    (0 | 1, _) => {}
                    // Where so many datagrams are lost, a connection is surer: to anybody, so that not all ask one, and then to who has it.
                    (2, Some(node)) => self.ask(now, node, vec![missed], By::Link),
                    _ => {
                        let node = missed.node;
                        self.ask(now, node, vec![missed], By::Link);
                    }
                }
            }
            if !to_random.is_empty()
                && let Some(node) = near.get(self.jitter.place(near.len()))
            {
                self.ask(now, *node, to_random, By::Datagram);
            }
        }
        if let Some(due) = self.gaps.due() {
            self.alarms.set_by(Timer::Gaps, due);
        }
    }

    fn ask(&mut self, now: Time, node: NetId, nodes: Vec<MissedMulticasts>, by: By) {
        self.send(now, node, Body::Nack(gm_codec::Nack { missed: nodes }), by);
    }
}
