//! States built from several records of one member, and inspection of states.

mod common;

use common::{forgotten, group_state, id, predecessor, range, record, serves, version};
use gm_data::{Record, StampedItem};

/// Of several records of one member the greatest is kept, wherever it is in the list.
#[test]
fn the_greatest_record_of_a_member_is_kept_in_any_order() {
    let first = record(id(2), version(5, 1), &[serves(id(2), "0-9", 1)]);
    let second = record(id(2), version(5, 2), &[serves(id(2), "0-9", 1), serves(id(2), "20-29", 2)]);
    let forgotten = record(id(2), forgotten(5, 2), &[]);
    let later = record(id(2), version(6, 1), &[serves(id(2), "30-39", 1)]);
    // From the least to the greatest: (incarnation, forgotten, clock).
    let all: [Record; 4] = [first, second, forgotten, later];
    for lesser in 0..all.len() {
        for greater in lesser..all.len() {
            let (one, other) = (&all[lesser], &all[greater]);
            for list in [[one, other], [other, one]] {
                let state = group_state(list.into_iter().cloned());
                assert_eq!(state.record(id(2)), Some(other), "{lesser} and {greater}");
                assert_eq!(state.fingerprint(), group_state([other.clone()]).fingerprint());
            }
        }
    }
}

#[test]
fn a_state_shows_its_records_and_a_range_its_ends() {
    let state = group_state([record(id(2), version(5, 1), &[serves(id(2), "16-31", 1)])]);
    let text = format!("{state:?}");
    assert!(text.starts_with("GroupState") && text.contains("10.0.0.2:29999"), "{text}");
    assert_eq!(
        format!("{:?} {}", range("16-31"), range("16-31")),
        "0x00000010-0x0000001f 0x00000010-0x0000001f"
    );
}

/// Two records are equal only if all their parts are: tests that compare records rely on this.
#[test]
fn records_that_differ_in_one_thing_are_not_equal() {
    let items = [serves(id(2), "0-9", 1), serves(id(2), "20-29", 2)];
    let of = |member, incarnation, clock, predecessor, floor, items: &[StampedItem]| {
        let items = items.iter().copied();
        Record::from_parts(member, version(incarnation, clock), predecessor, floor, items).expect("sound")
    };
    let one = of(id(2), 5, 3, predecessor(4, 2), 1, &items);
    assert_eq!(one, of(id(2), 5, 3, predecessor(4, 2), 1, &items));
    let others = [
        of(
            id(3),
            5,
            3,
            predecessor(4, 2),
            1,
            &items.map(|stamped| serves(id(3), &stamped.item.range().to_string(), stamped.stamp)),
        ),
        of(id(2), 6, 3, predecessor(4, 2), 1, &items),
        of(id(2), 5, 4, predecessor(4, 2), 1, &items),
        of(id(2), 5, 3, predecessor(4, 1), 1, &items),
        of(id(2), 5, 3, None, 1, &items),
        of(id(2), 5, 3, predecessor(4, 2), 2, &items),
        of(id(2), 5, 3, predecessor(4, 2), 1, &items[..1]),
        of(id(2), 5, 3, predecessor(4, 2), 1, &[serves(id(2), "0-9", 2), items[1]]),
    ];
    for (at, other) in others.iter().enumerate() {
        assert_ne!(&one, other, "{at}");
    }
    let empty = |member| of(member, 5, 3, None, 1, &[]);
    assert_ne!(empty(id(2)), empty(id(3)), "whose it is counts, also where nothing is in it");
    let text = format!("{one:?}");
    assert!(text.contains("10.0.0.2:29999") && text.contains("0x00000014-0x0000001d"), "{text}");
}

/// Iterators over records and over items report their remaining length at each step.
#[test]
fn an_iterator_knows_its_remaining_length() {
    let items: Vec<StampedItem> = (0..200).map(|key| serves(id(1), &(3 * key).to_string(), 1)).collect();
    let state = group_state(
        (1..=200).map(|number| record(id(number), version(1, 1), if number == 1 { &items } else { &[] })),
    );
    let mut records = state.records();
    for left in (0..200).rev() {
        assert!(records.next().is_some());
        assert_eq!((records.len(), records.size_hint()), (left, (left, Some(left))));
    }
    assert!(records.next().is_none());
    assert_eq!(records.len(), 0);
    let one = state.record(id(1)).expect("it is there");
    let mut walk = one.stamped_items();
    for left in (0..200).rev() {
        assert!(walk.next().is_some());
        assert_eq!(walk.len(), left);
    }
}
