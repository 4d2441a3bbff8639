//! Messages that more than one component sends.

use gm_codec::{Body, GroupUpdate, MemberUpdate, Versions};
use gm_data::{Eviction, GroupName};

use super::context::{Context, Route};

/// Asks a peer for this node's record in a group.
pub(super) fn ask_for_own_record(cx: &mut Context, name: GroupName, (to, by): Route) {
    let versions = vec![(cx.me(), None)];
    cx.send(to, Body::Versions(Versions { name, digests: false, buckets: None, versions }), by);
}

/// A message with evictions.
pub(super) fn evictions_body(group: &GroupName, evictions: &[Eviction]) -> Body {
    let mut updates: Vec<MemberUpdate> = evictions.iter().copied().map(MemberUpdate::Eviction).collect();
    updates.sort_by_key(MemberUpdate::member);
    Body::GroupUpdate(GroupUpdate { name: group.clone(), updates })
}
