//! Broadcasts to the members of a group: their tags and topics.

use std::collections::BTreeMap;

use gm_broadcast::{BroadcastRequest, RequestedAcks, Targets};
use gm_clock::NetId;
use gm_codec::Body;
use gm_data::GroupName;

use crate::node::action::Action;
use crate::node::context::Context;

/// A broadcast to the members of a group.
#[derive(Debug)]
pub(super) struct GroupBroadcast {
    pub(super) body: Body,
    pub(super) whole_body: Option<Body>,
    pub(super) topic: Option<u64>,
    pub(super) to: Vec<NetId>,
    /// Whether to multicast it as well.
    pub(super) multicast: bool,
}

impl GroupBroadcast {
    /// A broadcast that is multicast as well, and does not replace an earlier one.
    pub(super) const fn new(body: Body, to: Vec<NetId>) -> GroupBroadcast {
        GroupBroadcast { body, whole_body: None, topic: None, to, multicast: true }
    }
}

/// The numbers of broadcasts.
#[derive(Debug, Default)]
pub(super) struct Broadcasts {
    next_tag: u64,
    /// Topics of hosted groups: a broadcast replaces an earlier one of the same topic that is still
    /// queued.
    topics: BTreeMap<GroupName, u64>,
    next_topic: u64,
}

impl Broadcasts {
    /// The topic of a group.
    pub(super) fn topic(&mut self, group: &GroupName) -> u64 {
        let next = self.next_topic + 1;
        let topic = *self.topics.entry(group.clone()).or_insert(next);
        self.next_topic = self.next_topic.max(topic);
        topic
    }

    /// Forgets the topic of a released group.
    pub(super) fn on_released(&mut self, group: &GroupName) {
        self.topics.remove(group);
    }

    /// Sends a broadcast for a wait, or for none; returns its tag. If the broadcaster rejects it,
    /// members receive the change by anti-entropy.
    pub(super) fn send(
        &mut self,
        cx: &mut Context,
        group: &GroupName,
        outgoing: GroupBroadcast,
        acks: Option<RequestedAcks>,
        wait: Option<u64>,
    ) -> u64 {
        let GroupBroadcast { body, whole_body, topic, to, multicast } = outgoing;
        self.next_tag += 1;
        let tag = self.next_tag;
        let to = Targets::Nodes(to);
        let request = BroadcastRequest { tag, body, to, acks, topic, catch_up: whole_body, multicast };
        cx.act(Action::Broadcast { group: group.clone(), request, wait });
        tag
    }
}
