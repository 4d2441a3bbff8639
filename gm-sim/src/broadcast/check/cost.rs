//! Checks cost in a world without faults: bounded copies and tree depth per node, and a multicast
//! on every island.

use std::collections::{BTreeMap, BTreeSet};

use gm_broadcast::Time;
use gm_codec::BroadcastId;

use crate::broadcast::capture::{CaptureEvent, CapturedFrame, FrameCapture, FrameContent};
use crate::broadcast::history::SharedHistory;
use crate::broadcast::node::SimBroadcaster;
use crate::broadcast::scenario::Recipients;
use crate::checker::{Checker, Violation};
use crate::node::NodeIndex;
use crate::observation::{Observation, ObservationContext, TrafficKind};
use crate::world::World;

/// Maximum number of copies of one broadcast that a node may receive: one by the tree, one by
/// multicast, and another by multicast if a distant node still has an earlier island id of another
/// node of the island, and therefore sends there twice.
const MAX_COPIES: u32 = 3;

/// Counts what each node receives of each broadcast.
#[derive(Debug)]
pub struct CostChecker {
    history: SharedHistory,
    capture: FrameCapture,
    got: BTreeMap<(BroadcastId, NodeIndex), ReceiveCounts>,
    /// Islands on which each broadcast was multicast.
    islands: BTreeSet<(BroadcastId, u32)>,
}

/// Frames of one broadcast that one node received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveCounts {
    /// Copies of the content.
    pub copies: u32,
    /// Subtrees.
    pub subtrees: u32,
    /// Number of hops of the first subtree from the origin.
    pub depth: u32,
}

impl ReceiveCounts {
    /// Counts a frame from a node at this depth. Returns an error if there are too many copies, or
    /// more than `rounds` rounds.
    pub fn add(&mut self, frame: &CapturedFrame, depth: u32, rounds: u32) -> Option<String> {
        let FrameContent::Broadcast { is_announcement, .. } = &frame.content else { return None };
        self.copies += u32::from(!is_announcement);
        if frame.flow != TrafficKind::Multicast {
            self.subtrees += 1;
            self.depth = depth + 1;
        }
        if self.copies > MAX_COPIES {
            return Some(format!("{} copies", self.copies));
        }
        if self.depth > rounds {
            return Some(format!("a copy after {} rounds", self.depth));
        }
        None
    }
}

impl CostChecker {
    /// A checker that has observed nothing yet.
    #[must_use]
    pub fn new(history: &SharedHistory) -> CostChecker {
        CostChecker {
            history: SharedHistory::clone(history),
            capture: FrameCapture::new(),
            got: BTreeMap::new(),
            islands: BTreeSet::new(),
        }
    }
}

impl Checker<SimBroadcaster> for CostChecker {
    fn name(&self) -> &'static str {
        "cost"
    }

    fn observe(
        &mut self,
        context: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
    ) -> Result<(), Violation> {
        let history = self.history.borrow();
        let from = history.plan().claims.calm_from;
        for event in self.capture.capture(context, seen, &history) {
            match event {
                CaptureEvent::Sent(_, frame) => {
                    if frame.flow == TrafficKind::Multicast
                        && let Some(at) = history.plan().locations.get(context.node.index())
                    {
                        self.islands.insert((frame.id, at.island));
                    }
                }
                CaptureEvent::Received(frame) => {
                    let Some(send) = history.broadcast(&frame.id) else { continue };
                    if from.is_none_or(|from| send.at < from) {
                        continue;
                    }
                    let rounds = (send.targets.len() + 1).next_power_of_two().ilog2() + 1;
                    let depth = self.got.get(&(frame.id, frame.from)).map_or(0, |got| got.depth);
                    let got = self.got.entry((frame.id, context.node)).or_default();
                    if let Some(why) = got.add(&frame, depth, rounds) {
                        let what =
                            format!("{} received of broadcast {}: {why}", context.node, send.planned.number);
                        return Err(Violation::safety("cost", context.at, what));
                    }
                }
            }
        }
        Ok(())
    }

    fn at_end(&mut self, world: &World<SimBroadcaster>) -> Result<(), Violation> {
        let history = self.history.borrow();
        let plan = history.plan();
        let Some(from) = plan.claims.calm_from else { return Ok(()) };
        let multicasts = |island: u32| {
            let here = plan.nodes().zip(&plan.locations).filter(|(_, location)| location.island == island);
            let here: Vec<_> = here.map(|(node, _)| node).collect();
            here.len() > 1 && !here.iter().any(|node| plan.mute.contains(node))
        };
        let islands: BTreeSet<u32> = plan.locations.iter().map(|location| location.island).collect();
        let islands: Vec<u32> = islands.into_iter().filter(|island| multicasts(*island)).collect();
        for send in history.sends.values().filter(|send| send.at >= from && send.at != Time::NEVER) {
            let Some(id) = send.id.filter(|_| {
                send.planned.length <= MAX_DATAGRAM_CONTENT && send.planned.to == Recipients::All
            }) else {
                continue;
            };
            if let Some(island) = islands.iter().find(|island| !self.islands.contains(&(id, **island))) {
                let what = format!("no node multicast broadcast {} on island {island}", send.planned.number);
                return Err(Violation::safety("cost", world.now(), what));
            }
        }
        Ok(())
    }
}

/// Maximum length of a content that fits into a datagram together with the header.
const MAX_DATAGRAM_CONTENT: usize = 500;
