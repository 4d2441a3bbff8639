//! Every reason to refuse a batch, by name, and that a refusal changes nothing. Uses only the
//! public API.

mod common;

use common::{
    FIRST, NOW, empty_replica, group_state, id, later, name, range, record, refused, serve, serves, unserve,
    version,
};
use gm_data::{Change, ChangeError, Item, KeyRange, Replica};

/// A replica that serves 0-9 with priority 1 and 10-19 with 65535, is interested in 20-29, and has
/// removed 30-39.
fn busy() -> Replica {
    let mut replica = empty_replica();
    let high = Change::Serve { range: range("10-19"), port: Some(80), priority: u16::MAX };
    let batch = [serve("0-9"), high, Change::Interest(range("20-29")), serve("30-39")];
    replica.change(&batch, NOW).expect("a sound batch");
    replica.change(&[unserve("30-39")], NOW).expect("it is served");
    replica
}

#[test]
fn every_refusal_names_its_reason_and_changes_nothing() {
    let [nine, nineteen, interest, removed] = ["0-9", "10-19", "20-29", "30-39"].map(range);
    let part = range("0-8");
    let put = |item| Change::Put(item);
    let not_served = |range: KeyRange| ChangeError::NotServed { range };
    let out_of_range = |range: KeyRange| ChangeError::PriorityOutOfRange { range };
    let cases: Vec<(Change, ChangeError)> = vec![
        (Change::Unserve(part), not_served(part)),
        (Change::Unserve(removed), not_served(removed)),
        (Change::Priority { range: part, priority: 2 }, not_served(part)),
        (Change::Priority { range: interest, priority: 2 }, not_served(interest)),
        (Change::Priority { range: removed, priority: 2 }, not_served(removed)),
        (Change::Priority { range: nine, priority: 0 }, out_of_range(nine)),
        (Change::Lower { range: part, by: 1 }, not_served(part)),
        (Change::Lower { range: interest, by: 1 }, not_served(interest)),
        (Change::Lower { range: removed, by: 1 }, not_served(removed)),
        (Change::Lower { range: nine, by: 0 }, out_of_range(nine)),
        (Change::Raise { range: nine, by: 0, port: Some(1) }, out_of_range(nine)),
        (Change::Raise { range: part, by: 0, port: Some(1) }, out_of_range(part)),
        (Change::Raise { range: nineteen, by: 1, port: None }, out_of_range(nineteen)),
        (Change::Raise { range: nine, by: u16::MAX, port: None }, out_of_range(nine)),
        (Change::Raise { range: part, by: 1, port: None }, ChangeError::NoPort { range: part }),
        (Change::Raise { range: interest, by: 1, port: None }, ChangeError::NoPort { range: interest }),
        (Change::Raise { range: removed, by: 1, port: None }, ChangeError::NoPort { range: removed }),
        (Change::Raise { range: part, by: 1, port: Some(0) }, ChangeError::PortZero { range: part }),
        (Change::Serve { range: part, port: None, priority: 1 }, ChangeError::NoPort { range: part }),
        (Change::Serve { range: nine, port: Some(0), priority: 1 }, ChangeError::PortZero { range: nine }),
        (Change::Serve { range: nine, port: Some(1), priority: 0 }, out_of_range(nine)),
        (put(Item::serves(id(1), nine, 0, 1).expect("priority 1")), ChangeError::PortZero { range: nine }),
        (put(Item::removal(id(1), part)), not_served(part)),
        (put(Item::interest(id(2), nine)), ChangeError::WriteForOther { member: id(2), writer: id(1) }),
        (put(Item::removal(id(2), nine)), ChangeError::WriteForOther { member: id(2), writer: id(1) }),
    ];
    let mut replica = busy();
    for (change, error) in cases {
        assert_eq!(refused(&mut replica, |replica| replica.change(&[change], NOW)), error, "{change:?}");
        // Valid changes around a refused one are not written either.
        let batch = [serve("100-109"), unserve("0-9"), serve("0-9"), change, serve("200-209")];
        assert_eq!(
            refused(&mut replica, |replica| replica.change(&batch, NOW)),
            error,
            "{change:?} in a batch"
        );
    }
}

