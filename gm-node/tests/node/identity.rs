//! Identity conflicts: another node writes under this node's identity, again and again. The node
//! refutes it three times a minute, then pauses, reports the conflict, and resumes once no foreign
//! record came for a while, or when the owner resumes.

use std::time::Duration;

use gm_broadcast::{Input, Via};
use gm_clock::Incarnation;
use gm_codec::{
    Body, Channel, Epoch, FrameCodec, GroupUpdate, Header, Limits, MemberUpdate, NonceSequence, Payload,
    Routing,
};
use gm_data::{ChangeError, Record, Version};
use gm_node::store::memory::MemoryStore;
use gm_node::{ConflictStatus, NodeEvent, NodeMachine, Wait, WriteError, WriteKind};
use gm_sim::NodeIndex;
use gm_sim::broadcast::node::codec;

use crate::cluster::{Cluster, EventLog, group, id, millis, new_cluster_of, serve, write};

struct SingleNode {
    cluster: Cluster,
    log: EventLog,
    codec: FrameCodec,
    nonces: NonceSequence,
}

impl SingleNode {
    fn new() -> SingleNode {
        let (cluster, log) = new_cluster_of(&[id(1)], &[], |config| {
            config.single_node = true;
            config.broadcast.seeds.clear();
        });
        let nonces = NonceSequence::new(Epoch::new([9; 8]).unwrap());
        SingleNode { cluster, log, codec: codec(None), nonces }
    }

    fn node(&self) -> &NodeMachine<MemoryStore> {
        self.cluster.machine(NodeIndex(0)).unwrap()
    }

    fn conflict(&self) -> Option<ConflictStatus> {
        self.node().status(self.cluster.now(), &group()).unwrap().conflict
    }

    fn write(&mut self, tag: u64, kind: WriteKind) {
        self.cluster.command(NodeIndex(0), write(tag, kind, Wait::NONE));
        self.cluster.run_for(millis(100));
    }

    /// Receives a foreign record of this node from another one.
    fn receive_claim(&mut self, incarnation: u64, clock: u64) {
        let version = Version::new(Incarnation::new(incarnation).unwrap(), false, clock).unwrap();
        let record = Record::from_parts(id(1), version, None, 0, []).unwrap();
        let body =
            Body::GroupUpdate(GroupUpdate { name: group(), updates: vec![MemberUpdate::Record(record)] });
        let header = Header { routing: Routing::Direct, ..Header::own_broadcast(id(0), 0) };
        let (mut payload, mut frame) = (Vec::new(), Vec::new());
        Payload { header, body }.encode(&Limits::default(), &mut payload).unwrap();
        let nonce = self.nonces.next_nonce().unwrap();
        self.codec.seal(&Channel::DatagramTo(id(1)), nonce, &payload, &mut frame).unwrap();
        let from = id(0).socket_addr();
        self.cluster.inject(NodeIndex(0), Input::Datagram { from, via: Via::Unicast, bytes: frame.into() });
        self.cluster.run_for(millis(100));
    }

    fn conflicts(&self) -> usize {
        self.log.count(|event| matches!(event, NodeEvent::IdentityConflict { .. }))
    }
}

#[test]
fn refutes_three_times_a_minute_then_pauses() {
    let mut alone = SingleNode::new();
    alone.write(1, serve(0, 9));
    let version = |alone: &SingleNode| alone.node().own_record(&group()).unwrap().version();
    for round in 0..3 {
        let heard = version(&alone).incarnation.get() + 10;
        alone.receive_claim(heard, 5 + round);
        assert!(version(&alone).incarnation.get() > heard);
        assert_eq!(alone.node().own_record(&group()).unwrap().items().count(), 1, "its items are back");
    }
    assert_eq!(alone.conflicts(), 0);
    let stands = version(&alone);
    for _ in 0..20 {
        alone.receive_claim(stands.incarnation.get() + 1_000, 50);
    }
    assert_eq!((alone.conflicts(), version(&alone)), (1, stands));
    assert!(alone.conflict().is_some());
    alone.write(2, serve(10, 19));
    let refused = WriteError::Change(ChangeError::IdentityConflict { member: id(1) });
    assert_eq!(alone.log.answer(2).unwrap().1, Err(refused));
    // Copies that peers pass on are no sign that the other node still runs.
    for _ in 0..9 {
        alone.receive_claim(stands.incarnation.get() + 1_000, 50);
    }
    alone.cluster.run_for(Duration::from_secs(10));
    alone.receive_claim(stands.incarnation.get() + 1_000, 50);
    assert!(version(&alone).incarnation.get() > stands.incarnation.get() + 1_000);
    assert!(alone.conflict().is_none());
}

/// Receives foreign records, each greater than all before, until writes pause.
fn until_it_stops(alone: &mut SingleNode) {
    let conflicts = alone.conflicts();
    while alone.conflicts() == conflicts {
        let own = alone.node().own_record(&group()).unwrap().version().incarnation.get();
        alone.receive_claim(own + 1_000_000, 5);
    }
}

fn pause(alone: &SingleNode) -> Option<u64> {
    alone.conflict().map(|conflict| conflict.pause_millis)
}

#[test]
fn repeated_conflicts_pause_writes_for_longer_each_time() {
    let mut alone = SingleNode::new();
    alone.write(1, serve(0, 9));
    let mut pauses = Vec::new();
    for _ in 0..9 {
        until_it_stops(&mut alone);
        let first = pause(&alone).unwrap();
        pauses.push(first.div_ceil(1_000));
        // Another foreign record during the pause restarts it.
        alone.cluster.run_for(Duration::from_millis(first / 2));
        let claim = alone.conflict().unwrap();
        assert_eq!(claim.reported_by, Some(id(0)));
        alone.receive_claim(claim.claim.unwrap().incarnation.get() + 1, 5);
        assert!(pause(&alone).unwrap() > first / 2 + 1_000);
        alone.cluster.run_for(Duration::from_millis(first));
        assert_eq!(pause(&alone), None);
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
    // After a long time without foreign records, the pause is short again.
    alone.cluster.run_for(Duration::from_secs(601));
    until_it_stops(&mut alone);
    assert_eq!(pause(&alone).unwrap().div_ceil(1_000), 10);
}

#[test]
fn the_owner_resumes_writes() {
    let mut alone = SingleNode::new();
    alone.write(1, serve(0, 9));
    until_it_stops(&mut alone);
    let claim = alone.conflict().unwrap().claim.unwrap();
    alone.write(2, WriteKind::Resume);
    assert!(alone.node().own_record(&group()).unwrap().version() > claim);
    assert_eq!(pause(&alone), None);
    alone.write(3, serve(10, 19));
    // Without a pause, resuming writes nothing.
    alone.write(4, WriteKind::Resume);
    let changed = |tag| alone.log.answer(tag).map(|(_, result)| result.unwrap().changed);
    assert_eq!((changed(2), changed(3), changed(4)), (Some(true), Some(true), Some(false)));
}
