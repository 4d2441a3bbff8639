//! What must hold in every world. Each check says what it saw; none mends anything.

use std::collections::{BTreeMap, BTreeSet};
use std::string::String;
use std::vec::Vec;

use gm_clock::NetId;

use super::model::{ModelIncrement, ModelItem, ModelRecord, Range};
use super::world::{World, WorldNode, id};
use crate::{GroupEvent, Increment, Item, Op, Record, StampedItem};

/// What an owner said, by (owner, incarnation, clock).
pub(super) type WrittenContents = BTreeMap<(NetId, u64, u64), BTreeSet<BTreeMap<Range, ModelItem>>>;

fn model_item(timed: &StampedItem) -> (Range, ModelItem) {
    let op = match timed.item.op() {
        Op::Add => 1,
        Op::Rmv => 2,
        Op::Get => 3,
    };
    let range = (timed.item.range().start(), timed.item.range().end());
    (range, (timed.stamp, op, timed.item.port(), timed.item.priority()))
}

fn model_record(record: &Record) -> ModelRecord {
    ModelRecord {
        inc: record.version().incarnation.get(),
        forgotten: record.version().forgotten,
        clock: record.version().clock,
        predecessor: record
            .predecessor()
            .map(|predecessor| (predecessor.incarnation.get(), predecessor.clock)),
        floor: record.floor(),
        items: record.stamped_items().map(|timed| model_item(&timed)).collect(),
    }
}

/// The crate and the twin hold the same, removals, floors and fingerprint included, and the counts
/// are right.
pub(super) fn same_state(node: &WorldNode) -> Result<(), String> {
    let state = node.real.state();
    let real: BTreeMap<NetId, ModelRecord> = state.records().map(|r| (r.member(), model_record(r))).collect();
    if real != node.model.records {
        return Err(format!("holds {real:?}, but the twin {:?}", node.model.records));
    }
    for (member, record) in &node.model.records {
        if state.record(*member).map(Record::digest) != Some(record.digest(*member)) {
            return Err(format!("the digest of {member} is not that of its items"));
        }
    }
    if state.fingerprint() != node.model.fingerprint() {
        return Err(String::from("the fingerprint is not that of the records"));
    }
    let live: usize = node.model.records.values().map(|record| record.live().len()).sum();
    let members = node.model.records.values().filter(|record| !record.live().is_empty()).count();
    if (state.live_item_count(), state.member_count()) != (live, members) {
        return Err(format!("counts {} items, {} members", state.live_item_count(), state.member_count()));
    }
    let followed: BTreeSet<Item> = state.items().iter().map(|timed| timed.item).collect();
    if followed.len() != live {
        return Err(String::from("the topology does not have all live items"));
    }
    Ok(())
}

/// Applies the events to what a reader holds; each must fit.
pub(super) fn follow(followed: &mut BTreeSet<Item>, events: &[GroupEvent]) -> Result<(), String> {
    let members = |items: &BTreeSet<Item>| -> BTreeSet<NetId> { items.iter().map(Item::member).collect() };
    let before = members(followed);
    let (mut joined, mut left) = (BTreeSet::new(), BTreeSet::new());
    for event in events {
        let fits = match *event {
            GroupEvent::Joined(member) => joined.insert(member),
            GroupEvent::Left(member) => left.insert(member),
            GroupEvent::RangeAdded(item) => followed.insert(item),
            GroupEvent::RangeRemoved(item) => followed.remove(&item),
            GroupEvent::RangeChanged { from, to } => followed.remove(&from) && followed.insert(to),
        };
        if !fits {
            return Err(format!("{event:?} does not fit what was told before"));
        }
    }
    let after = members(followed);
    let (came, went) = (after.difference(&before), before.difference(&after));
    if !came.eq(joined.iter()) || !went.eq(left.iter()) {
        return Err(format!("told that {joined:?} joined and {left:?} left: {before:?} -> {after:?}"));
    }
    Ok(())
}

