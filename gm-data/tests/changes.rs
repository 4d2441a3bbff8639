//! Effects of each change, alone and in a batch. Refusals are tested in `refusals.rs`.

mod common;

use common::{NOW, empty_replica, id, own_items, range, serve, unserve};
use gm_data::{Change, Item, Op, Replica, WriteOutcome};

/// A replica that has made the given changes, each in its own write.
fn after(changes: &[Change]) -> Replica {
    let mut replica = empty_replica();
    for change in changes {
        replica.change(&[*change], NOW).expect("a sound change");
    }
    replica
}

fn write(replica: &mut Replica, batch: &[Change]) -> WriteOutcome {
    replica.change(batch, NOW).expect("a sound batch")
}

fn raise(text: &str, by: u16, port: Option<u16>) -> Change {
    Change::Raise { range: range(text), by, port }
}

fn lower(text: &str, by: u16) -> Change {
    Change::Lower { range: range(text), by }
}

fn priority(text: &str, priority: u16) -> Change {
    Change::Priority { range: range(text), priority }
}

#[test]
fn each_change_alone() {
    let put = |item: Result<Item, _>| Change::Put(item.expect("priority 1 or more"));
    let (serve_9, nine) = (serve("0-9"), range("0-9"));
    let serve_81 = Change::Serve { range: nine, port: Some(81), priority: 65_535 };
    let cases: &[(&str, &[Change], &[&str])] = &[
        ("serve", &[serve_9], &["add :80 x1 @1"]),
        ("serve again, otherwise", &[serve_9, serve_81], &["add :81 x65535 @2"]),
        ("serve an interest", &[Change::Interest(nine), serve_9], &["add :80 x1 @2"]),
        ("interest", &[Change::Interest(nine)], &["get :0 x1 @1"]),
        ("interest instead of serving", &[serve_81, Change::Interest(nine)], &["get :0 x1 @2"]),
        ("unserve the last", &[serve_81, unserve("0-9")], &["get :0 x1 @2"]),
        ("priority keeps the port", &[serve_81, priority("0-9", 3)], &["add :81 x3 @2"]),
        ("raise", &[serve_9, raise("0-9", 4, None)], &["add :80 x5 @2"]),
        ("raise keeps the port", &[serve_9, raise("0-9", 4, Some(99))], &["add :80 x5 @2"]),
        ("raise to the top", &[serve_9, raise("0-9", 65_534, None)], &["add :80 x65535 @2"]),
        ("raise what is not served", &[raise("0-9", 4, Some(99))], &["add :99 x4 @1"]),
        ("raise an interest", &[Change::Interest(nine), raise("0-9", 4, Some(99))], &["add :99 x4 @2"]),
        ("lower", &[serve_81, lower("0-9", 65_534)], &["add :81 x1 @2"]),
        ("lower to zero", &[serve_81, lower("0-9", 65_535)], &["get :0 x1 @2"]),
        ("lower below zero", &[serve_9, lower("0-9", 2)], &["get :0 x1 @2"]),
        ("put an add", &[put(Item::serves(id(1), nine, 9, 2))], &["add :9 x2 @1"]),
        ("put a get", &[put(Ok(Item::interest(id(1), nine)))], &["get :0 x1 @1"]),
        // An interest has no port and no priority, even if the given item has.
        ("put a get with a port", &[put(Item::new(id(1), nine, Op::Get, 9, 2))], &["get :0 x1 @1"]),
        ("put a removal", &[serve_9, put(Ok(Item::removal(id(1), nine)))], &["get :0 x1 @2"]),
    ];
    for (what, changes, expected) in cases {
        let format_item: Vec<_> = expected.iter().map(|item| format!("{nine} {item}")).collect();
        assert_eq!(own_items(&after(changes)), format_item, "{what}");
    }
}

#[test]
fn a_default_port_serves_where_none_is_given() {
    let mut replica = empty_replica().with_default_port(5432);
    let none = Change::Serve { range: range("0-9"), port: None, priority: 2 };
    write(&mut replica, &[none, raise("10-19", 3, None), serve("20-29"), raise("30-39", 4, Some(7))]);
    assert_eq!(
        own_items(&replica),
        [
            "0x00000000-0x00000009 add :5432 x2 @1",
            "0x0000000a-0x00000013 add :5432 x3 @1",
            "0x00000014-0x0000001d add :80 x1 @1",
            "0x0000001e-0x00000027 add :7 x4 @1",
        ]
    );
}

#[test]
fn a_removal_is_kept_until_it_is_purged() {
    let replica = after(&[serve("0-9"), serve("10-19"), unserve("0-9")]);
    assert_eq!(
        own_items(&replica),
        ["0x00000000-0x00000009 rmv :0 x1 @3", "0x0000000a-0x00000013 add :80 x1 @2"]
    );
    assert_eq!(replica.own_record().expect("written").item_counts(), (1, 2));
    assert_eq!(replica.state().live_item_count(), 1);
}

