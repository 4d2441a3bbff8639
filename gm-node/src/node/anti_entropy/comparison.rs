//! Comparison of given groups by name: messages with their fingerprints, or with the nodes that
//! host them.

use gm_codec::{Body, Fingerprints, GroupEntry};
use gm_data::GroupName;

use super::group_tree::ListedBuckets;
use crate::groups::reserved_name;
use crate::node::context::{Context, Route};

/// Maximum number of groups in one comparison message.
const MAX_COMPARED: usize = 512;

/// Asks a node to compare given groups that are hosted here.
pub(super) fn compare_groups(cx: &mut Context, route: Route, names: &[GroupName]) {
    let hosted = names.iter().filter_map(|name| {
        let replica = cx.groups.replica(name)?;
        Some((name.clone(), GroupEntry::Hosted(replica.state().fingerprint())))
    });
    let hosted = hosted.collect();
    send_comparison(cx, route, hosted, None);
}

/// Sends groups for comparison. `listed` names the buckets of shared groups that they list
/// completely.
pub(super) fn send_comparison(
    cx: &mut Context,
    (to, by): Route,
    groups: Vec<(GroupName, GroupEntry)>,
    listed: Option<ListedBuckets>,
) {
    let mut rest = groups;
    // None of several messages would be a complete list.
    if let Some(listed) = listed.filter(|_| rest.len() < MAX_COMPARED) {
        rest.push((reserved_name(), GroupEntry::Hosted(listed.to_number())));
        rest.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    }
    while !rest.is_empty() {
        let next = rest.split_off(rest.len().min(MAX_COMPARED));
        let groups = std::mem::replace(&mut rest, next);
        let body = Fingerprints { answer: true, after: None, until: None, groups };
        cx.send(to, Body::Fingerprints(body), by);
    }
}

/// Replies to a node that takes this node for a member of a group that it does not host.
pub(super) fn reply_not_hosted(cx: &mut Context, (to, by): Route, name: &GroupName) {
    let other = cx.groups.contacts.refer_to_other(name, to).unwrap_or(to);
    send_comparison(cx, (to, by), vec![(name.clone(), GroupEntry::Contact(other))], None);
}
