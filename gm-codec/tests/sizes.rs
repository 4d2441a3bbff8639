//! Sizes on the wire of fixed states, sealed as a datagram: the numbers in `docs/FIGURES.md`.

mod group_states;

use std::collections::BTreeSet;

use gm_clock::NetId;
use gm_codec::{Body, BroadcastHeader, Header, Limits, MemberUpdate, Payload, Routing, split_state};
use gm_data::{GroupState, Item, Record, StampedItem, Version};
use group_states::{
    CLOCK, GROUP, adjoining, apart, incarnation, increment, item, member, random_ranges, sizes,
};

#[test]
fn one_changed_item() {
    // Table 8, header 4, tag 1, name 10, updates 1, head 1, incarnation 7, clock 2, span 1, digest
    // 8, items 1, item 13.
    assert_eq!(sizes(&increment(vec![item(0x8123_4567, 0xf234_5678, 20_000)])), (57, 89), "the figure is 92");
}

#[test]
fn changed_items_together() {
    let clustered = |count: u32| sizes(&increment(adjoining(count))).1;
    // Separate ranges of different widths, on one port or on five in turn.
    let apart = |count: u32, ports: u32| sizes(&increment(apart(count, ports))).1;
    let random = |count: u32| sizes(&increment(random_ranges(count))).1;
    assert_eq!([clustered(16), clustered(128)], [101, 98], "6.3 and 0.8 bytes each, thanks to snappy");
    assert_eq!([apart(16, 1), apart(128, 1)], [156, 611], "9.8 and 4.8 bytes each; the figures are 12 and 7");
    assert_eq!([apart(16, 5), apart(128, 5)], [192, 659], "12.0 and 5.1 bytes each");
    assert_eq!([random(100), random(1_000)], [1_071, 9_496], "10.7 and 9.5 bytes each; the figure is 12");
}

#[test]
fn target_lists() {
    let list = |count: u32| {
        let far = |i: u32| format!("10.{}.{}.{}:29999", i % 3, i / 200, i % 200 + 1);
        let nodes: BTreeSet<NetId> = (0..count).map(|i| far(i).parse().expect("an address")).collect();
        let empty = increment(vec![item(0, 9, 80)]);
        let list = nodes.into_iter().collect();
        let kind = Routing::Broadcast(BroadcastHeader {
            origin: None,
            sequence: 1_000,
            targets: list,
            ack_request: None,
        });
        let header = Header { routing: kind, ..empty.header.clone() };
        sizes(&Payload { header, ..empty.clone() }).0 - sizes(&empty).0
    };
    assert_eq!(
        (list(100), list(1_000)),
        (211, 2_013),
        "2.1 and 2.0 bytes a node where explicit lists are to take 4"
    );
}

#[test]
fn split_state_fits_datagrams_and_is_complete() {
    let record = |number: u32| {
        let items = if number == 33 { 400 } else { number % 9 };
        let items = random_ranges(items)
            .into_iter()
            .map(|timed| StampedItem { item: Item::interest(member(number), timed.item.range()), ..timed });
        let version = Version::new(incarnation(), false, CLOCK).expect("in range");
        Record::from_parts(member(number), version, None, 0, items).expect("valid")
    };
    let state = GroupState::from_records(GROUP.parse().expect("a name"), (0..100).map(record));
    let pieces = split_state(&state, Limits::DEFAULT.datagram_payload());
    assert_eq!(pieces.too_large, [member(33)], "it alone does not fit");
    let mut merged = GroupState::new(state.name().clone());
    for group in pieces.groups {
        let records = group.updates.iter().map(|update| match update {
            MemberUpdate::Record(record) => record.clone(),
            MemberUpdate::Increment(_) | MemberUpdate::Eviction(_) => {
                unreachable!("a split state has records only")
            }
        });
        merged.merge(&GroupState::from_records(group.name.clone(), records)).expect("one group");
        let mut header = Header::own_broadcast(member(7), u64::MAX);
        header.multicast_sequence = Some(u64::MAX);
        assert!(sizes(&Payload { header, body: Body::GroupUpdate(group) }).1 <= Limits::DEFAULT.datagram);
    }
    merged.merge(&state.records_for(pieces.too_large)).expect("one group");
    assert_eq!(merged.fingerprint(), state.fingerprint());
}
