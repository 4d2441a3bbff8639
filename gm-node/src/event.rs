//! What a node tells its owner. Knows nothing of who wants to know it.

use std::collections::BTreeMap;

use gm_clock::NetId;
use gm_data::{GroupName, Version};

use crate::command::{CommittedWrite, WriteError};

/// What a node tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeEvent {
    /// A write, or a forgetting, is answered.
    Answered {
        /// What the owner called it.
        tag: u64,
        /// The group; none if in none that is held the member is known who was to be forgotten in
        /// all.
        group: Option<GroupName>,
        /// What came of it.
        result: Result<CommittedWrite, WriteError>,
    },
    /// Something changed in the group of a watcher:
    /// [`NodeMachine::difference`](crate::NodeMachine::difference) has it. It is told no more until
    /// it has said [`Command::AdvanceWatch`](crate::Command::AdvanceWatch): what changes meanwhile
    /// is in the same difference, or in the next.
    Changed {
        /// What the owner called the watcher.
        tag: u64,
        /// The group.
        group: GroupName,
    },
    /// A watcher is refused: there are as many as may be.
    WatchRefused {
        /// What the owner called it.
        tag: u64,
        /// The group.
        group: GroupName,
        /// At most so many: [`NodeLimits::watchers`](crate::NodeLimits).
        max: usize,
    },
    /// From now on this node agrees with others on a group, for the first time since its start.
    InSync {
        /// The group.
        group: GroupName,
        /// With whom first.
        with: NetId,
    },
    /// Another node writes under our identity: writing in the group stops until it was silent for a
    /// while, or the owner [resumes](crate::WriteKind::Resume).
    IdentityConflict {
        /// The group.
        group: GroupName,
        /// For how long it has to be silent, in milliseconds.
        pause_millis: u64,
        /// Who passed on what it wrote last: itself, or another that had it from it.
        reported_by: Option<NetId>,
    },
    /// Somebody claims of us a life beyond all that honest writers reach, above which there is soon
    /// none. We came back below it, and all are told to drop what is claimed.
    HorizonClaimEvicted {
        /// The group.
        group: GroupName,
        /// From which version on is dropped.
        above: Version,
    },
    /// Another node uses our address, or sends our payloads back to us.
    DuplicateAddress,
    /// Something a member wrote is lost because whoever forgot the member had not seen it.
    LostByForget {
        /// The group.
        group: GroupName,
        /// The member.
        member: NetId,
        /// Items that were written after what the forgetter knew.
        items: usize,
    },
    /// A group has nearly as many records as may be, the forgotten counted. The way out: purge, or
    /// raise the bound.
    NearRecordLimit {
        /// The group.
        group: GroupName,
        /// Records.
        records: usize,
        /// At most so many.
        max: usize,
    },
    /// A bound keeps a member's record out.
    LimitReached {
        /// The group.
        group: GroupName,
        /// The field of [`NodeLimits`](crate::NodeLimits).
        limit: &'static str,
    },
    /// The contact table is full: of groups that are not held here, others that were confirmed
    /// least recently make room for what is new. Joining a group does not depend on it. Told again
    /// only after there was room.
    ContactsFull {
        /// At most so many: [`NodeLimits::contacts`](crate::NodeLimits).
        max: usize,
    },
    /// The storage refused something, for the first time since it last took something.
    StoreFailed {
        /// What the system said.
        why: String,
    },
    /// The storage takes things again.
    StoreRecovered,
    /// The storage may lack what it reported as kept. In every group others are asked what they
    /// know of us before we write.
    StoreLossSuspected {
        /// Why, in words for an operator.
        why: String,
        /// In how many groups there is something of ours to ask about.
        groups: usize,
    },
    /// The storage did lack something: others hold of us a later version than it does. What it
    /// lacks is not said any longer, unless we write it again.
    StoreLossConfirmed {
        /// The group.
        group: GroupName,
        /// What was stored.
        stored: Option<Version>,
        /// What others hold.
        known: Version,
    },
    /// The storage is doubted no longer: in all groups that we are in others said what they know of
    /// us, or we have written since.
    StoreLossExcluded,
    /// A write was made, but is too large to be sent to others at once: they learn it by
    /// anti-entropy.
    NotBroadcast {
        /// The group.
        group: GroupName,
        /// Why.
        why: String,
    },
    /// Something of the broadcaster's: nodes near and far, islands.
    Broadcast(gm_broadcast::BroadcastEvent),
}

/// What a node counts by itself, beside its broadcaster: totals since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeCounters(BTreeMap<(&'static str, &'static str), u64>);

impl NodeCounters {
    pub(crate) fn count(&mut self, what: &'static str, why: &'static str) {
        self.add(what, why, 1);
    }

    pub(crate) fn add(&mut self, what: &'static str, why: &'static str, more: u64) {
        if more > 0 {
            *self.0.entry((what, why)).or_default() += more;
        }
    }

    /// How many of `what` there were because of `why`.
    #[must_use]
    pub fn of(&self, what: &str, why: &str) -> u64 {
        self.iter().find(|(a, b, _)| *a == what && *b == why).map_or(0, |(_, _, count)| count)
    }

    /// All, sorted by name: what, why, how many.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        self.0.iter().map(|((what, why), count)| (*what, *why, *count))
    }
}
