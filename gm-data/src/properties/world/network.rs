//! What goes from node to node in the small world: the crate's piece and its twin's, side by side.

use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

use gm_clock::NetId;

use super::super::invariants;
use super::super::model::ModelOutcome;
use super::{NODES, Packet, World, WorldNode, group, id};
use crate::{ApplyOutcome, GroupState, Transfer, Version};

impl World {
    pub(super) fn send_state(&mut self, from: usize, to: usize, mask: u8) {
        if self.nodes[from].dead {
            return;
        }
        let wanted = |member: &NetId| (0..NODES).any(|n| id(n) == *member && mask & (1 << n) != 0);
        let node = &self.nodes[from];
        let members: Vec<NetId> = node.model.records.keys().copied().filter(wanted).collect();
        let model = members.iter().map(|member| (*member, node.model.records[member].clone())).collect();
        let real = node.real.state().records_for(members);
        self.net.push((to, Packet::State(real, model)));
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
        if let Some(piece) = transfer(node, member, known)? {
            self.net.push((to, piece));
        }
        Ok(())
    }

    pub(super) fn deliver(&mut self, to: usize, piece: &Packet) -> Result<(), String> {
        let (context, node) = (self.context(), &mut self.nodes[to]);
        if node.dead {
            return Ok(());
        }
        let own = node.real.own_record().map(crate::Record::version);
        match piece {
            Packet::State(real, model) => {
                node.real.merge(real, context).map_err(|why| format!("{why:?}"))?;
                model.iter().for_each(|(member, record)| node.model.merge(*member, record, 0));
            }
            Packet::Increment(real, model, whole) => {
                let (outcome, model_outcome) =
                    (node.real.apply_increment(real, context).0, node.model.apply_increment(model, 0));
                let same = matches!(
                    (outcome, model_outcome),
                    (ApplyOutcome::Applied, ModelOutcome::Applied)
                        | (ApplyOutcome::AlreadyKnown, ModelOutcome::AlreadyKnown)
                        | (ApplyOutcome::DoesNotFit, ModelOutcome::DoesNotFit)
                );
                if !same {
                    return Err(format!("increment {real:?}: {outcome:?}, but the twin {model_outcome:?}"));
                }
                if outcome == ApplyOutcome::Applied {
                    invariants::same_as_whole_record(node, real, whole)?;
                }
                let counted = match outcome {
                    ApplyOutcome::Applied => "increment applied",
                    ApplyOutcome::AlreadyKnown => "increment known",
                    ApplyOutcome::DoesNotFit => "increment asked about",
                    ApplyOutcome::Refused => return Err("nothing was evicted".into()),
                };
                self.count(counted);
            }
        }
        if self.nodes[to].real.own_record().map(crate::Record::version) != own {
            self.count("re-assertion");
        }
        self.note_written(to);
        Ok(())
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// No faults any more: everybody exchanges with everybody until nothing moves, within a bound.
    pub(super) fn heal(&mut self) -> Result<(), String> {
        self.net.clear();
        // A record may have to go to its owner, be re-asserted there, and go to everybody: three
        // rounds, and one in which nothing happens; the chain of nodes can make each of them one
        // longer.
        for _ in 0..8 {
            let mut moved = false;
            for (from, to) in (0..NODES * NODES).map(|pair| (pair / NODES, pair % NODES)) {
                moved |= self.exchange(from, to)?;
            }
            self.check_invariants().map_err(|why| format!("while healing: {why}"))?;
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
        let members: Vec<NetId> = sender.model.records.keys().copied().collect();
        for member in members {
            let (sender, receiver) = (&self.nodes[from], &self.nodes[to]);
            let mine = sender.real.state().record(member).map(crate::Record::version_digest);
            let theirs = receiver.real.state().record(member).map(crate::Record::version_digest);
            if mine == theirs {
                continue;
            }
            let known = theirs.map(|stamp| stamp.version);
            let same_version = mine.map(|stamp| stamp.version) == known;
            let piece = transfer(sender, member, known.filter(|_| !same_version))?;
            if let Some(piece) = piece {
                moved = true;
                self.deliver(to, &piece)?;
                // Whoever could not use it asks, and gets the whole record.
                let held = self.nodes[to].real.state().record(member).map(crate::Record::version_digest);
                if held < mine {
                    let whole = transfer(&self.nodes[from], member, None)?;
                    whole.map_or(Ok(()), |whole| self.deliver(to, &whole))?;
                }
            }
        }
        Ok(moved)
    }
}

/// What the node hands over of the member to a holder of `known`; crate and twin must hand over the
/// same.
fn transfer(node: &WorldNode, member: NetId, known: Option<Version>) -> Result<Option<Packet>, String> {
    let Some(record) = node.model.records.get(&member) else { return Ok(None) };
    let theirs = known.map(|version| (version.incarnation.get(), version.forgotten, version.clock));
    let mine = (record.inc, record.forgotten, record.clock);
    let model = theirs.and_then(|theirs| record.increment(member, theirs));
    match node.real.state().transfer_for(member, known) {
        Transfer::Nothing if theirs == Some(mine) => Ok(None),
        Transfer::Request if theirs > Some(mine) => Ok(None),
        Transfer::Increment(real) => {
            let model = model.ok_or_else(|| format!("{real:?}, but the twin makes none"))?;
            invariants::same_increment(&real, &model)?;
            Ok(Some(Packet::Increment(real, model, record.clone())))
        }
        Transfer::Whole(real) if model.is_none() => {
            let real = GroupState::from_records(group(), vec![real]);
            Ok(Some(Packet::State(real, BTreeMap::from([(member, record.clone())]))))
        }
        other => {
            Err(format!("handed over {other:?} for {theirs:?}, but the twin {model:?}, holding {mine:?}"))
        }
    }
}
