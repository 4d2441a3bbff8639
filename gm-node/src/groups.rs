//! The group table: the replicas that a node hosts. The node lends it to the broadcaster as payload
//! handler; as such it merges what the broadcaster receives. It sends nothing itself; it queues an
//! [`Effect`] for each follow-up, and the node performs them.

mod admission;
mod contacts;
mod discovery;
mod evictions;
mod hosted;
mod members;
mod reserved;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gm_broadcast::{Handler, HandlerOutcome, Path, Received, Time};
use gm_clock::NetId;
use gm_codec::{Body, BroadcastId, GroupUpdate, MemberUpdate};
use gm_data::{
    ApplyOutcome, Eviction, GroupName, GroupSet, GroupState, Record, Replica, Version, VersionDigest,
    WriteContext,
};

use crate::config::NodeLimits;
use crate::counter::{NodeCounter, NodeCounters};
use crate::event::NodeEvent;
use admission::Admitted;
use contacts::Contacts;
pub(crate) use contacts::{AddedContact, Source};
pub(crate) use evictions::millis;
pub(crate) use hosted::{HostedGroup, Sponsor};
pub(crate) use members::{MAX_INDEXED, MAX_RANGES};
pub(crate) use reserved::{is_reserved, reserved_name};

/// A follow-up of a received message.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Handle an anti-entropy message.
    Exchange { from: NetId, path: Path, body: Body },
    /// Records of these members changed, by a message of `from`. `follows`: a broadcast contained
    /// each as the next version of the one known here, so nothing before it was missed.
    Merged { group: GroupName, from: NetId, members: Vec<NetId>, by: Option<BroadcastId>, follows: bool },
    /// The sender has older records of these members.
    SenderBehind { group: GroupName, from: NetId, path: Path, members: Vec<NetId> },
    /// An increment has an unknown base: request the record.
    IncrementGap { group: GroupName, from: NetId, path: Path, member: NetId, version: Version },
    /// A peer has a record of this node that it did not write.
    ForeignRecord { group: GroupName, from: NetId, path: Path, stamp: VersionDigest },
    /// A peer sent evicted records: reply with the evictions.
    EvictedShown { group: GroupName, from: NetId, path: Path, evictions: Vec<Eviction> },
    /// A peer refuses this node's own record because of an eviction.
    OwnEvicted { group: GroupName, from: NetId, path: Path, eviction: Eviction },
    /// A peer has this node's current record (`is_current`), or an older one that it wrote.
    OwnRecordConfirmed { group: GroupName, by: NetId, is_current: bool },
    /// A node was reported to host a group: probe it at this time.
    HostReported { due: Time },
    /// Emit an event to the owner.
    Emit(NodeEvent),
}

/// The groups of a node.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) set: GroupSet,
    pub(crate) hosted: BTreeMap<GroupName, HostedGroup>,
    /// Known members of groups that are not hosted.
    pub(crate) contacts: Contacts,
    /// Whether the full contact table was reported already.
    pub(crate) contacts_full: bool,
    pub(crate) effects: VecDeque<Effect>,
    /// Records that are not stored yet.
    pub(crate) dirty: BTreeSet<(GroupName, NetId)>,
    /// Groups that changed since the node last looked.
    pub(crate) changed_groups: BTreeSet<GroupName>,
    pub(crate) counters: NodeCounters,
    observe: bool,
    limits: NodeLimits,
}

impl Groups {
    pub(crate) fn new(me: NetId, observe: bool, limits: NodeLimits) -> Groups {
        Groups {
            set: GroupSet::new(me),
            hosted: BTreeMap::new(),
            contacts: Contacts::new(limits.contacts),
            contacts_full: false,
            effects: VecDeque::new(),
            dirty: BTreeSet::new(),
            changed_groups: BTreeSet::new(),
            counters: NodeCounters::default(),
            observe,
            limits,
        }
    }

    pub(crate) fn me(&self) -> NetId {
        self.set.me()
    }

    /// The replica of a hosted group, which may be empty.
    pub(crate) fn replica(&self, group: &GroupName) -> Option<&Replica> {
        let hosted = self.hosted.get(group)?;
        Some(self.set.group(group).unwrap_or(&hosted.empty))
    }

