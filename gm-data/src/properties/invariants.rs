//! Invariants of every world. Each check reports a violation; none repairs anything.

use std::collections::{BTreeMap, BTreeSet};
use std::string::String;
use std::vec::Vec;

use gm_clock::NetId;

use super::model::{ModelIncrement, ModelItem, ModelRecord, Range};
use super::world::{World, WorldNode, id};
use crate::{GroupEvent, Increment, Item, Op, Record, StampedItem, VersionDigest};

/// Contents that an owner wrote, by (owner, incarnation, clock).
pub(super) type WrittenContents = BTreeMap<(NetId, u64, u64), BTreeSet<BTreeMap<Range, ModelItem>>>;

fn model_item(stamped: &StampedItem) -> (Range, ModelItem) {
    let op = match stamped.item.op() {
        Op::Add => 1,
        Op::Rmv => 2,
        Op::Get => 3,
    };
    let range = (stamped.item.range().start(), stamped.item.range().end());
    (range, (stamped.stamp, op, stamped.item.port(), stamped.item.priority()))
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
        items: record.stamped_items().map(|stamped| model_item(&stamped)).collect(),
    }
}

/// Checks that crate and model have the same records, including removals, floors and fingerprint,
/// and that the counts are correct.
pub(super) fn same_state(node: &WorldNode) -> Result<(), String> {
    let state = node.real.state();
    let real: BTreeMap<NetId, ModelRecord> = state.records().map(|r| (r.member(), model_record(r))).collect();
    if real != node.model.records {
        return Err(format!("the node has {real:?}, but the model {:?}", node.model.records));
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
    let followed: BTreeSet<Item> = state.items().iter().map(|stamped| stamped.item).collect();
    if followed.len() != live {
        return Err(String::from("the query does not return all live items"));
    }
    Ok(())
}

/// Applies the events to a reader's set of items; each event must fit.
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
            return Err(format!("{event:?} does not fit the previous events"));
        }
    }
    let after = members(followed);
    let (came, went) = (after.difference(&before), before.difference(&after));
    if !came.eq(joined.iter()) || !went.eq(left.iter()) {
        return Err(format!(
            "events report that {joined:?} joined and {left:?} left: {before:?} -> {after:?}"
        ));
    }
    Ok(())
}

/// Checks that every record has the live items that its owner had at that version, or none if it is
/// forgotten, and that a reader of the events knows all items.
pub(super) fn only_written_contents(world: &World) -> Result<(), String> {
    for (at, node) in world.nodes.iter().enumerate() {
        for (member, record) in &node.model.records {
            let owned = world.written.get(&(*member, record.inc, record.clock));
            let known = owned.is_some_and(|owned| owned.contains(&record.live()));
            if !(known || record.forgotten && record.live().is_empty()) {
                return Err(format!("node {at} has a record that {member} never wrote: {record:?}"));
            }
        }
        let now: BTreeSet<Item> = node.real.state().items().iter().map(|stamped| stamped.item).collect();
        if now != node.followed {
            return Err(format!("the events led node {at}'s reader to {:?}, not to {now:?}", node.followed));
        }
    }
    Ok(())
}

/// Checks that an increment equals that of the model.
pub(super) fn same_increment(real: &Increment, model: &ModelIncrement) -> Result<(), String> {
    let VersionDigest { version, digest } = real.version_digest();
    let predecessor =
        real.predecessor().map(|predecessor| (predecessor.incarnation.get(), predecessor.clock));
    let items: BTreeMap<Range, ModelItem> = real.items().map(|stamped| model_item(&stamped)).collect();
    let same = (real.member(), version.incarnation.get(), predecessor)
        == (model.member, model.inc, model.predecessor)
        && (real.span(), digest) == ((model.since, model.upto), model.digest)
        && items == model.items;
    if same { Ok(()) } else { Err(format!("increment {real:?}, but {model:?} in the model")) }
}

/// Checks that an applied increment led to the whole record that it represents, in version and live
/// items.
pub(super) fn same_as_whole_record(
    node: &WorldNode,
    increment: &Increment,
    whole: &ModelRecord,
) -> Result<(), String> {
    let result = node.real.state().record(increment.member()).map(model_record);
    let same = result.as_ref().is_some_and(|result| {
        (result.inc, result.forgotten, result.clock) == (whole.inc, whole.forgotten, whole.clock)
            && result.live() == whole.live()
    });
    if same { Ok(()) } else { Err(format!("{increment:?} led to {result:?}, not to {whole:?}")) }
}

/// Checks after healing: all states and fingerprints are equal, every live node has the items that
/// its application requested, and no member returned that was forgotten when dead.
pub(super) fn agreement(world: &World) -> Result<(), String> {
    let alive: Vec<&WorldNode> = world.nodes.iter().filter(|node| !node.dead).collect();
    let Some((first, others)) = alive.split_first() else { return Ok(()) };
    for other in others {
        let (mine, theirs) = (first.real.state(), other.real.state());
        let equal = mine.records().map(model_live_record).eq(theirs.records().map(model_live_record));
        if (mine.fingerprint() == theirs.fingerprint()) != equal || (mine == theirs) != equal {
            return Err(String::from("the fingerprints are equal and the states differ, or the reverse"));
        }
        if !equal {
            return Err(format!("no agreement: {mine:?} and {theirs:?}"));
        }
    }
    for (at, node) in world.nodes.iter().enumerate().filter(|(_, node)| !node.dead) {
        let seen = first.model.records.get(&id(at)).map(ModelRecord::live).unwrap_or_default();
        let seen: BTreeMap<Range, (u8, u16, u16)> =
            seen.into_iter().map(|(range, item)| (range, (item.1, item.2, item.3))).collect();
        if seen != node.intent {
            return Err(format!(
                "the application of node {at} requested {:?}, but the record has {seen:?}",
                node.intent
            ));
        }
    }
    for (member, inc) in &world.forgotten {
        let back =
            first.model.records.get(member).is_some_and(|record| !record.forgotten && record.inc <= *inc);
        if back {
            return Err(format!("{member} returned although it was forgotten in its incarnation {inc}"));
        }
    }
    Ok(())
}

/// Member, version and live items, in which two replicas must agree.
fn model_live_record(record: &Record) -> (NetId, ModelRecord) {
    let model = model_record(record);
    let items = model.live();
    (record.member(), ModelRecord { predecessor: None, floor: 0, items, ..model })
}
