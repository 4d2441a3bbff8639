//! Who passes on what: only what a connection brought for it to pass on, each target once, and one
//! multicast a node. Knows nothing of what must arrive.

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

/// Follows every share.
#[derive(Debug)]
pub struct ForwardingChecker {
    history: SharedHistory,
    capture: FrameCapture,
    states: BTreeMap<(NodeIndex, BroadcastId), ForwardingState>,
}

/// What one life of a node did with one broadcast.
#[derive(Debug, Default)]
pub struct ForwardingState {
    /// The node began it: everybody whom it is for was given to it.
    pub is_origin: bool,
    /// Shares that came: when, for whom, whether they were others' before.
    subtrees: Vec<(Time, Vec<NetId>, bool)>,
    nacked_by: BTreeSet<NetId>,
    multicasts: u32,
    /// Whom it gave it to, and how often.
    sent_to: BTreeMap<NetId, u32>,
    /// When it gave anything away first.
    first_sent: Option<Time>,
}

impl ForwardingState {
    /// Something came.
    pub fn receive(&mut self, at: Time, from: Option<NetId>, frame: &CapturedFrame) {
        match &frame.content {
            FrameContent::Broadcast { targets: list, reassigned: again, .. }
                if frame.flow == TrafficKind::Stream =>
            {
                self.subtrees.push((at, list.clone(), *again));
            }
            FrameContent::Answer(AckStatus::ContentWanted) => self.nacked_by.extend(from),
            FrameContent::Broadcast { .. } | FrameContent::Answer(_) => {}
        }
    }

    /// Something is sent; `near`: to somebody who may hear its multicast. What is wrong with that.
    pub fn send(&mut self, at: Time, to: Option<NetId>, near: bool, frame: &CapturedFrame) -> Option<String> {
        let FrameContent::Broadcast { targets: list, wants_acks: asks, reassigned: again, .. } =
            &frame.content
        else {
            return None;
        };
        if frame.flow == TrafficKind::Multicast {
            self.multicasts += 1;
            return (self.multicasts > 1).then(|| "multicasts it again".to_owned());
        }
        let to = to?;
        // Who asks gets an answer; who is doubted to have heard a multicast is told of it by shares
        // that say `again`.
        if list.is_empty() && !asks && self.nacked_by.contains(&to) || *again && near && self.multicasts > 0 {
            return None;
        }
        let first = *self.first_sent.get_or_insert(at);
        for node in list.iter().chain([&to]) {
            let brought = self
                .subtrees
                .iter()
                .find(|(_, list, of)| (*again || !of) && list.binary_search(node).is_ok());
            match brought {
                _ if self.is_origin => {}
                None => return Some(format!("passes it on to {node}, which nobody gave it")),
                Some((came, ..)) if !again && *came > first => {
                    return Some(format!("passes it on again, to {node}"));
                }
                Some(_) => {}
            }
            let given = self.sent_to.entry(*node).or_default();
            *given += u32::from(!again);
            if !again && *given > 1 {
                return Some(format!("gives it to {node} twice"));
            }
        }
        None
    }
}

impl ForwardingChecker {
    /// Nothing seen yet.
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
    /// What was given to whom, if the plan claims something of what was not.
    fn record_accepted(&self, heard: &CaptureEvent) {
        let mut history = self.history.borrow_mut();
        if let CaptureEvent::Sent(Some(to), frame) = heard
            && history.plan().claims.except_accepted_by == Some(*to)
            && let Some(number) = history.broadcast(&frame.id).map(|said| said.planned.number)
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
        place: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
    ) -> Result<(), Violation> {
        if matches!(seen, Observation::Started { .. }) {
            self.states.retain(|(node, _), _| *node != place.node);
        }
        for heard in self.capture.capture(place, seen) {
            self.record_accepted(&heard);
            let history = self.history.borrow();
            let id = match &heard {
                CaptureEvent::Sent(_, frame) | CaptureEvent::Received(frame) => frame.id,
            };
            let life = self.states.entry((place.node, id)).or_default();
            life.is_origin = history.id(place.node) == Some(id.origin);
            let wrong = match heard {
                CaptureEvent::Received(frame) => {
                    life.receive(place.at, history.id(frame.from), &frame);
                    None
                }
                CaptureEvent::Sent(to, frame) => {
                    let island = |node: NodeIndex| {
                        history.plan().locations.get(node.index()).map(|place| place.island)
                    };
                    // Who records multicasts and sends them to another island makes nodes near that
                    // are not.
                    let replayed = history.fault_since(Time::ZERO, &[FaultClass::OutsiderReplay]);
                    let near = replayed || to.is_some_and(|to| island(to) == island(place.node));
                    life.send(place.at, to.and_then(|to| history.id(to)), near, &frame)
                }
            };
            if let Some(why) = wrong {
                let number = history.broadcast(&id).map_or(0, |said| said.planned.number);
                let what = format!("{} has number {number} and {why}", place.node);
                return Err(Violation::safety("forwarding", place.at, what));
            }
        }
        Ok(())
    }
}
