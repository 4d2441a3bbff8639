//! In a calm world: nobody gets the content more than three times, or a share more than once, in more rounds than halving takes; and every
//! island is multicast to. Knows nothing of time.

use std::collections::{BTreeMap, BTreeSet};

use gm_broadcast::Time;
use gm_codec::BroadcastId;

use crate::broadcast::book::Shared;
use crate::broadcast::node::Node;
use crate::broadcast::scenario::Whom;
use crate::broadcast::tap::{Frame, Heard, Says, Tap};
use crate::checker::{Checker, Violation};
use crate::node::NodeIndex;
use crate::watch::{Flow, Seen, Where};
use crate::world::World;

/// Contents of one broadcast that a node may get: one by the tree, one by multicast, and one more by multicast if somebody far away
/// still has the label that another node of the island had when it began, and so sends there twice.
const COPIES: u32 = 3;

/// Counts what each node gets of each broadcast.
#[derive(Debug)]
pub struct Cost {
    book: Shared,
    tap: Tap,
    got: BTreeMap<(BroadcastId, NodeIndex), Got>,
    /// Islands that a broadcast was multicast in.
    islands: BTreeSet<(BroadcastId, u32)>,
}

/// What one node got of one broadcast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Got {
    /// Contents.
    pub copies: u32,
    /// Shares.
    pub shares: u32,
    /// Hops of the first share from where it began.
    pub depth: u32,
}

impl Got {
    /// One frame more, of somebody so deep. `rounds`: at most so many.
    pub fn more(&mut self, frame: &Frame, depth: u32, rounds: u32) -> Option<String> {
        let Says::Share { notice, .. } = &frame.says else { return None };
        self.copies += u32::from(!notice);
        if frame.flow == Flow::Stream {
            self.shares += 1;
            self.depth = depth + 1;
        }
        if self.copies > COPIES {
            return Some(format!("{} copies of it", self.copies));
        }
        if self.depth > rounds {
            return Some(format!("it after {} rounds", self.depth));
        }
        None
    }
}

impl Cost {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(book: &Shared) -> Cost {
        Cost { book: Shared::clone(book), tap: Tap::new(), got: BTreeMap::new(), islands: BTreeSet::new() }
    }
}

impl Checker<Node> for Cost {
    fn name(&self) -> &'static str {
        "cost"
    }

    fn see(&mut self, place: Where, seen: &Seen<'_, Node>) -> Result<(), Violation> {
        let book = self.book.borrow();
        let from = book.plan().claims.calm_from;
        for heard in self.tap.hear(place, seen) {
            match heard {
                Heard::Sent(_, frame) => {
                    if frame.flow == Flow::Multicast
                        && let Some(at) = book.plan().places.get(place.node.at())
                    {
                        self.islands.insert((frame.id, at.island));
                    }
                }
                Heard::Got(frame) => {
                    let Some(said) = book.broadcast(&frame.id) else { continue };
                    if from.is_none_or(|from| said.at < from) {
                        continue;
                    }
                    let rounds = (said.targets.len() + 1).next_power_of_two().ilog2() + 1;
                    let depth = self.got.get(&(frame.id, frame.from)).map_or(0, |got| got.depth);
                    let got = self.got.entry((frame.id, place.node)).or_default();
                    if let Some(why) = got.more(&frame, depth, rounds) {
                        let what = format!("{} gets of number {}: {why}", place.node, said.say.number);
                        return Err(Violation::safety("cost", place.at, what));
                    }
                }
            }
        }
        Ok(())
    }

    fn at_end(&mut self, world: &World<Node>) -> Result<(), Violation> {
        let book = self.book.borrow();
        let plan = book.plan();
        let Some(from) = plan.claims.calm_from else { return Ok(()) };
        let speaks = |island: u32| {
            let here = plan.nodes().zip(&plan.places).filter(|(_, place)| place.island == island);
            let here: Vec<_> = here.map(|(node, _)| node).collect();
            here.len() > 1 && !here.iter().any(|node| plan.mute.contains(node))
        };
        let islands: BTreeSet<u32> = plan.places.iter().map(|place| place.island).collect();
        let islands: Vec<u32> = islands.into_iter().filter(|island| speaks(*island)).collect();
        for said in book.said.values().filter(|said| said.at >= from && said.at != Time::NEVER) {
            let Some(id) = said.id.filter(|_| said.say.length <= FITS && said.say.to == Whom::All) else {
                continue;
            };
            if let Some(island) = islands.iter().find(|island| !self.islands.contains(&(id, **island))) {
                let what = format!("nobody multicast number {} in island {island}", said.say.number);
                return Err(Violation::safety("cost", world.now(), what));
            }
        }
        Ok(())
    }
}

/// Bytes of a content that fits into a datagram with all that goes along.
const FITS: usize = 500;