#[test]
fn an_empty_batch_and_the_last_interest_are_refused() {
    let mut replica = empty_replica();
    assert_eq!(refused(&mut replica, |replica| replica.change(&[], NOW)), ChangeError::EmptyBatch);
    assert_eq!(refused(&mut replica, |replica| replica.leave(NOW)), ChangeError::NotAMember);

    replica.join(&[], NOW).expect("it may join");
    let whole = ChangeError::LastItem { range: KeyRange::WHOLE };
    let last = [Change::Unserve(KeyRange::WHOLE)];
    assert_eq!(refused(&mut replica, |replica| replica.change(&last, NOW)), whole);
    let there_and_back = [serve("0-9"), unserve("0-9"), Change::Unserve(KeyRange::WHOLE)];
    assert_eq!(refused(&mut replica, |replica| replica.change(&there_and_back, NOW)), whole);
    assert_eq!(refused(&mut replica, |replica| replica.change(&[], NOW)), ChangeError::EmptyBatch);

    replica.leave(NOW).expect("a member may leave");
    assert_eq!(refused(&mut replica, |replica| replica.leave(NOW)), ChangeError::NotAMember);
}

#[test]
fn what_others_serve_is_not_served_here() {
    let mut replica = empty_replica();
    replica
        .merge(&group_state([record(id(2), version(1, 1), &[serves(id(2), "0-9", 1)])]), NOW)
        .expect("of this group");
    let range = range("0-9");
    let error = refused(&mut replica, |replica| replica.change(&[Change::Unserve(range)], NOW));
    assert_eq!(error, ChangeError::NotServed { range });
    assert_eq!(refused(&mut replica, |replica| replica.leave(NOW)), ChangeError::NotAMember);
}

#[test]
fn a_default_port_of_zero_is_none() {
    let mut replica = empty_replica().with_default_port(0);
    let none = Change::Serve { range: range("0-9"), port: None, priority: 1 };
    let error = refused(&mut replica, |replica| replica.change(&[none], NOW));
    assert_eq!(error, ChangeError::NoPort { range: range("0-9") });
}

#[test]
fn an_identity_conflict_stops_every_write() {
    let mut replica = busy();
    for clock in 1..=4 {
        let foreign = record(id(1), version(FIRST + 10 * clock, clock), &[]);
        replica.merge(&group_state([foreign]), later(clock)).expect("of this group");
    }
    assert!(replica.conflict().paused_until().is_some());
    let conflict = ChangeError::IdentityConflict { member: id(1) };
    assert_eq!(refused(&mut replica, |replica| replica.change(&[serve("0-9")], later(5))), conflict);
    assert_eq!(refused(&mut replica, |replica| replica.change(&[serve("40-49")], later(5))), conflict);
    assert_eq!(refused(&mut replica, |replica| replica.join(&[range("40-49")], later(5))), conflict);
    assert_eq!(refused(&mut replica, |replica| replica.leave(later(5))), conflict);
}

#[test]
fn the_errors_say_what_to_do() {
    let range = range("0-9");
    let texts = [
        (ChangeError::EmptyBatch, "empty"),
        (ChangeError::NotServed { range }, "no item for exactly 0x00000000-0x00000009"),
        (ChangeError::NoPort { range }, "give one"),
        (ChangeError::PortZero { range }, "1 to 65535"),
        (ChangeError::PriorityOutOfRange { range }, "1 to 65535"),
        (ChangeError::LastItem { range }, "leave the group"),
        (
            ChangeError::WriteForOther { member: id(2), writer: id(1) },
            "10.0.0.2:29999 cannot be written by 10.0.0.1:29999",
        ),
        (ChangeError::NotAMember, "not a member"),
        (ChangeError::IdentityConflict { member: id(1) }, "another address"),
    ];
    for (error, part) in texts {
        let text = error.to_string();
        assert!(text.contains(part), "{text:?} does not contain {part:?}");
    }
    assert_eq!(name("G").to_string(), "G");
}
