//! The node as a sans-I/O state machine: a broadcaster, the group table, a store, and the protocols
//! between them. The handle's event loop and the simulated worlds drive it.
//!
//! One file for each protocol: `start`; `first_write_probe` (asks peers for an earlier record
//! before a first write); `store_loss` (a store that lacks commits); `write` and `draft` (own
//! writes); `commit` (results of the store); `dissemination`; `wait` and `waiter`
//! (acknowledgements); `forget`; `evictions`; `inbound` (follow-ups of received messages);
//! `anti_entropy`; `registration`, `registrar` and `host_probe` (how the members of a group find
//! each other); `newcomer_announcement`; `leave`; `watch`; `write_back`; `timers`; `queries` (read
//! access).

mod anti_entropy;
mod commit;
mod dissemination;
mod draft;
mod evictions;
mod first_write_probe;
mod forget;
mod host_probe;
mod inbound;
mod leave;
mod newcomer_announcement;
mod queries;
mod registrar;
mod registration;
mod start;
mod store_loss;
mod timers;
mod wait;
mod waiter;
mod watch;
mod write;
mod write_back;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gm_broadcast::{Broadcaster, Input, Machine, Output, Outputs, Rng, Time, Timers, TokenBucket};
use gm_clock::NetId;
use gm_codec::Body;
use gm_data::{Eviction, GroupName, WriteContext};

use crate::command::NodeCommand;
use crate::config::NodeConfig;
use crate::counter::NodeCounter;
use crate::event::NodeEvent;
use crate::groups::{Effect, Groups, millis};
use crate::store::Store;
use anti_entropy::freshness::Comparisons;
use anti_entropy::lagging::LaggingMembers;
use anti_entropy::pull::Pull;
use anti_entropy::schedule::ExchangeSchedule;
use commit::PendingBatch;
use first_write_probe::FirstWriteProbe;
use registration::Registrations;
use timers::NodeTimer;
use wait::Waits;
use watch::Watchers;
use write::QueuedWrite;

pub use anti_entropy::freshness::Freshness;
pub use queries::{ConflictStatus, GroupStatus};
pub use watch::{Cursor, Difference, DifferencePart};

/// A node. See [`Machine`] for how to drive it.
pub struct NodeMachine<S> {
    /// Handles the payloads that the broadcaster receives, and is lent to it for each input.
    groups: Groups,
    broadcaster: Broadcaster<std::convert::Infallible>,
    store: S,
    config: NodeConfig,
    outputs: Outputs<std::convert::Infallible, NodeEvent>,
    /// Events of the broadcaster that are not handled yet.
    broadcaster_events: VecDeque<gm_broadcast::BroadcastEvent>,
    rng: Rng,
    /// Time of the node's start.
    start_time: Time,
    timers: Timers<NodeTimer>,

    /// Queued writes, in their order.
    write_queue: VecDeque<QueuedWrite>,
    /// The write tick, while the store works on own writes.
    tick_after_store: Option<Time>,
    /// The greatest foreign version of this node's own record, to be refuted at the next write
    /// tick.
    to_refute: BTreeMap<GroupName, gm_data::VersionDigest>,
    /// Evictions that cover this node's own record: it has to write a version that is not covered.
    own_evictions: BTreeMap<GroupName, Eviction>,
    /// After a failure of the store: time before which nothing is retried that no caller waits for.
    store_retry_at: Option<Time>,
    /// First writes that wait for peers to report this node's record.
    first_write_probes: BTreeMap<GroupName, FirstWriteProbe>,
    /// Groups in which the probe was answered, or timed out.
    probed: BTreeSet<GroupName>,
    /// Reason for the suspicion that the store lacks commits; and the groups in which no peer was
    /// asked yet.
    suspected_loss: Option<String>,
    loss_suspected_in: BTreeSet<GroupName>,

    /// Batches that the store works on, the oldest first.
    pending_batches: VecDeque<PendingBatch>,
    store_failures: u32,
    /// Broadcasts to acknowledge once their content is on disk.
    unstored_broadcasts: VecDeque<(Option<GroupName>, gm_codec::BroadcastId)>,
    peers_changed: bool,
    contacts_stored_at: Option<Time>,
    /// Time at which a group was last released.
    released_at: Option<Time>,

