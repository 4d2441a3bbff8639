//! Who passes on what: only what a connection brought for it to pass on, each target once, and one multicast a node. Knows nothing of
//! what must arrive.

use std::collections::{BTreeMap, BTreeSet};

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_codec::{AckStatus, BroadcastId};

use crate::broadcast::book::Shared;
use crate::broadcast::node::Node;
use crate::broadcast::tap::{Frame, Heard, Says, Tap};
use crate::checker::{Checker, Violation};
use crate::fault::FaultClass;
use crate::node::NodeIndex;
use crate::watch::{Flow, Seen, Where};

/// Follows every share.
#[derive(Debug)]
pub struct Shares {
    book: Shared,
    tap: Tap,
    lives: BTreeMap<(NodeIndex, BroadcastId), Life>,
}

/// What one life of a node did with one broadcast.
#[derive(Debug, Default)]
pub struct Life {
    /// The node began it: everybody whom it is for was given to it.
    pub own: bool,
    /// Shares that came: when, for whom, whether they were others' before.
    shares: Vec<(Time, Vec<NetId>, bool)>,
    asked: BTreeSet<NetId>,
    multicasts: u32,
    /// Whom it gave it to, and how often.
    given: BTreeMap<NetId, u32>,
    /// When it gave anything away first.
    first: Option<Time>,
}

impl Life {
    /// Something came.
    pub fn got(&mut self, at: Time, from: Option<NetId>, frame: &Frame) {
        match &frame.says {
            Says::Share { list, again, .. } if frame.flow == Flow::Stream => {
                self.shares.push((at, list.clone(), *again));
            }
            Says::Answer(AckStatus::ContentWanted) => self.asked.extend(from),
            Says::Share { .. } | Says::Answer(_) => {}
        }
    }

    /// Something is sent; `near`: to somebody who may hear its multicast. What is wrong with that.
    pub fn sent(&mut self, at: Time, to: Option<NetId>, near: bool, frame: &Frame) -> Option<String> {
        let Says::Share { list, asks, again, .. } = &frame.says else { return None };
        if frame.flow == Flow::Multicast {
            self.multicasts += 1;
            return (self.multicasts > 1).then(|| "multicasts it again".to_owned());
        }
        let to = to?;
        // Who asks gets an answer; who is doubted to have heard a multicast is told of it by shares that say `again`.
        if list.is_empty() && !asks && self.asked.contains(&to) || *again && near && self.multicasts > 0 {
            return None;
        }
        let first = *self.first.get_or_insert(at);
        for node in list.iter().chain([&to]) {
            let brought =
                self.shares.iter().find(|(_, list, of)| (*again || !of) && list.binary_search(node).is_ok());
            match brought {
                _ if self.own => {}
                None => return Some(format!("passes it on to {node}, which nobody gave it")),
                Some((came, ..)) if !again && *came > first => {
                    return Some(format!("passes it on again, to {node}"));
                }
                Some(_) => {}
            }
            let given = self.given.entry(*node).or_default();
            *given += u32::from(!again);
            if !again && *given > 1 {
                return Some(format!("gives it to {node} twice"));
            }
        }
        None
    }
}

impl Shares {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(book: &Shared) -> Shares {
        Shares { book: Shared::clone(book), tap: Tap::new(), lives: BTreeMap::new() }
    }
}

impl Shares {
    /// What was given to whom, if the plan claims something of what was not.
    fn note_taken(&self, heard: &Heard) {
        let mut book = self.book.borrow_mut();
        if let Heard::Sent(Some(to), frame) = heard
            && book.plan().claims.untaken_by == Some(*to)
            && let Some(number) = book.broadcast(&frame.id).map(|said| said.say.number)
        {
            book.taken.insert((number, *to));
        }
    }
}

impl Checker<Node> for Shares {
    fn name(&self) -> &'static str {
        "shares"
    }

    fn see(&mut self, place: Where, seen: &Seen<'_, Node>) -> Result<(), Violation> {
        if matches!(seen, Seen::Started { .. }) {
            self.lives.retain(|(node, _), _| *node != place.node);
        }
        for heard in self.tap.hear(place, seen) {
            self.note_taken(&heard);
            let book = self.book.borrow();
            let id = match &heard {
                Heard::Sent(_, frame) | Heard::Got(frame) => frame.id,
            };
            let life = self.lives.entry((place.node, id)).or_default();
            life.own = book.id(place.node) == Some(id.origin);
            let wrong = match heard {
                Heard::Got(frame) => {
                    life.got(place.at, book.id(frame.from), &frame);
                    None
                }
                Heard::Sent(to, frame) => {
                    let island =
                        |node: NodeIndex| book.plan().places.get(node.at()).map(|place| place.island);
                    // Who records multicasts and sends them to another island makes nodes near that are not.
                    let replayed = book.bitten_since(Time::ZERO, &[FaultClass::OutsiderReplay]);
                    let near = replayed || to.is_some_and(|to| island(to) == island(place.node));
                    life.sent(place.at, to.and_then(|to| book.id(to)), near, &frame)
                }
            };
            if let Some(why) = wrong {
                let number = book.broadcast(&id).map_or(0, |said| said.say.number);
                let what = format!("{} has number {number} and {why}", place.node);
                return Err(Violation::safety("shares", place.at, what));
            }
        }
        Ok(())
    }
}
