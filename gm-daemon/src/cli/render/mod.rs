//! Formats answers of the daemon as text for people.

mod change;
mod groups;
mod listing;
mod nodes;
mod ranges;
mod status;
mod sync;
mod write;

pub(crate) use change::change;
pub(crate) use groups::{group, groups};
pub(crate) use listing::ListRenderer;
pub(crate) use nodes::{Members, peers};
pub(crate) use ranges::{Coverage, Located, Topology, span};
pub(crate) use status::status;
pub(crate) use write::{done, fell_short, purged};

#[cfg(test)]
mod samples;
