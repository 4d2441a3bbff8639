//! In a calm world: nobody gets the content more than three times, or a share more than once, in
//! more rounds than halving takes; and every island is multicast to. Knows nothing of time.

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

/// Contents of one broadcast that a node may get: one by the tree, one by multicast, and one more
/// by multicast if somebody far away still has the label that another node of the island had when
/// it began, and so sends there twice.
const MAX_COPIES: u32 = 3;

/// Counts what each node gets of each broadcast.
#[derive(Debug)]
pub struct CostChecker {
    history: SharedHistory,
    capture: FrameCapture,
    got: BTreeMap<(BroadcastId, NodeIndex), ReceiveCounts>,
    /// Islands that a broadcast was multicast in.
    islands: BTreeSet<(BroadcastId, u32)>,
}

/// What one node got of one broadcast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveCounts {
    /// Contents.
    pub copies: u32,
    /// Shares.
    pub shares: u32,
    /// Hops of the first share from where it began.
    pub depth: u32,
}

impl ReceiveCounts {
    /// One frame more, of somebody so deep. `rounds`: at most so many.
    pub fn add(&mut self, frame: &CapturedFrame, depth: u32, rounds: u32) -> Option<String> {
        let FrameContent::Broadcast { is_announcement: notice, .. } = &frame.content else { return None };
        self.copies += u32::from(!notice);
        if frame.flow == TrafficKind::Stream {
            self.shares += 1;
            self.depth = depth + 1;
        }
        if self.copies > MAX_COPIES {
            return Some(format!("{} copies of it", self.copies));
        }
        if self.depth > rounds {
            return Some(format!("it after {} rounds", self.depth));
        }
        None
    }
}

impl CostChecker {
    /// Nothing seen yet.
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
        place: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
    ) -> Result<(), Violation> {
        let history = self.history.borrow();
        let from = history.plan().claims.calm_from;
        for heard in self.capture.capture(place, seen) {
            match heard {
                CaptureEvent::Sent(_, frame) => {
                    if frame.flow == TrafficKind::Multicast
                        && let Some(at) = history.plan().locations.get(place.node.index())
                    {
                        self.islands.insert((frame.id, at.island));
                    }
                }
                CaptureEvent::Received(frame) => {
                    let Some(said) = history.broadcast(&frame.id) else { continue };
                    if from.is_none_or(|from| said.at < from) {
                        continue;
                    }
                    let rounds = (said.targets.len() + 1).next_power_of_two().ilog2() + 1;
                    let depth = self.got.get(&(frame.id, frame.from)).map_or(0, |got| got.depth);
                    let got = self.got.entry((frame.id, place.node)).or_default();
                    if let Some(why) = got.add(&frame, depth, rounds) {
                        let what = format!("{} gets of number {}: {why}", place.node, said.planned.number);
                        return Err(Violation::safety("cost", place.at, what));
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
        let speaks = |island: u32| {
            let here = plan.nodes().zip(&plan.locations).filter(|(_, place)| place.island == island);
            let here: Vec<_> = here.map(|(node, _)| node).collect();
            here.len() > 1 && !here.iter().any(|node| plan.mute.contains(node))
        };
        let islands: BTreeSet<u32> = plan.locations.iter().map(|place| place.island).collect();
        let islands: Vec<u32> = islands.into_iter().filter(|island| speaks(*island)).collect();
        for said in history.sends.values().filter(|said| said.at >= from && said.at != Time::NEVER) {
            let Some(id) = said.id.filter(|_| {
                said.planned.length <= MAX_DATAGRAM_CONTENT && said.planned.to == Recipients::All
            }) else {
                continue;
            };
            if let Some(island) = islands.iter().find(|island| !self.islands.contains(&(id, **island))) {
                let what = format!("nobody multicast number {} in island {island}", said.planned.number);
                return Err(Violation::safety("cost", world.now(), what));
            }
        }
        Ok(())
    }
}

/// Bytes of a content that fits into a datagram with all that goes along.
const MAX_DATAGRAM_CONTENT: usize = 500;
