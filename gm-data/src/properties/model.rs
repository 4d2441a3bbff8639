//! Reference model: the rules of the data written a second time over plain maps, slow and obvious.
//! It shares no function with the crate, not even the hash, keeps no derived values, and computes
//! everything anew.

#![allow(clippy::cast_possible_truncation)] // Numbers are cut to 64 bits on purpose.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::vec::Vec;

use gm_clock::NetId;

pub(super) type Range = (u32, u32);

/// (stamp, op, port, priority), with the op as its number on the wire: 1 add, 2 rmv, 3 get.
pub(super) type ModelItem = (u64, u8, u16, u16);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModelRecord {
    pub(super) inc: u64,
    pub(super) forgotten: bool,
    pub(super) clock: u64,
    pub(super) predecessor: Option<(u64, u64)>,
    pub(super) floor: u64,
    pub(super) items: BTreeMap<Range, ModelItem>,
}

#[derive(Clone, Debug)]
pub(super) struct ModelIncrement {
    pub(super) member: NetId,
    pub(super) inc: u64,
    pub(super) predecessor: Option<(u64, u64)>,
    pub(super) since: u64,
    pub(super) upto: u64,
    pub(super) digest: u64,
    pub(super) items: BTreeMap<Range, ModelItem>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModelOutcome {
    Applied,
    AlreadyKnown,
    DoesNotFit,
}

/// The change of a range by a batch: `None` for a removal, or an op with port and priority.
pub(super) type ModelChange = (Range, Option<(u8, u16, u16)>);

impl ModelRecord {
    pub(super) fn live(&self) -> BTreeMap<Range, ModelItem> {
        self.items.iter().filter(|(_, item)| item.1 != 2).map(|(range, item)| (*range, *item)).collect()
    }

    pub(super) fn digest(&self, member: NetId) -> u64 {
        let sum: u128 =
            self.live().iter().map(|(range, item)| u128::from(item_hash(member, *range, *item))).sum();
        (sum % (1 << 64)) as u64
    }

    pub(super) fn order(&self, member: NetId) -> (u64, bool, u64, u64) {
        (self.inc, self.forgotten, self.clock, self.digest(member))
    }

