//! Numbers near the ceiling: they are refused, never wrap, and a refusal changes nothing.

use gm_clock::{CEILING, ClockError, Incarnation, LocalClock, NetId, WorldClock};

fn ann() -> NetId {
    "10.0.0.1:29999".parse().expect("an ordinary address")
}

#[test]
fn the_ceiling_leaves_two_bits_and_room_for_sums() {
    assert_eq!(CEILING, 0x3fff_ffff_ffff_ffff);
    assert_eq!(CEILING.checked_add(CEILING), Some(0x7fff_ffff_ffff_fffe));
}

#[test]
fn times_above_the_ceiling_are_refused() {
    for time in [0, 1, CEILING] {
        let clock = LocalClock::new(ann(), Incarnation::ORIGINAL, time).expect("in range");
        assert_eq!(
            (clock.member(), clock.incarnation(), clock.time(), clock.incarnation_and_time()),
            (ann(), Incarnation::ORIGINAL, time, (Incarnation::ORIGINAL, time))
        );
    }
    for time in [CEILING + 1, 1 << 63, u64::MAX] {
        assert_eq!(LocalClock::new(ann(), Incarnation::MAX, time), Err(ClockError::TimeTooLarge { time }));
    }
}

#[test]
fn incarnations_above_the_ceiling_are_refused() {
    assert_eq!((Incarnation::ORIGINAL.get(), Incarnation::MAX.get()), (0, CEILING));
    for number in [0, 1, CEILING] {
        let incarnation = Incarnation::new(number).expect("in range");
        assert_eq!((incarnation.get(), u64::from(incarnation)), (number, number));
        assert_eq!(Incarnation::try_from(number), Ok(incarnation));
        assert_eq!(incarnation.to_string(), number.to_string());
    }
    for incarnation in [CEILING + 1, 1 << 63, u64::MAX] {
        let refused = Err(ClockError::IncarnationTooLarge { incarnation });
        assert_eq!(Incarnation::new(incarnation), refused);
        assert_eq!(Incarnation::try_from(incarnation), refused);
    }
}

#[test]
fn the_next_incarnation_is_greater_until_there_is_none() {
    assert_eq!(Incarnation::ORIGINAL.next(), Incarnation::new(1));
    assert_eq!(Incarnation::new(CEILING - 1).and_then(Incarnation::next), Ok(Incarnation::MAX));
    assert_eq!(Incarnation::MAX.next(), Err(ClockError::IncarnationTooLarge { incarnation: CEILING + 1 }));
}

#[test]
fn a_clock_ticks_up_to_the_ceiling_and_stays_there() {
    let incarnation = Incarnation::new(7).expect("in range");
    let clock = LocalClock::new(ann(), incarnation, 0).expect("in range");
    assert_eq!(clock.tick(), LocalClock::new(ann(), incarnation, 1));

    let clock = LocalClock::new(ann(), incarnation, CEILING - 1).expect("in range");
    let last = clock.tick().expect("one tick is left");
    assert_eq!(last.time(), CEILING);
    let refused = Err(ClockError::Exhausted { member: ann(), incarnation });
    assert_eq!(last.tick(), refused);
    assert_eq!(last.tick(), refused, "the clock is as it was");
    assert_eq!(last.incarnation_and_time(), (incarnation, CEILING));
}

#[test]
fn clocks_are_ordered_by_member_then_incarnation_then_time() {
    let bob: NetId = "10.0.0.2:29999".parse().expect("an ordinary address");
    let clock = |member, incarnation, time| {
        LocalClock::new(member, Incarnation::new(incarnation).expect("in range"), time).expect("in range")
    };
    let ascending = [
        clock(ann(), 0, 0),
        clock(ann(), 0, CEILING),
        clock(ann(), 1, 0),
        clock(ann(), 1, 1),
        clock(bob, 0, 0),
    ];
    assert!(ascending.is_sorted_by(|a, b| a < b));
}

#[test]
fn the_greatest_clocks_are_merged_and_compared_like_others() {
    let greatest = LocalClock::new(ann(), Incarnation::MAX, CEILING).expect("in range");
    let least = LocalClock::new(ann(), Incarnation::ORIGINAL, 0).expect("in range");
    let mut world = WorldClock::from_iter([least]);
    assert_eq!(world.merge(&WorldClock::from_iter([greatest])), 1);
    assert_eq!(world.get(ann()), Some(greatest));
    assert!(!world.set(least));
}

#[test]
fn errors_name_the_number() {
    let error = LocalClock::new(ann(), Incarnation::ORIGINAL, u64::MAX).expect_err("too large");
    assert!(error.to_string().contains(&u64::MAX.to_string()));
    let error = Incarnation::new(u64::MAX).expect_err("too large");
    assert!(error.to_string().contains(&u64::MAX.to_string()));
    let error =
        LocalClock::new(ann(), Incarnation::MAX, CEILING).and_then(LocalClock::tick).expect_err("at the end");
    assert!(error.to_string().contains("10.0.0.1:29999"));
}
