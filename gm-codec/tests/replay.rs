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
