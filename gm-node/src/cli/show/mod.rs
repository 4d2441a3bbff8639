//! What a daemon answers, for people: text from shapes, and nothing else.

mod change;
mod groups;
mod nodes;
mod ranges;
mod status;
mod sync;
mod write;

pub(crate) use change::change;
pub(crate) use groups::{group, groups};
pub(crate) use nodes::{members, peers};
pub(crate) use ranges::{coverage, located, span, topology};
pub(crate) use status::status;
pub(crate) use write::{done, fell_short};

#[cfg(test)]
mod samples;
