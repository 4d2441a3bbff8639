//! Schedule of anti-entropy: when exchanges start, and by which transport. The interval is short
//! while nodes differ, and backs off while they agree.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::{BroadcastCommand, Path, Time, Transport};
use gm_clock::NetId;

use super::answer_times::AnswerTimes;
use crate::config::NodeTiming;
use crate::groups::HostedGroup;
use crate::node::context::{Context, Route};
use crate::node::timers::NodeTimer;

/// State of the exchange schedule.
#[derive(Debug)]
pub(super) struct ExchangeSchedule {
    /// Current interval between exchanges.
    interval: Duration,
    /// The peer that was asked and has not answered, and the transport.
    pending: Option<Route>,
    answer_times: AnswerTimes,
    /// Consecutive exchanges that found a difference, by peer. A path that loses large datagrams
    /// would show the same difference for ever.
    differing: BTreeMap<NetId, u32>,
    /// Consecutive exchanges without an answer.
    unanswered: u32,
    /// Time of the last exchange that was started or due.
    started_at: Option<Time>,
    /// Number of exchanges started.
    exchanges: u64,
    /// Number of exchanges that found no difference.
    equal_exchanges: u64,
}

/// Consecutive exchanges without an answer, after which the schedule stops retrying at the exchange
/// timeout and backs off.
const MAX_UNANSWERED: u32 = 8;
/// Newcomer period, after a start or a join. A newcomer exchanges more often with any peers, and
/// does not back off.
pub(in crate::node) const NEWCOMER_PERIOD: Duration = Duration::from_secs(2);
/// Consecutive exchanges that found a difference, after which exchanges with that peer go by a
/// connection.
const MAX_DIFFERING: u32 = 4;
/// Maximum number of peers for which such exchanges are counted.
const MAX_DIFFERING_PEERS: usize = 256;

impl ExchangeSchedule {
    pub(super) fn new(interval: Duration) -> ExchangeSchedule {
        ExchangeSchedule {
            interval,
            pending: None,
            answer_times: AnswerTimes::default(),
            differing: BTreeMap::new(),
            unanswered: 0,
            started_at: None,
            exchanges: 0,
            equal_exchanges: 0,
        }
    }

    /// Consecutive exchanges without an answer.
    pub(super) const fn unanswered(&self) -> u32 {
        self.unanswered
    }

    /// Schedules the first exchange, at a random time within the shortest interval.
    pub(super) fn start(&self, cx: &mut Context) {
        let first = cx.rng.duration_up_to(cx.config.timing.exchange_interval_min);
        cx.timers.set(NodeTimer::Exchange, cx.now + first);
    }

    /// Starts the next exchange after this time, or up to half of it later.
    pub(super) fn postpone(&self, cx: &mut Context, interval: Duration) {
        let next = cx.now + interval + cx.rng.duration_up_to(interval / 2);
        cx.timers.set(NodeTimer::Exchange, next);
    }

    /// Shortens the interval, and starts the next exchange within it.
    pub(super) fn hasten(&mut self, cx: &mut Context, interval: Duration) {
        self.interval = self.interval.min(interval);
        schedule_within(cx, interval);
    }

    /// After an own change, starts an exchange when its broadcast should be over: this node is the
    /// one that looks whether it reached the members. Further changes within two active intervals
    /// are compared at that interval.
    pub(super) fn on_own_change(&mut self, cx: &mut Context) {
        let NodeTiming { exchange_interval_min: soon, exchange_interval_active: active, .. } =
            cx.config.timing;
        self.hasten(cx, active);
        if self.started_at.is_none_or(|at| cx.now.since(at) >= active * 2) {
            schedule_within(cx, soon);
        }
    }

    /// Whether the answer to the exchange that runs may still come: then the next one waits for it.
    pub(super) fn waits_for_answer(&self, cx: &mut Context) -> bool {
        let until = self
            .pending
            .and_then(|(node, _)| self.answer_times.awaited_until(node, &cx.config.timing))
            .filter(|until| *until > cx.now);
        if let Some(until) = until {
            cx.timers.set(NodeTimer::Exchange, until);
        }
        until.is_some()
    }

    /// Ends the exchange that runs. Returns its partner and transport if it was not answered.
    pub(super) fn end_exchange(&mut self) -> Option<Route> {
        let unanswered = self.pending.take();
        if unanswered.is_some() {
            self.unanswered = self.unanswered.saturating_add(1);
        }
        unanswered
    }