    waits: Waits,
    next_tag: u64,
    /// Topics of hosted groups: a broadcast replaces an earlier one of the same topic that is still
    /// queued.
    topics: BTreeMap<GroupName, u64>,
    next_topic: u64,

    schedule: ExchangeSchedule,
    comparisons: Comparisons,
    lagging: LaggingMembers,
    registrations: Registrations,
    reply_rate: TokenBucket,
    pulls: BTreeMap<(GroupName, NetId), Pull>,
    /// Replies to multicasts, each delayed by a random time.
    delayed_replies: VecDeque<(Time, NetId, Body)>,
    watchers: Watchers,
}

impl<S: Store> NodeMachine<S> {
    /// Identity of this node.
    pub const fn me(&self) -> NetId {
        self.config.broadcast.me
    }

    /// The context of an operation that may open a new incarnation.
    fn write_context(&mut self, now: Time) -> WriteContext {
        let since = now.since(self.start_time);
        WriteContext {
            unix_seconds: self.config.unix_seconds.saturating_add(since.as_secs()),
            entropy: u16::try_from(self.rng.below(1 << 16)).unwrap_or(0),
            millis: millis(now),
        }
    }

    fn emit(&mut self, event: NodeEvent) {
        self.outputs.push(Output::Event(event));
    }

    fn count(&mut self, counter: NodeCounter) {
        self.groups.counters.count(counter);
    }

    /// Hands the broadcaster an input, and takes over its outputs.
    fn drive_broadcaster(&mut self, now: Time, input: Input<gm_broadcast::BroadcastCommand>) {
        self.broadcaster.handle(now, input, &mut self.groups);
        while let Some(output) = self.broadcaster.poll_output() {
            self.outputs.push(match output {
                Output::Event(event) => {
                    self.broadcaster_events.push_back(event);
                    continue;
                }
                Output::Deliver(never) => match never {},
                Output::Multicast(bytes) => Output::Multicast(bytes),
                Output::Datagram { to, bytes } => Output::Datagram { to, bytes },
                Output::Dial { link, to, small_segments } => Output::Dial { link, to, small_segments },
                Output::Send { link, bytes } => Output::Send { link, bytes },
                Output::Close { link } => Output::Close { link },
            });
        }
    }

    fn command_broadcaster(&mut self, now: Time, command: gm_broadcast::BroadcastCommand) {
        self.drive_broadcaster(now, Input::Command(command));
    }

    /// Sends a message to one node.
    fn send(&mut self, now: Time, to: NetId, body: Body, by: gm_broadcast::Transport) {
        self.command_broadcaster(now, gm_broadcast::BroadcastCommand::Send { to, body, transport: by });
    }

    /// Performs follow-ups, until there is none left.
    fn run_pending(&mut self, now: Time) {
        if self.timers.cancel(&NodeTimer::Start).is_some() {
            self.start(now);
        }
        loop {
            if let Some(result) = self.poll_store(now) {
                self.on_batch_finished(now, result);
            } else if let Some(effect) = self.groups.effects.pop_front() {
                self.on_effect(now, effect);
            } else if let Some(event) = self.broadcaster_events.pop_front() {
                self.on_broadcaster_event(now, event);
            } else if !self.run_due_timers(now) {
                break;
            }
        }
        debug_assert!(self.waits.are_scheduled(&self.timers), "a wait changed, and its timer did not");
        self.write_back_if_changed(now);
        self.notify_watchers();
    }

