//! Helpers of the integration tests: short constructors of ids, ranges, items, records and
//! contexts.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use gm_clock::{Incarnation, NetId};
use gm_data::{
    Change, GroupName, GroupState, Item, KeyRange, Predecessor, Record, Replica, StampedItem, Version,
    WriteContext,
};

/// The node 10.0.0.`number`.
pub(crate) fn id(number: u8) -> NetId {
    format!("10.0.0.{number}:29999").parse().expect("an ordinary address")
}

pub(crate) fn range(text: &str) -> KeyRange {
    text.parse().expect("an ordinary range")
}

pub(crate) fn name(text: &str) -> GroupName {
    GroupName::new(text).expect("an ordinary name")
}

pub(crate) fn incarnation(number: u64) -> Incarnation {
    Incarnation::new(number).expect("in range")
}

pub(crate) fn version(number: u64, clock: u64) -> Version {
    Version::new(incarnation(number), false, clock).expect("in range")
}

pub(crate) fn forgotten(number: u64, clock: u64) -> Version {
    Version { forgotten: true, ..version(number, clock) }
}

pub(crate) fn predecessor(number: u64, clock: u64) -> Option<Predecessor> {
    Some(Predecessor { incarnation: incarnation(number), clock })
}

/// 100 seconds after 1970, random bits 7, at 0 milliseconds.
pub(crate) const NOW: WriteContext = WriteContext { unix_seconds: 100, entropy: 7, millis: 0 };

/// The incarnation that a first write at [`NOW`] opens, if no greater one is known.
pub(crate) const FIRST: u64 = 100 * 65_536 + 7;

/// [`NOW`] plus the given number of milliseconds.
pub(crate) fn later(millis: u64) -> WriteContext {
    WriteContext { millis, ..NOW }
}

/// An item by which the member serves the range on port 80 with priority 1, with the given stamp.
pub(crate) fn serves(member: NetId, text: &str, time: u64) -> StampedItem {
    StampedItem { item: Item::serves(member, range(text), 80, 1).expect("priority 1"), stamp: time }
}

pub(crate) fn interest(member: NetId, text: &str, time: u64) -> StampedItem {
    StampedItem { item: Item::interest(member, range(text)), stamp: time }
}

pub(crate) fn removal(member: NetId, text: &str, time: u64) -> StampedItem {
    StampedItem { item: Item::removal(member, range(text)), stamp: time }
}

/// A record of the given items, without predecessor and with floor 0.
pub(crate) fn record(member: NetId, version: Version, items: &[StampedItem]) -> Record {
    Record::from_parts(member, version, None, 0, items.iter().copied()).expect("sound parts")
}

/// The state of the group `G` with the given records.
pub(crate) fn group_state(records: impl IntoIterator<Item = Record>) -> GroupState {
    GroupState::from_records(name("G"), records)
}

/// The empty replica of 10.0.0.1 in group `G`.
pub(crate) fn empty_replica() -> Replica {
    Replica::new(id(1), name("G"))
}

pub(crate) fn serve(text: &str) -> Change {
    Change::Serve { range: range(text), port: Some(80), priority: 1 }
}

pub(crate) fn unserve(text: &str) -> Change {
    Change::Unserve(range(text))
}

/// The own items as text, one by one, with their stamps: `0x00000000-0x00000009 add :80 x1 @1`.
pub(crate) fn own_items(replica: &Replica) -> Vec<String> {
    replica
        .own_record()
        .into_iter()
        .flat_map(|own| own.stamped_items().map(format_item).collect::<Vec<_>>())
        .collect()
}

/// `RANGE OP :PORT xPRIORITY @STAMP`.
pub(crate) fn format_item(StampedItem { item, stamp: time }: StampedItem) -> String {
    format!("{} {} :{} x{} @{time}", item.range(), item.op(), item.port(), item.priority())
}

/// Asserts that the replica is unchanged: every record with its removals and floors, the
/// fingerprint, the counts, the conflict, and everything else in its debug text.
pub(crate) fn assert_same(before: &Replica, after: &Replica) {
    assert_eq!(before.own_record(), after.own_record(), "the own record");
    let (old, new) = (before.state(), after.state());
    assert!(old.records().eq(new.records()), "a record changed: {old:?} became {new:?}");
    assert_eq!(old.fingerprint(), new.fingerprint(), "the fingerprint");
    let counts = |state: &GroupState| (state.member_count(), state.live_item_count());
    assert_eq!(counts(old), counts(new), "the counts");
    assert_eq!(before.conflict(), after.conflict(), "the conflict");
    assert_eq!(format!("{before:?}"), format!("{after:?}"), "what cannot be asked for");
}

/// Makes a call that must be refused, and asserts that it changed nothing.
pub(crate) fn refused<T: core::fmt::Debug, E>(
    replica: &mut Replica,
    call: impl FnOnce(&mut Replica) -> Result<T, E>,
) -> E {
    let before = replica.clone();
    let error = call(replica).expect_err("it must be refused");
    assert_same(&before, replica);
    error
}
