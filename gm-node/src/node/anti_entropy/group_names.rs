//! Fingerprints of groups, by name: pages of names for discovering groups, comparisons of given
//! groups, registrations, and the replies to them.
//!
//! The meaning of an entry (see `docs/WIRE.md`): *hosted* with a fingerprint means that the sender
//! hosts the group; *contact* with the sender itself, that it registers as a member; *contact* with
//! another node, that the sender does not host the group but that node is reported to.

use std::collections::BTreeMap;

use gm_clock::NetId;
use gm_codec::{Body, Fingerprints, GroupEntry, KnownVersion, Root, Versions};
use gm_data::GroupName;

use super::comparison::send_comparison;
use super::freshness::{note_in_sync, note_unknown, peers_to_ask};
use super::group_tree::ListedBuckets;
use super::shared_groups::{root_with, unlisted_in};
use crate::groups::{Source, is_reserved};
use crate::node::action::Action;
use crate::node::context::{Context, Route};

/// Number of names on a page, and the maximum that a reply adds.
const PAGE_NAMES: usize = 32;
/// Maximum number of groups that one exchange compares by name, because they were left or have no
/// other known member.
const MAX_NAMED: usize = 64;

/// The entries of a reply, by name.
type ReplyEntries = BTreeMap<GroupName, GroupEntry>;

/// Result of comparing the entries of a message with this node's groups.
#[derive(Debug)]
pub(super) struct ComparedEntries {
    /// Groups that differ.
    pub(super) differ: Vec<GroupName>,
    /// Whether the sender registers as a member of groups.
    pub(super) registers: bool,
    /// Whether only these groups are to be compared. A message with an upper bound replies to a
    /// page, or belongs to a registration.
    pub(super) is_comparison: bool,
    /// Groups in which the sender had not registered before.
    newly: Vec<GroupName>,
    reply: ReplyEntries,
    listed: Option<ListedBuckets>,
}

/// Compares the entries of a message with this node's groups.
pub(super) fn compare(cx: &mut Context, (from, by): Route, received: &mut Fingerprints) -> ComparedEntries {
    let listed = ListedBuckets::take_from(&mut received.groups);
    let is_comparison = received.answer && received.until.is_none();
    let (mut registers, mut newly) = (false, Vec::new());
    let (mut differ, mut reply) = (Vec::new(), ReplyEntries::new());
    for (name, entry) in received.groups.iter().filter(|(name, _)| !is_reserved(name)) {
        match *entry {
            GroupEntry::Contact(member) if member == from => {
                registers = true;
                let (answer, is_new) = cx.groups.register(cx.now, from, name);
                reply.extend(answer.map(|entry| (name.clone(), entry)));
                newly.extend(is_new.then(|| name.clone()));
            }
            GroupEntry::Contact(member) => on_not_hosted(cx, (from, by), name, member),
            GroupEntry::Hosted(theirs) => {
                let answer = on_hosted(cx, from, name, theirs, is_comparison, &mut differ);
                reply.extend(answer.map(|entry| (name.clone(), entry)));
            }
        }
    }
    if !received.answer {
        detect_lost_groups(cx, (from, by), received);
    }
    ComparedEntries { differ, registers, is_comparison, newly, reply, listed }
}

/// Replies to a message whose entries were compared.
pub(super) fn reply(cx: &mut Context, (to, by): Route, received: &Fingerprints, compared: ComparedEntries) {
    let ComparedEntries { differ, registers, newly, mut reply, listed, .. } = compared;
    if let Some(listed) = listed {
        reply.extend(unlisted_in(cx, to, listed, &received.groups));
    }
    if registers {
        let until = received.until.clone();
        let body = Fingerprints { answer: true, after: None, until, groups: in_order(reply) };
        cx.send(to, Body::Fingerprints(body), by);
        cx.act(Action::Refer { to, groups: newly });
    } else if received.answer {
        send_comparison(cx, (to, by), in_order(reply), None);
    } else {
        reply_to_page(cx, (to, by), received, reply, differ.is_empty());
    }
}

/// Groups to compare by name with a partner, as no root covers them: those that were left; those
/// of the partner that this node hosts as an observer; and, if `asks` is set, those without another
/// known member for which not enough peers were asked.
pub(super) fn groups_to_name(cx: &Context, partner: NetId, asks: bool) -> Vec<GroupName> {
    let peers = if asks { peers_to_ask(cx, cx.now) } else { 0 };
    let groups = &cx.groups;
    let named = groups.hosted.iter().filter(|(name, hosted)| {
        let asks = asks && hosted.is_unverified(peers);
        let observes = groups
            .replica(name)
            .is_some_and(|replica| replica.state().is_member(partner) && !replica.state().is_member(cx.me()));
        hosted.leaving_until.is_some() || observes || asks && !groups.has_other_members(name)
    });
    named.map(|(name, _)| name.clone()).take(MAX_NAMED).collect()
}

/// Handles an entry of a group that the sender hosts. Returns the entry of the reply, if any.
fn on_hosted(
    cx: &mut Context,
    from: NetId,
    name: &GroupName,
    theirs: u128,
    is_comparison: bool,
    differ: &mut Vec<GroupName>,
) -> Option<GroupEntry> {
    if !cx.groups.hosted.contains_key(name) {
        // The sender may know only members that joined on its side of a partition. And if it
        // takes this node for a member, the reply corrects that.
        let discovered = cx.groups.discover(cx.now, name, from, Source::Direct, from);
        if !discovered.has_news && !is_comparison {
            return None;
        }
        let other = cx.groups.contacts.refer_to_other(name, from);
        return other.or(is_comparison.then_some(from)).map(GroupEntry::Contact);
    }
    cx.groups.discover(cx.now, name, from, Source::Direct, from);
    let me = cx.me();
    let state = cx.groups.replica(name)?.state();
    if state.fingerprint() != theirs {
        differ.push(name.clone());
        return None;
    }
    // Two empty states are equal, but that verifies nothing.
    if state.records().len() == 0 {
        return None;
    }
    // A node that left hosts the group until a member confirms that it received the leave.
    let confirms = is_comparison && state.is_member(me) && !state.is_member(from);
    note_in_sync(cx, name, from);
    confirms.then_some(GroupEntry::Hosted(theirs))
}