#[test]
fn a_batch_is_one_tick_and_one_increment() {
    let mut replica = after(&[serve("0-100")]);
    let before = replica.own_record().expect("written").version();
    let write = write(&mut replica, &[unserve("0-100"), serve("0-50")]);
    assert!(write.changed);
    assert_eq!((write.version.incarnation, write.version.clock), (before.incarnation, before.clock + 1));
    assert_eq!(
        own_items(&replica),
        ["0x00000000-0x00000032 add :80 x1 @2", "0x00000000-0x00000064 rmv :0 x1 @2"]
    );
    let increment = write.increment.expect("others hold the version before");
    assert_eq!((increment.span(), increment.items().len()), ((1, 2), 2));
    assert_eq!(increment.version_digest(), replica.own_record().expect("written").version_digest());
}

#[test]
fn the_last_change_of_a_range_counts() {
    let two = serve("0-9");
    let other = Change::Serve { range: range("0-9"), port: Some(81), priority: 9 };
    let cases: &[(&str, &[Change], &str)] = &[
        ("serve twice", &[two, other], "add :81 x9 @2"),
        ("serve, lower", &[other, lower("0-9", 4)], "add :81 x5 @2"),
        ("serve, raise, raise", &[two, raise("0-9", 1, None), raise("0-9", 2, None)], "add :80 x4 @2"),
        ("unserve, serve", &[two, unserve("0-9"), other], "add :81 x9 @2"),
        ("unserve, raise", &[two, unserve("0-9"), raise("0-9", 7, Some(7))], "add :7 x7 @2"),
        (
            "serve, interest, priority",
            &[Change::Interest(range("0-9")), two, priority("0-9", 6)],
            "add :80 x6 @2",
        ),
    ];
    for (what, batch, expected) in cases {
        let mut replica = after(&[serve("100-109")]);
        write(&mut replica, batch);
        assert_eq!(own_items(&replica)[0], format!("0x00000000-0x00000009 {expected}"), "{what}");
    }
    // Serving and unserving a range within one batch leaves no trace.
    let mut replica = after(&[serve("100-109")]);
    let before = replica.clone();
    assert!(!write(&mut replica, &[two, unserve("0-9")]).changed);
    common::assert_same(&before, &replica);
}

#[test]
fn the_last_item_that_is_unserved_becomes_an_interest() {
    let mut replica = after(&[serve("0-9"), serve("10-19"), Change::Interest(range("20-29"))]);
    write(&mut replica, &[unserve("20-29"), unserve("0-9"), unserve("10-19")]);
    assert_eq!(
        own_items(&replica),
        [
            "0x00000000-0x00000009 rmv :0 x1 @4",
            "0x0000000a-0x00000013 get :0 x1 @4",
            "0x00000014-0x0000001d rmv :0 x1 @4",
        ]
    );
    assert!(replica.is_member());

    // If the last named range is of interest already, it stays, and the others are removed.
    let mut replica = after(&[serve("0-9"), Change::Interest(range("20-29"))]);
    write(&mut replica, &[unserve("0-9"), unserve("20-29")]);
    assert_eq!(
        own_items(&replica),
        ["0x00000000-0x00000009 rmv :0 x1 @3", "0x00000014-0x0000001d get :0 x1 @2"]
    );
}

#[test]
fn unserving_all_and_serving_anew_leaves_no_interest() {
    let mut replica = after(&[serve("0-9"), serve("10-19")]);
    write(&mut replica, &[unserve("0-9"), unserve("10-19"), serve("5-14")]);
    assert_eq!(
        own_items(&replica),
        [
            "0x00000000-0x00000009 rmv :0 x1 @3",
            "0x00000005-0x0000000e add :80 x1 @3",
            "0x0000000a-0x00000013 rmv :0 x1 @3",
        ]
    );
}

#[test]
fn an_unchanged_item_writes_nothing() {
    let mut replica = after(&[serve("0-9"), Change::Interest(range("10-19"))]);
    let before = replica.clone();
    let same: &[&[Change]] = &[
        &[serve("0-9")],
        &[Change::Interest(range("10-19"))],
        &[priority("0-9", 1)],
        &[serve("0-9"), Change::Interest(range("10-19"))],
        &[unserve("0-9"), serve("0-9")],
        &[raise("0-9", 5, None), lower("0-9", 5)],
    ];
    for batch in same {
        let write = write(&mut replica, batch);
        let version = before.own_record().expect("written").version();
        assert_eq!(
            write,
            WriteOutcome { version, changed: false, increment: None, eviction: None },
            "{batch:?}"
        );
        common::assert_same(&before, &replica);
    }
}

#[test]
fn only_changed_items_get_a_new_stamp() {
    let mut replica = after(&[serve("0-9"), serve("10-19")]);
    let write = write(&mut replica, &[serve("0-9"), priority("10-19", 2), serve("20-29")]);
    assert_eq!(write.increment.expect("an increment").items().len(), 2);
    assert_eq!(
        own_items(&replica),
        [
            "0x00000000-0x00000009 add :80 x1 @1",
            "0x0000000a-0x00000013 add :80 x2 @3",
            "0x00000014-0x0000001d add :80 x1 @3",
        ]
    );
}

#[test]
fn ranges_are_not_cut() {
    // Overlapping ranges of one member are separate items: the identity is (member, start, end).
    let replica = after(&[serve("0-100"), serve("50-150"), serve("0-100")]);
    assert_eq!(replica.own_record().expect("written").item_counts(), (2, 2));
}
