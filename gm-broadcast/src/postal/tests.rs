//! The postal model, compared with a slow reference implementation without common arithmetic, and
//! with published figures.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use proptest::prelude::*;

use super::{PathCost, PostalTimes, binomial, halving, reached, star, time_for};

pub(crate) fn cost(gap: u64, latency: u64) -> PathCost {
    PathCost { gap: Duration::from_nanos(gap), latency: Duration::from_nanos(latency) }
}

/// The costs of the figures: gap and latency in microseconds.
pub(crate) const FIGURES: [(u64, u64); 5] =
    [(1_000, 1_000), (5, 250), (20, 250), (20, 50_000), (200, 50_000)];

/// For 1,000, 10,000 and 100,000 nodes at these costs: the optimum, halving, and a star, in
/// microseconds.
const KNOWN: [(u64, [[u64; 3]; 5]); 3] = [
    (
        1_000,
        [
            [10_000, 10_000, 999_000],
            [710, 2_255, 5_240],
            [1_030, 2_270, 20_210],
            [69_960, 450_020, 69_960],
            [107_400, 450_200, 249_600],
        ],
    ),
    (
        10_000,
        [
            [14_000, 14_000, 9_999_000],
            [910, 3_250, 50_240],
            [1_320, 3_250, 200_210],
            [102_400, 650_000, 249_960],
            [127_600, 650_000, 2_049_600],
        ],
    ),
    (
        100_000,
        [
            [17_000, 17_000, 99_999_000],
            [1_120, 4_005, 500_240],
            [1_620, 4_020, 2_000_210],
            [108_800, 800_020, 2_049_960],
            [163_000, 800_200, 20_049_600],
        ],
    ),
];

/// Gaps and latencies close to each other, and far apart in either direction.
pub(crate) fn costs() -> impl Strategy<Value = (u64, u64)> {
    prop_oneof![
        (1..30_u64, 1..30_u64),
        (1..10_u64, 1..5_000_u64),
        (1..5_000_u64, 1..10_u64),
        (1..5_u64, 1..10_000_000_u64),
        (1..10_000_000_u64, 1..5_u64),
        (1..1_000_000_u64).prop_map(|both| (both, both)),
    ]
}

/// The times at which the first nodes are informed, the origin at 0: at each arrival, the sender
/// sends again a gap later, and the receiver starts to send.
fn arrivals(gap: u64, latency: u64, nodes: usize) -> Vec<u64> {
    let mut next = BinaryHeap::from([Reverse(latency)]);
    let mut times = vec![0];
    while times.len() < nodes {
        let Some(Reverse(time)) = next.pop() else { break };
        times.push(time);
        next.push(Reverse(time + gap));
        next.push(Reverse(time + latency));
    }
    times
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1_000.0
}

#[test]
fn published_figures_are_met() {
    for (nodes, rows) in KNOWN {
        for ((gap, latency), row) in FIGURES.into_iter().zip(rows) {
            let cost = cost(gap * 1_000, latency * 1_000);
            let times = [time_for(cost, nodes), halving(cost, nodes), star(cost, nodes)].map(micros);
            for (time, known) in times.into_iter().zip(row) {
                // The figures are rounded to hundredths of a millisecond.
                assert!((time - known as f64).abs() <= 5.0, "{nodes} {gap} {latency}: {times:?}");
            }
        }
    }
}

#[test]
fn published_figures_equal_the_reference() {
    for (gap, latency) in FIGURES {
        let times = arrivals(gap, latency, 100_000);
        for nodes in [1_000, 10_000, 100_000] {
            assert_eq!(time_for(cost(gap, latency), nodes as u64), Duration::from_nanos(times[nodes - 1]));
        }
    }
}

#[test]
fn one_is_informed_at_once_and_two_after_a_latency() {
    for (gap, latency) in FIGURES {
        let cost = cost(gap, latency);
        for time in [time_for, halving, star] {
            assert_eq!(time(cost, 0), Duration::ZERO);
            assert_eq!(time(cost, 1), Duration::ZERO);
            assert_eq!(time(cost, 2), cost.latency);
        }
        assert_eq!(reached(cost, Duration::ZERO), 1);
        assert_eq!(reached(cost, cost.latency - Duration::from_nanos(1)), 1);
        assert_eq!(reached(cost, cost.latency), 2);
    }
}

#[test]
fn equal_costs_double() {
    for step in 0..70_u32 {
        let expected = 1_u64.checked_shl(step).unwrap_or(u64::MAX);
        assert_eq!(reached(cost(7, 7), Duration::from_nanos(7 * u64::from(step) + 6)), expected);
    }
}

#[test]
fn extremes_end_and_stay_in_order() {
    let max = Duration::MAX;
    let numbers = [0, 1, 2, 1_000, 1 << 40, 1 << 56, u64::MAX];
    for (gap, latency) in numbers.into_iter().flat_map(|gap| numbers.map(|latency| (gap, latency))) {
        let cost = cost(gap, latency);
        let within = numbers.map(|time| reached(cost, Duration::from_nanos(time)));
        assert!(within.is_sorted() && within[0] == 1, "{gap} {latency}: {within:?}");
        for time in [time_for, halving, star] {
            assert!(numbers.map(|nodes| time(cost, nodes)).is_sorted());
        }
        assert_eq!(reached(PathCost { gap: max, latency: max }, Duration::from_nanos(gap)), {
            let model = PostalTimes { gap: 1 << 56, latency: 1 << 56 };
            model.reached(gap)
        });
    }
    assert_eq!(reached(cost(1, 1), max), u64::MAX);
    // Extreme ratios: a gap or latency of a nanosecond in two years; only the first term counts.
    assert_eq!(reached(cost(1, 1 << 56), Duration::from_nanos(1 << 56)), 2);
    assert_eq!(reached(cost(1, 1 << 56), Duration::from_nanos((1 << 57) - 1)), (1 << 56) + 1);
    assert_eq!(reached(cost(1 << 56, 1), Duration::from_nanos((1 << 56) - 1)), 1 << 56);
}

