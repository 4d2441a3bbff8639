//! Checks forwarding: a node forwards only subtrees that were sent to it alone, to each target once
//! unless a datagram was not acknowledged, and multicasts a broadcast once.

use std::collections::{BTreeMap, BTreeSet};

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_codec::{AckStatus, BroadcastId};

use crate::broadcast::capture::{CaptureEvent, CapturedFrame, FrameCapture, FrameContent};
use crate::broadcast::history::SharedHistory;
use crate::broadcast::node::SimBroadcaster;
use crate::checker::{Checker, Violation};
use crate::fault::FaultClass;
use crate::node::NodeIndex;
use crate::observation::{Observation, ObservationContext, TrafficKind};

/// Follows the subtrees of every broadcast.
#[derive(Debug)]
pub struct ForwardingChecker {
    history: SharedHistory,
    capture: FrameCapture,
    states: BTreeMap<(NodeIndex, BroadcastId), ForwardingState>,
}

/// Forwarding of one broadcast by one life of a node.
#[derive(Debug, Default)]
pub struct ForwardingState {
    /// Whether the node is the origin, which may send to all targets.
    pub is_origin: bool,
    /// Subtrees received: time, targets, whether it was reassigned.
    subtrees: Vec<(Time, Vec<NetId>, bool)>,
    nacked_by: BTreeSet<NetId>,
    /// Neighbors to which it announced its multicast.
    announced_to: BTreeSet<NetId>,
    multicasts: u32,
    /// Nodes to which it was sent, with the number of times.
    sent_to: BTreeMap<NetId, u32>,
    /// Number of datagrams to each node.
    datagrams_to: BTreeMap<NetId, u32>,
    /// The node to which each target was handed last.
    relay_of: BTreeMap<NetId, NetId>,
    /// Time of the first send.
    first_sent: Option<Time>,
}

/// Datagrams with a subtree that a node may send to one other node: seven tries, and once more
/// those of a content that was announced before.
const MAX_TRIES: u32 = 14;

impl ForwardingState {
    /// Records a received frame.
    pub fn receive(&mut self, at: Time, from: Option<NetId>, frame: &CapturedFrame) {
        match &frame.content {
            FrameContent::Broadcast { targets, reassigned, .. } if frame.flow != TrafficKind::Multicast => {
                self.subtrees.push((at, targets.clone(), *reassigned));
            }
            FrameContent::Answer(AckStatus::ContentWanted) => self.nacked_by.extend(from),
            FrameContent::Broadcast { .. } | FrameContent::Answer(_) => {}
        }
    }

    /// Records a sent frame, and returns the error in it, if there is one. `near`: the receiver may
    /// receive the sender's multicast.
    pub fn send(&mut self, at: Time, to: Option<NetId>, near: bool, frame: &CapturedFrame) -> Option<String> {
        let FrameContent::Broadcast { targets, wants_acks, reassigned, is_announcement } = &frame.content
        else {
            return None;
        };
        if frame.flow == TrafficKind::Multicast {
            self.multicasts += 1;
            return (self.multicasts > 1).then(|| "it multicasts again".to_owned());
        }
        let to = to?;
        // A node that requests the content is answered. A neighbor that may have missed a multicast
        // gets a reassigned subtree.
        if targets.is_empty() && !wants_acks && self.nacked_by.contains(&to)
            || *reassigned && near && self.multicasts > 0
        {
            return None;
        }
        if targets.is_empty() && *is_announcement && near && self.multicasts > 0 {
            self.announced_to.insert(to);
            return None;
        }
        // The content follows, if the neighbor turned out to be none meanwhile.
        if targets.is_empty() && self.announced_to.contains(&to) {
            return None;
        }
        let is_datagram = frame.flow == TrafficKind::Datagram;
        let tries = self.datagrams_to.entry(to).or_default();
        *tries += u32::from(is_datagram);
        if *tries > MAX_TRIES {
            return Some(format!("it sends a datagram to {to} for the {tries}th time"));
        }
        let is_repeated = *tries > 1;
        let first = *self.first_sent.get_or_insert(at);
        for node in targets.iter().chain([&to]) {
            let subtree = self
                .subtrees
                .iter()
                .find(|(_, targets, of)| (*reassigned || !of) && targets.binary_search(node).is_ok());
            match subtree {
                _ if self.is_origin => {}
                None => return Some(format!("it forwards to {node}, a target that it was never given")),
                Some((received_at, ..)) if !reassigned && *received_at > first => {
                    return Some(format!("it forwards again, to {node}"));
                }
                Some(_) => {}
            }
            // A datagram that was not acknowledged is repeated, and another relay gets its targets.
            let before = self.relay_of.insert(*node, to);
            let unacknowledged = before.is_some_and(|relay| self.datagrams_to.get(&relay) > Some(&1));
            let count = self.sent_to.entry(*node).or_default();
            let excused = *reassigned || is_repeated || unacknowledged;
            *count += u32::from(!excused);
            if !excused && *count > 1 {
                return Some(format!("it forwards to {node} twice"));
            }
        }
        None
    }
}

impl ForwardingChecker {
    /// A checker that has observed nothing yet.
    #[must_use]
    pub fn new(history: &SharedHistory) -> ForwardingChecker {
        ForwardingChecker {
            history: SharedHistory::clone(history),
            capture: FrameCapture::new(),
            states: BTreeMap::new(),
        }
    }
}

impl ForwardingChecker {
    /// Records that a frame was sent to the node whose broadcasts the plan excepts.
    fn record_accepted(&self, event: &CaptureEvent) {
        let mut history = self.history.borrow_mut();
        if let CaptureEvent::Sent(Some(to), frame) = event
            && history.plan().claims.except_accepted_by == Some(*to)
            && let Some(number) = history.broadcast(&frame.id).map(|send| send.planned.number)
        {
            history.accepted_by.insert((number, *to));
        }
    }
}

impl Checker<SimBroadcaster> for ForwardingChecker {
    fn name(&self) -> &'static str {
        "forwarding"
    }

    fn observe(
        &mut self,
        context: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
    ) -> Result<(), Violation> {
        if matches!(seen, Observation::Started { .. }) {
            self.states.retain(|(node, _), _| *node != context.node);
        }
        let events = self.capture.capture(context, seen, &self.history.borrow());
        for event in events {
            self.record_accepted(&event);
            let history = self.history.borrow();
            let id = match &event {
                CaptureEvent::Sent(_, frame) | CaptureEvent::Received(frame) => frame.id,
            };
            let life = self.states.entry((context.node, id)).or_default();
            life.is_origin = history.id(context.node) == Some(id.origin);
            let wrong = match event {
                CaptureEvent::Received(frame) => {
                    life.receive(context.at, history.id(frame.from), &frame);
                    None
                }
                CaptureEvent::Sent(to, frame) => {
                    let island = |node: NodeIndex| {
                        history.plan().locations.get(node.index()).map(|location| location.island)
                    };
                    // Multicasts replayed on another island make distant nodes look near.
                    let replayed = history.fault_since(Time::ZERO, &[FaultClass::OutsiderReplay]);
                    let near = replayed || to.is_some_and(|to| island(to) == island(context.node));
                    life.send(context.at, to.and_then(|to| history.id(to)), near, &frame)
                }
            };
            if let Some(why) = wrong {
                let number = history.broadcast(&id).map_or(0, |send| send.planned.number);
                let what = format!("{}, broadcast {number}: {why}", context.node);
                return Err(Violation::safety("forwarding", context.at, what));
            }
        }
        Ok(())
    }
}
