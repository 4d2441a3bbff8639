//! Cutting a state into messages that each fit into one datagram: between members, never inside a
//! record.

use gm_clock::NetId;
use gm_data::{GroupName, GroupState};

use super::member_update;
use super::{GroupUpdate, MemberUpdate};

/// A state in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplitState {
    /// Messages of one group, in the order of the members, each of which fits. All parts are whole
    /// records.
    pub groups: Vec<GroupUpdate>,
    /// Members whose records fit into no datagram, in their order: they go by TCP.
    pub too_large: Vec<NetId>,
}

/// Cuts a state into bodies that each fit into `room` bytes of payload, together with a header that
/// names nobody but its sender. `room` is what is left of a datagram after the frame:
/// [`Limits::datagram_payload`](crate::Limits::datagram_payload).
///
/// Sizes are taken from above (each member in the table as if it stood alone), so a piece may be a
/// few bytes smaller than it could be, and never larger.
pub fn split_state(state: &GroupState, room: usize) -> SplitState {
    let fixed = max_fixed_bytes(state.name());
    let mut datagrams = SplitState::default();
    let (mut updates, mut used) = (Vec::new(), fixed);
    let mut scratch = Vec::new();
    for record in state.records() {
        let part = MemberUpdate::Record(record.clone());
        scratch.clear();
        member_update::encode(&part, 0, &mut scratch);
        // The distance is written with the kind: at most 4 bytes more than a distance of 0, within
        // the limit of a table.
        let bytes = scratch.len() + 4 + max_entry_bytes(record.member());
        if fixed + bytes > room {
            datagrams.too_large.push(record.member());
            continue;
        }
        if used + bytes > room {
            datagrams.groups.push(take_group_update(state.name(), &mut updates));
            used = fixed;
        }
        used += bytes;
        updates.push(part);
    }
    if !updates.is_empty() {
        datagrams.groups.push(take_group_update(state.name(), &mut updates));
    }
    datagrams
}

fn take_group_update(name: &GroupName, updates: &mut Vec<MemberUpdate>) -> GroupUpdate {
    GroupUpdate { name: name.clone(), updates: core::mem::take(updates) }
}

/// Bytes of a table entry, at most.
fn max_entry_bytes(member: NetId) -> usize {
    if member.ip().is_ipv4() { 5 + 2 } else { 1 + 16 + 2 }
}

/// Bytes of all that is neither a part nor its member's entry, at most: the counts of the table (3
/// + 3), the sender's entry (19), flags (2), the sender's position (3), the sequence and the
/// multicast's number (10 + 10), receipts (5), the tag (1), the name and its length (2), the number
/// of parts (3).
fn max_fixed_bytes(name: &GroupName) -> usize {
    6 + 19 + 2 + 3 + 20 + 5 + 1 + 2 + name.as_str().len() + 3
}
