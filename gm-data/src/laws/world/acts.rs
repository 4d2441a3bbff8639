//! What a node of the small world does of its own: writes, forgets, stops and starts.

use std::collections::{BTreeMap, BTreeSet};
use std::string::String;
use std::vec::Vec;

use super::super::check;
use super::super::twin::{TwinRecord, TwinReplica, Word};
use super::{Disk, RANGES, World, group, id};
use crate::{Change, ForgetError, KeyRange, Message, Replica};

impl World {
    pub(super) fn write(&mut self, at: usize, words: &[(usize, u8, u16)]) -> Result<(), String> {
        let (moment, node) = (self.moment(), &mut self.nodes[at]);
        let mut batch: Vec<Word> = Vec::new();
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
        let before = node.twin.records.get(&id(at)).map(|record| (record.inc, record.gone, record.clock));
        // Unserving the last item where it is an interest already is refused, and the twin writes nothing.
        let result = node.real.change(&changes, moment);
        let changed = node.twin.write(&batch, 0);
        match result {
            Ok(write) if write.changed == changed => {
                let Some(whole) = node.twin.records.get(&id(at)).filter(|_| changed) else { return Ok(()) };
                node.intent = whole.live().into_iter().map(|(k, v)| (k, (v.1, v.2, v.3))).collect();
                let twin = before.and_then(|before| whole.increment(id(at), before));
                node.last_write = match (write.increment, twin) {
                    (Some(real), Some(twin)) => {
                        check::same_increment(&real, &twin)?;
                        Some((real, twin, whole.clone()))
                    }
                    (None, None) => None,
                    (real, twin) => return Err(format!("one write, increments {real:?} and {twin:?}")),
                };
                Ok(())
            }
            Err(crate::ChangeError::LastItem { .. }) if !changed => Ok(()),
            other => Err(format!("{batch:?}: {other:?}, but the twin wrote: {changed}")),
        }
    }

    pub(super) fn forget(&mut self, at: usize, member: usize) -> Result<(), String> {
        let dead = self.nodes[member].dead;
        let newest = self.nodes[member].twin.records.get(&id(member)).map(|record| record.inc);
        let node = &mut self.nodes[at];
        if node.dead {
            return Ok(());
        }
        let result = node.real.forget(id(member));
        let forgot = node.twin.forget(id(member));
        let why = match result {
            Ok(version) if forgot => {
                self.happened.entry("forget").and_modify(|n| *n += 1).or_insert(1);
                if dead && newest == Some(version.incarnation.get()) {
                    self.forgotten.insert(id(member), version.incarnation.get());
                }
                return Ok(());
            }
            Err(ForgetError::Unknown { .. } | ForgetError::Already { .. }) if !forgot => return Ok(()),
            Err(ForgetError::Oneself { .. }) if at == member => return Ok(()),
            other => other,
        };
        Err(format!("{why:?}, but the twin forgot: {forgot}"))
    }

    pub(super) fn restart(&mut self, at: usize, disk: Disk) {
        let node = &mut self.nodes[at];
        if node.dead {
            return;
        }
        *self.happened.entry(disk.name()).or_default() += 1;
        let (real, twin) = match disk {
            Disk::Good => (node.real.state().clone(), node.twin.records.clone()),
            Disk::Stale => node.stored.clone(),
            Disk::Lost => (Message::new(group()), BTreeMap::new()),
        };
        let own = twin.get(&id(at)).map(TwinRecord::live).unwrap_or_default();
        node.intent = own.into_iter().map(|(range, said)| (range, (said.1, said.2, said.3))).collect();
        if disk != Disk::Good {
            // Who forgot may be the one who lost it.
            self.forgotten.clear();
        }
        // Who reads a restarted node begins anew.
        (node.seen, node.followed) = (Message::new(group()), BTreeSet::new());
        node.last_write = None;
        node.real = Replica::restore(id(at), real);
        node.twin = TwinReplica::new(id(at), twin);
    }
}

fn change((range, word): &Word) -> Change {
    let range = KeyRange::new(range.0, range.1).unwrap();
    match *word {
        None => Change::Unserve(range),
        Some((3, _, _)) => Change::Interest(range),
        Some((_, port, priority)) => Change::Serve { range, port: Some(port), priority },
    }
}
