//! The laws of the data, as tests: on generated states, on generated histories against a slow twin,
//! and on the histories by name that break simpler rules; and the proof that each planted bug would
//! be found.

mod batches;
mod buckets;
mod generate;
mod horizon;
mod invariants;
mod lookup;
mod merge;
mod model;
mod planted_bugs;
mod regressions;
mod runner;
mod tree;
mod tree_sums;
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::string::String;

use runner::{Cases, holds};

/// What can befall a history; see `world.rs`.
const FAULTS: [&str; 12] = [
    "death",
    "doubled piece",
    "forget",
    "increment applied",
    "increment asked about",
    "increment known",
    "late piece",
    "loss",
    "purge",
    "re-assertion",
    "restart with a stale disk",
    "restart without disk",
];

/// Every history agrees with the twin, keeps the invariants, and heals. Says in how many histories
/// each thing happened.
fn histories(cases: Cases) -> Result<BTreeMap<&'static str, usize>, String> {
    let happened = RefCell::new(BTreeMap::new());
    holds(cases, &generate::history(), |steps| {
        for what in world::play(steps)?.into_keys() {
            *happened.borrow_mut().entry(what).or_default() += 1;
        }
        Ok(())
    })?;
    Ok(happened.into_inner())
}

#[test]
fn histories_agree_with_the_model_and_heal() {
    let cases = 10_000;
    let happened = histories(Cases(cases)).unwrap();
    eprintln!("of {cases} histories, with: {happened:?}");
    for fault in FAULTS {
        let share = happened.get(fault).map_or(0, |count| count * 100 / cases as usize);
        assert!(share >= 5, "{fault}: in {share} % of the histories only");
    }
}

/// The first of them, which take no time: `cargo xtask mutants` runs these, and not ten thousand
/// for each mutant.
#[test]
fn a_few_histories_agree_with_the_model_and_heal() {
    histories(Cases(200)).unwrap();
}
