//! Cutting a state into messages that each fit into one datagram: between members, never inside a record.

use gm_clock::NetId;
use gm_data::{GroupName, GroupState};

use super::parts;
use super::{Group, Part};

/// A state in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Messages of one group, in the order of the members, each of which fits. All parts are whole records.
    pub groups: Vec<Group>,
    /// Members whose records fit into no datagram, in their order: they go by TCP.
    pub too_large: Vec<NetId>,
}

/// Cuts a state into bodies that each fit into `room` bytes of payload, together with a header that names nobody but its
/// sender. `room` is what is left of a datagram after the frame: [`Limits::room`](crate::Limits::room).
///
/// Sizes are taken from above (each member in the table as if it stood alone), so a piece may be a few bytes smaller than it
/// could be, and never larger.
pub fn split(state: &GroupState, room: usize) -> Split {
    let fixed = fixed_bytes(state.name());
    let mut split = Split::default();
    let (mut parts, mut used) = (Vec::new(), fixed);
    let mut scratch = Vec::new();
    for record in state.records() {
        let part = Part::Record(record.clone());
        scratch.clear();
        parts::encode(&part, 0, &mut scratch);
        // The distance is written with the kind: at most 4 bytes more than a distance of 0, within the limit of a table.
        let bytes = scratch.len() + 4 + table_bytes(record.member());
        if fixed + bytes > room {
            split.too_large.push(record.member());
            continue;
        }
        if used + bytes > room {
            split.groups.push(group(state.name(), &mut parts));
            used = fixed;
        }
        used += bytes;
        parts.push(part);
    }
    if !parts.is_empty() {
        split.groups.push(group(state.name(), &mut parts));
    }
    split
}

fn group(name: &GroupName, parts: &mut Vec<Part>) -> Group {
    Group { name: name.clone(), parts: core::mem::take(parts) }
}

/// Bytes of a table entry, at most.
fn table_bytes(member: NetId) -> usize {
    if member.ip().is_ipv4() { 5 + 2 } else { 1 + 16 + 2 }
}

/// Bytes of all that is neither a part nor its member's entry, at most: the counts of the table (3 + 3), the sender's entry (19),
/// flags (2), the sender's position (3), the sequence and the multicast's number (10 + 10), receipts (5), the tag (1), the name
/// and its length (2), the number of parts (3).
fn fixed_bytes(name: &GroupName) -> usize {
    6 + 19 + 2 + 3 + 20 + 5 + 1 + 2 + name.as_str().len() + 3
}
