//! How a node begins: with what was stored, under the address it had or under another. Knows nothing of what follows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gm_broadcast::{Broadcaster, Outputs, Rng, Time, TokenBucket};
use gm_codec::FrameCodec;
use gm_data::{GroupName, Replica};

use super::Node;
use super::commit::Flight;
use super::doubts::Doubts;
use super::freshness::Comparisons;
use super::register::Register;
use super::sync::Sync;
use super::wait::Waits;
use super::write::Queued;
use crate::config::{Config, ConfigError};
use crate::groups::{Groups, Held, Word};
use crate::store::{Batch, Store, Stored};

impl<S: Store> Node<S> {
    /// A node that begins now, with what its storage held. `seed`: 32 bytes of the system's generator of secrets, never used for anything
    /// else; in a simulated world, of the world's.
    ///
    /// What was stored under another address is this node's former self: its first write is that the former one leaves its groups, and that this one
    /// says of itself what that one said.
    ///
    /// # Errors
    /// A [`ConfigError`].
    pub fn new(
        config: Config,
        codec: FrameCodec,
        store: S,
        stored: Stored,
        seed: [u8; 32],
        now: Time,
    ) -> Result<Node<S>, ConfigError> {
        let config = config.checked()?;
        let mut chance = Rng::new(seed);
        let me = config.broadcast.me;
        let groups = Groups::new(me, config.observe, config.bounds);
        let caster = Broadcaster::new(config.broadcast.clone(), codec, groups, chance.bytes(), now)?;
        let mut node = Node {
            caster,
            store,
            out: Outputs::new(),
            told: VecDeque::new(),
            born: now,
            started: false,
            queue: VecDeque::new(),
            tick: None,
            reassert: BTreeMap::new(),
            evicted: BTreeMap::new(),
            blocked_until: None,
            hearing: BTreeMap::new(),
            heard: BTreeSet::new(),
            doubt: None,
            doubted: BTreeSet::new(),
            flights: VecDeque::new(),
            store_failures: 0,
            flush_at: None,
            unstored: VecDeque::new(),
            peers_changed: false,
            contacts_stored: None,
            unheld_at: None,
            waits: Waits::default(),
            next_tag: 0,
            topics: BTreeMap::new(),
            next_topic: 0,
            sync: Sync::new(now, config.times.fast),
            comparisons: Comparisons::default(),
            doubts: Doubts::default(),
            register: Register::new(seed, config.times.register),
            answers: TokenBucket::per_second(config.bounds.answers_per_second),
            questions: BTreeMap::new(),
            replies: VecDeque::new(),
            retell: BTreeMap::new(),
            purge_at: now + config.times.purge,
            watches: super::watch::Watches::default(),
            chance,
            config,
        };
        node.load(stored);
        Ok(node)
    }

    /// Takes in what was stored.
    fn load(&mut self, stored: Stored) {
        let me = self.me();
        let former = stored.me.filter(|former| *former != me);
        let default_port = self.config.default_port;
        self.doubt = stored.doubt;
        for state in stored.groups {
            let name = state.name().clone();
            let said =
                former.and_then(|former| state.record(former)).filter(|said| said.is_member()).cloned();
            let was_member = said.is_some();
            let is_member = state.is_member(me);
            if self.doubt.is_some() && state.record(me).is_some() {
                self.doubted.insert(name.clone());
            }
            let others = state.records().any(|record| record.member() != me);
            let groups = self.groups_mut();
            groups.topology.edit(&name, |replica| {
                *replica = Replica::restore(me, state);
                if let Some(port) = default_port {
                    *replica = replica.clone().with_default_port(port);
                }
            });
            if is_member || was_member || others || self.config.observe {
                // Whoever had left and still holds others' records has not told it to anybody yet.
                let leaving = (!is_member && !was_member && !self.config.observe)
                    .then(|| self.born + self.config.times.leaving);
                let held = Held { leaving, ..Held::new(me, &name) };
                self.groups_mut().held.insert(name.clone(), held);
            }
            if let Some(former) = said {
                self.queue.push_back(Queued::Move { group: name, former });
            }
        }
        // They were true before the start, and are not passed on until a member says so again.
        let born = self.born;
        for (group, member) in stored.contacts {
            self.groups_mut().meet(born, &group, member, Word::Hearsay, member);
        }
        self.groups_mut().contacts.changed = false;
        self.sync.old_peers = stored.peers.into_iter().filter(|peer| *peer != me).collect();
        // What a former self has to say is stored together with the name.
        if stored.me != Some(me) && self.queue.is_empty() {
            self.store_name();
        }
    }

    fn store_name(&mut self) {
        let batch = Batch { me: Some(self.me()), durable: true, ..Batch::default() };
        self.store.submit(self.born, batch);
        self.flights.push_back(Flight::Name);
    }

    /// The first thing that it does.
    pub(super) fn begin(&mut self, now: Time) {
        self.started = true;
        self.tell_doubt();
        if !self.sync.old_peers.is_empty() {
            let peers = self.sync.old_peers.clone();
            self.order(now, gm_broadcast::Command::AddNodes(peers.clone()));
            peers.into_iter().for_each(|peer| self.unlist_if_forgotten(now, peer));
        }
        if !self.queue.is_empty() {
            self.tick = Some(now);
        }
        let member_of: Vec<GroupName> = self.my_groups().cloned().collect();
        member_of.iter().for_each(|group| self.enroll(now, group));
        self.sync.at = Some(now + self.chance.duration_up_to(self.config.times.fast));
    }

    /// The number of a group, for broadcasts that take each other's place.
    pub(super) fn topic(&mut self, group: &GroupName) -> u64 {
        let next = self.next_topic + 1;
        let topic = *self.topics.entry(group.clone()).or_insert(next);
        self.next_topic = self.next_topic.max(topic);
        topic
    }
}
