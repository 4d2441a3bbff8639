//! The generator at the ends of its ranges, and its frequencies.

use super::*;

#[test]
fn a_ratio_of_zero_is_never_and_of_one_always_true() {
    let mut rng = Rng::new([3; 32]);
    for _ in 0..1_000 {
        assert!(!rng.ratio(0, 7));
        assert!(rng.ratio(7, 7));
        assert!(rng.ratio(1, 1));
    }
}

#[test]
fn a_ratio_of_three_eighths_is_met_on_average() {
    let mut rng = Rng::new([3; 32]);
    let often = (0..8_000).filter(|_| rng.ratio(3, 8)).count();
    assert!((2_800..=3_200).contains(&often), "{often} of 8,000");
}

/// Nonces are drawn from it: the debug output must not reveal the state.
#[test]
fn debug_output_hides_the_stream() {
    let (one, mut other) = (Rng::new([1; 32]), Rng::new([2; 32]));
    other.next_u64();
    assert_eq!((format!("{one:?}"), format!("{other:?}")), ("Rng(..)".to_owned(), "Rng(..)".to_owned()));
}