    fn on_effect(&mut self, now: Time, effect: Effect) {
        match effect {
            Effect::Exchange { from, path, body } => self.on_exchange_message(now, from, path, body),
            Effect::Merged { group, members, by } => self.on_merged(now, &group, &members, by),
            Effect::SenderBehind { group, from, path, members } => {
                self.on_sender_behind(now, &group, from, path, &members)
            }
            Effect::IncrementGap { group, from, path, member, version } => {
                self.on_increment_gap(now, &group, (member, version), from, path);
            }
            Effect::ForeignRecord { group, from, path, stamp } => {
                self.on_foreign_record(now, &group, (from, path), stamp)
            }
            Effect::EvictedShown { group, from, path, evictions } => {
                self.send_evictions(now, &group, (from, path), &evictions);
            }
            Effect::OwnEvicted { group, from, path, eviction } => {
                self.on_own_evicted(now, &group, (from, path), eviction);
            }
            Effect::OwnRecordConfirmed { group } => self.on_probe_answered(now, &group),
            Effect::HostReported { due } => self.timers.set_by(NodeTimer::HostProbe, due),
            Effect::Emit(event) => self.emit(event),
        }
    }
}

impl<S: Store> Machine for NodeMachine<S> {
    type Command = NodeCommand;
    type Delivery = std::convert::Infallible;
    type Event = NodeEvent;

    fn handle(&mut self, now: Time, input: Input<NodeCommand>) {
        let now = self.outputs.begin(now);
        match input {
            Input::Command(command) => self.on_command(now, command),
            Input::Wake => {}
            Input::Entropy(seed) => {
                let mut rng = Rng::new(seed);
                self.rng = rng.fork();
                self.drive_broadcaster(now, Input::Entropy(rng.bytes()));
            }
            Input::Datagram { from, via, bytes } => {
                self.drive_broadcaster(now, Input::Datagram { from, via, bytes })
            }
            Input::ConnectionOpened { link, from } => {
                self.drive_broadcaster(now, Input::ConnectionOpened { link, from })
            }
            Input::ConnectionBytes { link, bytes } => {
                self.drive_broadcaster(now, Input::ConnectionBytes { link, bytes })
            }
            Input::ConnectionSent { link, bytes } => {
                self.drive_broadcaster(now, Input::ConnectionSent { link, bytes })
            }
            Input::ConnectionClosed { link, stalled } => {
                self.drive_broadcaster(now, Input::ConnectionClosed { link, stalled })
            }
            Input::ConnectionRefused { link, refusal } => {
                self.drive_broadcaster(now, Input::ConnectionRefused { link, refusal })
            }
        }
        self.run_pending(now);
    }

    fn poll_output(&mut self) -> Option<Output<std::convert::Infallible, NodeEvent>> {
        self.outputs.pull()
    }

    fn deadline(&self) -> Option<Time> {
        let store = self.store.next_poll().filter(|_| !self.pending_batches.is_empty());
        [self.broadcaster.deadline(), store, self.timers.next()].into_iter().flatten().min()
    }
}

impl<S: Store> NodeMachine<S> {
    fn on_command(&mut self, now: Time, command: NodeCommand) {
        match command {
            NodeCommand::Write(write) => self.on_write(now, write),
            NodeCommand::Forget(forget) => self.on_forget(now, forget),
            NodeCommand::Purge { group, include_absent } => self.purge_members(now, &group, include_absent),
            NodeCommand::Watch { tag, group } => self.on_watch(tag, group),
            NodeCommand::AdvanceWatch { tag, cursor } => self.on_advance(tag, *cursor),
            NodeCommand::Unwatch { tag } => self.watchers.remove(tag),
            NodeCommand::StoreReady => {}
            NodeCommand::Seeds(seeds) => {
                self.command_broadcaster(now, gm_broadcast::BroadcastCommand::AddSeeds(seeds));
                self.hasten(now, self.config.timing.exchange_interval_min);
            }
            NodeCommand::Keys(keyring) => {
                self.command_broadcaster(now, gm_broadcast::BroadcastCommand::SetKeys(keyring))
            }
            NodeCommand::EndWaits => self.end_all_waits(now),
            NodeCommand::Close => self.command_broadcaster(now, gm_broadcast::BroadcastCommand::Close),
        }
    }
}

impl<S> std::fmt::Debug for NodeMachine<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("me", &self.config.broadcast.me)
            .field("groups", &self.groups.hosted.len())
            .finish_non_exhaustive()
    }
}
