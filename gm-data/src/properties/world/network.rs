//! Messages between the nodes of the small world, of the crate and of the model in step.

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
        let known_versions = self.nodes[to].known_versions.get(&member).cloned().unwrap_or_default();
        let known = known_versions.iter().rev().nth(stale % (known_versions.len() + 1)).copied();
        let node = &self.nodes[from];
        if node.dead {
            return Ok(());
        }
        if let Some(packet) = transfer(node, member, known)? {
            self.net.push((to, packet));
        }
        Ok(())
    }

    pub(super) fn deliver(&mut self, to: usize, packet: &Packet) -> Result<(), String> {
        let (context, node) = (self.context(), &mut self.nodes[to]);
        if node.dead {
            return Ok(());
        }
        let own = node.real.own_record().map(crate::Record::version);
        match packet {
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
                    return Err(format!(
                        "increment {real:?}: {outcome:?}, but {model_outcome:?} in the model"
                    ));
                }
                if outcome == ApplyOutcome::Applied {
                    invariants::same_as_whole_record(node, real, whole)?;
                }
                let counted = match outcome {
                    ApplyOutcome::Applied => "increment applied",
                    ApplyOutcome::AlreadyKnown => "increment known",
                    ApplyOutcome::DoesNotFit => "increment requested",
                    ApplyOutcome::Refused => return Err("refused, although nothing was evicted".into()),
                };
                self.count(counted);
            }
        }
        if self.nodes[to].real.own_record().map(crate::Record::version) != own {
            self.count("refutation");
        }
        self.note_written(to);
        Ok(())
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Without further faults, all nodes exchange their records until nothing changes, within a
    /// bounded number of rounds.
    pub(super) fn heal(&mut self) -> Result<(), String> {
        self.net.clear();
        // A record may have to reach its owner, be refuted there, and reach all nodes: three
        // rounds, and one in which nothing happens. The chain of nodes can add one round to each of
        // them.
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

    /// Performs an anti-entropy exchange between two nodes. Returns whether anything was sent.
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
            let known = theirs.map(|digest| digest.version);
            let same_version = mine.map(|digest| digest.version) == known;
            let packet = transfer(sender, member, known.filter(|_| !same_version))?;
            if let Some(packet) = packet {
                moved = true;
                self.deliver(to, &packet)?;
                // A node that could not apply it requests and gets the whole record.
                let theirs = self.nodes[to].real.state().record(member).map(crate::Record::version_digest);
                if theirs < mine {
                    let whole = transfer(&self.nodes[from], member, None)?;
                    whole.map_or(Ok(()), |whole| self.deliver(to, &whole))?;
                }
            }
        }
        Ok(moved)
    }
}

/// The transfer of the member's record to a holder of `known`; crate and model must choose the
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
            let model = model.ok_or_else(|| format!("{real:?}, but none in the model"))?;
            invariants::same_increment(&real, &model)?;
            Ok(Some(Packet::Increment(real, model, record.clone())))
        }
        Transfer::Whole(real) if model.is_none() => {
            let real = GroupState::from_records(group(), vec![real]);
            Ok(Some(Packet::State(real, BTreeMap::from([(member, record.clone())]))))
        }
        other => Err(format!(
            "transfer {other:?} for {theirs:?}, but {model:?} in the model; the record is {mine:?}"
        )),
    }
}
