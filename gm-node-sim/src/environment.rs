//! Environment of a plan's world: machines, disks and keys.

use std::cell::Cell;
use std::rc::Rc;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_codec::{ClusterName, FrameCodec, Key, Keyring, Limits};
use gm_node::store::memory::{MemoryStore, SimulatedDisk};
use gm_node::{Batch, NodeConfig, NodeMachine, Store as _, StoredState};
use gm_sim::{NodeIndex, StartContext, World};

use crate::plan::Plan;

/// The machine of these worlds.
pub(crate) type SimNode = NodeMachine<MemoryStore>;
/// A world of these machines.
pub(crate) type NodeWorld = World<SimNode>;

/// Disks and keys of a world, which outlive the machines.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// Disk of each location.
    pub(crate) disks: Vec<SimulatedDisk>,
    /// Current step of the key rotation, for nodes that start.
    pub(crate) step: Rc<Cell<u8>>,
}

/// Role in which a location's process starts, passed as its parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartRole {
    /// The location's own node.
    Itself,
    /// The location's own node, with the disk of another location.
    DiskOf(NodeIndex),
    /// A process that claims to be another node.
    Impersonates(NodeIndex),
}

impl StartRole {
    /// The role as a parameter of the world.
    pub(crate) const fn to_param(self) -> u64 {
        match self {
            StartRole::Itself => 0,
            StartRole::DiskOf(node) => 1 << 32 | node.0 as u64,
            StartRole::Impersonates(node) => 2 << 32 | node.0 as u64,
        }
    }

    fn from_param(number: u64) -> StartRole {
        let node = NodeIndex(u32::try_from(number & 0xffff_ffff).unwrap_or(0));
        match number >> 32 {
            1 => StartRole::DiskOf(node),
            2 => StartRole::Impersonates(node),
            _ => StartRole::Itself,
        }
    }
}

/// Wall-clock time at which worlds begin, in seconds since 1970.
const EPOCH: u64 = 1_700_000_000;

#[allow(clippy::expect_used)]
fn keyring_of(seal: Key, open: Key) -> Keyring {
    Keyring::new(seal).with(open).expect("two different keys")
}

/// The keys at a step of the rotation; the first one seals.
pub(crate) fn keyring_at(step: u8) -> Keyring {
    let (old, new) = (Key::new([7; 32]), Key::new([8; 32]));
    match step {
        0 => Keyring::new(old),
        1 => keyring_of(old, new),
        2 => keyring_of(new, old),
        _ => Keyring::new(new),
    }
}

impl Environment {
    /// An environment with empty disks.
    pub(crate) fn new(plan: &Plan) -> Environment {
        let disk = |_: &_| {
            let disk = SimulatedDisk::new();
            disk.set_latency(plan.disk_latency);
            disk
        };
        let environment =
            Environment { disks: plan.locations.iter().map(disk).collect(), step: Rc::default() };
        for (node, record) in &plan.preloaded {
            let (mut store, _) = environment.disks[node.0 as usize].open();
            let records = vec![(plan.groups[0].clone(), record.clone())];
            store.submit(
                Time::ZERO,
                Batch { me: Some(plan.id(*node)), records, durable: true, ..Batch::default() },
            );
        }
        environment
    }

    /// The world of a plan, before its first event.
    pub(crate) fn world(&self, plan: &Rc<Plan>) -> NodeWorld {
        let (environment, of) = (self.clone(), Rc::clone(plan));
        World::new(plan.seed, plan.network, &plan.locations, move |context: &StartContext| {
            environment.make_node(&of, context)
        })
    }

    #[allow(clippy::expect_used)]
    fn make_node(&self, plan: &Plan, context: &StartContext) -> SimNode {
        let part = StartRole::from_param(context.param);
        let me: NetId = match part {
            StartRole::Impersonates(victim) => plan.id(victim),
            StartRole::Itself | StartRole::DiskOf(_) => context.location.id,
        };
        let mut config = NodeConfig::new(me);
        config.broadcast.seeds = plan.seeds.iter().map(|node| plan.id(*node)).collect();
        config.broadcast.multicast = !plan.mute.contains(&context.node);
        config.broadcast.timings = plan.broadcast_times;
        config.unix_seconds = EPOCH + context.now.as_nanos() / 1_000_000_000;
        config.observe = plan.observers.contains(&context.node);
        (config.purge, config.limits, config.timing) = (plan.purge, plan.bounds, plan.times);
        let mut keys = keyring_at(self.step.get());
        if context.wrong_key {
            let mut key = [9; 32];
            key[..4].copy_from_slice(&context.node.0.to_be_bytes());
            keys = Keyring::new(Key::new(key));
        }
        let cluster: ClusterName = "world".parse().expect("valid cluster name");
        let codec = FrameCodec::new(cluster, keys, Limits::default()).expect("valid limits");
        let (store, stored) = if plan.diskless.contains(&context.node) {
            (MemoryStore::ephemeral(), StoredState::default())
        } else {
            let disk = match part {
                StartRole::DiskOf(node) => node,
                StartRole::Itself | StartRole::Impersonates(_) => context.node,
            };
            self.disks[disk.0 as usize].open()
        };
        NodeMachine::new(config, codec, store, stored, context.seed, context.now)
            .expect("valid configuration")
    }
}
