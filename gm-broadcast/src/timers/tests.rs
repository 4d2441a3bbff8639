//! The timer table, compared with a plain list.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::islands::tests::node;

#[derive(Clone, Copy, Debug)]
enum Op {
    Set(Timer, u64),
    SetBy(Timer, u64),
    SetIfNone(Timer, u64),
    Cancel(Timer),
    Take(u64),
}

fn timer() -> impl Strategy<Value = Timer> {
    let id = |sequence| BroadcastId { origin: node(1), epoch: [1; 8], sequence };
    prop_oneof![
        Just(Timer::ReceptionReport),
        Just(Timer::Exchange),
        Just(Timer::LossRecovery),
        Just(Timer::MulticastKeepalive),
        (0..3_u64).prop_map(|number| Timer::Connection(ConnectionId::dialled(number))),
        (0..3_u64).prop_map(move |number| Timer::AwaitedContent(id(number))),
        (0..3_u64).prop_map(Timer::Handover),
        (0..2_u64, any::<bool>()).prop_map(move |(number, again)| Timer::Acks(AckKey {
            id: id(number),
            parent: None,
            reissued: again
        })),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (timer(), 0..50_u64).prop_map(|(timer, at)| Op::Set(timer, at)),
        (timer(), 0..50_u64).prop_map(|(timer, at)| Op::SetBy(timer, at)),
        (timer(), 0..50_u64).prop_map(|(timer, at)| Op::SetIfNone(timer, at)),
        timer().prop_map(Op::Cancel),
        (0..50_u64).prop_map(Op::Take),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn timers_fire_as_a_plain_list(ops in prop::collection::vec(op(), 0..120)) {
        let mut alarms = Timers::default();
        let mut list: Vec<(Timer, Time)> = Vec::new();
        for op in ops {
            match op {
                Op::Set(timer, at) => {
                    alarms.set(timer, Time::from_nanos(at));
                    list.retain(|(set, _)| *set != timer);
                    list.push((timer, Time::from_nanos(at)));
                }
                Op::SetBy(timer, at) => {
                    let at = Time::from_nanos(at);
                    alarms.set_by(timer, at);
                    match list.iter_mut().find(|(set, _)| *set == timer) {
                        Some((_, set)) => *set = at.min(*set),
                        None => list.push((timer, at)),
                    }
                }
                Op::SetIfNone(timer, at) => {
                    alarms.set_if_none(timer, Time::from_nanos(at));
                    if !list.iter().any(|(set, _)| *set == timer) {
                        list.push((timer, Time::from_nanos(at)));
                    }
                }
                Op::Cancel(timer) => {
                    alarms.cancel(timer);
                    list.retain(|(set, _)| *set != timer);
                }
                Op::Take(now) => {
                    let due = list.iter().filter(|(_, at)| *at <= Time::from_nanos(now));
                    let due = due.min_by_key(|(timer, at)| (*at, *timer)).map(|(timer, _)| *timer);
                    prop_assert_eq!(alarms.take(Time::from_nanos(now)), due);
                    list.retain(|(set, _)| Some(*set) != due);
                }
            }
            prop_assert_eq!(alarms.next(), list.iter().map(|(_, at)| *at).min());
            prop_assert_eq!(alarms.len(), list.len());
            prop_assert_eq!(alarms.by_time.len(), list.len());
        }
    }
}

/// Due timers are returned in the order of time, including those set to now meanwhile.
#[test]
fn all_due_timers_fire() {
    let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
    let mut alarms = Timers::default();
    alarms.set(Timer::MulticastKeepalive, at(2));
    alarms.set(Timer::LossRecovery, at(1));
    alarms.set(Timer::ReceptionReport, at(3));
    assert_eq!(alarms.take(at(2)), Some(Timer::LossRecovery));
    alarms.set(Timer::LossRecovery, at(2));
    assert_eq!(alarms.take(at(2)), Some(Timer::LossRecovery));
    assert_eq!(alarms.take(at(2)), Some(Timer::MulticastKeepalive));
    assert_eq!(alarms.take(at(2)), None);
    assert_eq!(alarms.next(), Some(at(3)));
}
