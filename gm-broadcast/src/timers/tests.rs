//! The timer table, compared with a plain list.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    First,
    Second,
    Third(u64),
    Fourth(u64),
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Set(Timer, u64),
    SetBy(Timer, u64),
    SetIfNone(Timer, u64),
    SetOrCancel(Timer, Option<u64>),
    Cancel(Timer),
    Take(u64),
    TakeVariant(u64),
}

fn timer() -> impl Strategy<Value = Timer> {
    prop_oneof![
        Just(Timer::First),
        Just(Timer::Second),
        (0..3_u64).prop_map(Timer::Third),
        (0..3_u64).prop_map(Timer::Fourth),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (timer(), 0..50_u64).prop_map(|(timer, at)| Op::Set(timer, at)),
        (timer(), 0..50_u64).prop_map(|(timer, at)| Op::SetBy(timer, at)),
        (timer(), 0..50_u64).prop_map(|(timer, at)| Op::SetIfNone(timer, at)),
        (timer(), prop::option::of(0..50_u64)).prop_map(|(timer, at)| Op::SetOrCancel(timer, at)),
        timer().prop_map(Op::Cancel),
        (0..50_u64).prop_map(Op::Take),
        (0..50_u64).prop_map(Op::TakeVariant),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn timers_fire_as_a_plain_list(ops in prop::collection::vec(op(), 0..120)) {
        let mut timers = Timers::default();
        let mut list: Vec<(Timer, Time)> = Vec::new();
        for op in ops {
            match op {
                Op::Set(timer, at) => {
                    timers.set(timer, Time::from_nanos(at));
                    list.retain(|(set, _)| *set != timer);
                    list.push((timer, Time::from_nanos(at)));
                }
                Op::SetBy(timer, at) => {
                    let at = Time::from_nanos(at);
                    timers.set_by(timer, at);
                    match list.iter_mut().find(|(set, _)| *set == timer) {
                        Some((_, set)) => *set = at.min(*set),
                        None => list.push((timer, at)),
                    }
                }
                Op::SetIfNone(timer, at) => {
                    timers.set_if_none(timer, Time::from_nanos(at));
                    if !list.iter().any(|(set, _)| *set == timer) {
                        list.push((timer, Time::from_nanos(at)));
                    }
                }
                Op::SetOrCancel(timer, at) => {
                    let at = at.map(Time::from_nanos);
                    timers.set_or_cancel(timer, at);
                    list.retain(|(set, _)| *set != timer);
                    list.extend(at.map(|at| (timer, at)));
                }
                Op::Cancel(timer) => {
                    let at = list.iter().find(|(set, _)| *set == timer).map(|(_, at)| *at);
                    prop_assert_eq!(timers.is_set(&timer), at.is_some());
                    prop_assert_eq!(timers.cancel(&timer), at);
                    list.retain(|(set, _)| *set != timer);
                }
                Op::Take(now) => {
                    let due = list.iter().filter(|(_, at)| *at <= Time::from_nanos(now));
                    let due = due.min_by_key(|(timer, at)| (*at, *timer)).map(|(timer, _)| *timer);
                    prop_assert_eq!(timers.take(Time::from_nanos(now)), due);
                    list.retain(|(set, _)| Some(*set) != due);
                }
                Op::TakeVariant(now) => {
                    let now = Time::from_nanos(now);
                    let mut due: Vec<Timer> =
                        list.iter().filter(|(_, at)| *at <= now).map(|(timer, _)| *timer).collect();
                    due.sort_unstable();
                    let variant = due.first().map(std::mem::discriminant);
                    due.retain(|timer| Some(std::mem::discriminant(timer)) == variant);
                    prop_assert_eq!(timers.take_variant(now), due.clone());
                    list.retain(|(set, _)| !due.contains(set));
                }
            }
            prop_assert_eq!(timers.next(), list.iter().map(|(_, at)| *at).min());
            prop_assert_eq!((timers.len(), timers.is_empty()), (list.len(), list.is_empty()));
            prop_assert_eq!(timers.by_time.len(), list.len());
        }
    }
}

/// Due timers are returned in the order of time, including those set to now meanwhile.
#[test]
fn all_due_timers_fire() {
    let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
    let mut timers = Timers::default();
    timers.set(Timer::First, at(2));
    timers.set(Timer::Second, at(1));
    timers.set(Timer::Third(1), at(3));
    assert_eq!(timers.take(at(2)), Some(Timer::Second));
    timers.set(Timer::Second, at(2));
    assert_eq!(timers.take(at(2)), Some(Timer::First));
    assert_eq!(timers.take(at(2)), Some(Timer::Second));
    assert_eq!(timers.take(at(2)), None);
    assert_eq!(timers.next(), Some(at(3)));
}

/// Whatever was due first, timers are returned by variant, in the order of the variants.
#[test]
fn due_timers_of_one_variant_fire_together() {
    let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
    let mut timers = Timers::new();
    timers.set(Timer::Fourth(1), at(1));
    timers.set(Timer::Third(3), at(2));
    timers.set(Timer::Third(2), at(4));
    timers.set(Timer::Third(1), at(3));
    assert_eq!(timers.take_variant(at(3)), [Timer::Third(1), Timer::Third(3)]);
    assert_eq!(timers.take_variant(at(3)), [Timer::Fourth(1)]);
    assert_eq!(timers.take_variant(at(3)), []);
    assert_eq!(timers.take_variant(at(4)), [Timer::Third(2)]);
}
