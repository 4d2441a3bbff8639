//! Anti-entropy: periodic comparison and repair between two peers. `schedule` says when, `partner`
//! and `lagging` with whom, `exchange` compares a group, `group_names` and `shared_groups` find out
//! which groups differ, `transfer` and `pull` move records, `freshness` keeps how far a group was
//! compared.

pub(super) mod exchange;
pub(super) mod freshness;
pub(super) mod group_names;
pub(super) mod lagging;
pub(super) mod partner;
pub(super) mod pull;
pub(super) mod schedule;
pub(super) mod shared_groups;
pub(super) mod transfer;
