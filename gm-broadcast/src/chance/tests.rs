//! What chance says at the ends of its ranges, and about how often.

use super::*;

#[test]
fn what_never_happens_does_not_and_what_always_happens_does() {
    let mut chance = Chance::new([3; 32]);
    for _ in 0..1_000 {
        assert!(!chance.happens(0, 7));
        assert!(chance.happens(7, 7));
        assert!(chance.happens(1, 1));
    }
}

#[test]
fn what_happens_three_times_in_eight_happens_about_so_often() {
    let mut chance = Chance::new([3; 32]);
    let often = (0..8_000).filter(|_| chance.happens(3, 8)).count();
    assert!((2_800..=3_200).contains(&often), "{often} of 8,000");
}

/// Nonces are drawn from it: what is printed of two of them must not tell them apart.
#[test]
fn nothing_of_the_stream_is_shown() {
    let (one, mut other) = (Chance::new([1; 32]), Chance::new([2; 32]));
    other.number();
    assert_eq!(
        (format!("{one:?}"), format!("{other:?}")),
        ("Chance(..)".to_owned(), "Chance(..)".to_owned())
    );
}
