//! Worlds of broadcasters: what they carry, how they are made. Knows nothing of faults and of checks.

pub mod book;
pub mod check;
pub mod metrics;
pub mod node;
pub mod plants;
pub mod run;
pub mod scenario;
pub mod script;
pub mod sweep;
pub mod tap;
