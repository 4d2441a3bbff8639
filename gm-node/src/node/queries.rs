//! Read access to a node, all from memory.

use gm_broadcast::{Broadcaster, Time};
use gm_clock::NetId;
use gm_data::{Eviction, GroupName, ItemSet, Record, Replica, Version, View};

use super::NodeMachine;
use super::anti_entropy::Freshness;
use super::watchers::Difference;
use crate::config::NodeConfig;
use crate::counter::NodeCounters;
use crate::groups::Groups;
use crate::store::Store;

/// Status of a hosted group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// Name of the group.
    pub name: GroupName,
    /// Number of members.
    pub members: usize,
    /// Number of live items.
    pub items: usize,
    /// Number of records: members, members that left, and forgotten ones. They count towards
    /// [`NodeLimits::records`](crate::NodeLimits).
    pub records: usize,
    /// Number of forgotten records among them.
    pub former: usize,
    /// Fingerprint: equal on two nodes that are in sync.
    pub fingerprint: u128,
    /// Whether another host was in sync at any time since the start.
    pub in_sync: bool,
    /// Extent to which the group was compared with other hosts.
    pub freshness: Freshness,
    /// Whether this node is a member.
    pub is_member: bool,
    /// Whether this node left, and hosts the group until the leave is acknowledged.
    pub is_leaving: bool,
    /// Whether the group has at least nine tenths of the maximum number of records.
    pub is_near_limit: bool,
    /// Whether a limit refused a record.
    pub is_at_limit: bool,
    /// An identity conflict: another node writes under this node's identity.
    pub conflict: Option<ConflictStatus>,
}

/// An identity conflict: another node writes under this node's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConflictStatus {
    /// Time until writes resume, in milliseconds, unless another foreign record comes.
    pub pause_millis: u64,
    /// The greatest foreign version.
    pub claim: Option<Version>,
    /// The peer that last sent a foreign record: its writer, or a node that received it.
    pub reported_by: Option<NetId>,
}

impl<S: Store> NodeMachine<S> {
    /// Identity of this node.
    pub const fn me(&self) -> NetId {
        self.cx.me()
    }

    /// The configuration.
    pub const fn config(&self) -> &NodeConfig {
        &self.cx.config
    }

    /// The broadcaster: peers, reception, connections.
    pub const fn broadcaster(&self) -> &Broadcaster<std::convert::Infallible> {
        self.cx.peers()
    }

    /// The known peers, near and far.
    pub fn peers(&self) -> Vec<NetId> {
        self.cx.peers().known()
    }

    /// The store.
    pub const fn store(&self) -> &S {
        self.persistence.store()
    }

