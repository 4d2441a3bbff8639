//! The machine: a broadcaster, the groups, their storage, and what goes on between them. Knows no
//! sockets, no clock and no file.
//!
//! One file for each thing that it does: `start`, `first_write_probe` (what is asked before a first
//! write), `store_loss` (a storage that lacks something), `write` and `draft` (what we write),
//! `commit` (what the storage says), `dissemination`, `wait` and `waiter`, `forget`, `evictions`,
//! `inbound` (what came by broadcast), `schedule` (anti-entropy: when), `partner` and `lagging`
//! (with which node), `shared_groups` (which groups differ), `group_names` (fingerprints by name),
//! `exchange` (what differs within a group), `freshness` (how far a group was compared),
//! `registration`, `registrar` and `host_probe` (how the members of a group find each other),
//! `transfer`, `pull`, `newcomer_announcement`, `leave`, `watch`, `write_back`, `queries`.

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
mod wait;
mod waiter;
mod watch;
mod write;
mod write_back;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gm_broadcast::{Broadcaster, Input, Machine, Output, Outputs, Rng, Time, TokenBucket};
use gm_clock::NetId;
use gm_codec::Body;
use gm_data::{Eviction, GroupName, WriteContext};

use crate::command::NodeCommand;
use crate::config::NodeConfig;
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
use wait::Waits;
use watch::Watchers;
use write::QueuedWrite;

pub use anti_entropy::freshness::Freshness;
pub use queries::{ConflictStatus, GroupStatus};
pub use watch::{Cursor, Difference, DifferencePart};

/// A node.
pub struct NodeMachine<S> {
    broadcaster: Broadcaster<Groups>,
    store: S,
    config: NodeConfig,
    outputs: Outputs<std::convert::Infallible, NodeEvent>,
    /// What the broadcaster told, until it is looked at.
    broadcaster_events: VecDeque<gm_broadcast::BroadcastEvent>,
    rng: Rng,
    /// When the node began, by its own time.
    start_time: Time,
    started: bool,

    /// Writes that are to be made, in their order.
    write_queue: VecDeque<QueuedWrite>,
    /// When they are.
    write_due: Option<Time>,
    /// The highest that was heard of ourselves and is to be risen above.
    to_refute: BTreeMap<GroupName, gm_data::VersionDigest>,
    /// What others refuse of what we wrote, and we write where they take it.
    own_evictions: BTreeMap<GroupName, Eviction>,
    /// The storage refused: what nobody waits for is not tried before this.
    store_retry_at: Option<Time>,
    /// First writes that wait until others said what they know of us.
    first_write_probes: BTreeMap<GroupName, FirstWriteProbe>,
    /// Groups in which they did, or did not in time.
    probed: BTreeSet<GroupName>,
    /// Why the storage may lack what it kept, until others were asked in all groups that we are in;
    /// and the groups in which they were not.
    suspected_loss: Option<String>,
    loss_suspected_in: BTreeSet<GroupName>,

    /// What is with the storage, the oldest first.
    pending_batches: VecDeque<PendingBatch>,
    store_failures: u32,
    write_back_at: Option<Time>,
    /// Broadcasts that count once what they said is stored.
    unstored_broadcasts: VecDeque<(Option<GroupName>, gm_codec::BroadcastId)>,
    peers_changed: bool,
    /// When contacts were stored last.
    contacts_stored_at: Option<Time>,
    /// When a group was let go last.
    released_at: Option<Time>,

    waits: Waits,
    /// The tag of the last broadcast.
    next_tag: u64,
    /// Numbers of groups that are held, as broadcasts of them take each other's place.
    topics: BTreeMap<GroupName, u64>,
    next_topic: u64,

    schedule: ExchangeSchedule,
    comparisons: Comparisons,
    lagging: LaggingMembers,
    registrations: Registrations,
    reply_rate: TokenBucket,
    pulls: BTreeMap<(GroupName, NetId), Pull>,
    /// Answers to what came by multicast, each after a while.
    delayed_replies: VecDeque<(Time, NetId, Body)>,
    /// Groups in which what we wrote is to be told to members found since.
    announcements: BTreeMap<GroupName, Time>,
    purge_at: Time,
    watchers: Watchers,
}

impl<S: Store> NodeMachine<S> {
    /// Who we are.
    pub const fn me(&self) -> NetId {
        self.config.broadcast.me
    }

