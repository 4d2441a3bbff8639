//! Introduction of newcomers by their sponsor, the seed that they ask by a connection before their
//! first write: it passes their records on to the members, and gives them the records of the group,
//! those of many newcomers in one message. If each newcomer sent its record to each member that it
//! finds, nodes that join together would send a quadratic number of messages.
//!
//! This file is the sponsor's part, `sponsor.rs` that of the newcomer. What is lost is repaired by
//! anti-entropy.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gm_broadcast::{Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, GroupUpdate, MemberUpdate};
use gm_data::{GroupName, Record, Replica};

use super::context::Context;
use super::timers::NodeTimer;
use crate::counter::NodeCounter;

/// Time without a change after which the newcomers of a group are sent what changed, and what is
/// added to it for each of them, since it costs a message to each.
const QUIET: Duration = Duration::from_millis(10);
const QUIET_PER_NEWCOMER: Duration = Duration::from_micros(100);
/// After this many such times they are sent it although more changes.
const MAX_QUIETS: u32 = 4;
/// Time after its question for which a newcomer is sent what changes.
const NEWCOMER_TIME: Duration = Duration::from_secs(3);
/// Maximum number of newcomers in all groups together; more are left to anti-entropy.
const MAX_NEWCOMERS: usize = 1_024;
/// Upper estimate of the bytes that a newcomer is sent in one turn; what is larger is left to
/// anti-entropy.
const MAX_BYTES: usize = 128 << 10;
/// Upper estimates in bytes: of a record without its items, and of one item.
const RECORD_BYTES: usize = 48;
const ITEM_BYTES: usize = 16;

/// The newcomers for which this node is the sponsor.
#[derive(Debug, Default)]
pub(super) struct Introductions(BTreeMap<GroupName, Introduction>);

/// The newcomers of one group.
#[derive(Debug, Default)]
struct Introduction {
    newcomers: BTreeMap<NetId, Newcomer>,
    /// Members whose records changed since the last messages to the newcomers.
    changed: BTreeSet<NetId>,
    /// The newcomers among them, whose records this node passes on to the members.
    introduced: BTreeSet<NetId>,
    /// Time by which the newcomers are sent these records.
    latest: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct Newcomer {
    until: Time,
    /// Whether it was sent the records of the group, and needs only what changed since.
    was_given_all: bool,
}

/// The records that a sponsor passes on, their receivers, and whether its neighbors need them too.
type IntroducedRecords = (Vec<MemberUpdate>, Vec<NetId>, bool);

impl Introductions {
    /// Handles a question for an unknown own record that came by a connection: its sender is about
    /// to join the group.
    pub(super) fn on_newcomer(&mut self, cx: &mut Context, group: &GroupName, node: NetId) {
        let all: usize = self.0.values().map(|introduction| introduction.newcomers.len()).sum();
        if all >= MAX_NEWCOMERS {
            return;
        }
        let newcomer = Newcomer { until: cx.now + NEWCOMER_TIME, was_given_all: false };
        let introduction = self.0.entry(group.clone()).or_default();
        // One that asks again before it has written needs nothing twice.
        let is_repeated =
            introduction.newcomers.contains_key(&node) && cx.groups.record(group, node).is_none();
        if !is_repeated {
            introduction.newcomers.insert(node, newcomer);
        }
        if cx.groups.replica(group).is_some_and(|replica| replica.state().records().len() > 0) {
            introduction.schedule(cx, group);
        } else {
            cx.timers.set_if_none(NodeTimer::Introduction(group.clone()), newcomer.until);
        }
    }

    /// Handles changed records of a group. `is_direct`: they came in no broadcast. Returns whether
    /// the group has newcomers.
    pub(super) fn on_changed(
        &mut self,
        cx: &mut Context,
        group: &GroupName,
        members: &[NetId],
        is_direct: bool,
    ) -> bool {
        let Some(introduction) = self.0.get_mut(group) else { return false };
        introduction.changed.extend(members);
        let newcomers = &introduction.newcomers;
        let own = members.iter().filter(|member| is_direct && newcomers.contains_key(*member));
        introduction.introduced.extend(own);
        introduction.schedule(cx, group);
        true
    }

    /// Notes that the newcomers of a group are sent this node's record without an announcement.
    pub(super) fn note_informed(&self, cx: &mut Context, group: &GroupName) {
        let hosted = cx.groups.hosted.get_mut(group);
        if let (Some(introduction), Some(informed)) =
            (self.0.get(group), hosted.and_then(|hosted| hosted.informed.as_mut()))
        {
            informed.extend(introduction.newcomers.keys());
        }
    }

