//! The replay window against a slow twin, which keeps every counter of every epoch it remembers.

mod common;

use std::collections::BTreeSet;

use gm_codec::{Freshness, Limits, ReplayWindow};
use proptest::prelude::*;

/// Epochs, the one that was fresh last at the end.
#[derive(Default)]
struct Twin(Vec<(u64, BTreeSet<u32>)>);

impl Twin {
    fn check_and_set(&mut self, most: usize, epoch: u64, counter: u32) -> Freshness {
        let at = self.0.iter().position(|(known, _)| *known == epoch);
        if let Some(at) = at {
            let came = &self.0[at].1;
            let highest = *came.last().expect("one at least");
            if u64::from(counter) + 1_024 <= u64::from(highest) {
                return Freshness::TooOld;
            }
            if came.contains(&counter) {
                return Freshness::Replayed;
            }
        }
        let mut entry = at.map_or((epoch, BTreeSet::new()), |at| self.0.remove(at));
        entry.1.insert(counter);
        self.0.push(entry);
        if self.0.len() > most {
            self.0.remove(0);
        }
        Freshness::Fresh
    }
}

/// A window and its twin, which must say the same.
struct Both {
    most: usize,
    window: ReplayWindow,
    twin: Twin,
}

impl Both {
    fn new(most: usize) -> Both {
        let window = ReplayWindow::new(&Limits { replay_epochs: most, ..Limits::default() });
        Both { most, window, twin: Twin::default() }
    }

    fn highest(&self, epoch: u64) -> Option<u32> {
        let (_, came) = self.twin.0.iter().find(|(known, _)| *known == epoch)?;
        came.last().copied()
    }

    fn ask(&mut self, epoch: u64, counter: u32) -> Freshness {
        let met = self.window.check_and_set(common::epoch(epoch), counter);
        let meant = self.twin.check_and_set(self.most, epoch, counter);
        assert_eq!(
            met,
            meant,
            "counter {counter} of epoch {epoch}, whose highest is {:?}",
            self.highest(epoch)
        );
        assert!(self.window.epochs() == self.twin.0.len() && self.window.epochs() <= self.most);
        met
    }

    /// Asks for every counter that the window remembers, and for some that it does not: whatever is wrong in it comes out.
    fn ask_for_all(&mut self, epoch: u64) {
        let Some(highest) = self.highest(epoch) else { return };
        for counter in highest.saturating_sub(1_030)..=highest {
            self.ask(epoch, counter);
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
    AskForAll,
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
        1 => Just(Step::AskForAll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn windows_that_slide_over_what_came_agree_with_a_slow_twin(
        most in 1_usize..4,
        first in prop_oneof![Just(0_u32), 0_u32..5_000, (u32::MAX - 5_000)..=u32::MAX],
        steps in proptest::collection::vec((1_u64..5, step()), 1..24),
    ) {
        let mut both = Both::new(most);
        for (epoch, step) in steps {
            // An epoch that was forgotten begins anew.
            let highest = both.highest(epoch).unwrap_or(first);
            match step {
                Step::Run(many) => {
                    for counter in highest..=highest.saturating_add(many) {
                        both.ask(epoch, counter);
                    }
                }
                Step::Slide(by) => {
                    both.ask(epoch, highest.saturating_add(by));
                }
                Step::Late(by) => {
                    both.ask(epoch, highest.saturating_sub(by));
                }
                Step::AskForAll => both.ask_for_all(epoch),
            }
        }
        (1..5).for_each(|epoch| both.ask_for_all(epoch));
    }
}

/// Every counter of a full window was taken; after a slide those that were passed over are fresh, each of them, when they come late.
#[test]
fn what_a_slide_passed_over_is_fresh_when_it_comes_late() {
    for by in [1, 2, 63, 64, 65, 127, 128, 1_022, 1_023, 1_024, 1_025, 1 << 30] {
        let mut both = Both::new(1);
        (0..2_000).for_each(|counter| assert_eq!(both.ask(1, counter), Freshness::Fresh));
        let highest = 1_999 + by;
        assert_eq!(both.ask(1, highest), Freshness::Fresh);
        for counter in 2_000.max(highest.saturating_sub(1_023))..highest {
            assert_eq!(both.ask(1, counter), Freshness::Fresh, "{counter} after a slide by {by}");
        }
        both.ask_for_all(1);
    }
}

/// The highest, those before it, and the end of what is remembered.
#[test]
fn the_edge_of_the_window_is_where_the_page_says() {
    let mut both = Both::new(1);
    assert_eq!(both.ask(1, 5_000), Freshness::Fresh);
    assert_eq!(both.ask(1, 5_000 - 1_024), Freshness::TooOld);
    assert_eq!(both.ask(1, 5_000 - 1_023), Freshness::Fresh);
    assert_eq!(both.ask(1, 5_000 - 1_023), Freshness::Replayed);
    assert_eq!(both.ask(1, 5_001), Freshness::Fresh);
    assert_eq!(both.ask(1, 5_000 - 1_023), Freshness::TooOld);
    assert_eq!(both.ask(1, u32::MAX), Freshness::Fresh);
    assert_eq!(both.ask(1, u32::MAX), Freshness::Replayed);
}

/// The epoch that was fresh the longest ago goes; replays and what is too old keep none alive.
#[test]
fn an_epoch_that_was_driven_out_is_forgotten_and_no_other() {
    let mut both = Both::new(2);
    assert_eq!(both.ask(1, 7), Freshness::Fresh);
    assert_eq!(both.ask(2, 7), Freshness::Fresh);
    assert_eq!(both.ask(1, 7), Freshness::Replayed);
    assert_eq!(both.ask(3, 7), Freshness::Fresh);
    assert_eq!(both.ask(2, 7), Freshness::Replayed);
    assert_eq!(both.ask(3, 7), Freshness::Replayed);
    assert_eq!(both.ask(2, 8), Freshness::Fresh);
    assert_eq!(both.ask(1, 7), Freshness::Fresh, "it was forgotten");
    assert_eq!(both.ask(2, 7), Freshness::Replayed);
    assert_eq!(both.ask(3, 7), Freshness::Fresh, "it was forgotten");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn it_agrees_with_a_slow_twin(
        most in 1_usize..5,
        steps in proptest::collection::vec(
            (1_u64..7, prop_oneof![0_u32..40, 0_u32..3_000, (u32::MAX - 2_000)..=u32::MAX]),
            1..400,
        ),
    ) {
        let mut window = ReplayWindow::new(&Limits { replay_epochs: most, ..Limits::default() });
        let mut twin = Twin::default();
        for (epoch, counter) in steps {
            let met = window.check_and_set(common::epoch(epoch), counter);
            prop_assert_eq!(met, twin.check_and_set(most, epoch, counter), "{} {}", epoch, counter);
            prop_assert!(window.epochs() == twin.0.len() && window.epochs() <= most);
        }
    }
}
