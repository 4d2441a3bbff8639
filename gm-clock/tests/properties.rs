//! Properties of world clocks, on generated clocks and against a slow reference model that shares
//! no function with them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU64;

use gm_clock::{Behind, Causality, Incarnation, Lag, LocalClock, NetId, Side, WorldClock};
use proptest::collection::vec;
use proptest::prelude::*;

/// Few enough members, incarnations and times that two generated clocks often meet.
const MEMBERS: u16 = 12;

/// Member number -> (incarnation, time).
type Model = BTreeMap<u16, (u64, u64)>;

/// (member number, incarnation, time), in any order; a member may have several entries.
type Raw = Vec<(u16, u64, u64)>;

fn raw() -> impl Strategy<Value = Raw> {
    vec((0..MEMBERS, 0..3_u64, 0..4_u64), 0..20)
}

/// Members in the order of their numbers: the lower half IPv4, the upper half IPv6.
fn member(number: u16) -> NetId {
    let ip: IpAddr = if number < MEMBERS / 2 {
        Ipv4Addr::new(10, 0, 0, 1).into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()
    };
    NetId::new(ip, 250 + number).expect("an ordinary address")
}

fn clock((number, incarnation, time): (u16, u64, u64)) -> LocalClock {
    let incarnation = Incarnation::new(incarnation).expect("small");
    LocalClock::new(member(number), incarnation, time).expect("small")
}

fn world_clock(raw: &Raw) -> WorldClock {
    raw.iter().copied().map(clock).collect()
}

fn model(raw: &Raw) -> Model {
    let mut model = Model::new();
    for &(member, incarnation, time) in raw {
        model_set(&mut model, member, (incarnation, time));
    }
    model
}

fn model_set(model: &mut Model, member: u16, clock: (u64, u64)) -> bool {
    let old = model.get(&member).copied();
    if old.is_some_and(|old| old >= clock) {
        return false;
    }
    model.insert(member, clock);
    true
}

fn model_merge(model: &mut Model, other: &Model) -> usize {
    let mut changed = 0;
    for (&member, &clock) in other {
        changed += usize::from(model_set(model, member, clock));
    }
    changed
}

fn model_compare(this: &Model, other: &Model) -> Causality {
    // `None`, absent, is less than any `Some`.
    let below = (0..MEMBERS).all(|member| this.get(&member) <= other.get(&member));
    let above = (0..MEMBERS).all(|member| this.get(&member) >= other.get(&member));
    match (below, above) {
        (true, true) => Causality::Equal,
        (true, false) => Causality::Before,
        (false, true) => Causality::After,
        (false, false) => Causality::Concurrent,
    }
}

fn model_lag(this: &Model, other: &Model) -> Vec<Lag> {
    let mut lags = Vec::new();
    for number in 0..MEMBERS {
        let (side, behind) = match (this.get(&number), other.get(&number)) {
            (None, None) => continue,
            (None, Some(_)) => (Side::This, Behind::Absent),
            (Some(_), None) => (Side::Other, Behind::Absent),
            (Some(a), Some(b)) if a == b => continue,
            (Some(a), Some(b)) => {
                let side = if a < b { Side::This } else { Side::Other };
                let ticks = NonZeroU64::new(a.1.abs_diff(b.1));
                (side, if a.0 == b.0 { Behind::Ticks(ticks.expect("they differ")) } else { Behind::Unknown })
            }
        };
        lags.push(Lag { member: member(number), side, behind });
    }
    lags
}

fn merged(a: &WorldClock, b: &WorldClock) -> WorldClock {
    let mut merged = a.clone();
    merged.merge(b);
    merged
}

