//! Queries of a state, and events between two states.

mod common;

use common::{
    NOW, empty_replica, forgotten, group_state, id, interest, later, range, record, removal, serve, serves,
    unserve, version,
};
use gm_data::{Change, GroupEvent, GroupState, Item, Op, PurgePolicy, Replica, StampedItem};

/// Member 1 serves two ranges, is interested in a third, and removed a fourth; 2 is interested; 3
/// has left; 4 is forgotten.
fn state() -> GroupState {
    let one = [
        serves(id(1), "0-9", 1),
        removal(id(1), "10-19", 4),
        serves(id(1), "20-29", 2),
        interest(id(1), "30-39", 3),
    ];
    group_state([
        record(id(3), version(1, 5), &[removal(id(3), "0-9", 5)]),
        record(id(2), version(2, 1), &[interest(id(2), "0-0xffffffff", 1)]),
        record(id(4), forgotten(1, 2), &[]),
        record(id(1), version(1, 4), &one),
    ])
}

fn format_items(items: impl Iterator<Item = StampedItem>) -> Vec<String> {
    let line =
        |stamped: StampedItem| format!("{} {}", stamped.item.member().ip(), common::format_item(stamped));
    items.map(line).collect()
}

#[test]
fn members_have_a_live_item() {
    let state = state();
    assert!(state.members().eq([id(1), id(2)]));
    assert_eq!([1, 2, 3, 4, 5].map(|number| state.is_member(id(number))), [true, true, false, false, false]);
    assert_eq!((state.member_count(), state.live_item_count(), state.records().len()), (2, 4, 4));
    let empty = group_state([]);
    assert_eq!((empty.members().count(), empty.member_count(), empty.fingerprint()), (0, 0, 0));
    // A forgotten member has no clock; a member that left has one.
    let clocks = state.world_clock();
    assert_eq!(
        [1, 2, 3, 4].map(|number| clocks.get(id(number)).map(|clock| clock.time())),
        [Some(4), Some(1), Some(5), None]
    );
}

#[test]
fn items_are_the_live_ones_or_those_of_an_op() {
    let state = state();
    assert_eq!(
        format_items(state.items().iter()),
        [
            "10.0.0.1 0x00000000-0x00000009 add :80 x1 @1",
            "10.0.0.1 0x00000014-0x0000001d add :80 x1 @2",
            "10.0.0.1 0x0000001e-0x00000027 get :0 x1 @3",
            "10.0.0.2 0x00000000-0xffffffff get :0 x1 @1",
        ]
    );
    let of = |op| format_items(state.items_of(op).iter());
    assert_eq!(of(Op::Add), format_items(state.items().iter())[..2]);
    assert_eq!(of(Op::Get), format_items(state.items().iter())[2..]);
    assert_eq!(
        of(Op::Rmv),
        ["10.0.0.1 0x0000000a-0x00000013 rmv :0 x1 @4", "10.0.0.3 0x00000000-0x00000009 rmv :0 x1 @5"]
    );
    let mut purged = state.clone();
    assert_eq!(purged.purge(PurgePolicy::EVERYTHING), 2);
    assert_eq!(purged.items_of(Op::Rmv).iter().count(), 0);
    assert_eq!(format_items(purged.items().iter()), format_items(state.items().iter()));
}

#[test]
fn counts_are_by_member_and_op() {
    let state = state();
    let counts = |number| [Op::Add, Op::Rmv, Op::Get].map(|op| state.item_count(id(number), op));
    assert_eq!([1, 2, 3, 4, 5].map(counts), [[2, 1, 1], [0, 0, 1], [0, 1, 0], [0, 0, 0], [0, 0, 0]]);
}

#[test]
fn one_item_is_found_by_its_exact_range() {
    let state = state();
    let get = |op: Option<Op>, text| {
        let set = op.map_or(state.items(), |op| state.items_of(op));
        set.get(id(1), range(text))
    };
    assert_eq!(get(None, "0-9"), Some(serves(id(1), "0-9", 1)));
    assert_eq!(get(None, "30-39"), Some(interest(id(1), "30-39", 3)));
    assert_eq!(get(None, "10-19"), None);
    assert_eq!(get(None, "0-8"), None);
    assert_eq!(get(Some(Op::Add), "0-9"), Some(serves(id(1), "0-9", 1)));
    assert_eq!(get(Some(Op::Add), "30-39"), None);
    assert_eq!(get(Some(Op::Get), "30-39"), Some(interest(id(1), "30-39", 3)));
    assert_eq!(get(Some(Op::Rmv), "10-19"), Some(removal(id(1), "10-19", 4)));
    assert_eq!(get(Some(Op::Rmv), "0-9"), None);
    assert_eq!(state.items().get(id(5), range("0-9")), None);
}

/// The events of one operation on a replica.
fn events_of<R>(replica: &mut Replica, step: impl FnOnce(&mut Replica) -> R) -> Vec<GroupEvent> {
    let before = replica.state().clone();
    step(replica);
    assert_eq!(before.events_since(&before), []);
    replica.state().events_since(&before)
}

fn item(text: &str) -> Item {
    serves(id(1), text, 0).item
}