/// Every record that anybody holds has the live items that its owner had at that version; a
/// forgotten one has none. And who follows the events knows all.
pub(super) fn only_written_contents(world: &World) -> Result<(), String> {
    for (at, node) in world.nodes.iter().enumerate() {
        for (member, record) in &node.model.records {
            let owned = world.written.get(&(*member, record.inc, record.clock));
            let known = owned.is_some_and(|owned| owned.contains(&record.live()));
            if !(known || record.forgotten && record.live().is_empty()) {
                return Err(format!("node {at} holds what {member} never said: {record:?}"));
            }
        }
        let now: BTreeSet<Item> = node.real.state().items().iter().map(|timed| timed.item).collect();
        if now != node.followed {
            return Err(format!("the events led node {at}'s reader to {:?}, not to {now:?}", node.followed));
        }
    }
    Ok(())
}

/// An increment and its twin say the same.
pub(super) fn same_increment(real: &Increment, model: &ModelIncrement) -> Result<(), String> {
    let stamp = real.version_digest();
    let predecessor =
        real.predecessor().map(|predecessor| (predecessor.incarnation.get(), predecessor.clock));
    let items: BTreeMap<Range, ModelItem> = real.items().map(|timed| model_item(&timed)).collect();
    let same = (real.member(), stamp.version.incarnation.get(), predecessor)
        == (model.member, model.inc, model.predecessor)
        && (real.span(), stamp.digest) == ((model.since, model.upto), model.digest)
        && items == model.items;
    if same { Ok(()) } else { Err(format!("made {real:?}, but the twin {model:?}")) }
}

/// What an applied increment left is the whole record that it stands for, in version and live
/// items.
pub(super) fn same_as_whole_record(
    node: &WorldNode,
    increment: &Increment,
    whole: &ModelRecord,
) -> Result<(), String> {
    let held = node.real.state().record(increment.member()).map(model_record);
    let same = held.as_ref().is_some_and(|held| {
        (held.inc, held.forgotten, held.clock) == (whole.inc, whole.forgotten, whole.clock)
            && held.live() == whole.live()
    });
    if same { Ok(()) } else { Err(format!("{increment:?} led to {held:?}, not to {whole:?}")) }
}

/// After healing: equal states and fingerprints everywhere; of every live node what its application
/// asked for; and nobody came back who was forgotten when dead.
pub(super) fn agreement(world: &World) -> Result<(), String> {
    let alive: Vec<&WorldNode> = world.nodes.iter().filter(|node| !node.dead).collect();
    let Some((first, others)) = alive.split_first() else { return Ok(()) };
    for other in others {
        let (mine, theirs) = (first.real.state(), other.real.state());
        let equal = mine.records().map(model_live_record).eq(theirs.records().map(model_live_record));
        if (mine.fingerprint() == theirs.fingerprint()) != equal || (mine == theirs) != equal {
            return Err(String::from("equal fingerprints and equal states do not go together"));
        }
        if !equal {
            return Err(format!("no agreement: {mine:?} and {theirs:?}"));
        }
    }
    for (at, node) in world.nodes.iter().enumerate().filter(|(_, node)| !node.dead) {
        let seen = first.model.records.get(&id(at)).map(ModelRecord::live).unwrap_or_default();
        let seen: BTreeMap<Range, (u8, u16, u16)> =
            seen.into_iter().map(|(range, said)| (range, (said.1, said.2, said.3))).collect();
        if seen != node.intent {
            return Err(format!("node {at} asked for {:?}, and all see {seen:?}", node.intent));
        }
    }
    for (member, inc) in &world.forgotten {
        let back =
            first.model.records.get(member).is_some_and(|record| !record.forgotten && record.inc <= *inc);
        if back {
            return Err(format!("{member} came back after being forgotten in its incarnation {inc}"));
        }
    }
    Ok(())
}

/// Member, version and live items: what two replicas agree on.
fn model_live_record(record: &Record) -> (NetId, ModelRecord) {
    let model = model_record(record);
    let items = model.live();
    (record.member(), ModelRecord { predecessor: None, floor: 0, items, ..model })
}
