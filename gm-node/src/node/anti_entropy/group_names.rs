//! Fingerprints of groups, by name: pages of names for discovering groups, comparisons of given
//! groups, registrations, and the replies to them.
//!
//! The meaning of an entry (see `docs/WIRE.md`): *hosted* with a fingerprint means that the sender
//! hosts the group; *contact* with the sender itself, that it registers as a member; *contact* with
//! another node, that the sender does not host the group but that node is reported to.

use std::collections::BTreeMap;

use gm_broadcast::{Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, Fingerprints, GroupEntry, KnownVersion, Root, Versions};
use gm_data::GroupName;

use super::exchange::Route;
use super::shared_groups::ListedBuckets;
use crate::groups::{Source, is_reserved, reserved_name};
use crate::node::NodeMachine;
use crate::store::Store;

/// Number of names on a page, and the maximum that a reply adds.
const PAGE_NAMES: usize = 32;
/// Maximum number of groups in one comparison message.
const MAX_COMPARED: usize = 512;

/// The entries of a reply, by name.
type ReplyEntries = BTreeMap<GroupName, GroupEntry>;

impl<S: Store> NodeMachine<S> {
    pub(in crate::node) fn on_fingerprints(
        &mut self,
        now: Time,
        (from, by): Route,
        mut received: Fingerprints,
        was_asked: bool,
    ) {
        let listed = ListedBuckets::take_from(&mut received.groups);
        let hosted = self.groups.hosted.len();
        // With an upper bound it replies to a page or belongs to a registration; without, only
        // these groups are to be compared.
        let compares = received.answer && received.until.is_none();
        let (mut registers, mut newly) = (false, Vec::new());
        let (mut differ, mut reply) = (Vec::new(), ReplyEntries::new());
        for (name, holding) in received.groups.iter().filter(|(name, _)| !is_reserved(name)) {
            match *holding {
                GroupEntry::Contact(member) if member == from => {
                    registers = true;
                    let (answer, is_new) = self.on_registration(now, from, name);
                    reply.extend(answer.map(|holding| (name.clone(), holding)));
                    newly.extend(is_new.then(|| name.clone()));
                }
                GroupEntry::Contact(member) => self.on_not_hosted(now, (from, by), name, member),
                GroupEntry::Hosted(theirs) => {
                    let answer = self.on_hosted(now, from, name, theirs, compares, &mut differ);
                    reply.extend(answer.map(|holding| (name.clone(), holding)));
                }
            }
        }
        if !received.answer {
            self.detect_lost_groups(now, (from, by), &received);
        }
        let equal = differ.is_empty();
        if !equal {
            self.on_difference(now, from);
        } else if !registers && (!compares || was_asked) {
            self.on_equal(now, from, was_asked);
        }
        for name in differ {
            self.note_difference(now, &name);
            self.descend(now, from, &name, by);
        }
        if let Some(listed) = listed {
            reply.extend(self.unlisted_in(from, listed, &received.groups));
        }
        if registers {
            let body =
                Fingerprints { answer: true, after: None, until: received.until, groups: in_order(reply) };
            self.send(now, from, Body::Fingerprints(body), by);
            return self.refer(now, from, &newly);
        }
        if received.answer {
            let found = self.groups.hosted.len() > hosted;
            self.on_page_answered(now, from, received.until.as_ref(), found);
            self.send_comparison(now, (from, by), in_order(reply), None);
        } else {
            self.reply_to_page(now, (from, by), &received, reply, equal);
        }
    }

    /// Handles an entry of a group that the sender hosts. Returns the entry of the reply, if any.
    fn on_hosted(
        &mut self,
        now: Time,
        from: NetId,
        name: &GroupName,
        theirs: u128,
        compares: bool,
        differ: &mut Vec<GroupName>,
    ) -> Option<GroupEntry> {
        if !self.groups.hosted.contains_key(name) {
            // The sender may know only members that joined on its side of a partition. And if it
            // takes this node for a member, the reply corrects that.
            let discovered = self.groups.discover(now, name, from, Source::Direct, from);
            if !discovered.has_news && !compares {
                return None;
            }
            let other = self.groups.contacts.refer_to_other(name, from);
            return other.or(compares.then_some(from)).map(GroupEntry::Contact);
        }
        self.groups.discover(now, name, from, Source::Direct, from);
        let me = self.me();
        let state = self.groups.replica(name)?.state();
        if state.fingerprint() != theirs {
            differ.push(name.clone());
            return None;
        }
        // Two empty states are equal, but that verifies nothing.
        if state.records().len() == 0 {
            return None;
        }
        // A node that left hosts the group until a member confirms that it received the leave.
        let confirms = compares && state.is_member(me) && !state.is_member(from);
        self.note_in_sync(now, name, from);
        confirms.then_some(GroupEntry::Hosted(theirs))
    }

    /// Handles an entry of a group that the sender does not host, but that node is reported to.
    fn on_not_hosted(&mut self, now: Time, (from, by): Route, name: &GroupName, member: NetId) {
        if member == self.me() {
            self.note_unknown(now, from, name);
        }
        self.groups.remove_candidate(name, from);
        if self.groups.replica(name).is_some_and(|replica| replica.state().is_member(from)) {
            // The sender lost the group or left it: our version of its record shows it what it
            // lacks, or it replies with its newer record.
            self.send_version(now, (from, by), name, from);
        }
        self.groups.discover(now, name, member, Source::Gossip, from);
        self.probe_contact(now, name, member);
    }

