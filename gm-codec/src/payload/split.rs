//! Splitting of a group state into updates that each fit into one datagram. A record is never
//! divided.

use gm_clock::NetId;
use gm_data::{GroupName, GroupState};

use super::member_update;
use super::{GroupUpdate, MemberUpdate};

/// A group state in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplitState {
    /// Updates of one group, in the order of the members; each fits into a datagram. They contain
    /// only whole records.
    pub groups: Vec<GroupUpdate>,
    /// Members whose records fit into no datagram, in order. Send these over TCP.
    pub too_large: Vec<NetId>,
}

/// Splits a state into bodies that each fit into `room` bytes of payload, together with a header
/// that names no node but its sender. `room` is usually
/// [`Limits::datagram_payload`](crate::Limits::datagram_payload).
///
/// Sizes are estimated from above (as if each member stood alone in the table), so a piece may be a
/// few bytes smaller than possible, but never too large.
pub fn split_state(state: &GroupState, room: usize) -> SplitState {
    let fixed = max_fixed_bytes(state.name());
    let mut datagrams = SplitState::default();
    let (mut updates, mut used) = (Vec::new(), fixed);
    let mut scratch = Vec::new();
    for record in state.records() {
        let update = MemberUpdate::Record(record.clone());
        scratch.clear();
        member_update::encode(&update, 0, &mut scratch);
        // The distance shares a varint with the kind. Within the limit of a table it takes at most
        // 4 bytes more than a distance of 0.
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
        updates.push(update);
    }
    if !updates.is_empty() {
        datagrams.groups.push(take_group_update(state.name(), &mut updates));
    }
    datagrams
}

fn take_group_update(name: &GroupName, updates: &mut Vec<MemberUpdate>) -> GroupUpdate {
    GroupUpdate { name: name.clone(), updates: core::mem::take(updates) }
}

/// Maximum length of a table entry in bytes.
fn max_entry_bytes(member: NetId) -> usize {
    if member.ip().is_ipv4() { 5 + 2 } else { 1 + 16 + 2 }
}

/// Maximum length in bytes of everything but the updates and their members' entries: the counts of
/// the table (3 + 3), the sender's entry (19), flags (2), the sender's position (3), sequence and
/// multicast sequence (10 + 10), ack request (5), the tag (1), the name with its length (2), the
/// number of updates (3).
fn max_fixed_bytes(name: &GroupName) -> usize {
    6 + 19 + 2 + 3 + 20 + 5 + 1 + 2 + name.as_str().len() + 3
}
