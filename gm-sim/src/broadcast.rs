//! Worlds of broadcasters: what they carry, how they are made. Knows nothing of faults and of
//! checks.

pub mod capture;
pub mod check;
pub mod history;
pub mod metrics;
pub mod node;
pub mod planted_bugs;
pub mod run;
pub mod scenario;
pub mod script;
pub mod suite;
