//! Context for the unit tests of components: a node that starts at time 0 without peers.

use std::time::Duration;

use gm_broadcast::{Broadcaster, Path, Rng, Time};
use gm_clock::NetId;
use gm_codec::{FrameCodec, GroupUpdate, Key, Keyring, Limits, MemberUpdate};
use gm_data::{Change, GroupName, GroupState, KeyRange, Record, Replica, WriteContext};

use super::action::Action;
use super::context::Context;
use crate::command::{AckCount, Wait, Write, WriteKind};
use crate::config::NodeConfig;
use crate::event::NodeEvent;

/// The context of node 1; `set` changes its configuration.
pub(super) fn context_with(set: impl FnOnce(&mut NodeConfig)) -> Context {
    let mut config = NodeConfig::new(node(1));
    config.unix_seconds = 1_700_000_000;
    set(&mut config);
    let keyring = Keyring::new(Key::new([7; 32]));
    let codec = FrameCodec::new("tests".parse().unwrap(), keyring, Limits::default()).unwrap();
    let broadcaster = Broadcaster::new(config.broadcast.clone(), codec, [1; 32], Time::ZERO).unwrap();
    Context::new(Time::ZERO, config, broadcaster, Rng::new([2; 32]))
}

/// The context of node 1 with default settings.
pub(super) fn context() -> Context {
    context_with(|_| {})
}

pub(super) fn node(number: u8) -> NetId {
    format!("10.0.0.{number}:29999").parse().unwrap()
}

pub(super) fn group() -> GroupName {
    "Customers".parse().unwrap()
}

pub(super) fn at(millis: u64) -> Time {
    Time::ZERO + Duration::from_millis(millis)
}

/// A write that serves a range; it waits for this number of members.
pub(super) fn write(tag: u64, (start, end): (u32, u32), members: u64) -> Write {
    let wait = Wait { count: AckCount::Some(members), on_disk: false, timeout: Duration::from_secs(5) };
    Write { tag, group: group(), kind: WriteKind::Change(vec![serve(start, end)]), wait }
}

fn serve(start: u32, end: u32) -> Change {
    Change::Serve { range: KeyRange::new(start, end).unwrap(), port: Some(5432), priority: 1 }
}

/// The record of a member that serves a range.
pub(super) fn record(number: u8, (start, end): (u32, u32)) -> Record {
    let mut replica = Replica::new(node(number), group());
    let context = WriteContext { unix_seconds: 1_700_000_000, entropy: 1, millis: 0 };
    replica.change(&[serve(start, end)], context).unwrap();
    replica.own_record().unwrap().clone()
}

impl Context {
    /// Hosts the group, and merges the records of these members; each serves the whole key space. 1
    /// stands for this node, and comes first.
    pub(super) fn host_with(&mut self, members: &[u8]) {
        self.groups.host(self.now, &group());
        for number in members {
            if *number == 1 {
                let state = GroupState::from_records(group(), [record(1, (0, u32::MAX))]);
                self.groups.set.edit(&group(), |replica| *replica = Replica::restore(node(1), state));
                continue;
            }
            let updates = vec![MemberUpdate::Record(record(*number, (0, u32::MAX)))];
            let update = GroupUpdate { name: group(), updates };
            self.groups.merge(self.now, (node(*number), Path::Connection), None, &update);
        }
        self.groups.effects.clear();
    }

    /// Takes the queued actions.
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions).into()
    }

    /// Takes the queued actions; returns the events among them.
    pub(super) fn take_events(&mut self) -> Vec<NodeEvent> {
        let events = self.take_actions().into_iter().filter_map(|action| match action {
            Action::Emit(event) => Some(event),
            _ => None,
        });
        events.collect()
    }
}
