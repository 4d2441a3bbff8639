//! Runs a check on generated values, always the same ones, and returns the smallest failing value,
//! which a test prints.

use std::fmt::Debug;
use std::string::{String, ToString as _};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

/// Number of generated values.
#[derive(Clone, Copy)]
pub(super) struct Cases(pub(super) u32);

pub(super) fn holds<S: Strategy>(
    Cases(cases): Cases,
    values: &S,
    check: impl Fn(&S::Value) -> Result<(), String>,
) -> Result<(), String>
where
    S::Value: Debug,
{
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    runner.run(values, |value| check(&value).map_err(TestCaseError::fail)).map_err(|error| error.to_string())
}