    /// The record of a member; this node's own record also in groups that are not hosted.
    pub(crate) fn record(&self, group: &GroupName, member: NetId) -> Option<&Record> {
        self.set.group(group)?.state().record(member)
    }

    pub(crate) fn version(&self, group: &GroupName, member: NetId) -> Option<Version> {
        self.record(group, member).map(Record::version)
    }

    /// Merges a group's state, or a part of it, and queues the follow-ups.
    pub(crate) fn merge(
        &mut self,
        now: Time,
        (from, path): (NetId, Path),
        by: Option<BroadcastId>,
        group: &GroupUpdate,
    ) {
        let (me, name) = (self.me(), &group.name);
        let mut records = Vec::new();
        let mut increments = Vec::new();
        let mut evictions = Vec::new();
        let mut admitted = Admitted::default();
        for part in &group.updates {
            let member = part.member();
            if member == me {
                self.on_own_part(name, from, path, part);
                continue;
            }
            match part {
                MemberUpdate::Record(record) if self.admits_record(name, record, &mut admitted) => {
                    self.report_lost_updates(name, record);
                    records.push(record.clone());
                }
                MemberUpdate::Record(_) => self.counters.count(NodeCounter::RecordsOverLimit),
                MemberUpdate::Increment(increment)
                    if self.admits_increment(name, increment, &mut admitted) =>
                {
                    increments.push(increment);
                }
                MemberUpdate::Increment(_) => self.counters.count(NodeCounter::IncrementsOverLimit),
                MemberUpdate::Eviction(eviction) => evictions.push(*eviction),
            }
        }
        let follows = evictions.is_empty() && records.iter().all(|record| self.follows(name, record));
        let evicted = self.evict(now, name, &evictions);
        let received = GroupState::from_records(name.clone(), records);
        let mut taken = evicted;
        let mut older = Vec::new();
        let mut gaps = Vec::new();
        let mut refused = Vec::new();
        self.set.edit(name, |replica| {
            if let Ok(merged) = replica.merge_others(&received) {
                taken.extend(merged.newer);
                older = merged.older;
                refused = merged.refused;
            }
            for increment in increments {
                let version = increment.version_digest().version;
                let before = replica.state().record(increment.member()).map(Record::version);
                match replica.apply_increment(increment, WriteContext::default()).0 {
                    ApplyOutcome::Applied => taken.push(increment.member()),
                    ApplyOutcome::AlreadyKnown if before.is_some_and(|before| before > version) => {
                        older.push(increment.member());
                    }
                    ApplyOutcome::AlreadyKnown => {}
                    ApplyOutcome::Refused => refused.push(increment.member()),
                    ApplyOutcome::DoesNotFit => gaps.push((increment.member(), version)),
                }
            }
        });
        self.refuse_evicted(name, from, path, group, &refused);
        let name = name.clone();
        for (member, version) in gaps {
            self.effects.push_back(Effect::IncrementGap { group: name.clone(), from, path, member, version });
        }
        if !older.is_empty() {
            older.sort_unstable();
            self.report_lost_updates_shown(&name, group, &older);
            self.effects.push_back(Effect::SenderBehind { group: name.clone(), from, path, members: older });
        }
        if !taken.is_empty() {
            self.mark_changed(&name, taken.iter().copied());
            self.effects.push_back(Effect::Merged { group: name, from, members: taken, by, follows });
        }
    }

    /// Whether a whole record is the next version of the known one, or not newer. An increment that
    /// is applied always follows.
    fn follows(&self, group: &GroupName, record: &Record) -> bool {
        let Some(known) = self.version(group, record.member()) else { return false };
        record.version() <= Version { clock: known.clock + 1, ..known }
    }

    /// Marks records as changed: they have to be stored, and watchers notified.
    pub(crate) fn mark_changed(&mut self, group: &GroupName, members: impl IntoIterator<Item = NetId>) {
        self.changed_groups.insert(group.clone());
        if let Some(hosted) = self.hosted.get_mut(group) {
            hosted.mark_unsettled();
        }
        self.dirty.extend(members.into_iter().map(|member| (group.clone(), member)));
    }

