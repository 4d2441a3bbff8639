//! The replay window against a slow model, which keeps every counter of every epoch it remembers.

mod common;

use std::collections::BTreeSet;

use gm_codec::{Limits, ReplayStatus, ReplayWindow};
use proptest::prelude::*;

/// Epochs, the one that was fresh last at the end.
#[derive(Default)]
struct ReferenceModel(Vec<(u64, BTreeSet<u32>)>);

impl ReferenceModel {
    fn check_and_set(&mut self, max_epochs: usize, epoch: u64, counter: u32) -> ReplayStatus {
        let at = self.0.iter().position(|(known, _)| *known == epoch);
        if let Some(at) = at {
            let seen = &self.0[at].1;
            let highest = *seen.last().expect("one at least");
            if u64::from(counter) + 1_024 <= u64::from(highest) {
                return ReplayStatus::TooOld;
            }
            if seen.contains(&counter) {
                return ReplayStatus::Replayed;
            }
        }
        let mut entry = at.map_or((epoch, BTreeSet::new()), |at| self.0.remove(at));
        entry.1.insert(counter);
        self.0.push(entry);
        if self.0.len() > max_epochs {
            self.0.remove(0);
        }
        ReplayStatus::Fresh
    }
}

/// A window and its model, which must say the same.
struct Pair {
    max_epochs: usize,
    window: ReplayWindow,
    model: ReferenceModel,
}

impl Pair {
    fn new(max_epochs: usize) -> Pair {
        let window = ReplayWindow::new(&Limits { replay_epochs: max_epochs, ..Limits::default() });
        Pair { max_epochs, window, model: ReferenceModel::default() }
    }

    fn highest(&self, epoch: u64) -> Option<u32> {
        let (_, seen) = self.model.0.iter().find(|(known, _)| *known == epoch)?;
        seen.last().copied()
    }

    fn check(&mut self, epoch: u64, counter: u32) -> ReplayStatus {
        let actual = self.window.check_and_set(common::epoch(epoch), counter);
        let expected = self.model.check_and_set(self.max_epochs, epoch, counter);
        assert_eq!(
            actual,
            expected,
            "counter {counter} of epoch {epoch}, whose highest is {:?}",
            self.highest(epoch)
        );
        assert!(self.window.epochs() == self.model.0.len() && self.window.epochs() <= self.max_epochs);
        actual
    }

    /// Asks for every counter that the window remembers, and for some that it does not: whatever is
    /// wrong in it comes out.
    fn check_all(&mut self, epoch: u64) {
        let Some(highest) = self.highest(epoch) else { return };
        for counter in highest.saturating_sub(1_030)..=highest {
            self.check(epoch, counter);
        }
    }
}

/// What a sender's counters do, as they come.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many, one after the other.
    Run(u32),
    /// Nothing comes for a while: the next is so much higher.
    Slide(u32),
    /// One that comes late, so much below the highest.
    Late(u32),
    /// Everything is asked for again.
    CheckAll,
}

