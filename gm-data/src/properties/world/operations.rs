//! Operations of a node of the small world: write, forget, stop and start.

use std::collections::{BTreeMap, BTreeSet};
use std::string::String;
use std::vec::Vec;

use super::super::invariants;
use super::super::model::{ModelChange, ModelRecord, ModelReplica};
use super::{Disk, RANGES, World, group, id};
use crate::{Change, ForgetError, GroupState, KeyRange, Replica};

impl World {
    pub(super) fn write(&mut self, at: usize, words: &[(usize, u8, u16)]) -> Result<(), String> {
        let (context, node) = (self.context(), &mut self.nodes[at]);
        let mut batch: Vec<ModelChange> = Vec::new();
        for &(range, op, port) in words {
            let range = RANGES[range % RANGES.len()];
            let named = batch.iter().any(|(other, _)| *other == range);
            match op % 3 {
                _ if named || node.dead => {}
                0 if node.intent.contains_key(&range) => batch.push((range, None)),
                1 => batch.push((range, Some((3, 0, 1)))),
                _ => batch.push((range, Some((1, port % 3 + 1, port % 2 + 1)))),
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        let changes: Vec<Change> = batch.iter().map(change).collect();
        let before =
            node.model.records.get(&id(at)).map(|record| (record.inc, record.forgotten, record.clock));
        // Unserving a last item that is an interest already is refused, and the model writes
        // nothing.
        let result = node.real.change(&changes, context);
        let changed = node.model.write(&batch, 0);
        match result {
            Ok(write) if write.changed == changed => {
                let Some(whole) = node.model.records.get(&id(at)).filter(|_| changed) else { return Ok(()) };
                node.intent = whole.live().into_iter().map(|(k, v)| (k, (v.1, v.2, v.3))).collect();
                let model = before.and_then(|before| whole.increment(id(at), before));
                node.last_write = match (write.increment, model) {
                    (Some(real), Some(model)) => {
                        invariants::same_increment(&real, &model)?;
                        Some((real, model, whole.clone()))
                    }
                    (None, None) => None,
                    (real, model) => return Err(format!("one write, increments {real:?} and {model:?}")),
                };
                Ok(())
            }
            Err(crate::ChangeError::LastItem { .. }) if !changed => Ok(()),
            other => Err(format!("{batch:?}: {other:?}, but the model wrote: {changed}")),
        }
    }

    pub(super) fn forget(&mut self, at: usize, member: usize) -> Result<(), String> {
        let dead = self.nodes[member].dead;
        let newest = self.nodes[member].model.records.get(&id(member)).map(|record| record.inc);
        let node = &mut self.nodes[at];
        if node.dead {
            return Ok(());
        }
        let result = node.real.forget(id(member));
        let forgot = node.model.forget(id(member));
        let why = match result {
            Ok(version) if forgot => {
                self.counts.entry("forget").and_modify(|n| *n += 1).or_insert(1);
                if dead && newest == Some(version.incarnation.get()) {
                    self.forgotten.insert(id(member), version.incarnation.get());
                }
                return Ok(());
            }
            Err(ForgetError::Unknown { .. } | ForgetError::Already { .. }) if !forgot => return Ok(()),
            Err(ForgetError::ThisNode { .. }) if at == member => return Ok(()),
            other => other,
        };
        Err(format!("{why:?}, but the model forgot: {forgot}"))
    }

    pub(super) fn restart(&mut self, at: usize, disk: Disk) {
        let node = &mut self.nodes[at];
        if node.dead {
            return;
        }
        *self.counts.entry(disk.name()).or_default() += 1;
        let (real, model) = match disk {
            Disk::Good => (node.real.state().clone(), node.model.records.clone()),
            Disk::Stale => node.stored.clone(),
            Disk::Lost => (GroupState::new(group()), BTreeMap::new()),
        };
        let own = model.get(&id(at)).map(ModelRecord::live).unwrap_or_default();
        node.intent = own.into_iter().map(|(range, item)| (range, (item.1, item.2, item.3))).collect();
        if disk != Disk::Good {
            // The node that forgot may be the one that lost its disk.
            self.forgotten.clear();
        }
        // A reader of a restarted node starts from an empty state.
        (node.seen, node.followed) = (GroupState::new(group()), BTreeSet::new());
        node.last_write = None;
        node.real = Replica::restore(id(at), real);
        node.model = ModelReplica::new(id(at), model);
    }
}

fn change((range, word): &ModelChange) -> Change {
    let range = KeyRange::new(range.0, range.1).unwrap();
    match *word {
        None => Change::Unserve(range),
        Some((3, _, _)) => Change::Interest(range),
        Some((_, port, priority)) => Change::Serve { range, port: Some(port), priority },
    }
}