    /// Detects a sender that lost a group: we take it for a member, but it omits the group on a
    /// page where its name belongs. It is sent our version of its record.
    fn detect_lost_groups(&mut self, now: Time, (from, by): Route, received: &Fingerprints) {
        let groups = &self.groups;
        let lost = |name: &&GroupName| {
            received.after.as_ref().is_none_or(|after| *name > after)
                && received.until.as_ref().is_none_or(|until| *name <= until)
                && !lists_name(received, name)
                && groups.replica(name).is_some_and(|replica| replica.state().is_member(from))
        };
        let lost: Vec<GroupName> = groups.hosted.keys().filter(lost).cloned().collect();
        for name in lost {
            self.send_version(now, (from, by), &name, from);
        }
    }

    /// Replies to a page: adds names within its bounds that it lacks, cut after a name if they are
    /// too many, and other members of groups that only its sender hosts.
    fn reply_to_page(
        &mut self,
        now: Time,
        (to, by): Route,
        received: &Fingerprints,
        others: ReplyEntries,
        equal: bool,
    ) {
        let mut added =
            self.names_page(received.after.as_ref(), received.until.as_ref(), PAGE_NAMES, |name| {
                !lists_name(received, name)
            });
        let cut = added.len() == PAGE_NAMES;
        if cut {
            // The next page starts where the reply ends, which is before some of the other entries.
            self.send_comparison(now, (to, by), in_order(others), None);
        } else {
            added.extend(others);
            added.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        }
        if !added.is_empty() {
            let last = added.last().map(|(name, _)| name.clone());
            let until = if cut { last } else { received.until.clone().or(last) };
            let body = Fingerprints { answer: true, after: received.after.clone(), until, groups: added };
            self.send(now, to, Body::Fingerprints(body), by);
        } else if equal {
            let root = self.root_with(to);
            self.send(now, to, Body::Root(Root { answer: true, root }), by);
        }
    }

    /// Asks a node to compare given groups that are hosted here.
    pub(in crate::node) fn compare_groups(&mut self, now: Time, route: Route, names: &[GroupName]) {
        let hosted = names.iter().filter_map(|name| {
            let replica = self.groups.replica(name)?;
            Some((name.clone(), GroupEntry::Hosted(replica.state().fingerprint())))
        });
        let hosted = hosted.collect();
        self.send_comparison(now, route, hosted, None);
    }

    /// Sends groups for comparison. `listed` names the buckets of shared groups that they list
    /// completely.
    pub(in crate::node) fn send_comparison(
        &mut self,
        now: Time,
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
            self.send(now, to, Body::Fingerprints(body), by);
        }
    }

    /// Replies to a node that takes this node for a member of a group that it does not host.
    pub(in crate::node) fn reply_not_hosted(&mut self, now: Time, (to, by): Route, name: &GroupName) {
        let other = self.groups.contacts.refer_to_other(name, to).unwrap_or(to);
        self.send_comparison(now, (to, by), vec![(name.clone(), GroupEntry::Contact(other))], None);
    }

    /// Sends our version of a member's record.
    fn send_version(&mut self, now: Time, (to, by): Route, group: &GroupName, of: NetId) {
        let Some(record) = self.groups.record(group, of) else { return };
        let versions = vec![(of, Some(KnownVersion { version: record.version(), digest: None }))];
        let body = Versions { name: group.clone(), digests: false, buckets: None, versions };
        self.send(now, to, Body::Versions(body), by);
    }

    /// Sends the next page of names.
    pub(in crate::node) fn send_names_page(&mut self, now: Time, to: NetId, by: Transport) {
        let after = self.schedule.names_cursor.take();
        let page = self.names_page(after.as_ref(), None, PAGE_NAMES, |_| true);
        let until = (page.len() == PAGE_NAMES).then(|| page.last().map(|(name, _)| name.clone())).flatten();
        self.schedule.names_cursor.clone_from(&until);
        let body = Body::Fingerprints(Fingerprints { answer: false, after, until, groups: page });
        self.send(now, to, body, by);
    }

    /// Handles the reply to a page or a registration, which covers the names up to `until`.
    fn on_page_answered(&mut self, now: Time, from: NetId, until: Option<&GroupName>, found: bool) {
        let Some(until) = until else { return };
        self.on_registered(now, from, until);
        if self.schedule.names_cursor.as_ref().is_none_or(|cursor| until < cursor) {
            // The reply was cut, or added names up to its end: the next page starts there.
            self.schedule.names_cursor = Some(until.clone());
        }
        if found {
            // An observer hosts every group that it discovers, and there may be more.
            self.hasten(now, self.config.timing.exchange_interval_min);
        }
    }

    /// The first groups with names greater than `after` and at most `until`: hosted ones with their
    /// fingerprints, others with their direct contact.
    fn names_page(
        &self,
        after: Option<&GroupName>,
        until: Option<&GroupName>,
        max: usize,
        wanted: impl Fn(&GroupName) -> bool,
    ) -> Vec<(GroupName, GroupEntry)> {
        use std::ops::Bound;
        let groups = &self.groups;
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
}

/// Whether a message contains a name.
fn lists_name(received: &Fingerprints, name: &GroupName) -> bool {
    received.groups.binary_search_by(|(other, _)| other.cmp(name)).is_ok()
}

fn in_order(reply: ReplyEntries) -> Vec<(GroupName, GroupEntry)> {
    reply.into_iter().collect()
}
