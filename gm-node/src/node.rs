//! The machine: a broadcaster, the groups, their storage, and what goes on between them. Knows no sockets, no clock and no file.
//!
//! One file for each thing that it does: `start`, `hearing` (what is asked before a first write), `doubted` (a storage that lacks something), `write` and `draft` (what we write), `commit` (what the storage says), `tell`, `wait` and `waiter`, `forget`, `evict`, `hear`
//! (what came by broadcast), `sync` (anti-entropy: when), `partner` and `doubts` (with which node), `shared` (which groups differ), `names` (fingerprints by name), `compare` (what differs within a
//! group), `freshness` (how far a group was compared), `register`, `registrar` and `introduce` (how the members of a group find each other), `give`, `question`, `retell`, `leave`, `watch`, `flush`, `look`.

mod commit;
mod compare;
mod doubted;
mod doubts;
mod draft;
mod evict;
mod flush;
mod forget;
mod freshness;
mod give;
mod hear;
mod hearing;
mod introduce;
mod leave;
mod look;
mod names;
mod partner;
mod question;
mod register;
mod registrar;
mod retell;
mod shared;
mod start;
mod sync;
mod tell;
mod wait;
mod waiter;
mod watch;
mod write;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gm_broadcast::{Broadcaster, Input, Machine, Output, Outputs, Rng, Time, TokenBucket};
use gm_clock::NetId;
use gm_codec::Body;
use gm_data::{Eviction, GroupName, WriteContext};

use crate::command::Command;
use crate::config::Config;
use crate::event::Event;
use crate::groups::{Effect, Groups, millis};
use crate::store::Store;
use commit::Flight;
use doubts::Doubts;
use freshness::Comparisons;
use hearing::Hearing;
use question::Question;
use register::Register;
use sync::Sync;
use wait::Waits;
use watch::Watches;
use write::Queued;

pub use freshness::Freshness;
pub use look::{Conflicted, GroupStatus};
pub use watch::{Cursor, Difference, Part};

/// A node.
pub struct Node<S> {
    caster: Broadcaster<Groups>,
    store: S,
    config: Config,
    out: Outputs<std::convert::Infallible, Event>,
    /// What the broadcaster told, until it is looked at.
    told: VecDeque<gm_broadcast::Event>,
    chance: Rng,
    /// When the node began, by its own time.
    born: Time,
    started: bool,

    /// Writes that are to be made, in their order.
    queue: VecDeque<Queued>,
    /// When they are.
    tick: Option<Time>,
    /// The highest that was heard of ourselves and is to be risen above.
    reassert: BTreeMap<GroupName, gm_data::VersionDigest>,
    /// What others refuse of what we wrote, and we write where they take it.
    evicted: BTreeMap<GroupName, Eviction>,
    /// The storage refused: what nobody waits for is not tried before this.
    blocked_until: Option<Time>,
    /// First writes that wait until others said what they know of us.
    hearing: BTreeMap<GroupName, Hearing>,
    /// Groups in which they did, or did not in time.
    heard: BTreeSet<GroupName>,
    /// Why the storage may lack what it kept, until others were asked in all groups that we are in; and the groups in which they were not.
    doubt: Option<String>,
    doubted: BTreeSet<GroupName>,

    /// What is with the storage, the oldest first.
    flights: VecDeque<Flight>,
    store_failures: u32,
    flush_at: Option<Time>,
    /// Broadcasts that count once what they said is stored.
    unstored: VecDeque<(Option<GroupName>, gm_codec::BroadcastId)>,
    peers_changed: bool,
    /// When contacts were stored last.
    contacts_stored: Option<Time>,
    /// When a group was let go last.
    unheld_at: Option<Time>,

    waits: Waits,
    /// The tag of the last broadcast.
    next_tag: u64,
    /// Numbers of groups that are held, as broadcasts of them take each other's place.
    topics: BTreeMap<GroupName, u64>,
    next_topic: u64,

    sync: Sync,
    comparisons: Comparisons,
    doubts: Doubts,
    register: Register,
    answers: TokenBucket,
    questions: BTreeMap<(GroupName, NetId), Question>,
    /// Answers to what came by multicast, each after a while.
    replies: VecDeque<(Time, NetId, Body)>,
    /// Groups in which what we wrote is to be told to members found since.
    retell: BTreeMap<GroupName, Time>,
    purge_at: Time,
    watches: Watches,
}

impl<S: Store> Node<S> {
    /// Who we are.
    pub const fn me(&self) -> NetId {
        self.config.broadcast.me
    }

    /// What an operation that may begin a new life is handed.
    fn moment(&mut self, now: Time) -> WriteContext {
        let since = now.since(self.born);
        WriteContext {
            unix_seconds: self.config.unix_seconds.saturating_add(since.as_secs()),
            entropy: u16::try_from(self.chance.below(1 << 16)).unwrap_or(0),
            millis: millis(now),
        }
    }

    fn groups(&self) -> &Groups {
        self.caster.handler()
    }

    fn groups_mut(&mut self) -> &mut Groups {
        self.caster.handler_mut()
    }

    fn emit(&mut self, event: Event) {
        self.out.push(Output::Event(event));
    }

    fn count(&mut self, what: &'static str, why: &'static str) {
        self.groups_mut().counters.count(what, why);
    }