    /// Handles the version of this node's own record that a peer has.
    pub(crate) fn on_own_stamp(&mut self, group: &GroupName, from: NetId, path: Path, stamp: VersionDigest) {
        let me = self.me();
        match self.record(group, me).map(Record::version_digest) {
            Some(own) if own == stamp => {
                let group = group.clone();
                self.effects.push_back(Effect::OwnRecordConfirmed { group, by: from, is_current: true })
            }
            Some(own) if stamp.version < own.version => {
                let (group, members) = (group.clone(), vec![me]);
                let (name, by) = (group.clone(), from);
                self.effects.push_back(Effect::OwnRecordConfirmed { group: name, by, is_current: false });
                self.effects.push_back(Effect::SenderBehind { group, from, path, members });
            }
            _ => self.effects.push_back(Effect::ForeignRecord { group: group.clone(), from, path, stamp }),
        }
    }

    /// Reports items that are lost because the forgetting node had not received them.
    fn report_lost_updates(&mut self, group: &GroupName, record: &Record) {
        let Version { incarnation, forgotten, clock } = record.version();
        let Some(mine) = self.record(group, record.member()).filter(|_| forgotten) else { return };
        if mine.version().incarnation == incarnation
            && !mine.version().forgotten
            && mine.version().clock >= clock
        {
            let items = mine
                .stamped_items()
                .filter(|timed| timed.stamp >= clock && timed.item.op().is_live())
                .count();
            self.emit_lost_updates(group, record.member(), items);
        }
    }

    /// The same for a member that is forgotten here: a peer sends items that were unknown here.
    fn report_lost_updates_shown(&mut self, name: &GroupName, group: &GroupUpdate, older: &[NetId]) {
        for part in group.updates.iter().filter(|part| older.binary_search(&part.member()).is_ok()) {
            let (MemberUpdate::Record(record), Some(mine)) = (part, self.version(name, part.member())) else {
                continue;
            };
            let theirs = record.version();
            if mine.forgotten
                && !theirs.forgotten
                && mine.incarnation == theirs.incarnation
                && theirs.clock >= mine.clock
            {
                let unseen = record
                    .stamped_items()
                    .filter(|timed| timed.stamp >= mine.clock && timed.item.op().is_live());
                let items = unseen.count();
                self.emit_lost_updates(name, record.member(), items);
            }
        }
    }

    fn emit_lost_updates(&mut self, group: &GroupName, member: NetId, items: usize) {
        if items > 0 {
            self.counters.add(NodeCounter::ItemsLostByForget, items as u64);
            let event = NodeEvent::LostByForget { group: group.clone(), member, items };
            self.effects.push_back(Effect::Emit(event));
        }
    }

    /// Whether everything in an update is merged, so that it can be acknowledged.
    fn has_merged(&self, group: &GroupUpdate) -> bool {
        group.updates.iter().all(|part| {
            let mine = self.version(&group.name, part.member());
            let stamp = match part {
                MemberUpdate::Record(record) => record.version_digest(),
                MemberUpdate::Increment(increment) => increment.version_digest(),
                MemberUpdate::Eviction(eviction) => return !mine.is_some_and(|mine| eviction.covers(mine)),
            };
            let Version { incarnation, forgotten, clock } = stamp.version;
            mine.is_some_and(|mine| {
                mine.incarnation == incarnation && mine.forgotten == forgotten && mine.clock >= clock
            })
        })
    }
}

impl Handler for Groups {
    type Delivery = std::convert::Infallible;

    fn handle(&mut self, now: Time, received: Received<'_>) -> HandlerOutcome<Self::Delivery> {
        let Received { from, broadcast, path, body } = received;
        let mut counts = false;
        match body {
            Body::GroupUpdate(group) if is_reserved(&group.name) => {
                self.counters.count(NodeCounter::ReservedNameUpdates);
            }
            Body::GroupUpdate(group) => {
                if !self.hosted.contains_key(&group.name) {
                    self.discover_writer(now, broadcast.map_or(from, |id| id.origin), group);
                }
                if self.hosted.contains_key(&group.name) {
                    self.merge(now, (from, path), broadcast, group);
                    counts = self.has_merged(group);
                } else if let Some(part) = group.updates.iter().find(|part| part.member() == self.me()) {
                    self.on_own_part(&group.name, from, path, part);
                }
            }
            _ if broadcast.is_some() => self.counters.count(NodeCounter::UnexpectedBroadcasts),
            body => self.effects.push_back(Effect::Exchange { from, path, body: body.clone() }),
        }
        HandlerOutcome { acks: counts, stored: false, deliver: None }
    }
}
