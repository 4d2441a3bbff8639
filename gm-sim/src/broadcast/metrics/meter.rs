//! Who got what when, and how long frames were: what a row is made of. Changes nothing in the world.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use gm_broadcast::{Path, Time};

use crate::broadcast::node::Node;
use crate::checker::{Checker, Violation};
use crate::node::NodeIndex;
use crate::watch::{Flow, Seen, Where};

/// Bytes that each end of a connection sends first: no frame.
pub(super) const OPENING: usize = 16;

/// Looks on.
#[derive(Debug)]
pub(super) struct Meter {
    nodes: usize,
    origin: NodeIndex,
    /// When each node had it, by what the world calls it.
    came: BTreeMap<u64, Came>,
    /// Lengths of the frames on connections, of the origin and of the others.
    frames: [Lengths; 2],
    /// Who dies when a share comes; taken out of it then.
    doomed: Vec<bool>,
    struck: Vec<NodeIndex>,
}

/// When a broadcast came to whom.
#[derive(Clone, Debug)]
struct Came {
    at: Vec<Time>,
    last: Time,
    nodes: usize,
    /// How many had it by multicast.
    multicast: usize,
}

#[derive(Clone, Copy, Debug)]
struct Lengths {
    frames: u64,
    bytes: u64,
    shortest: u64,
}

impl Meter {
    pub(super) fn new(nodes: u32, origin: NodeIndex) -> Rc<RefCell<Meter>> {
        let none = Lengths { frames: 0, bytes: 0, shortest: u64::MAX };
        Rc::new(RefCell::new(Meter {
            nodes: nodes as usize,
            origin,
            came: BTreeMap::new(),
            frames: [none; 2],
            doomed: vec![false; nodes as usize],
            struck: Vec::new(),
        }))
    }

    /// That node dies when something comes by a connection.
    pub(super) fn doom(&mut self, node: NodeIndex) {
        self.doomed[node.at()] = true;
    }

    /// Who is to die now.
    pub(super) fn struck(&mut self) -> Vec<NodeIndex> {
        std::mem::take(&mut self.struck)
    }

    pub(super) const fn strikes(&self) -> bool {
        !self.struck.is_empty()
    }

    /// How many have it, without the origin.
    pub(super) fn have(&self, number: u64) -> usize {
        self.came.get(&number).map_or(0, |came| came.nodes)
    }

    /// How many had it by multicast.
    pub(super) fn by_multicast(&self, number: u64) -> usize {
        self.came.get(&number).map_or(0, |came| came.multicast)
    }

    /// Whether that node has it.
    pub(super) fn has(&self, number: u64, node: NodeIndex) -> bool {
        self.came.get(&number).is_some_and(|came| came.at[node.at()] != Time::NEVER)
    }

    /// When the last of those who have it had it.
    pub(super) fn last(&self, number: u64) -> Time {
        self.came.get(&number).map_or(Time::ZERO, |came| came.last)
    }

    /// When the last of some had it; of those who have it.
    pub(super) fn last_of(&self, number: u64, nodes: impl Iterator<Item = NodeIndex>) -> Time {
        let Some(came) = self.came.get(&number) else { return Time::ZERO };
        nodes.map(|node| came.at[node.at()]).filter(|at| *at != Time::NEVER).max().unwrap_or(Time::ZERO)
    }

    /// Bytes of frames beyond the shortest one of the same sender, the origin or another: what lists cost, if frames differ in nothing
    /// else. Only the origin's frames need not say who began the broadcast.
    pub(super) fn addressing(&self) -> u64 {
        self.frames.iter().map(|of| of.bytes - of.shortest.min(of.bytes) * of.frames).sum()
    }
}

impl Checker<Node> for Meter {
    fn name(&self) -> &'static str {
        "meter"
    }

    fn see(&mut self, place: Where, seen: &Seen<'_, Node>) -> Result<(), Violation> {
        match seen {
            Seen::Delivered(mail) => {
                let nodes = self.nodes;
                let fresh =
                    || Came { at: vec![Time::NEVER; nodes], last: Time::ZERO, nodes: 0, multicast: 0 };
                let came = self.came.entry(mail.number).or_insert_with(fresh);
                let at = &mut came.at[place.node.at()];
                if *at == Time::NEVER {
                    *at = place.at;
                    came.last = place.at;
                    came.nodes += 1;
                    came.multicast += usize::from(mail.path == Path::Multicast);
                }
                if mail.path == Path::Connection && std::mem::take(&mut self.doomed[place.node.at()]) {
                    self.struck.push(place.node);
                }
            }
            Seen::Sent { flow: Flow::Stream, bytes, .. } if bytes.len() > OPENING => {
                let of = &mut self.frames[usize::from(place.node != self.origin)];
                of.frames += 1;
                of.bytes += bytes.len() as u64;
                of.shortest = of.shortest.min(bytes.len() as u64);
            }
            _ => {}
        }
        Ok(())
    }
}
