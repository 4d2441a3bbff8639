//! The replay window against a slow reference model, which keeps every counter of every epoch that
//! it remembers.

mod common;

use std::collections::BTreeSet;

use gm_codec::{Limits, ReplayStatus, ReplayWindow};
use proptest::prelude::*;

/// Epochs with their counters, ordered by the time of the last fresh frame.
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

/// A window and its reference model, which must give the same results.
struct WindowAndModel {
    max_epochs: usize,
    window: ReplayWindow,
    model: ReferenceModel,
}

impl WindowAndModel {
    fn new(max_epochs: usize) -> WindowAndModel {
        let window = ReplayWindow::new(&Limits { replay_epochs: max_epochs, ..Limits::default() });
        WindowAndModel { max_epochs, window, model: ReferenceModel::default() }
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

    /// Queries every counter that the window remembers, and some that it does not, so that any
    /// error in its state becomes visible.
    fn check_all(&mut self, epoch: u64) {
        let Some(highest) = self.highest(epoch) else { return };
        for counter in highest.saturating_sub(1_030)..=highest {
            self.check(epoch, counter);
        }
    }
}

/// A step of a sender's counters, in order of arrival.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// This many consecutive counters.
    Run(u32),
    /// A gap: the next counter is this much higher.
    Slide(u32),
    /// A late counter, this much below the highest.
    Late(u32),
    /// A query of every counter.
    CheckAll,
}

fn step() -> impl Strategy<Value = Step> {
    // Steps at the edges of words and of the window, and anywhere.
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
        let mut pair = WindowAndModel::new(max_epochs);
        for (epoch, step) in steps {
            // A forgotten epoch starts anew.
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

/// Every counter of a full window was received. After a slide, each of the skipped counters is
/// still fresh when it arrives late.
#[test]
fn skipped_counters_stay_fresh() {
    for by in [1, 2, 63, 64, 65, 127, 128, 1_022, 1_023, 1_024, 1_025, 1 << 30] {
        let mut pair = WindowAndModel::new(1);
        (0..2_000).for_each(|counter| assert_eq!(pair.check(1, counter), ReplayStatus::Fresh));
        let highest = 1_999 + by;
        assert_eq!(pair.check(1, highest), ReplayStatus::Fresh);
        for counter in 2_000.max(highest.saturating_sub(1_023))..highest {
            assert_eq!(pair.check(1, counter), ReplayStatus::Fresh, "{counter} after a slide by {by}");
        }
        pair.check_all(1);
    }
}

/// The highest counter, those below it, and the lower end of the window.
#[test]
fn window_edge_matches_the_page() {
    let mut pair = WindowAndModel::new(1);
    assert_eq!(pair.check(1, 5_000), ReplayStatus::Fresh);
    assert_eq!(pair.check(1, 5_000 - 1_024), ReplayStatus::TooOld);
    assert_eq!(pair.check(1, 5_000 - 1_023), ReplayStatus::Fresh);
    assert_eq!(pair.check(1, 5_000 - 1_023), ReplayStatus::Replayed);
    assert_eq!(pair.check(1, 5_001), ReplayStatus::Fresh);
    assert_eq!(pair.check(1, 5_000 - 1_023), ReplayStatus::TooOld);
    assert_eq!(pair.check(1, u32::MAX), ReplayStatus::Fresh);
    assert_eq!(pair.check(1, u32::MAX), ReplayStatus::Replayed);
}

/// The least recently fresh epoch is replaced; replayed and too old frames keep no epoch alive.
#[test]
fn only_the_least_recent_epoch_is_dropped() {
    let mut pair = WindowAndModel::new(2);
    assert_eq!(pair.check(1, 7), ReplayStatus::Fresh);
    assert_eq!(pair.check(2, 7), ReplayStatus::Fresh);
    assert_eq!(pair.check(1, 7), ReplayStatus::Replayed);
    assert_eq!(pair.check(3, 7), ReplayStatus::Fresh);
    assert_eq!(pair.check(2, 7), ReplayStatus::Replayed);
    assert_eq!(pair.check(3, 7), ReplayStatus::Replayed);
    assert_eq!(pair.check(2, 8), ReplayStatus::Fresh);
    assert_eq!(pair.check(1, 7), ReplayStatus::Fresh, "the epoch was forgotten");
    assert_eq!(pair.check(2, 7), ReplayStatus::Replayed);
    assert_eq!(pair.check(3, 7), ReplayStatus::Fresh, "the epoch was forgotten");
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
