//! A cluster of a few whole nodes in virtual time, each with its own disk.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{Change, GroupName, KeyRange};
use gm_node::store::memory::{MemoryStore, SimulatedDisk};
use gm_node::{
    CommittedWrite, NodeCommand, NodeConfig, NodeEvent, NodeMachine, Wait, Write, WriteError, WriteKind,
};
use gm_sim::broadcast::node::codec;
use gm_sim::{
    Checker, Location, Network, NodeIndex, Observation, ObservationContext, StartContext, Violation, World,
};

pub(crate) type Cluster = World<NodeMachine<MemoryStore>>;
pub(crate) type Answer = Result<CommittedWrite, WriteError>;

/// The events of all nodes, with their times.
#[derive(Clone, Default)]
pub(crate) struct EventLog(pub(crate) Rc<RefCell<Vec<(Time, NodeIndex, NodeEvent)>>>);

impl Checker<NodeMachine<MemoryStore>> for EventLog {
    fn name(&self) -> &'static str {
        "events"
    }

    fn observe(
        &mut self,
        place: ObservationContext,
        seen: &Observation<'_, NodeMachine<MemoryStore>>,
    ) -> Result<(), Violation> {
        if let Observation::Event(event) = seen {
            self.0.borrow_mut().push((place.at, place.node, (*event).clone()));
        }
        Ok(())
    }
}

impl EventLog {
    /// The answer to a write, and its time.
    pub(crate) fn answer(&self, tag: u64) -> Option<(Time, Answer)> {
        self.0.borrow().iter().find_map(|(at, _, event)| match event {
            NodeEvent::Answered { tag: of, result, .. } if *of == tag => Some((*at, result.clone())),
            _ => None,
        })
    }

    /// The result of a wait.
    pub(crate) fn waited(&self, tag: u64) -> gm_node::WaitReport {
        self.answer(tag).expect("answered").1.expect("made").wait
    }

    pub(crate) fn count(&self, wanted: impl Fn(&NodeEvent) -> bool) -> usize {
        self.0.borrow().iter().filter(|(_, _, event)| wanted(event)).count()
    }

    pub(crate) fn any(&self, wanted: impl Fn(&NodeEvent) -> bool) -> bool {
        self.0.borrow().iter().any(|(_, _, event)| wanted(event))
    }
}

pub(crate) fn group() -> GroupName {
    "Customers".parse().unwrap()
}

pub(crate) fn id(node: u8) -> NetId {
    gm_sim::layout::id(node.into())
}

pub(crate) fn range(start: u32, end: u32) -> KeyRange {
    KeyRange::new(start, end).unwrap()
}

pub(crate) fn serve(start: u32, end: u32) -> WriteKind {
    WriteKind::Change(vec![Change::Serve { range: range(start, end), port: Some(5432), priority: 1 }])
}

pub(crate) fn write(tag: u64, what: WriteKind, wait: Wait) -> NodeCommand {
    NodeCommand::Write(Write { tag, group: group(), kind: what, wait })
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A world of nodes on one LAN, with their disks.
pub(crate) fn new_cluster(
    nodes: u8,
    disks: &[SimulatedDisk],
    set: impl Fn(&mut NodeConfig) + 'static,
) -> (Cluster, EventLog) {
    new_cluster_of(&(0..nodes).map(id).collect::<Vec<_>>(), disks, set)
}

/// The same with given identities; the first node is the seed of all.
pub(crate) fn new_cluster_of(
    ids: &[NetId],
    disks: &[SimulatedDisk],
    set: impl Fn(&mut NodeConfig) + 'static,
) -> (Cluster, EventLog) {
    let places: Vec<Location> = ids.iter().map(|id| Location { id: *id, island: 0, site: 0 }).collect();
    let disks = disks.to_vec();
    let mut cluster = World::new(7, Network::default(), &places, move |birth: &StartContext| {
        let mut config = NodeConfig::new(birth.location.id);
        config.unix_seconds = 1_700_000_000 + u64::from(birth.restarts);
        config.broadcast.seeds = vec![id(0)];
        // The node's own disk, unless the parameter selects another one.
        let disk = birth.param.checked_sub(1).map_or(birth.node.0, |disk| u32::try_from(disk).unwrap());
        set(&mut config);
        let (store, stored) = match disks.get(disk as usize) {
            Some(disk) => disk.open(),
            None => (MemoryStore::ephemeral(), gm_node::StoredState::default()),
        };
        NodeMachine::new(config, codec(None), store, stored, birth.seed, birth.now).unwrap()
    });
    let log = EventLog::default();
    cluster.add_checker(log.clone());
    cluster.start_all();
    (cluster, log)
}

pub(crate) fn disks(count: usize) -> Vec<SimulatedDisk> {
    (0..count).map(|_| SimulatedDisk::new()).collect()
}

/// Each node joins by serving its own range, until all are in sync.
pub(crate) fn settle(cluster: &mut Cluster, nodes: u8) {
    for node in 0..nodes {
        let start = u32::from(node) * 1_000;
        let write = write(1_000 + u64::from(node), serve(start, start + 1_500), Wait::NONE);
        cluster.command(NodeIndex(node.into()), write);
    }
    cluster.run_for(Duration::from_secs(5));
    assert!(in_sync(cluster, nodes.into()), "not in sync");
}

pub(crate) fn in_sync(cluster: &Cluster, members: usize) -> bool {
    let alive =
        || cluster.indices().filter_map(|node| cluster.machine(node)).filter_map(|node| node.view(&group()));
    let first = alive().next().map(|view| view.fingerprint());
    alive().all(|view| Some(view.fingerprint()) == first && view.member_count() == members)
}
