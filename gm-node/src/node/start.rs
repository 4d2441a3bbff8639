//! Start of a node from its stored state, under its former address or a new one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gm_broadcast::{Broadcaster, Outputs, Rng, Time, Timers, TokenBucket};
use gm_codec::FrameCodec;
use gm_data::{GroupName, Replica};

use super::NodeMachine;
use super::anti_entropy::freshness::Comparisons;
use super::anti_entropy::lagging::LaggingMembers;
use super::anti_entropy::schedule::ExchangeSchedule;
use super::commit::PendingBatch;
use super::registration::Registrations;
use super::timers::NodeTimer;
use super::wait::Waits;
use super::write::QueuedWrite;
use crate::config::{ConfigError, NodeConfig};
use crate::groups::{Groups, HostedGroup, Source};
use crate::store::{Batch, Store, StoredState};

impl<S: Store> NodeMachine<S> {
    /// Creates a node from the content of its store. `seed`: 32 random bytes from the system, used
    /// for nothing else; in a simulated world, from the world's generator.
    ///
    /// If the content was stored under another address, that is this node's former self. The first
    /// write then leaves the groups as the former self and takes over its items.
    ///
    /// # Errors A [`ConfigError`].
    pub fn new(
        config: NodeConfig,
        codec: FrameCodec,
        store: S,
        stored: StoredState,
        seed: [u8; 32],
        now: Time,
    ) -> Result<NodeMachine<S>, ConfigError> {
        let config = config.validated()?;
        let mut rng = Rng::new(seed);
        let me = config.broadcast.me;
        let groups = Groups::new(me, config.observe, config.limits);
        let broadcaster = Broadcaster::new(config.broadcast.clone(), codec, rng.bytes(), now)?;
        let mut node = NodeMachine {
            groups,
            broadcaster,
            store,
            outputs: Outputs::new(),
            broadcaster_events: VecDeque::new(),
            start_time: now,
            timers: Timers::new(),
            write_queue: VecDeque::new(),
            tick_after_store: None,
            to_refute: BTreeMap::new(),
            own_evictions: BTreeMap::new(),
            store_retry_at: None,
            first_write_probes: BTreeMap::new(),
            probed: BTreeSet::new(),
            suspected_loss: None,
            loss_suspected_in: BTreeSet::new(),
            pending_batches: VecDeque::new(),
            store_failures: 0,
            unstored_broadcasts: VecDeque::new(),
            peers_changed: false,
            contacts_stored_at: None,
            released_at: None,
            waits: Waits::default(),
            next_tag: 0,
            topics: BTreeMap::new(),
            next_topic: 0,
            schedule: ExchangeSchedule::new(now, config.timing.exchange_interval_min),
            comparisons: Comparisons::default(),
            lagging: LaggingMembers::default(),
            registrations: Registrations::new(seed, config.timing.registration_interval),
            reply_rate: TokenBucket::per_second(config.limits.exchange_replies_per_second),
            pulls: BTreeMap::new(),
            delayed_replies: VecDeque::new(),
            watchers: super::watch::Watchers::default(),
            rng,
            config,
        };
        node.timers.set(NodeTimer::Start, now);
        node.timers.set(NodeTimer::Purge, now + node.config.timing.purge_interval);
        node.load(stored);
        Ok(node)
    }

    /// Loads the stored state.
    fn load(&mut self, stored: StoredState) {
        let me = self.me();
        let former = stored.me.filter(|former| *former != me);
        let default_port = self.config.default_port;
        self.suspected_loss = stored.suspected_loss;
        for state in stored.groups {
            let name = state.name().clone();
            let former_record = former
                .and_then(|former| state.record(former))
                .filter(|former_record| former_record.is_member())
                .cloned();
            let was_member = former_record.is_some();
            let is_member = state.is_member(me);
            if self.suspected_loss.is_some() && state.record(me).is_some() {
                self.loss_suspected_in.insert(name.clone());
            }
            let others = state.records().any(|record| record.member() != me);
            let groups = &mut self.groups;
            groups.set.edit(&name, |replica| {
                *replica = Replica::restore(me, state);
                if let Some(port) = default_port {
                    *replica = replica.clone().with_default_port(port);
                }
            });
            if is_member || was_member || others || self.config.observe {
                // A member that left but still stores other records had no acknowledgement of its
                // leave.
                let leaving = (!is_member && !was_member && !self.config.observe)
                    .then(|| self.start_time + self.config.timing.leave_timeout);
                let hosted = HostedGroup { leaving_until: leaving, ..HostedGroup::new(me, &name) };
                self.groups.hosted.insert(name.clone(), hosted);
            }
            if let Some(former) = former_record {
                self.write_queue.push_back(QueuedWrite::Readdress { group: name, former });
            }
        }
        // Stored contacts were reported before the start. They are not passed on until a member
        // registers again.
        let start = self.start_time;
        for (group, member) in stored.contacts {
            self.groups.discover(start, &group, member, Source::Gossip, member);
        }
        self.groups.contacts.changed = false;
        self.schedule.old_peers = stored.peers.into_iter().filter(|peer| *peer != me).collect();
        // With a former address, the identity is stored together with the first write.
        if stored.me != Some(me) && self.write_queue.is_empty() {
            self.store_identity();
        }
    }

    fn store_identity(&mut self) {
        let batch = Batch { me: Some(self.me()), durable: true, ..Batch::default() };
        self.store.submit(self.start_time, batch);
        self.pending_batches.push_back(PendingBatch::Identity);
    }

    /// Starts the node, on its first input.
    pub(super) fn start(&mut self, now: Time) {
        self.report_suspected_loss();
        if !self.schedule.old_peers.is_empty() {
            let peers = self.schedule.old_peers.clone();
            self.command_broadcaster(now, gm_broadcast::BroadcastCommand::AddNodes(peers.clone()));
            peers.into_iter().for_each(|peer| self.unlist_if_forgotten(now, peer));
        }
        if !self.write_queue.is_empty() {
            self.schedule_write(now);
        }
        let member_of: Vec<GroupName> = self.own_groups().cloned().collect();
        member_of.iter().for_each(|group| self.enroll(now, group));
        let first = self.rng.duration_up_to(self.config.timing.exchange_interval_min);
        self.timers.set(NodeTimer::Exchange, now + first);
    }

    /// The topic of a group: a queued broadcast is replaced by a later one of its topic.
    pub(super) fn topic(&mut self, group: &GroupName) -> u64 {
        let next = self.next_topic + 1;
        let topic = *self.topics.entry(group.clone()).or_insert(next);
        self.next_topic = self.next_topic.max(topic);
        topic
    }
}
