//! Generators of histories, states and edits of trees, for all property tests.

use std::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;

use super::world::{Disk, NODES, RANGES, Step};
use crate::{GroupName, GroupState, Item, KeyRange, Op, Predecessor, Record, StampedItem, Version};

pub(super) fn history() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..90)
}

fn step() -> impl Strategy<Value = Step> {
    let node = || 0..NODES;
    let word = (0..RANGES.len(), 0..3_u8, 0..3_u16);
    let disk = prop_oneof![Just(Disk::Good), Just(Disk::Stale), Just(Disk::Lost)];
    prop_oneof![
        10 => (node(), vec(word, 1..3)).prop_map(|(node, words)| Step::Write { node, words }),
        1 => node().prop_map(|node| Step::Leave { node }),
        5 => (node(), node(), any::<u8>()).prop_map(|(from, to, mask)| Step::SendState { from, to, mask }),
        8 => (node(), node(), node(), 0..4_usize)
            .prop_map(|(from, to, member, stale)| Step::SendTransfer { from, to, member, stale }),
        8 => (node(), node(), node()).prop_map(|(from, to, member)| Step::HandOver { from, to, member }),
        3 => node().prop_map(|node| Step::Push { node }),
        16 => (any::<usize>(), prop::bool::weighted(0.25))
            .prop_map(|(index, again)| Step::Deliver { index, again }),
        2 => any::<usize>().prop_map(|index| Step::Lose { index }),
        2 => (node(), 0..3_usize, prop_oneof![Just(0), Just(2), Just(u64::MAX)])
            .prop_map(|(node, keep, max_age)| Step::Purge { node, keep, max_age }),
        4 => (node(), node()).prop_map(|(node, member)| Step::Forget { node, member }),
        1 => node().prop_map(|node| Step::Store { node }),
        1 => (node(), disk).prop_map(|(node, disk)| Step::Restart { node, disk }),
        1 => prop::option::weighted(0.15, node())
            .prop_map(|node| node.map_or(Step::Lose { index: 0 }, |node| Step::Die { node })),
    ]
}

/// A state of up to four members as any peer might send it, with versions close together, so that
/// ties are common.
pub(super) fn group_state() -> impl Strategy<Value = GroupState> {
    vec(prop::option::of(record()), NODES).prop_map(|records| {
        let records = records.into_iter().enumerate();
        let records = records.filter_map(|(at, make)| make.map(|make| build(at, &make)));
        GroupState::from_records(GroupName::new("G").unwrap(), records)
    })
}

type RecordParts = (u64, bool, u64, u64, bool, Vec<(usize, u8, u64, u16)>);

fn record() -> impl Strategy<Value = RecordParts> {
    let items = vec((0..RANGES.len(), 0..3_u8, 0..4_u64, 1..3_u16), 0..4);
    (1..4_u64, prop::bool::weighted(0.2), 1..4_u64, 0..4_u64, any::<bool>(), items)
}

fn build(at: usize, (inc, forgotten, clock, floor, predecessor, items): &RecordParts) -> Record {
    let member = super::world::id(at);
    let mut stamped: Vec<StampedItem> = Vec::new();
    for &(range, op, time, port) in items.iter().filter(|_| !forgotten) {
        let range = KeyRange::new(RANGES[range].0, RANGES[range].1).unwrap();
        let op = [Op::Add, Op::Rmv, Op::Get][usize::from(op)];
        stamped.push(StampedItem {
            item: Item::new(member, range, op, port, 1).unwrap(),
            stamp: time.min(*clock),
        });
    }
    stamped.sort_by_key(|stamped| stamped.item.range());
    stamped.dedup_by_key(|stamped| stamped.item.range());
    let version = Version::new((*inc).try_into().unwrap(), *forgotten, *clock).unwrap();
    let from = Predecessor { incarnation: (inc - 1).try_into().unwrap(), clock: clock - 1 };
    Record::from_parts(
        member,
        version,
        (*predecessor && !*forgotten).then_some(from),
        (*floor).min(*clock),
        stamped,
    )
    .unwrap()
}
