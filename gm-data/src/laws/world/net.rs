//! What goes from node to node in the small world: the crate's piece and its twin's, side by side.

use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

use gm_clock::NetId;

use super::super::check;
use super::super::twin::Did;
use super::{NODES, Node, Piece, World, group, id};
use crate::{Applied, Message, Transfer, Version};

impl World {
    pub(super) fn send_state(&mut self, from: usize, to: usize, mask: u8) {
        if self.nodes[from].dead {
            return;
        }
        let wanted = |member: &NetId| (0..NODES).any(|n| id(n) == *member && mask & (1 << n) != 0);
        let node = &self.nodes[from];
        let members: Vec<NetId> = node.twin.records.keys().copied().filter(wanted).collect();
        let twin = members.iter().map(|member| (*member, node.twin.records[member].clone())).collect();
        let real = node.real.state().records_for(members);
        self.net.push((to, Piece::State(real, twin)));
    }

    pub(super) fn send_transfer(
        &mut self,
        from: usize,
        to: usize,
        member: NetId,
        stale: usize,
    ) -> Result<(), String> {
        let shown = self.nodes[to].shown.get(&member).cloned().unwrap_or_default();
        let known = shown.iter().rev().nth(stale % (shown.len() + 1)).copied();
        let node = &self.nodes[from];
        if node.dead {
            return Ok(());
        }
        if let Some(piece) = handed_over(node, member, known)? {
            self.net.push((to, piece));
        }
        Ok(())
    }

    pub(super) fn deliver(&mut self, to: usize, piece: &Piece) -> Result<(), String> {
        let (moment, node) = (self.moment(), &mut self.nodes[to]);
        if node.dead {
            return Ok(());
        }
        let own = node.real.own().map(crate::Record::version);
        match piece {
            Piece::State(real, twin) => {
                node.real.hear(real, moment).map_err(|why| format!("{why:?}"))?;
                twin.iter().for_each(|(member, record)| node.twin.hear(*member, record, 0));
            }
            Piece::Increment(real, twin, whole) => {
                let (did, twin_did) =
                    (node.real.hear_increment(real, moment).0, node.twin.hear_increment(twin, 0));
                let same = matches!(
                    (did, twin_did),
                    (Applied::Applied, Did::Applied)
                        | (Applied::Known, Did::Known)
                        | (Applied::Ask, Did::Ask)
                );
                if !same {
                    return Err(format!("increment {real:?}: {did:?}, but the twin {twin_did:?}"));
                }
                if did == Applied::Applied {
                    check::stands_for(node, real, whole)?;
                }
                let counted = match did {
                    Applied::Applied => "increment applied",
                    Applied::Known => "increment known",
                    Applied::Ask => "increment asked about",
                    Applied::Refused => return Err("nothing was evicted".into()),
                };
                self.count(counted);
            }
        }
        if self.nodes[to].real.own().map(crate::Record::version) != own {
            self.count("re-assertion");
        }
        self.note_owned(to);
        Ok(())
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.happened.entry(what).or_default() += 1;
    }

    /// No faults any more: everybody exchanges with everybody until nothing moves, within a bound.
    pub(super) fn heal(&mut self) -> Result<(), String> {
        self.net.clear();
        // A record may have to go to its owner, be re-asserted there, and go to everybody: three rounds, and one in which
        // nothing happens; the chain of nodes can make each of them one longer.
        for _ in 0..8 {
            let mut moved = false;
            for (from, to) in (0..NODES * NODES).map(|pair| (pair / NODES, pair % NODES)) {
                moved |= self.exchange(from, to)?;
            }
            self.after().map_err(|why| format!("while healing: {why}"))?;
            if !moved {
                return Ok(());
            }
        }
        Err(String::from("the nodes still exchange after 8 rounds without faults"))
    }

    /// What anti-entropy does between two nodes; whether anything was sent.
    fn exchange(&mut self, from: usize, to: usize) -> Result<bool, String> {
        self.now += 1;
        if from == to || self.nodes[from].dead || self.nodes[to].dead {
            return Ok(false);
        }
        let (sender, receiver) = (&self.nodes[from], &self.nodes[to]);
        if sender.real.state().fingerprint() == receiver.real.state().fingerprint() {
            return Ok(false);
        }
        let mut moved = false;
        let members: Vec<NetId> = sender.twin.records.keys().copied().collect();
        for member in members {
            let (sender, receiver) = (&self.nodes[from], &self.nodes[to]);
            let mine = sender.real.state().record(member).map(crate::Record::stamp);
            let theirs = receiver.real.state().record(member).map(crate::Record::stamp);
            if mine == theirs {
                continue;
            }
            let known = theirs.map(|stamp| stamp.version);
            let same_version = mine.map(|stamp| stamp.version) == known;
            let piece = handed_over(sender, member, known.filter(|_| !same_version))?;
            if let Some(piece) = piece {
                moved = true;
                self.deliver(to, &piece)?;
                // Whoever could not use it asks, and gets the whole record.
                let held = self.nodes[to].real.state().record(member).map(crate::Record::stamp);
                if held < mine {
                    let whole = handed_over(&self.nodes[from], member, None)?;
                    whole.map_or(Ok(()), |whole| self.deliver(to, &whole))?;
                }
            }
        }
        Ok(moved)
    }
}

/// What the node hands over of the member to a holder of `known`; crate and twin must hand over the same.
fn handed_over(node: &Node, member: NetId, known: Option<Version>) -> Result<Option<Piece>, String> {
    let Some(record) = node.twin.records.get(&member) else { return Ok(None) };
    let theirs = known.map(|version| (version.incarnation.get(), version.gone, version.clock));
    let mine = (record.inc, record.gone, record.clock);
    let twin = theirs.and_then(|theirs| record.increment(member, theirs));
    match node.real.state().transfer(member, known) {
        Transfer::Nothing if theirs == Some(mine) => Ok(None),
        Transfer::Ask if theirs > Some(mine) => Ok(None),
        Transfer::Increment(real) => {
            let twin = twin.ok_or_else(|| format!("{real:?}, but the twin makes none"))?;
            check::same_increment(&real, &twin)?;
            Ok(Some(Piece::Increment(real, twin, record.clone())))
        }
        Transfer::Whole(real) if twin.is_none() => {
            let real = Message::from_records(group(), vec![real]);
            Ok(Some(Piece::State(real, BTreeMap::from([(member, record.clone())]))))
        }
        other => {
            Err(format!("handed over {other:?} for {theirs:?}, but the twin {twin:?}, holding {mine:?}"))
        }
    }
}