/// Asserts that the world clock has exactly the entries of the model, in the order of the members.
fn assert_same(world: &WorldClock, model: &Model) {
    let clocks: Vec<LocalClock> =
        model.iter().map(|(&member, &(inc, time))| clock((member, inc, time))).collect();
    assert_eq!(world.iter().collect::<Vec<_>>(), clocks);
    assert_eq!(world.into_iter().len(), model.len());
    assert_eq!((world.len(), world.is_empty()), (model.len(), model.is_empty()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn merge_is_commutative(a in raw(), b in raw()) {
        let (a, b) = (world_clock(&a), world_clock(&b));
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
    }

    #[test]
    fn merge_is_associative(a in raw(), b in raw(), c in raw()) {
        let (a, b, c) = (world_clock(&a), world_clock(&b), world_clock(&c));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
    }

    #[test]
    fn merge_is_idempotent(a in raw(), b in raw()) {
        let (mut a, b) = (world_clock(&a), world_clock(&b));
        prop_assert_eq!(a.clone().merge(&a), 0);
        a.merge(&b);
        let once = a.clone();
        prop_assert_eq!(a.merge(&b), 0);
        prop_assert_eq!(a, once);
    }

    /// The result is an upper bound of both, and below every other upper bound.
    #[test]
    fn merge_is_the_least_upper_bound(a in raw(), b in raw(), c in raw()) {
        let (a, b) = (world_clock(&a), world_clock(&b));
        let join = merged(&a, &b);
        prop_assert!(join >= a && join >= b);
        let above = merged(&merged(&world_clock(&c), &a), &b);
        prop_assert!(join <= above);
    }

    #[test]
    fn merge_is_monotone(a in raw(), b in raw(), c in raw()) {
        let (a, c) = (world_clock(&a), world_clock(&c));
        let above = merged(&a, &world_clock(&b));
        prop_assert!(merged(&a, &c) <= merged(&above, &c));
    }

    #[test]
    fn merging_a_lesser_clock_changes_nothing(a in raw(), b in raw()) {
        let (a, b) = (world_clock(&a), world_clock(&b));
        prop_assert_eq!(merged(&a, &b) == b, a <= b);
        prop_assert_eq!(merged(&a, &b) == a, a >= b);
        prop_assert_eq!(a == b, a.compare(&b) == Causality::Equal);
    }

    #[test]
    fn merge_agrees_with_the_model(a in raw(), b in raw()) {
        let (mut this, mut this_model) = (world_clock(&a), model(&a));
        let changed = this.merge(&world_clock(&b));
        prop_assert_eq!(changed, model_merge(&mut this_model, &model(&b)));
        assert_same(&this, &this_model);
    }

    #[test]
    fn compare_agrees_with_the_model(a in raw(), b in raw()) {
        let expected = model_compare(&model(&a), &model(&b));
        let (a, b) = (world_clock(&a), world_clock(&b));
        prop_assert_eq!(a.compare(&b), expected);
        prop_assert_eq!(a.partial_cmp(&b), match expected {
            Causality::Before => Some(std::cmp::Ordering::Less),
            Causality::After => Some(std::cmp::Ordering::Greater),
            Causality::Equal => Some(std::cmp::Ordering::Equal),
            Causality::Concurrent => None,
        });
    }

    /// Generated pairs are mostly concurrent; these are ordered, with few differences.
    #[test]
    fn compare_agrees_with_the_model_on_ordered_pairs(a in raw(), b in vec((0..MEMBERS, 0..3_u64, 0..4_u64), 0..3)) {
        let both: Raw = a.iter().chain(&b).copied().collect();
        let expected = model_compare(&model(&a), &model(&both));
        prop_assert!(matches!(expected, Causality::Before | Causality::Equal));
        prop_assert_eq!(world_clock(&a).compare(&world_clock(&both)), expected);
        let expected = model_compare(&model(&both), &model(&a));
        prop_assert_eq!(world_clock(&both).compare(&world_clock(&a)), expected);
    }

    #[test]
    fn lag_agrees_with_the_model(a in raw(), b in raw()) {
        let (this, other) = (world_clock(&a), world_clock(&b));
        prop_assert_eq!(this.lag(&other).collect::<Vec<_>>(), model_lag(&model(&a), &model(&b)));
    }

    /// Successive `set` calls return the same results as the model and leave the same state; `get`
    /// finds every entry; collecting all clocks at once gives the same state.
    #[test]
    fn set_and_get_agree_with_the_model(raw in raw()) {
        let (mut this, mut this_model) = (WorldClock::new(), Model::new());
        for &(member, incarnation, time) in &raw {
            let changed = this.set(clock((member, incarnation, time)));
            prop_assert_eq!(changed, model_set(&mut this_model, member, (incarnation, time)));
        }
        assert_same(&this, &this_model);
        for number in 0..MEMBERS {
            let expected = this_model.get(&number).map(|&(inc, time)| clock((number, inc, time)));
            prop_assert_eq!(this.get(member(number)), expected);
        }
        prop_assert_eq!(world_clock(&raw), this);
    }
}

#[test]
fn absent_is_not_zero() {
    let empty = WorldClock::new();
    let bob = WorldClock::from_iter([clock((3, 0, 0))]);
    assert_eq!(empty.get(member(3)), None);
    assert_eq!(empty.compare(&bob), Causality::Before);
    let lag = Lag { member: member(3), side: Side::This, behind: Behind::Absent };
    assert_eq!(empty.lag(&bob).collect::<Vec<_>>(), [lag]);
    assert_eq!(empty.lag(&empty).count(), 0);
}

#[test]
fn a_later_incarnation_is_newer_at_any_time() {
    let (old, new) = (clock((3, 1, 900)), clock((3, 2, 1)));
    let mut world = WorldClock::from_iter([old]);
    let lags: Vec<Lag> = world.lag(&WorldClock::from_iter([new])).collect();
    assert_eq!(lags, [Lag { member: member(3), side: Side::This, behind: Behind::Unknown }]);
    assert!(world.set(new));
    assert!(!world.set(old));
    assert_eq!(world.get(member(3)), Some(new));
}
