//! The `serde` feature: serialized forms, and refusal of every value that a constructor would
//! refuse.

use gm_clock::{CEILING, Incarnation, LocalClock, NetId, WorldClock};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{from_str, from_value, json, to_value};

fn clock(member: &str, incarnation: u64, time: u64) -> LocalClock {
    let member = member.parse().expect("an ordinary address");
    LocalClock::new(member, Incarnation::new(incarnation).expect("in range"), time).expect("in range")
}

#[test]
fn serialized_forms() {
    let (ann, bob) = (clock("10.0.0.1:29999", 0, 0), clock("[2001:db8::1]:29999", 7, CEILING));
    let world = WorldClock::from_iter([bob, ann]);
    let form = json!([
        { "member": "10.0.0.1:29999", "incarnation": 0, "time": 0 },
        { "member": "[2001:db8::1]:29999", "incarnation": 7, "time": CEILING },
    ]);
    assert_eq!(to_value(&world).expect("plain data"), form);
    assert_eq!(from_value::<WorldClock>(form).expect("its own form"), world);
    assert_eq!(from_str::<NetId>(r#""[2001:DB8::0\u003a1]:29999""#).expect("escapes"), bob.member());
}

#[test]
fn invalid_values_are_not_deserialized() {
    let refusals = [
        (from_str::<NetId>(r#""10.0.0.1:0""#).map(drop), "port 0"),
        (from_str::<NetId>(r#""localhost:29999""#).map(drop), "neither"),
        (from_str::<NetId>(r#""[fe80::1]:29999""#).map(drop), "link-local"),
        (from_str::<NetId>("29999").map(drop), "expected a.b.c.d:port"),
        (from_str::<Incarnation>("4611686018427387904").map(drop), "incarnation 4611686018427387904"),
        (from_str::<Incarnation>("-1").map(drop), "expected u64"),
        (
            from_value::<LocalClock>(json!({ "member": "10.0.0.1:1", "incarnation": 0, "time": u64::MAX }))
                .map(drop),
            "time 18446744073709551615",
        ),
        (
            from_value::<LocalClock>(json!({ "member": "10.0.0.1:1", "incarnation": 0 })).map(drop),
            "missing field",
        ),
        (
            from_value::<LocalClock>(json!({ "member": "10.0.0.1:1", "incarnation": 0, "time": 0, "x": 0 }))
                .map(drop),
            "unknown field",
        ),
        (
            from_value::<WorldClock>(json!([
                { "member": "10.0.0.1:1", "incarnation": 0, "time": 1 },
                { "member": "10.0.0.2:1", "incarnation": 0, "time": 1 },
                { "member": "10.0.0.1:1", "incarnation": 0, "time": 2 },
            ]))
            .map(drop),
            "two clocks of 10.0.0.1:1",
        ),
    ];
    for (result, reason) in refusals {
        let error = result.expect_err(reason).to_string();
        assert!(error.contains(reason), "{error:?} does not contain {reason:?}");
    }
}

proptest! {
    /// Serialization round-trips, whatever the order of the list.
    #[test]
    fn serialization_round_trips(raw in vec((1..50_u16, 0..=CEILING, 0..=CEILING), 0..20), turn in any::<bool>()) {
        let world: WorldClock =
            raw.into_iter().map(|(port, inc, time)| clock(&format!("10.0.0.1:{port}"), inc, time)).collect();
        let mut form = to_value(&world).expect("plain data");
        if turn {
            form.as_array_mut().expect("a list").reverse();
        }
        prop_assert_eq!(from_value::<WorldClock>(form).expect("its own form"), world);
    }
}