    /// The hosted groups, in the order of their names.
    pub fn hosted_groups(&self) -> impl Iterator<Item = &GroupName> + '_ {
        self.cx.groups.hosted.keys()
    }

    /// The known groups that are not hosted, each with a member.
    pub fn contacts(&self) -> impl Iterator<Item = (&GroupName, NetId)> + '_ {
        self.cx.groups.contacts.iter()
    }

    /// The limit [`NodeLimits::contacts`](crate::NodeLimits), if the contact table was full
    /// recently.
    pub fn contacts_full(&self) -> Option<usize> {
        self.cx.groups.contacts_full.then_some(self.cx.config.limits.contacts)
    }

    /// The groups of which this node is a member.
    pub fn own_groups(&self) -> impl Iterator<Item = &GroupName> + '_ {
        let me = self.me();
        self.hosted_groups().filter(move |group| self.view(group).is_some_and(|view| view.is_member(me)))
    }

    /// The current state of a hosted group, with its index. A clone costs constant time, and does
    /// not change.
    pub fn view(&self, group: &GroupName) -> Option<&View> {
        self.cx.groups.replica(group).map(Replica::view)
    }

    /// The members of a hosted group, in order.
    pub fn members(&self, group: &GroupName) -> Vec<NetId> {
        self.view(group).map(|view| view.members().collect()).unwrap_or_default()
    }

    /// The live items of a hosted group.
    pub fn topology(&self, group: &GroupName) -> Option<ItemSet<'_>> {
        self.view(group).map(|view| view.items())
    }

    /// This node's own record in a group, hosted or not.
    pub fn own_record(&self, group: &GroupName) -> Option<&Record> {
        self.cx.groups.record(group, self.me())
    }

    /// The status of a hosted group.
    pub fn status(&self, now: Time, group: &GroupName) -> Option<GroupStatus> {
        let replica = self.cx.groups.replica(group)?;
        let hosted = self.cx.groups.hosted.get(group)?;
        let state = replica.state();
        let millis = now.as_nanos() / 1_000_000;
        let pause = replica.conflict().paused_until().map(|until| until.saturating_sub(millis));
        Some(GroupStatus {
            name: group.clone(),
            members: state.member_count(),
            items: state.live_item_count(),
            records: state.records().len(),
            former: state.records().filter(|record| record.version().forgotten).count(),
            fingerprint: state.fingerprint(),
            in_sync: hosted.in_sync,
            freshness: self.anti_entropy.freshness(&self.cx, now, group)?,
            is_member: state.is_member(self.me()),
            is_leaving: hosted.leaving_until.is_some(),
            is_near_limit: super::hosting::is_near_limit(
                state.records().len(),
                self.cx.config.limits.records,
            ),
            is_at_limit: hosted.limit_reported,
            conflict: pause.filter(|pause| *pause > 0).map(|pause_millis| ConflictStatus {
                pause_millis,
                claim: replica.conflict().greatest_claim().map(|claim| claim.version),
                reported_by: hosted.conflict_source,
            }),
        })
    }

    /// The freshness of a hosted group.
    pub fn freshness(&self, now: Time, group: &GroupName) -> Option<Freshness> {
        self.anti_entropy.freshness(&self.cx, now, group)
    }

    /// The difference that a watcher has not read yet; `None` if there is no such watcher. Takes
    /// constant time: [`Difference::part`] computes the events.
    pub fn difference(&self, tag: u64) -> Option<Difference> {
        self.watchers.difference(tag)
    }

    /// Evictions for the records of forgotten members that can be purged and, with
    /// `include_absent`, of members that were not heard from since the start.
    pub fn purgeable(&self, group: &GroupName, include_absent: bool) -> Vec<Eviction> {
        self.cx.purgeable(group, include_absent)
    }

    /// The node's counters, in addition to those of its broadcaster.
    pub const fn counters(&self) -> &NodeCounters {
        let groups: &Groups = &self.cx.groups;
        &groups.counters
    }

    /// The use of each limit: (name, used, maximum).
    pub fn usage(&self) -> [(&'static str, usize, usize); 10] {
        let limits = &self.cx.config.limits;
        let (replies, max_replies) = self.anti_entropy.delayed_replies();
        let groups = &self.cx.groups;
        let records =
            groups.hosted.keys().filter_map(|name| self.view(name)).map(|view| view.records().len()).max();
        [
            ("groups", groups.hosted.len(), limits.groups),
            ("contacts", groups.contacts.len(), limits.contacts),
            ("records", records.unwrap_or(0), limits.records),
            ("writes", self.writes.len(), limits.writes),
            ("waits", self.dissemination.open_waits(), limits.waits + limits.writes),
            ("watchers", self.watchers.len(), limits.watchers),
            (
                "watch-bytes",
                usize::try_from(self.watchers.retained_bytes()).unwrap_or(usize::MAX),
                limits.watch_bytes,
            ),
            ("pulls", self.anti_entropy.open_pulls(), limits.pulls),
            ("replies", replies, max_replies),
            ("unstored", self.persistence.unstored(), self.cx.config.broadcast.limits.cached_broadcasts + 1),
        ]
    }
}
