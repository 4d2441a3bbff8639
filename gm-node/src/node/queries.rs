//! What can be asked of a node, all from memory. Changes nothing.

use gm_broadcast::{Broadcaster, Time};
use gm_clock::NetId;
use gm_data::{GroupName, ItemSet, Record, Replica, Version, View};

use super::NodeMachine;
use super::anti_entropy::freshness::Freshness;
use crate::config::NodeConfig;
use crate::event::NodeCounters;
use crate::groups::Groups;
use crate::store::Store;

/// How a group stands here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// Its name.
    pub name: GroupName,
    /// Members.
    pub members: usize,
    /// Live items.
    pub items: usize,
    /// Records: members, who left, and the forgotten. They count towards
    /// [`NodeLimits::records`](crate::NodeLimits).
    pub records: usize,
    /// Of them, the forgotten.
    pub former: usize,
    /// The fingerprint: equal where two nodes hold the same.
    pub fingerprint: u128,
    /// Whether another holder held the same, at any time since the start.
    pub in_sync: bool,
    /// How far it was compared with other holders.
    pub freshness: Freshness,
    /// Whether we are a member.
    pub is_member: bool,
    /// Whether we left and still tell it.
    pub is_leaving: bool,
    /// Whether there are nearly as many records as may be.
    pub is_near_limit: bool,
    /// Whether a bound keeps records out.
    pub is_at_limit: bool,
    /// Whether another node writes under our identity.
    pub conflict: Option<ConflictStatus>,
}

/// Another node writes under our identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConflictStatus {
    /// For how long nothing is written any more, in milliseconds, if nothing new is claimed
    /// meanwhile.
    pub pause_millis: u64,
    /// The greatest version that was claimed.
    pub claim: Option<Version>,
    /// Who passed it on last: the other node, or one that had it from it.
    pub reported_by: Option<NetId>,
}

impl<S: Store> NodeMachine<S> {
    /// The configuration.
    pub const fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// The broadcaster: whom we know, hear, are connected to.
    pub const fn broadcaster(&self) -> &Broadcaster<impl gm_broadcast::Handler + use<S>> {
        &self.broadcaster
    }

    /// Who is known, near and far, without ourselves.
    pub fn peers(&self) -> Vec<NetId> {
        self.broadcaster.known()
    }

    /// The storage.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// The groups that are held, in the order of their names.
    pub fn hosted_groups(&self) -> impl Iterator<Item = &GroupName> + '_ {
        self.groups().hosted.keys()
    }

    /// The groups that are not held, each with a member of it.
    pub fn contacts(&self) -> impl Iterator<Item = (&GroupName, NetId)> + '_ {
        self.groups().contacts.iter()
    }

    /// Whether the contact table was full lately: at most so many groups that are not held,
    /// [`NodeLimits::contacts`](crate::NodeLimits), are known by their names.
    pub fn contacts_full(&self) -> Option<usize> {
        self.groups().contacts_full.then_some(self.config.limits.contacts)
    }

    /// The groups of which we are a member.
    pub fn own_groups(&self) -> impl Iterator<Item = &GroupName> + '_ {
        let me = self.me();
        self.hosted_groups().filter(move |group| self.view(group).is_some_and(|view| view.is_member(me)))
    }

    /// The state of a group that is held, with its index. A clone of it costs nothing and stays as
    /// it is.
    pub fn view(&self, group: &GroupName) -> Option<&View> {
        self.groups().replica(group).map(Replica::view)
    }

    /// The members of a group that is held, in their order.
    pub fn members(&self, group: &GroupName) -> Vec<NetId> {
        self.view(group).map(|view| view.members().collect()).unwrap_or_default()
    }

    /// All that is served and wanted in a group that is held.
    pub fn topology(&self, group: &GroupName) -> Option<ItemSet<'_>> {
        self.view(group).map(|view| view.items())
    }

    /// What we wrote ourselves in a group, held or not.
    pub fn own_record(&self, group: &GroupName) -> Option<&Record> {
        self.groups().record(group, self.me())
    }

    /// How a group stands.
    pub fn status(&self, now: Time, group: &GroupName) -> Option<GroupStatus> {
        let replica = self.groups().replica(group)?;
        let hosted = self.groups().hosted.get(group)?;
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
            freshness: self.freshness(now, group)?,
            is_member: state.is_member(self.me()),
            is_leaving: hosted.leaving_until.is_some(),
            is_near_limit: super::inbound::is_near_limit(state.records().len(), self.config.limits.records),
            is_at_limit: hosted.limit_reported,
            conflict: pause.filter(|pause| *pause > 0).map(|pause_millis| ConflictStatus {
                pause_millis,
                claim: replica.conflict().greatest_claim().map(|claim| claim.version),
                reported_by: hosted.conflict_source,
            }),
        })
    }

    /// What this node counted, beside its broadcaster.
    pub const fn counters(&self) -> &NodeCounters {
        let groups: &Groups = self.broadcaster.handler();
        &groups.counters
    }

    /// How much is held, each part beside its bound: (what, how many, at most).
    pub fn usage(&self) -> [(&'static str, usize, usize); 10] {
        let bounds = &self.config.limits;
        let groups = self.groups();
        let records =
            groups.hosted.keys().filter_map(|name| self.view(name)).map(|view| view.records().len()).max();
        [
            ("groups", groups.hosted.len(), bounds.groups),
            ("contacts", groups.contacts.len(), bounds.contacts),
            ("records", records.unwrap_or(0), bounds.records),
            ("writes", self.write_queue.len(), bounds.writes),
            ("waits", self.waits.len(), bounds.waits + bounds.writes),
            ("watchers", self.watchers.len(), bounds.watchers),
            (
                "watch-bytes",
                usize::try_from(self.watchers.retained_bytes()).unwrap_or(usize::MAX),
                bounds.watch_bytes,
            ),
            ("questions", self.pulls.len(), bounds.pulls),
            ("replies", self.delayed_replies.len(), 256),
            ("unstored", self.unstored_broadcasts.len(), self.config.broadcast.limits.cached_broadcasts + 1),
        ]
    }
}