    /// What an operation that may begin a new life is handed.
    fn write_context(&mut self, now: Time) -> WriteContext {
        let since = now.since(self.start_time);
        WriteContext {
            unix_seconds: self.config.unix_seconds.saturating_add(since.as_secs()),
            entropy: u16::try_from(self.rng.below(1 << 16)).unwrap_or(0),
            millis: millis(now),
        }
    }

    fn groups(&self) -> &Groups {
        self.broadcaster.handler()
    }

    fn groups_mut(&mut self) -> &mut Groups {
        self.broadcaster.handler_mut()
    }

    fn emit(&mut self, event: NodeEvent) {
        self.outputs.push(Output::Event(event));
    }

    fn count(&mut self, what: &'static str, why: &'static str) {
        self.groups_mut().counters.count(what, why);
    }

    /// Gives the broadcaster an input, and takes what it wants done.
    fn drive_broadcaster(&mut self, now: Time, input: Input<gm_broadcast::BroadcastCommand>) {
        self.broadcaster.handle(now, input);
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

    /// Tells one node something that is for it alone.
    fn send(&mut self, now: Time, to: NetId, body: Body, by: gm_broadcast::Transport) {
        self.command_broadcaster(now, gm_broadcast::BroadcastCommand::Send { to, body, transport: by });
    }

    /// Follows up what came, until nothing follows any more.
    fn run_pending(&mut self, now: Time) {
        if !self.started {
            self.start(now);
        }
        loop {
            if let Some(result) = self.poll_store(now) {
                self.on_batch_finished(now, result);
            } else if let Some(effect) = self.groups_mut().effects.pop_front() {
                self.on_effect(now, effect);
            } else if let Some(event) = self.broadcaster_events.pop_front() {
                self.on_broadcaster_event(now, event);
            } else if !self.run_due_timer(now) {
                break;
            }
        }
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
            Effect::Emit(event) => self.emit(event),
        }
    }

    /// Does one thing that is due; says whether there was one.
    fn run_due_timer(&mut self, now: Time) -> bool {
        let due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        if due(self.broadcaster.deadline()) {
            self.drive_broadcaster(now, Input::Wake);
        } else if due(self.next_write()) {
            self.write_queued(now);
        } else if due(self.waits.due()) {
            self.on_waits_due(now);
        } else if due(self.schedule.at) {
            self.on_exchange_due(now);
        } else if due(self.next_host_probe()) {
            self.probe_hosts(now);
        } else if due(self.registrations.at) {
            self.send_registrations(now);
        } else if due(self.next_pull()) {
            self.send_due_pulls(now);
        } else if due(self.delayed_replies.front().map(|(at, _, _)| *at)) {
            self.send_due_replies(now);
        } else if due(self.next_announcement()) {
            self.send_due_announcements(now);
        } else if due(self.write_back_at) {
            self.write_back(now);
        } else if due(Some(self.purge_at)) {
            self.purge(now);
        } else {
            return false;
        }
        true
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
        if !self.started {
            return Some(self.start_time);
        }
        let times = [
            self.broadcaster.deadline(),
            self.store.next_poll().filter(|_| !self.pending_batches.is_empty()),
            self.next_write(),
            self.waits.due(),
            self.schedule.at,
            self.next_host_probe(),
            self.registrations.at,
            self.next_pull(),
            self.delayed_replies.front().map(|(at, _, _)| *at),
            self.next_announcement(),
            self.write_back_at,
            Some(self.purge_at),
        ];
        times.into_iter().flatten().min()
    }
}

impl<S: Store> NodeMachine<S> {
    fn on_command(&mut self, now: Time, command: NodeCommand) {
        match command {
            NodeCommand::Write(write) => self.on_write(now, write),
            NodeCommand::Forget(forget) => self.on_forget(now, forget),
            NodeCommand::Purge { group, include_absent: unheard } => self.purge_members(now, &group, unheard),
            NodeCommand::Watch { tag, group } => self.on_watch(tag, group),
            NodeCommand::AdvanceWatch { tag, cursor: until } => self.on_advance(tag, *until),
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
    /// Who it is, and how many groups it holds.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("me", &self.config.broadcast.me)
            .field("groups", &self.broadcaster.handler().hosted.len())
            .finish_non_exhaustive()
    }
}
