//! Anti-entropy (Demers et al. 1987): periodic comparison and repair between two peers, by a
//! descent of a Merkle tree (Merkle 1987).
//!
//! `schedule` decides when, `partner` and `lagging` with which peer; `exchange` compares a group;
//! `group_names` and `shared_groups` find out which groups differ; `transfer` and `pull` move
//! records; `freshness` tracks how far a group was compared.

pub(super) mod exchange;
pub(super) mod freshness;
pub(super) mod group_names;
pub(super) mod lagging;
pub(super) mod partner;
pub(super) mod pull;
pub(super) mod schedule;
pub(super) mod shared_groups;
pub(super) mod transfer;