#[test]
fn events_describe_a_write() {
    let mut replica = empty_replica();
    let mut write = |batch: &[Change]| {
        events_of(&mut replica, |replica| replica.change(batch, NOW).expect("a sound batch"))
    };
    let (low, high, whole) = (item("0-9"), item("10-19"), item("0-19"));
    let interest = Item::interest(id(1), low.range());
    let preferred = Item::serves(id(1), high.range(), 80, 2).expect("priority 2");
    let moved = Item::serves(id(1), high.range(), 81, 2).expect("priority 2");

    assert_eq!(
        write(&[serve("10-19"), serve("0-9")]),
        [GroupEvent::Joined(id(1)), GroupEvent::RangeAdded(low), GroupEvent::RangeAdded(high)]
    );
    assert_eq!(write(&[serve("10-19")]), []);
    assert_eq!(
        write(&[Change::Raise { range: high.range(), by: 1, port: None }]),
        [GroupEvent::RangeChanged { from: high, to: preferred }]
    );
    assert_eq!(write(&[Change::Put(moved)]), [GroupEvent::RangeChanged { from: preferred, to: moved }]);
    assert_eq!(
        write(&[unserve("10-19"), serve("0-19")]),
        [GroupEvent::RangeAdded(whole), GroupEvent::RangeRemoved(moved)]
    );
    assert_eq!(
        write(&[Change::Interest(low.range())]),
        [GroupEvent::RangeChanged { from: low, to: interest }]
    );
    assert_eq!(
        events_of(&mut replica, |replica| replica.leave(NOW).expect("a member may leave")),
        [GroupEvent::RangeRemoved(interest), GroupEvent::RangeRemoved(whole), GroupEvent::Left(id(1))]
    );
    // A returning member is reported as a joining one.
    assert_eq!(
        events_of(&mut replica, |replica| replica.join(&[low.range()], NOW).expect("a valid join")),
        [GroupEvent::Joined(id(1)), GroupEvent::RangeAdded(interest)]
    );
}

#[test]
fn a_purge_or_a_refutation_makes_no_events() {
    let mut replica = empty_replica();
    replica.change(&[serve("0-9"), serve("10-19")], NOW).expect("sound");
    replica.change(&[unserve("0-9")], NOW).expect("sound");
    let foreign = group_state([record(id(1), version(1 << 40, 9), &[serves(id(1), "90-99", 9)])]);
    let defended = events_of(&mut replica, |replica| {
        replica.merge(&foreign, later(0)).expect("of this group");
    });
    assert_eq!(defended, []);
    let mut replica = Replica::restore(id(1), state());
    assert_eq!(events_of(&mut replica, |replica| assert_eq!(replica.purge(PurgePolicy::EVERYTHING), 2)), []);
    assert_eq!(events_of(&mut replica, |replica| replica.change(&[serve("0-9")], NOW).map(drop)), []);
}

#[test]
fn a_forgotten_member_has_left() {
    let mut replica = Replica::restore(id(2), state());
    let [low, mid, high] = ["0-9", "20-29", "30-39"].map(item);
    let high = Item::interest(id(1), high.range());
    let forgotten = events_of(&mut replica, |replica| replica.forget(id(1)).expect("it is known"));
    assert_eq!(
        forgotten,
        [
            GroupEvent::RangeRemoved(low),
            GroupEvent::RangeRemoved(mid),
            GroupEvent::RangeRemoved(high),
            GroupEvent::Left(id(1))
        ]
    );
    assert_eq!(
        events_of(&mut replica, |replica| replica.forget(id(3)).expect("it is known")),
        [],
        "it had left before"
    );
}

#[test]
fn events_come_member_by_member_both_ways() {
    let (empty, full) = (group_state([]), state());
    let names = |events: Vec<GroupEvent>| -> Vec<String> {
        let name = |event| match event {
            GroupEvent::Joined(member) => format!("{} joined", member.ip()),
            GroupEvent::RangeAdded(item) => format!("{} + {}", item.member().ip(), item.range()),
            GroupEvent::RangeChanged { to, .. } => format!("{} ~ {}", to.member().ip(), to.range()),
            GroupEvent::RangeRemoved(item) => format!("{} - {}", item.member().ip(), item.range()),
            GroupEvent::Left(member) => format!("{} left", member.ip()),
        };
        events.into_iter().map(name).collect()
    };
    assert_eq!(
        names(full.events_since(&empty)),
        [
            "10.0.0.1 joined",
            "10.0.0.1 + 0x00000000-0x00000009",
            "10.0.0.1 + 0x00000014-0x0000001d",
            "10.0.0.1 + 0x0000001e-0x00000027",
            "10.0.0.2 joined",
            "10.0.0.2 + 0x00000000-0xffffffff",
        ]
    );
    // Backwards: the events for a reader whose state was reset.
    assert_eq!(
        names(empty.events_since(&full)),
        [
            "10.0.0.1 - 0x00000000-0x00000009",
            "10.0.0.1 - 0x00000014-0x0000001d",
            "10.0.0.1 - 0x0000001e-0x00000027",
            "10.0.0.1 left",
            "10.0.0.2 - 0x00000000-0xffffffff",
            "10.0.0.2 left",
        ]
    );
}