fn step() -> impl Strategy<Value = Step> {
    // At the edges of words and of the window, and anywhere.
    let slide = prop_oneof![
        4 => proptest::sample::select(vec![1, 2, 63, 64, 65, 127, 128, 129, 1_022, 1_023, 1_024, 1_025, 2_048, 1 << 31]),
        1 => 1_u32..1_100,
    ];
    prop_oneof![
        3 => (1_u32..1_100).prop_map(Step::Run),
        4 => slide.prop_map(Step::Slide),
        2 => prop_oneof![0_u32..1_030, 1_020_u32..1_028].prop_map(Step::Late),
        1 => Just(Step::CheckAll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sliding_windows_match_the_reference_model(
        max_epochs in 1_usize..4,
        first in prop_oneof![Just(0_u32), 0_u32..5_000, (u32::MAX - 5_000)..=u32::MAX],
        steps in proptest::collection::vec((1_u64..5, step()), 1..24),
    ) {
        let mut pair = Pair::new(max_epochs);
        for (epoch, step) in steps {
            // An epoch that was forgotten begins anew.
            let highest = pair.highest(epoch).unwrap_or(first);
            match step {
                Step::Run(many) => {
                    for counter in highest..=highest.saturating_add(many) {
                        pair.check(epoch, counter);
                    }
                }
                Step::Slide(by) => {
                    pair.check(epoch, highest.saturating_add(by));
                }
                Step::Late(by) => {
                    pair.check(epoch, highest.saturating_sub(by));
                }
                Step::CheckAll => pair.check_all(epoch),
            }
        }
        (1..5).for_each(|epoch| pair.check_all(epoch));
    }
}

/// Every counter of a full window was taken; after a slide those that were passed over are fresh,
/// each of them, when they come late.
#[test]
fn skipped_counters_stay_fresh() {
    for by in [1, 2, 63, 64, 65, 127, 128, 1_022, 1_023, 1_024, 1_025, 1 << 30] {
        let mut pair = Pair::new(1);
        (0..2_000).for_each(|counter| assert_eq!(pair.check(1, counter), ReplayStatus::Fresh));
        let highest = 1_999 + by;
        assert_eq!(pair.check(1, highest), ReplayStatus::Fresh);
        for counter in 2_000.max(highest.saturating_sub(1_023))..highest {
            assert_eq!(pair.check(1, counter), ReplayStatus::Fresh, "{counter} after a slide by {by}");
        }
        pair.check_all(1);
    }
}

/// The highest, those before it, and the end of what is remembered.
#[test]
fn window_edge_matches_the_page() {
    let mut pair = Pair::new(1);
    assert_eq!(pair.check(1, 5_000), ReplayStatus::Fresh);
    assert_eq!(pair.check(1, 5_000 - 1_024), ReplayStatus::TooOld);
    assert_eq!(pair.check(1, 5_000 - 1_023), ReplayStatus::Fresh);
    assert_eq!(pair.check(1, 5_000 - 1_023), ReplayStatus::Replayed);
    assert_eq!(pair.check(1, 5_001), ReplayStatus::Fresh);
    assert_eq!(pair.check(1, 5_000 - 1_023), ReplayStatus::TooOld);
    assert_eq!(pair.check(1, u32::MAX), ReplayStatus::Fresh);
    assert_eq!(pair.check(1, u32::MAX), ReplayStatus::Replayed);
}

/// The epoch that was fresh the longest ago goes; replays and what is too old keep none alive.
#[test]
fn only_the_least_recent_epoch_is_dropped() {
    let mut pair = Pair::new(2);
    assert_eq!(pair.check(1, 7), ReplayStatus::Fresh);
    assert_eq!(pair.check(2, 7), ReplayStatus::Fresh);
    assert_eq!(pair.check(1, 7), ReplayStatus::Replayed);
    assert_eq!(pair.check(3, 7), ReplayStatus::Fresh);
    assert_eq!(pair.check(2, 7), ReplayStatus::Replayed);
    assert_eq!(pair.check(3, 7), ReplayStatus::Replayed);
    assert_eq!(pair.check(2, 8), ReplayStatus::Fresh);
    assert_eq!(pair.check(1, 7), ReplayStatus::Fresh, "it was forgotten");
    assert_eq!(pair.check(2, 7), ReplayStatus::Replayed);
    assert_eq!(pair.check(3, 7), ReplayStatus::Fresh, "it was forgotten");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn window_matches_the_reference_model(
        max_epochs in 1_usize..5,
        steps in proptest::collection::vec(
            (1_u64..7, prop_oneof![0_u32..40, 0_u32..3_000, (u32::MAX - 2_000)..=u32::MAX]),
            1..400,
        ),
    ) {
        let mut window = ReplayWindow::new(&Limits { replay_epochs: max_epochs, ..Limits::default() });
        let mut model = ReferenceModel::default();
        for (epoch, counter) in steps {
            let actual = window.check_and_set(common::epoch(epoch), counter);
            prop_assert_eq!(actual, model.check_and_set(max_epochs, epoch, counter), "{} {}", epoch, counter);
            prop_assert!(window.epochs() == model.0.len() && window.epochs() <= max_epochs);
        }
    }
}
