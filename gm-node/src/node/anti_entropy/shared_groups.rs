//! Descent over the groups that two nodes share: of two nodes that share a thousand groups, a
//! difference in one of them costs three small messages. Used when two roots differ.

use gm_clock::NetId;
use gm_codec::{Body, Buckets, GroupEntry, ParentBucket};
use gm_data::{GroupName, Replica};

use super::comparison::send_comparison;
use super::group_tree::{DEEPEST_LEVEL, ListedBuckets, MAX_LISTED_GROUPS, SharedGroup, diff_buckets, parent};
use crate::counter::NodeCounter;
use crate::groups::reserved_name;
use crate::node::context::{Context, Route};
use crate::rendezvous::key;

/// Maximum number of listing messages in reply to one message; the next exchange finds the rest.
const MAX_LISTS: usize = 64;

/// Whether a group is shared with a node: both are members, as far as is known here.
fn shares(cx: &Context, replica: &Replica, node: NetId) -> bool {
    let state = replica.state();
    state.is_member(node) && state.is_member(cx.me()) && cx.groups.hosted.contains_key(state.name())
}

/// The root hash of the groups that both nodes share, as far as is known here.
pub(super) fn root_with(cx: &Context, node: NetId) -> u128 {
    cx.groups.set.root_of(|replica| shares(cx, replica, node))
}

/// Whether a node is a member of one of our groups, as far as is known here.
pub(super) fn shares_a_group(cx: &Context, node: NetId) -> bool {
    cx.groups.set.replicas().any(|replica| shares(cx, replica, node))
}

/// The groups that are shared with a node, sorted by position.
fn shared_with(cx: &Context, node: NetId) -> Vec<SharedGroup> {
    let set = &cx.groups.set;
    let shared = set.replicas().filter(|replica| shares(cx, replica, node)).map(|replica| {
        let name = replica.state().name().clone();
        let share = u64::try_from(set.group_hash(&name) & u128::from(u64::MAX)).unwrap_or(0);
        SharedGroup { name_hash: key(&name), name, fingerprint_part: share }
    });
    let mut shared: Vec<SharedGroup> = shared.collect();
    shared.sort_unstable_by(|a, b| (a.name_hash, &a.name).cmp(&(b.name_hash, &b.name)));
    shared
}

/// Starts to locate the groups that differ, after different roots.
pub(super) fn descend(cx: &mut Context, (with, by): Route) {
    let shared = shared_with(cx, with);
    if shared.len() <= MAX_LISTED_GROUPS {
        send_list(cx, (with, by), shared.iter(), Some(ListedBuckets::ALL));
    } else {
        send_buckets(cx, (with, by), 0, vec![parent(&shared, 0, 0)]);
    }
}

/// Handles buckets of the groups that are shared with the sender.
pub(super) fn on_group_buckets(cx: &mut Context, (from, by): Route, received: &Buckets) {
    let level = received.level;
    if level >= DEEPEST_LEVEL {
        return cx.count(NodeCounter::GroupBucketsInvalid);
    }
    let shared = shared_with(cx, from);
    let found = diff_buckets(&shared, level, &received.parents);
    for (listed, few) in found.small.into_iter().take(MAX_LISTS) {
        send_list(cx, (from, by), few.into_iter(), Some(listed));
    }
    send_list(cx, (from, by), found.only_ours.into_iter(), None);
    if !found.parents.is_empty() {
        send_buckets(cx, (from, by), level + 1, found.parents);
    }
}

/// Groups in the listed buckets that this node takes to be shared with the sender, and that the
/// sender did not list.
pub(super) fn unlisted_in(
    cx: &Context,
    from: NetId,
    listed: ListedBuckets,
    received: &[(GroupName, GroupEntry)],
) -> Vec<(GroupName, GroupEntry)> {
    let is_listed = |name: &GroupName| received.binary_search_by(|(other, _)| other.cmp(name)).is_ok();
    let mine = shared_with(cx, from);
    let beside = mine.iter().filter(|shared| listed.contains(shared.name_hash) && !is_listed(&shared.name));
    beside.filter_map(|shared| holding(cx, &shared.name)).collect()
}

fn holding(cx: &Context, name: &GroupName) -> Option<(GroupName, GroupEntry)> {
    Some((name.clone(), GroupEntry::Hosted(cx.groups.replica(name)?.state().fingerprint())))
}

fn send_list<'a>(
    cx: &mut Context,
    route: Route,
    groups: impl Iterator<Item = &'a SharedGroup>,
    listed: Option<ListedBuckets>,
) {
    let mut groups: Vec<_> = groups.filter_map(|shared| holding(cx, &shared.name)).collect();
    groups.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    send_comparison(cx, route, groups, listed);
}

fn send_buckets(cx: &mut Context, (to, by): Route, level: u8, parents: Vec<ParentBucket>) {
    let body = Buckets { name: reserved_name(), level, parents };
    cx.count(NodeCounter::GroupBucketsSent);
    cx.send(to, Body::Buckets(body), by);
}
