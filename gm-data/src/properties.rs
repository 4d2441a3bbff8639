//! Property tests of the crate: on generated states, on generated histories against a slow
//! reference model, and on named histories that break simpler rules.

mod batches;
mod buckets;
mod generate;
mod horizon;
mod invariants;
mod lookup;
mod merge;
mod model;
mod regressions;
mod runner;
mod tree;
mod tree_sums;
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::string::String;

use runner::{Cases, holds};

/// Faults of a history that must occur often enough; see `world.rs`.
const FAULTS: [&str; 12] = [
    "death",
    "duplicated packet",
    "forget",
    "increment applied",
    "increment requested",
    "increment known",
    "delayed packet",
    "loss",
    "purge",
    "refutation",
    "restart with a stale disk",
    "restart without disk",
];

/// Checks that every history agrees with the model, keeps the invariants, and heals. Returns the
/// number of histories in which each event occurred.
fn histories(cases: Cases) -> Result<BTreeMap<&'static str, usize>, String> {
    let occurred = RefCell::new(BTreeMap::new());
    holds(cases, &generate::history(), |steps| {
        for event in world::play(steps)?.into_keys() {
            *occurred.borrow_mut().entry(event).or_default() += 1;
        }
        Ok(())
    })?;
    Ok(occurred.into_inner())
}

#[test]
fn histories_agree_with_the_model_and_heal() {
    let cases = 10_000;
    let occurred = histories(Cases(cases)).unwrap();
    eprintln!("of {cases} histories, those with: {occurred:?}");
    for fault in FAULTS {
        let share = occurred.get(fault).map_or(0, |count| count * 100 / cases as usize);
        assert!(share >= 5, "{fault}: only in {share} % of the histories");
    }
}

/// The first of these histories, which take little time: `cargo xtask mutants` runs this test for
/// each mutant instead of the one with ten thousand histories.
#[test]
fn a_few_histories_agree_with_the_model_and_heal() {
    histories(Cases(200)).unwrap();
}