    /// Sends the newcomers of a group what they lack. Returns what is to be passed on to the
    /// members.
    pub(super) fn introduce(&mut self, cx: &mut Context, group: &GroupName) -> Option<IntroducedRecords> {
        let introduction = self.0.get_mut(group)?;
        introduction.drop_former(cx);
        introduction.latest = None;
        let (changed, introduced) =
            (std::mem::take(&mut introduction.changed), std::mem::take(&mut introduction.introduced));
        let passed_on = introduction.to_pass_on(cx, group, &introduced);
        introduction.give(cx, group, &changed);
        match introduction.newcomers.values().map(|newcomer| newcomer.until).max() {
            None => drop(self.0.remove(group)),
            Some(last) => cx.timers.set_if_none(NodeTimer::Introduction(group.clone()), last),
        }
        passed_on
    }

    /// Forgets the newcomers of a released group.
    pub(super) fn on_released(&mut self, cx: &mut Context, group: &GroupName) {
        self.0.remove(group);
        cx.timers.cancel(&NodeTimer::Introduction(group.clone()));
    }
}

impl Introduction {
    /// Sends the newcomers what they lack when nothing more has changed for a while.
    fn schedule(&mut self, cx: &mut Context, group: &GroupName) {
        let count = u32::try_from(self.newcomers.len()).unwrap_or(u32::MAX);
        let quiet = QUIET + QUIET_PER_NEWCOMER * count;
        let latest = *self.latest.get_or_insert(cx.now + quiet * MAX_QUIETS);
        cx.timers.set(NodeTimer::Introduction(group.clone()), latest.min(cx.now + quiet));
    }

    /// Drops the newcomers whose time is over, or whose connection ended.
    fn drop_former(&mut self, cx: &Context) {
        let is_connected =
            |node: NetId| cx.peers().peer_status(cx.now, node).is_some_and(|status| status.connected);
        self.newcomers.retain(|node, newcomer| newcomer.until > cx.now && is_connected(*node));
    }

    /// Sends each newcomer the records of the group, or only those that changed since.
    fn give(&mut self, cx: &mut Context, group: &GroupName, changed: &BTreeSet<NetId>) {
        let Some(state) = cx.groups.replica(group).map(Replica::state) else { return };
        let needs_all = self.newcomers.values().any(|newcomer| !newcomer.was_given_all);
        let all = needs_all.then(|| small_update(group, state.records())).flatten();
        let news = small_update(group, changed.iter().filter_map(|member| state.record(*member)));
        for (node, newcomer) in &mut self.newcomers {
            let needs_all = !std::mem::replace(&mut newcomer.was_given_all, true);
            let update = all.as_ref().filter(|_| needs_all).or(news.as_ref());
            if let Some(update) = update {
                cx.groups.counters.add(NodeCounter::RecordsIntroduced, update.updates.len() as u64);
                cx.send(*node, Body::GroupUpdate(update.clone()), Transport::Tcp);
            }
        }
    }

    /// The records of newcomers that the members lack.
    fn to_pass_on(
        &self,
        cx: &Context,
        group: &GroupName,
        introduced: &BTreeSet<NetId>,
    ) -> Option<IntroducedRecords> {
        let state = cx.groups.replica(group).map(Replica::state)?;
        let records = introduced.iter().filter_map(|member| state.record(*member));
        let updates: Vec<MemberUpdate> = records.cloned().map(MemberUpdate::Record).collect();
        let others = state.members().filter(|member| *member != cx.me());
        let to: Vec<NetId> = others.filter(|member| !self.newcomers.contains_key(member)).collect();
        let multicast = cx.config.broadcast.multicast;
        let has_receivers = multicast || !to.is_empty();
        (has_receivers && !updates.is_empty()).then_some((updates, to, multicast))
    }
}

/// A message with these records; `None` if there are none, or if they are too large together.
fn small_update<'a>(group: &GroupName, records: impl Iterator<Item = &'a Record>) -> Option<GroupUpdate> {
    let (mut updates, mut bytes) = (Vec::new(), 0);
    for record in records {
        bytes += RECORD_BYTES + ITEM_BYTES * record.item_counts().1;
        if bytes > MAX_BYTES {
            return None;
        }
        updates.push(MemberUpdate::Record(record.clone()));
    }
    updates.sort_by_key(MemberUpdate::member);
    (!updates.is_empty()).then(|| GroupUpdate { name: group.clone(), updates })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
