//! Simulated clusters of broadcasters: scenarios, payloads, checkers, metrics and scripts.

pub mod capture;
pub mod check;
pub mod history;
pub mod metrics;
pub mod node;
pub mod run;
pub mod scenario;
pub mod script;
pub mod suite;
pub mod tap;