/// Handles an entry of a group that the sender does not host, but that node is reported to.
fn on_not_hosted(cx: &mut Context, (from, by): Route, name: &GroupName, member: NetId) {
    if member == cx.me() {
        note_unknown(cx, from, name);
    }
    cx.groups.remove_candidate(name, from);
    if cx.groups.replica(name).is_some_and(|replica| replica.state().is_member(from)) {
        // The sender lost the group or left it: our version of its record shows it what it
        // lacks, or it replies with its newer record.
        send_version(cx, (from, by), name, from);
    }
    cx.groups.discover(cx.now, name, member, Source::Gossip, from);
    cx.act(Action::HostNamed { group: name.clone(), node: member, by: from });
}

/// Detects a sender that lost a group: we take it for a member, but it omits the group on a
/// page where its name belongs. It is sent our version of its record.
fn detect_lost_groups(cx: &mut Context, (from, by): Route, received: &Fingerprints) {
    let groups = &cx.groups;
    let lost = |name: &&GroupName| {
        received.after.as_ref().is_none_or(|after| *name > after)
            && received.until.as_ref().is_none_or(|until| *name <= until)
            && !lists_name(received, name)
            && groups.replica(name).is_some_and(|replica| replica.state().is_member(from))
    };
    let lost: Vec<GroupName> = groups.hosted.keys().filter(lost).cloned().collect();
    for name in lost {
        send_version(cx, (from, by), &name, from);
    }
}

/// Replies to a page: adds names within its bounds that it lacks, cut after a name if they are
/// too many, and other members of groups that only its sender hosts.
fn reply_to_page(
    cx: &mut Context,
    (to, by): Route,
    received: &Fingerprints,
    others: ReplyEntries,
    equal: bool,
) {
    let mut added = names_page(cx, received.after.as_ref(), received.until.as_ref(), PAGE_NAMES, |name| {
        !lists_name(received, name)
    });
    let cut = added.len() == PAGE_NAMES;
    if cut {
        // The next page starts where the reply ends, which is before some of the other entries.
        send_comparison(cx, (to, by), in_order(others), None);
    } else {
        added.extend(others);
        added.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    }
    if !added.is_empty() {
        let last = added.last().map(|(name, _)| name.clone());
        let until = if cut { last } else { received.until.clone().or(last) };
        let body = Fingerprints { answer: true, after: received.after.clone(), until, groups: added };
        cx.send(to, Body::Fingerprints(body), by);
    } else if equal {
        let root = root_with(cx, to);
        cx.send(to, Body::Root(Root { answer: true, root }), by);
    }
}

/// Sends our version of a member's record.
fn send_version(cx: &mut Context, (to, by): Route, group: &GroupName, of: NetId) {
    let Some(record) = cx.groups.record(group, of) else { return };
    let versions = vec![(of, Some(KnownVersion { version: record.version(), digest: None }))];
    let body = Versions { name: group.clone(), digests: false, buckets: None, versions };
    cx.send(to, Body::Versions(body), by);
}

/// Sends the next page of names. `cursor` is the last name of the page before.
pub(super) fn send_page(cx: &mut Context, cursor: &mut Option<GroupName>, (to, by): Route) {
    let after = cursor.take();
    let page = names_page(cx, after.as_ref(), None, PAGE_NAMES, |_| true);
    let until = (page.len() == PAGE_NAMES).then(|| page.last().map(|(name, _)| name.clone())).flatten();
    cursor.clone_from(&until);
    let body = Body::Fingerprints(Fingerprints { answer: false, after, until, groups: page });
    cx.send(to, body, by);
}

/// The first groups with names greater than `after` and at most `until`: hosted ones with their
/// fingerprints, others with their direct contact.
fn names_page(
    cx: &Context,
    after: Option<&GroupName>,
    until: Option<&GroupName>,
    max: usize,
    wanted: impl Fn(&GroupName) -> bool,
) -> Vec<(GroupName, GroupEntry)> {
    use std::ops::Bound;
    let groups = &cx.groups;
    let fingerprint =
        |name: &GroupName| groups.set.group(name).map_or(0, |replica| replica.state().fingerprint());
    let within = |name: &GroupName| until.is_none_or(|until| name <= until);
    let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
    let hosted = groups.hosted.range((from, Bound::Unbounded)).map(|(name, _)| name);
    let hosted = hosted.take_while(|name| within(name)).filter(|name| wanted(name)).take(max);
    let hosted = hosted.map(|name| (name.clone(), GroupEntry::Hosted(fingerprint(name))));
    let known = groups.contacts.direct_contacts(after).take_while(|(name, _)| within(name));
    let known = known.filter(|(name, _)| wanted(name)).take(max);
    let known = known.map(|(name, member)| (name.clone(), GroupEntry::Contact(member)));
    let mut all: Vec<_> = hosted.chain(known).collect();
    all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    all.truncate(max);
    all
}

/// Whether a message contains a name.
fn lists_name(received: &Fingerprints, name: &GroupName) -> bool {
    received.groups.binary_search_by(|(other, _)| other.cmp(name)).is_ok()
}

fn in_order(reply: ReplyEntries) -> Vec<(GroupName, GroupEntry)> {
    reply.into_iter().collect()
}
