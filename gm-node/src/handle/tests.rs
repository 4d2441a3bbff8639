//! Tests of the handle on real sockets: writes, watchers, shutdown.

use std::net::Ipv4Addr;
use std::time::Duration;

use gm_broadcast::runtime::{Multicast, RuntimeSettings, Sockets};
use gm_codec::{FrameCodec, Key, Keyring, Limits};
use gm_data::{GroupName, KeyRange};

use super::*;
use crate::Wait;
use crate::store::memory::MemoryStore;

fn start(seed: Option<NetId>) -> Node {
    start_on(MemoryStore::ephemeral(), seed)
}

fn start_on(store: impl Store + Send + 'static, seed: Option<NetId>) -> Node {
    try_start(store, seed).unwrap()
}

fn try_start(store: impl Store + Send + 'static, seed: Option<NetId>) -> Result<Node, StartError> {
    let seeds = seed.map(|seed| seed.to_string().parse().unwrap()).into_iter().collect();
    let settings = RuntimeSettings {
        address: Some(Ipv4Addr::LOCALHOST.into()),
        port: 0,
        multicast: Multicast::Off,
        seeds,
        ..RuntimeSettings::default()
    };
    let sockets = Sockets::open(&settings).unwrap();
    let keyring = Keyring::new(Key::new([7; 32]));
    let codec = FrameCodec::new("test".parse().unwrap(), keyring, Limits::default()).unwrap();
    Node::start(NodeConfig::for_sockets(&sockets), codec, store, StoredState::default(), sockets)
}

#[test]
fn a_start_outside_of_a_runtime_is_an_error() {
    let refused = try_start(MemoryStore::ephemeral(), None);
    assert!(matches!(refused, Err(StartError::NoRuntime)), "{refused:?}");
}

fn customers() -> GroupName {
    "Customers".parse().unwrap()
}

async fn eventually<F: Future<Output = bool>>(what: impl Fn() -> F) {
    for _ in 0..200 {
        if what().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the condition was not met in time");
}

#[tokio::test]
async fn two_nodes_notify_each_other_and_their_watchers() {
    let ann = start(None);
    let bob = start(Some(ann.my_id()));
    let group = customers();
    let mut watch = bob.watch(&group).await.unwrap();
    let written = ann.join(&group, vec![], Wait::NONE).await.unwrap();
    assert!(written.changed);
    bob.serve(&group, KeyRange::new(0, 99).unwrap(), 5_432, 3, Wait::NONE).await.unwrap();
    eventually(|| async { ann.members(&group).await.unwrap().len() == 2 }).await;
    eventually(|| async { bob.members(&group).await.unwrap().len() == 2 }).await;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 2 {
        let Changes::Events(events) = watch.next().await.unwrap() else { panic!("too many") };
        seen.extend(events.iter().filter_map(|event| match event {
            gm_data::GroupEvent::Joined(member) => Some(*member),
            _ => None,
        }));
    }
    assert_eq!(ann.view(&group).await.unwrap().unwrap().first_owner(50).unwrap().member, bob.my_id());
    assert_eq!(ann.topology(&group).await.unwrap().len(), 2);
    assert_eq!(ann.my_groups().await.unwrap(), std::slice::from_ref(&group));
    let status = ann.status().await.unwrap();
    let network = ann.network().await.unwrap();
    assert_eq!((network.peers, network.alive, status.groups.len()), (1, 1, 1));

    bob.stop().await;
    assert_eq!(bob.my_groups().await, Err(NodeError::Stopped));
    assert_eq!(watch.next().await, Err(NodeError::Stopped));
    let forgotten = ann.forget(bob.my_id(), None, Wait::NONE).await.unwrap();
    assert!(matches!(&*forgotten, [(name, Ok(_))] if *name == group));
    assert_eq!(ann.members(&group).await.unwrap(), [ann.my_id()]);
    ann.stop().await;
}

#[tokio::test]
async fn refusals_are_returned_to_the_caller() {
    let ann = start(None);
    let unknown: NetId = "10.9.9.9:1".parse().unwrap();
    let refused = ann.forget(unknown, None, Wait::NONE).await;
    assert!(matches!(refused, Err(NodeError::Refused(WriteError::Forget(_)))), "{refused:?}");
    let refused = ann.leave(&customers(), Wait::NONE).await;
    assert!(matches!(refused, Err(NodeError::Refused(_))), "{refused:?}");
    assert_eq!(ann.members(&customers()).await, Ok(vec![]));
}

/// A store that never reports a result.
struct SilentStore;

impl Store for SilentStore {
    fn submit(&mut self, _now: Time, _batch: crate::store::Batch) {}

    fn poll_finished(&mut self, _now: Time) -> Option<Result<(), crate::store::StoreError>> {
        None
    }

    fn next_poll(&self) -> Option<Time> {
        None
    }
}

#[tokio::test]
async fn writes_at_shutdown_are_unknown_or_not_made() {
    let ann = start_on(SilentStore, None);
    // The node receives the write before the stop.
    let group = customers();
    let (early, ()) = tokio::join!(ann.join(&group, vec![], Wait::NONE), ann.stop());
    assert_eq!(early, Err(NodeError::Unknown));
    assert_eq!(ann.join(&customers(), vec![], Wait::NONE).await, Err(NodeError::Stopped));
    assert_eq!(ann.forget(ann.my_id(), Some(&customers()), Wait::NONE).await, Err(NodeError::Stopped));
}

#[tokio::test]
async fn the_last_handle_that_is_dropped_ends_the_node() {
    let ann = start(None);
    let at = ann.my_id().socket_addr();
    let watch = ann.watch(&customers()).await.unwrap();
    drop(ann);
    assert!(tokio::net::TcpStream::connect(at).await.is_ok(), "a watcher is a handle too");
    drop(watch);
    eventually(|| async { tokio::net::TcpStream::connect(at).await.is_err() }).await;
}

#[cfg(feature = "disk")]
#[tokio::test]
async fn a_stopped_node_releases_its_directory() {
    use crate::store::disk::DiskStore;

    let dir = std::env::temp_dir().join(format!("gm-node-handle-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    for life in 0..2 {
        let settings = RuntimeSettings {
            address: Some(Ipv4Addr::LOCALHOST.into()),
            port: 0,
            multicast: Multicast::Off,
            ..RuntimeSettings::default()
        };
        let sockets = Sockets::open(&settings).unwrap();
        let codec = FrameCodec::insecure("test".parse().unwrap(), Limits::default()).unwrap();
        let (store, stored) = DiskStore::open(&dir).unwrap();
        let node = Node::start(NodeConfig::for_sockets(&sockets), codec, store, stored, sockets).unwrap();
        if life == 0 {
            node.join(&customers(), vec![], Wait::NONE).await.unwrap();
        }
        eventually(|| async { node.my_groups().await.unwrap() == [customers()] }).await;
        node.stop().await;
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
