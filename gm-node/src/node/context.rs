//! Shared context of the node's components: the group table, the peers, the timers, the random
//! numbers, and the queue of actions. A component owns its own state, receives the context with
//! each call, and never sees another component: what concerns others is an [`Action`].

use std::collections::VecDeque;
use std::convert::Infallible;

use gm_broadcast::{BroadcastCommand, Broadcaster, Input, Output, Rng, Time, Timers, Transport};
use gm_clock::NetId;
use gm_codec::Body;
use gm_data::{GroupName, WriteContext};

use super::action::Action;
use super::timers::NodeTimer;
use crate::command::{CommittedWrite, WriteError};
use crate::config::NodeConfig;
use crate::counter::NodeCounter;
use crate::event::NodeEvent;
use crate::groups::{Groups, millis};

pub(super) use super::action::Route;

/// The state that the components of a node share.
pub(super) struct Context {
    /// Time of the current input.
    pub(super) now: Time,
    /// Time of the node's start.
    pub(super) start_time: Time,
    /// End of the newcomer period, which begins with the start and with each first write in a
    /// group. A newcomer may be in sync with another newcomer while all other nodes have more
    /// records.
    pub(super) newcomer_until: Time,
    pub(super) config: NodeConfig,
    /// Handles the payloads that the broadcaster receives, and is lent to it for each input.
    pub(super) groups: Groups,
    /// Components read from it; only the node drives it.
    broadcaster: Broadcaster<Infallible>,
    pub(super) timers: Timers<NodeTimer>,
    pub(super) rng: Rng,
    /// Work that the node has to do next, in this order.
    pub(super) actions: VecDeque<Action>,
}

impl Context {
    /// The context of a node that starts at `now`.
    pub(super) fn new(
        now: Time,
        config: NodeConfig,
        broadcaster: Broadcaster<Infallible>,
        rng: Rng,
    ) -> Context {
        Context {
            now,
            start_time: now,
            newcomer_until: now,
            groups: Groups::new(config.broadcast.me, config.observe, config.limits),
            config,
            broadcaster,
            timers: Timers::new(),
            rng,
            actions: VecDeque::new(),
        }
    }

    /// Identity of this node.
    pub(super) const fn me(&self) -> NetId {
        self.config.broadcast.me
    }

    /// The broadcaster, for what it knows of peers.
    pub(super) const fn peers(&self) -> &Broadcaster<Infallible> {
        &self.broadcaster
    }

    /// Whether this node is a newcomer, in the cluster or in a group.
    pub(super) fn is_newcomer(&self) -> bool {
        self.newcomer_until > self.now
    }

    /// The context of an operation that may open a new incarnation.
    pub(super) fn write_context(&mut self) -> WriteContext {
        let since = self.now.since(self.start_time);
        WriteContext {
            unix_seconds: self.config.unix_seconds.saturating_add(since.as_secs()),
            entropy: u16::try_from(self.rng.below(1 << 16)).unwrap_or(0),
            millis: millis(self.now),
        }
    }

    pub(super) fn count(&mut self, counter: NodeCounter) {
        self.groups.counters.count(counter);
    }

    /// Queues an action.
    pub(super) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// Queues a message to one node.
    pub(super) fn send(&mut self, to: NetId, body: Body, transport: Transport) {
        self.command(BroadcastCommand::Send { to, body, transport });
    }

    /// Queues a command to the broadcaster.
    pub(super) fn command(&mut self, command: BroadcastCommand) {
        self.act(Action::Command(command));
    }

    /// Queues an event to the owner.
    pub(super) fn emit(&mut self, event: NodeEvent) {
        self.act(Action::Emit(event));
    }

    /// Queues the answer to a caller.
    pub(super) fn answer(
        &mut self,
        tag: u64,
        group: Option<GroupName>,
        result: Result<CommittedWrite, WriteError>,
    ) {
        self.emit(NodeEvent::Answered { tag, group, result });
    }

    /// Hands the broadcaster an input, with the group table as the handler of payloads.
    pub(super) fn drive_broadcaster(&mut self, input: Input<BroadcastCommand>) {
        self.broadcaster.handle(self.now, input, &mut self.groups);
    }

    /// The next output of the broadcaster.
    pub(super) fn poll_broadcaster(&mut self) -> Option<Output<Infallible, gm_broadcast::BroadcastEvent>> {
        self.broadcaster.poll_output()
    }
}