    /// Counts an exchange that starts; returns their number.
    pub(super) const fn count_exchange(&mut self) -> u64 {
        self.exchanges = self.exchanges.wrapping_add(1);
        self.exchanges
    }

    /// Schedules the next exchange after one was started with this partner, if one was found.
    pub(super) fn on_started(&mut self, cx: &mut Context, partner: Option<Route>) {
        let timing = cx.config.timing;
        self.started_at = Some(cx.now);
        if let Some((node, _)) = partner {
            self.answer_times.on_asked(cx.now, node);
            self.pending = partner;
        }
        let pause = match (partner, self.unanswered) {
            (Some(_), ..=MAX_UNANSWERED) => {
                let pause = timing.exchange_timeout.min(self.interval.max(timing.exchange_interval_min));
                pause.max(self.answer_times.timeout(&timing))
            }
            _ => self.interval,
        };
        schedule_after(cx, pause);
        if self.unanswered > MAX_UNANSWERED {
            self.interval = (self.interval * 2).min(timing.exchange_interval_max);
        }
    }

    /// Handles a message as a sign of life; returns whether it is from the peer that was asked,
    /// which has then answered. `is_reply`: whether it can only be a reply.
    pub(super) fn on_message(&mut self, cx: &mut Context, from: NetId, path: Path, is_reply: bool) -> bool {
        self.answer_times.on_heard(cx.now, from);
        if std::mem::take(&mut self.unanswered) > MAX_UNANSWERED {
            // This node was cut off, and other members may have written meanwhile.
            cx.groups.hosted.values_mut().for_each(HostedGroup::mark_unsettled);
        }
        let Some((_, by)) = self.pending.take_if(|(node, _)| *node == from) else { return false };
        if is_reply && (by, path) == (Transport::Udp, Path::Datagram) {
            cx.command(BroadcastCommand::Answered(from));
        }
        true
    }

    /// The transport to a peer, given the preferred one: a connection, if consecutive exchanges
    /// with the peer found a difference. Then large datagrams may be lost, or there is much to
    /// send.
    pub(super) fn transport_for(&self, peer: NetId, preferred: Transport) -> Transport {
        let differing = self.differing.get(&peer).copied().unwrap_or(0);
        if differing >= MAX_DIFFERING { Transport::Tcp } else { preferred }
    }

    /// Ends the run of differing exchanges with a peer.
    pub(super) fn end_differing(&mut self, with: NetId) {
        self.differing.remove(&with);
    }

    /// Handles an answer without a difference; if all is settled, the interval backs off. Returns
    /// the number of such answers.
    pub(super) fn on_equal(&mut self, cx: &mut Context, is_settled: bool) -> u64 {
        self.equal_exchanges += 1;
        schedule_after(cx, self.interval);
        if is_settled {
            self.interval = (self.interval * 2).min(cx.config.timing.exchange_interval_max);
        }
        self.equal_exchanges
    }

    /// Handles an exchange that found a difference.
    pub(super) fn on_difference(&mut self, cx: &mut Context, with: NetId) {
        if self.differing.len() >= MAX_DIFFERING_PEERS && !self.differing.contains_key(&with) {
            self.differing.pop_first();
        }
        let differing = self.differing.entry(with).or_default();
        *differing = differing.saturating_add(1);
        let fast = cx.config.timing.exchange_interval_min;
        self.hasten(cx, fast);
        if cx.is_newcomer() {
            // With many newcomers, each exchange doubles what a node knows. Of 2,000 nodes that
            // start at once, the last one is complete after 1.8 s instead of 2.05 s.
            schedule_within(cx, fast / 2);
        }
    }
}

/// Starts the next exchange after an interval, an eighth shorter or longer.
fn schedule_after(cx: &mut Context, interval: Duration) {
    let next = cx.now + interval - interval / 8 + cx.rng.duration_up_to(interval / 4);
    cx.timers.set(NodeTimer::Exchange, next);
}

/// Starts the next exchange within an interval, at a random time, so that nodes that heard of the
/// same event do not all exchange at once.
fn schedule_within(cx: &mut Context, interval: Duration) {
    let at = cx.now + interval / 2 + cx.rng.duration_up_to(interval / 2);
    cx.timers.set_by(NodeTimer::Exchange, at);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
