//! Start of a node from its stored state, under its former address or a new one.

use std::collections::VecDeque;

use gm_broadcast::{Broadcaster, Outputs, Rng, Time};
use gm_codec::FrameCodec;
use gm_data::Replica;

use super::NodeMachine;
use super::anti_entropy::{AntiEntropy, NEWCOMER_PERIOD};
use super::context::Context;
use super::dissemination::Dissemination;
use super::introduction::Introductions;
use super::persistence::Persistence;
use super::registration::Registration;
use super::timers::NodeTimer;
use super::watchers::Watchers;
use super::writes::WriteQueue;
use crate::config::{ConfigError, NodeConfig};
use crate::groups::{HostedGroup, Source};
use crate::store::{Store, StoredState};

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
        let broadcaster = Broadcaster::new(config.broadcast.clone(), codec, rng.bytes(), now)?;
        let mut cx = Context::new(now, config, broadcaster, rng);
        cx.newcomer_until = now + NEWCOMER_PERIOD;
        cx.timers.set(NodeTimer::Start, now);
        cx.timers.set(NodeTimer::Purge, now + cx.config.timing.purge_interval);
        let mut persistence = Persistence::new(store);
        let stored_me = stored.me;
        let old_peers = stored.peers.iter().copied().filter(|peer| *peer != me).collect();
        let writes = load(&mut cx, stored);
        // With a former address, the identity is stored together with the first write.
        if stored_me != Some(me) && writes.len() == 0 {
            persistence.store_identity(&cx);
        }
        Ok(NodeMachine {
            anti_entropy: AntiEntropy::new(&cx, old_peers),
            introductions: Introductions::default(),
            registration: Registration::new(seed, cx.config.timing.registration_interval),
            dissemination: Dissemination::default(),
            watchers: Watchers::default(),
            writes,
            persistence,
            outputs: Outputs::new(),
            broadcaster_events: VecDeque::new(),
            cx,
        })
    }
}

/// Loads the stored state into the group table. Returns the write queue, with the takeovers from
/// the former address.
fn load(cx: &mut Context, stored: StoredState) -> WriteQueue {
    let me = cx.me();
    let former = stored.me.filter(|former| *former != me);
    let mut writes = WriteQueue::new(stored.suspected_loss);
    for state in stored.groups {
        let name = state.name().clone();
        let former_record = former
            .and_then(|former| state.record(former))
            .filter(|former_record| former_record.is_member())
            .cloned();
        let was_member = former_record.is_some();
        let is_member = state.is_member(me);
        if state.record(me).is_some() {
            writes.load_own_record(&name);
        }
        let others = state.records().any(|record| record.member() != me);
        let default_port = cx.config.default_port;
        cx.groups.set.edit(&name, |replica| {
            *replica = Replica::restore(me, state);
            if let Some(port) = default_port {
                *replica = replica.clone().with_default_port(port);
            }
        });
        if is_member || was_member || others || cx.config.observe {
            // A member that left but still stores other records had no acknowledgement of its
            // leave.
            let leaving = (!is_member && !was_member && !cx.config.observe)
                .then(|| cx.start_time + cx.config.timing.leave_timeout);
            let hosted = HostedGroup { leaving_until: leaving, ..HostedGroup::new(me, &name) };
            cx.groups.hosted.insert(name.clone(), hosted);
        }
        if let Some(former) = former_record {
            writes.load_former_record(name, former);
        }
    }
    // Stored contacts were reported before the start. They are not passed on until a member
    // registers again.
    for (group, member) in stored.contacts {
        cx.groups.discover(cx.start_time, &group, member, Source::Gossip, member);
    }
    cx.groups.contacts.changed = false;
    writes
}