    /// Gives the broadcaster an input, and takes what it wants done.
    fn cast(&mut self, now: Time, input: Input<gm_broadcast::Command>) {
        self.caster.handle(now, input);
        while let Some(output) = self.caster.poll_output() {
            self.out.push(match output {
                Output::Event(event) => {
                    self.told.push_back(event);
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

    fn order(&mut self, now: Time, command: gm_broadcast::Command) {
        self.cast(now, Input::Command(command));
    }

    /// Tells one node something that is for it alone.
    fn send(&mut self, now: Time, to: NetId, body: Body, by: gm_broadcast::Transport) {
        self.order(now, gm_broadcast::Command::Send { to, body, transport: by });
    }

    /// Follows up what came, until nothing follows any more.
    fn settle(&mut self, now: Time) {
        if !self.started {
            self.begin(now);
        }
        loop {
            if let Some(result) = self.finished(now) {
                self.on_finished(now, result);
            } else if let Some(effect) = self.groups_mut().effects.pop_front() {
                self.on_effect(now, effect);
            } else if let Some(event) = self.told.pop_front() {
                self.on_told(now, event);
            } else if !self.on_time(now) {
                break;
            }
        }
        self.flush_what_is_known(now);
        self.tell_watchers();
    }

    fn on_effect(&mut self, now: Time, effect: Effect) {
        match effect {
            Effect::Sync { from, path, body } => self.on_sync(now, from, path, body),
            Effect::Taken { group, members, by } => self.on_taken(now, &group, &members, by),
            Effect::Older { group, from, path, members } => self.on_older(now, &group, from, path, &members),
            Effect::Ask { group, from, path, member, version } => {
                self.on_misfit(now, &group, (member, version), from, path);
            }
            Effect::Own { group, from, path, stamp } => self.on_own(now, &group, (from, path), stamp),
            Effect::Refused { group, from, path, evictions } => {
                self.send_evictions(now, &group, (from, path), &evictions);
            }
            Effect::OwnEvicted { group, from, path, eviction } => {
                self.on_own_evicted(now, &group, (from, path), eviction);
            }
            Effect::Known { group } => self.on_heard(now, &group),
            Effect::Tell(event) => self.emit(event),
        }
    }

    /// Does one thing that is due; says whether there was one.
    fn on_time(&mut self, now: Time) -> bool {
        let due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        if due(self.caster.deadline()) {
            self.cast(now, Input::Wake);
        } else if due(self.write_at()) {
            self.write(now);
        } else if due(self.waits.due()) {
            self.on_waits_due(now);
        } else if due(self.sync.at) {
            self.on_sync_time(now);
        } else if due(self.introduce_at()) {
            self.introduce(now);
        } else if due(self.register.at) {
            self.register(now);
        } else if due(self.next_question()) {
            self.ask_again(now);
        } else if due(self.replies.front().map(|(at, _, _)| *at)) {
            self.reply(now);
        } else if due(self.retell_at()) {
            self.retell(now);
        } else if due(self.flush_at) {
            self.flush(now);
        } else if due(Some(self.purge_at)) {
            self.purge(now);
        } else {
            return false;
        }
        true
    }
}

impl<S: Store> Machine for Node<S> {
    type Command = Command;
    type Delivery = std::convert::Infallible;
    type Event = Event;

    fn handle(&mut self, now: Time, input: Input<Command>) {
        let now = self.out.begin(now);
        match input {
            Input::Command(command) => self.on_command(now, command),
            Input::Wake => {}
            Input::Entropy(seed) => {
                let mut chance = Rng::new(seed);
                self.chance = chance.fork();
                self.cast(now, Input::Entropy(chance.bytes()));
            }
            Input::Datagram { from, via, bytes } => self.cast(now, Input::Datagram { from, via, bytes }),
            Input::ConnectionOpened { link, from } => self.cast(now, Input::ConnectionOpened { link, from }),
            Input::ConnectionBytes { link, bytes } => self.cast(now, Input::ConnectionBytes { link, bytes }),
            Input::ConnectionSent { link, bytes } => self.cast(now, Input::ConnectionSent { link, bytes }),
            Input::ConnectionClosed { link, stalled } => {
                self.cast(now, Input::ConnectionClosed { link, stalled })
            }
            Input::ConnectionRefused { link, refusal } => {
                self.cast(now, Input::ConnectionRefused { link, refusal })
            }
        }
        self.settle(now);
    }

    fn poll_output(&mut self) -> Option<Output<std::convert::Infallible, Event>> {
        self.out.pull()
    }

    fn deadline(&self) -> Option<Time> {
        if !self.started {
            return Some(self.born);
        }
        let times = [
            self.caster.deadline(),
            self.store.due().filter(|_| !self.flights.is_empty()),
            self.write_at(),
            self.waits.due(),
            self.sync.at,
            self.introduce_at(),
            self.register.at,
            self.next_question(),
            self.replies.front().map(|(at, _, _)| *at),
            self.retell_at(),
            self.flush_at,
            Some(self.purge_at),
        ];
        times.into_iter().flatten().min()
    }
}

impl<S: Store> Node<S> {
    fn on_command(&mut self, now: Time, command: Command) {
        match command {
            Command::Write(write) => self.on_write(now, write),
            Command::Forget(forget) => self.on_forget(now, forget),
            Command::Purge { group, unheard } => self.purge_members(now, &group, unheard),
            Command::Watch { tag, group } => self.on_watch(tag, group),
            Command::Took { tag, until } => self.on_took(tag, *until),
            Command::Unwatch { tag } => self.watches.remove(tag),
            Command::Disk => {}
            Command::Seeds(seeds) => {
                self.order(now, gm_broadcast::Command::AddSeeds(seeds));
                self.hasten(now, self.config.times.fast);
            }
            Command::Keys(keyring) => self.order(now, gm_broadcast::Command::SetKeys(keyring)),
            Command::EndWaits => self.end_all_waits(now),
            Command::Close => self.order(now, gm_broadcast::Command::Close),
        }
    }
}

impl<S> std::fmt::Debug for Node<S> {
    /// Who it is, and how many groups it holds.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("me", &self.config.broadcast.me)
            .field("groups", &self.caster.handler().held.len())
            .finish_non_exhaustive()
    }
}