#[test]
fn binomials_equal_pascals_triangle() {
    let mut row = vec![1_u128];
    for n in 0..150_u64 {
        for (k, value) in row.iter().enumerate() {
            assert_eq!(binomial(n, k as u64), u64::try_from(*value).unwrap_or(u64::MAX), "C({n}, {k})");
        }
        assert_eq!(binomial(n, n + 1), 0);
        // The greatest value before an overflow, which is far above 64 bits.
        let sums = row.windows(2).map(|pair| pair[0].saturating_add(pair[1]));
        row = std::iter::once(1).chain(sums).chain(std::iter::once(1)).collect();
    }
}

/// The least number of sends, by addition instead of the closed form.
fn reference_sends(times: &[u64], gap: u64, latency: u64, within: u64, nodes: u64) -> Option<u64> {
    let informed = |within: u64| times.partition_point(|time| *time <= within) as u64;
    let (mut sum, mut sends) = (0, 0);
    while sum < nodes {
        sum += informed(within.checked_sub(sends * gap)?.checked_sub(latency)?);
        sends += 1;
    }
    Some(sends)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn optimum_equals_the_reference((gap, latency) in costs(), nodes in 1..3_000_usize) {
        let times = arrivals(gap, latency, nodes + 1);
        let cost = cost(gap, latency);
        prop_assert_eq!(time_for(cost, nodes as u64), Duration::from_nanos(times[nodes - 1]));
    }

    #[test]
    fn reached_equals_the_reference((gap, latency) in costs(), nodes in 1..3_000_usize, beside in 0..3_u64) {
        let times = arrivals(gap, latency, nodes + 1);
        let within = (times[nodes - 1] + beside).saturating_sub(1).min(times[nodes].saturating_sub(1));
        let expected = times.partition_point(|time| *time <= within) as u64;
        prop_assert_eq!(reached(cost(gap, latency), Duration::from_nanos(within)), expected);
    }

    /// The nodes other than the origin are informed by its first send or a gap later; exact as long
    /// as 64 bits suffice.
    #[test]
    fn reached_recurs((gap, latency) in costs(), doublings in 0..70_u64, part in 0..1_000_u64) {
        let model = PostalTimes { gap, latency };
        let longer = gap.max(latency);
        let within = doublings * longer + longer * part / 1_000;
        let expected = match (within.checked_sub(gap), within.checked_sub(latency)) {
            (_, None) => 1,
            (None, Some(first)) => model.reached(first).saturating_add(1),
            (Some(next), Some(first)) => model.reached(first).saturating_add(model.reached(next)),
        };
        prop_assert_eq!(model.reached(within), expected);
    }

    #[test]
    fn time_for_is_the_least((gap, latency) in costs(), nodes in 2..u64::MAX) {
        let model = PostalTimes { gap, latency };
        let time = model.time_for(nodes);
        prop_assert!(model.reached(time) >= nodes);
        prop_assert!(model.reached(time - 1) < nodes);
    }

    /// No number of sends suffices for one node more than can be informed.
    #[test]
    fn sends_do_not_count_the_origin((gap, latency) in costs(), nodes in 1..100_000_u64) {
        let model = PostalTimes { gap, latency };
        let time = model.time_for(nodes + 1);
        prop_assert!(model.sends(time, nodes).is_some());
        prop_assert_eq!(model.sends(time - 1, nodes), None);
    }

    #[test]
    fn sends_equal_the_reference((gap, latency) in costs(), nodes in 1..1_500_usize, part in 0..200_u64) {
        let model = PostalTimes { gap, latency };
        let times = arrivals(gap, latency, 3_000);
        let (low, high) = (times[nodes], times[2_999]);
        let within = low.saturating_sub(latency) + (high - low) * part / 200;
        let expected = reference_sends(&times, gap, latency, within, nodes as u64);
        prop_assert_eq!(model.sends(within, nodes as u64), expected);
        if let Some(rest) = within.checked_sub(latency) {
            prop_assert_eq!(model.sends_one_by_one(rest, nodes as u64), expected);
        }
    }

    /// No division is faster than the optimum; halving at equal costs is as fast.
    #[test]
    fn nothing_beats_the_optimum((gap, latency) in costs(), nodes in 1..1_000_000_u64) {
        let cost = cost(gap, latency);
        let optimum = time_for(cost, nodes);
        prop_assert!(optimum <= halving(cost, nodes) && optimum <= star(cost, nodes));
        let equal = PathCost { gap: cost.latency, latency: cost.latency };
        let rounds = nodes.next_power_of_two().trailing_zeros();
        prop_assert_eq!(halving(equal, nodes), cost.latency * rounds);
        prop_assert_eq!(time_for(equal, nodes), cost.latency * rounds);
    }
}