    /// The increment for a holder of version (inc, gone, clock), if one can be made.
    pub(super) fn increment(&self, member: NetId, known: (u64, bool, u64)) -> Option<ModelIncrement> {
        let (inc, forgotten, clock) = known;
        if self.forgotten || forgotten || clock < self.floor {
            return None;
        }
        let same = inc == self.inc && clock < self.clock;
        let former = self.predecessor.is_some_and(|(from, at)| inc == from && clock <= at);
        (same || former).then(|| ModelIncrement {
            member,
            inc: self.inc,
            predecessor: self.predecessor,
            since: clock,
            upto: self.clock,
            digest: self.digest(member),
            items: self.items.iter().filter(|(_, item)| item.0 > clock).map(|(k, v)| (*k, *v)).collect(),
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct ModelReplica {
    pub(super) me: NetId,
    pub(super) records: BTreeMap<NetId, ModelRecord>,
    began_incarnation: bool,
    highest_incarnation: u64,
}

impl ModelReplica {
    pub(super) fn new(me: NetId, disk: BTreeMap<NetId, ModelRecord>) -> ModelReplica {
        ModelReplica { me, records: disk, began_incarnation: false, highest_incarnation: 0 }
    }

    fn new_inc(&self, hint: u64) -> u64 {
        let own = self.records.get(&self.me).map_or(0, |record| record.inc);
        hint.max(own.max(self.highest_incarnation) + 1)
    }

    /// Writes a batch in which every range occurs once and every removal removes an existing item.
    pub(super) fn write(&mut self, batch: &[ModelChange], hint: u64) -> bool {
        let old = self.records.get(&self.me).cloned();
        let before = old.as_ref().map(ModelRecord::live).unwrap_or_default();
        let mut after = before.clone();
        for (range, word) in batch {
            match word {
                Some((op, port, priority)) => after.insert(*range, (0, *op, *port, *priority)),
                None => after.remove(range),
            };
        }
        let last_removed = batch.iter().rev().find(|(_, word)| word.is_none());
        if let (true, Some((range, _))) = (after.is_empty(), last_removed) {
            after.insert(*range, (0, 3, 0, 1));
        }
        self.write_contents(old, &before, &after, hint)
    }

    pub(super) fn leave(&mut self, hint: u64) -> bool {
        let old = self.records.get(&self.me).cloned();
        let before = old.as_ref().map(ModelRecord::live).unwrap_or_default();
        self.write_contents(old, &before, &BTreeMap::new(), hint)
    }

    /// Writes one tick from the present live items to the given ones. Writes nothing if they are
    /// equal.
    fn write_contents(
        &mut self,
        old: Option<ModelRecord>,
        before: &BTreeMap<Range, ModelItem>,
        after: &BTreeMap<Range, ModelItem>,
        hint: u64,
    ) -> bool {
        let words = |items: &BTreeMap<Range, ModelItem>| -> BTreeMap<Range, (u8, u16, u16)> {
            items.iter().map(|(range, item)| (*range, (item.1, item.2, item.3))).collect()
        };
        if words(before) == words(after) {
            return false;
        }
        let inc = self.new_inc(hint);
        let mut record = match old {
            Some(old) if self.began_incarnation => old,
            Some(old) => {
                let predecessor = (!old.forgotten).then_some((old.inc, old.clock));
                ModelRecord { inc, forgotten: false, predecessor, ..old }
            }
            None => ModelRecord {
                inc,
                forgotten: false,
                clock: 0,
                predecessor: None,
                floor: 0,
                items: BTreeMap::new(),
            },
        };
        record.clock += 1;
        for range in before.keys().chain(after.keys()) {
            match after.get(range) {
                Some(now) => {
                    let same =
                        before.get(range).is_some_and(|was| (was.1, was.2, was.3) == (now.1, now.2, now.3));
                    if !same {
                        record.items.insert(*range, (record.clock, now.1, now.2, now.3));
                    }
                }
                None => {
                    record.items.insert(*range, (record.clock, 2, 0, 1));
                }
            }
        }
        self.highest_incarnation = self.highest_incarnation.max(record.inc);
        self.began_incarnation = true;
        self.records.insert(self.me, record);
        true
    }

    pub(super) fn merge(&mut self, member: NetId, theirs: &ModelRecord, hint: u64) {
        if member == self.me {
            self.observe_own_record(theirs.order(member), hint);
            return;
        }
        let keep = self.records.get(&member).is_some_and(|mine| mine.order(member) >= theirs.order(member));
        if !keep {
            self.records.insert(member, theirs.clone());
        }
    }

    fn observe_own_record(&mut self, (inc, forgotten, clock, digest): (u64, bool, u64, u64), hint: u64) {
        self.highest_incarnation = self.highest_incarnation.max(inc);
        let own = self.records.get(&self.me).cloned();
        let mine = own.as_ref().map(|own| own.order(self.me));
        let news = match mine {
            None => true,
            Some(mine) => {
                let (mine_version, received) = ((mine.0, mine.1, mine.2), (inc, forgotten, clock));
                received > mine_version || (received == mine_version && digest != mine.3)
            }
        };
        if !news {
            return;
        }
        let new_inc = self.new_inc(hint);
        let new_clock = own.as_ref().map_or(0, |own| own.clock).max(clock) + 1;
        let live = own.map(|own| own.live()).unwrap_or_default();
        let items =
            live.into_iter().map(|(range, item)| (range, (new_clock, item.1, item.2, item.3))).collect();
        let record = ModelRecord {
            inc: new_inc,
            forgotten: false,
            clock: new_clock,
            predecessor: None,
            floor: new_clock,
            items,
        };
        self.highest_incarnation = self.highest_incarnation.max(new_inc);
        self.began_incarnation = true;
        self.records.insert(self.me, record);
    }

    pub(super) fn apply_increment(&mut self, increment: &ModelIncrement, hint: u64) -> ModelOutcome {
        let member = increment.member;
        if member == self.me {
            self.observe_own_record((increment.inc, false, increment.upto, increment.digest), hint);
            return ModelOutcome::AlreadyKnown;
        }
        let Some(mine) = self.records.get(&member) else { return ModelOutcome::DoesNotFit };
        if (increment.inc, false, increment.upto) <= (mine.inc, mine.forgotten, mine.clock) {
            return ModelOutcome::AlreadyKnown;
        }
        let same = increment.inc == mine.inc && increment.since <= mine.clock;
        let former = increment.predecessor.is_some_and(|(inc, clock)| {
            mine.inc == inc && increment.since <= mine.clock && mine.clock <= clock
        });
        if mine.forgotten || !(same || former) {
            return ModelOutcome::DoesNotFit;
        }
        let mut record = mine.clone();
        for (range, item) in &increment.items {
            if !same || item.0 > mine.clock {
                record.items.insert(*range, *item);
            }
        }
        (record.inc, record.clock, record.predecessor) =
            (increment.inc, increment.upto, increment.predecessor);
        if record.digest(member) != increment.digest {
            return ModelOutcome::DoesNotFit;
        }
        self.records.insert(member, record);
        ModelOutcome::Applied
    }

    pub(super) fn purge(&mut self, keep: usize, max_age: u64) {
        for record in self.records.values_mut() {
            let mut removed: Vec<u64> =
                record.items.values().filter(|item| item.1 == 2).map(|item| item.0).collect();
            removed.sort_unstable_by(|a, b| b.cmp(a));
            for (position, stamp) in removed.into_iter().enumerate() {
                if position >= keep || record.clock - stamp > max_age {
                    record.items.retain(|_, item| item.1 != 2 || item.0 != stamp);
                    record.floor = record.floor.max(stamp);
                }
            }
        }
    }

    pub(super) fn forget(&mut self, member: NetId) -> bool {
        match self.records.get_mut(&member) {
            Some(record) if !record.forgotten && member != self.me => {
                let clock = record.clock + 1;
                *record = ModelRecord {
                    inc: record.inc,
                    forgotten: true,
                    clock,
                    predecessor: None,
                    floor: clock,
                    items: BTreeMap::new(),
                };
                true
            }
            _ => false,
        }
    }

    pub(super) fn fingerprint(&self) -> u128 {
        self.records.iter().fold(0_u128, |sum, (member, record)| {
            let clock = u64::from(record.forgotten) * (1 << 63) + record.clock;
            let half = |tag: u64| {
                let words = [member_hash(*member), record.inc, clock, record.digest(*member)];
                words.iter().fold(tag, |h, word| step(h, *word))
            };
            sum.wrapping_add((u128::from(half(2)) << 64) + u128::from(half(3)))
        })
    }
}

fn times(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) % (1 << 64)) as u64
}

pub(super) fn step(h: u64, word: u64) -> u64 {
    let sum = ((u128::from(h) + 0x9e37_79b9_7f4a_7c15) % (1 << 64)) as u64;
    let a = sum ^ word;
    let b = times(a ^ (a / (1 << 30)), 0xbf58_476d_1ce4_e5b9);
    let c = times(b ^ (b / (1 << 27)), 0x94d0_49bb_1331_11eb);
    c ^ (c / (1 << 31))
}

pub(super) fn member_hash(member: NetId) -> u64 {
    let port = u64::from(member.port());
    match member.ip() {
        IpAddr::V4(ip) => step(step(1, 4 * 65_536 + port), u64::from(u32::from_be_bytes(ip.octets()))),
        IpAddr::V6(ip) => {
            let octets = ip.octets();
            let half =
                |at: usize| octets[at..at + 8].iter().fold(0_u64, |n, byte| n * 256 + u64::from(*byte));
            step(step(step(1, 6 * 65_536 + port), half(0)), half(8))
        }
    }
}

fn item_hash(member: NetId, (start, end): Range, (stamp, op, port, priority): ModelItem) -> u64 {
    let range = u64::from(start) * (1 << 32) + u64::from(end);
    let word = u64::from(op) * (1 << 32) + u64::from(port) * 65_536 + u64::from(priority);
    step(step(step(member_hash(member), range), word), stamp)
}
