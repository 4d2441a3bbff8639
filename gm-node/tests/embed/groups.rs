//! Watches of all groups and of the peers of a node, and leaving all groups.

use std::collections::BTreeSet;

use gm_node::{
    Changes, GroupEvent, NetId, Node, NodeChange, NodeError, NodeLimits, NodeWatch, PeerChange, PeerWatch,
    WaitFor, WaitOutcome, WriteError,
};

use crate::{PATIENCE, builder, sendable, within};

/// Reads changes until one fulfils the condition.
async fn until(watch: &mut NodeWatch, condition: impl Fn(&NodeChange) -> bool) {
    while !condition(&within(watch.next()).await.unwrap()) {}
}

fn is_join(change: &NodeChange, of: &str, member: NetId) -> bool {
    let NodeChange::Changed { group, changes: Changes::Events(events) } = change else { return false };
    group.as_str() == of && events.contains(&GroupEvent::Joined(member))
}

fn hosted(group: &str) -> NodeChange {
    NodeChange::Hosted(group.parse().unwrap())
}

async fn two_nodes() -> (Node, Node) {
    let ann = builder().ephemeral().start().await.unwrap();
    let bob = builder().ephemeral().seed(&ann.my_id().to_string()).start().await.unwrap();
    (ann, bob)
}

async fn join(node: &Node, group: &str) {
    node.group(group).unwrap().join().await.unwrap();
}

#[tokio::test]
async fn watch_all_follows_groups_as_they_come_and_go() {
    let (ann, bob) = two_nodes().await;
    join(&ann, "Early").await;
    let mut watch = sendable(ann.watch_all()).await.unwrap();
    assert_eq!(within(watch.next()).await, Some(hosted("Early")));
    assert!(is_join(&within(watch.next()).await.unwrap(), "Early", ann.my_id()));

    join(&ann, "Late").await;
    assert_eq!(within(watch.next()).await, Some(hosted("Late")));
    until(&mut watch, |change| is_join(change, "Late", ann.my_id())).await;
    join(&bob, "Early").await;
    until(&mut watch, |change| is_join(change, "Early", bob.my_id())).await;

    let early = ann.group("Early").unwrap();
    early.leave().wait(WaitFor::One).timeout(PATIENCE).await.unwrap();
    let released = NodeChange::Released("Early".parse().unwrap());
    until(&mut watch, |change| *change == released).await;
    join(&ann, "Early").await;
    until(&mut watch, |change| *change == hosted("Early")).await;
    until(&mut watch, |change| is_join(change, "Early", ann.my_id())).await;

    ann.shutdown().await;
    while within(watch.next()).await.is_some() {}
}

#[tokio::test]
async fn watch_all_gives_slow_readers_one_difference() {
    let node = builder().ephemeral().start().await.unwrap();
    let mut watch = node.watch_all().await.unwrap();
    let group = node.group("Customers").unwrap();
    for port in 1..=9 {
        group.serve(..).port(port).await.unwrap();
    }
    assert_eq!(within(watch.next()).await, Some(hosted("Customers")));
    let Some(NodeChange::Changed { changes: Changes::Events(events), .. }) = within(watch.next()).await
    else {
        panic!("the state of the group is expected");
    };
    let ports: Vec<u16> = events
        .iter()
        .filter_map(|event| match event {
            GroupEvent::RangeAdded(item) => Some(item.port()),
            _ => None,
        })
        .collect();
    assert_eq!(ports, [9], "{events:?}");
    node.shutdown().await;
}

#[tokio::test]
async fn watch_all_reports_the_limit_of_watchers() {
    let limits = NodeLimits { watchers: 1, ..NodeLimits::DEFAULT };
    let node = builder().ephemeral().limits(limits).start().await.unwrap();
    let mut watch = node.watch_all().await.unwrap();
    join(&node, "First").await;
    until(&mut watch, |change| is_join(change, "First", node.my_id())).await;
    join(&node, "Second").await;
    assert_eq!(within(watch.next()).await, Some(hosted("Second")));
    let unwatched = NodeChange::Unwatched("Second".parse().unwrap());
    assert_eq!(within(watch.next()).await, Some(unwatched));
    let second = node.watch_all().await.unwrap_err();
    assert!(matches!(second, NodeError::Refused(WriteError::LimitReached { max: 1, .. })), "{second}");
    node.shutdown().await;
}

async fn next_peer(watch: &mut PeerWatch) -> Option<PeerChange> {
    within(watch.next()).await
}

#[tokio::test]
async fn watch_peers_follows_peers_until_forgotten() {
    let (ann, bob) = two_nodes().await;
    let mut early = sendable(ann.watch_peers()).await.unwrap();
    assert_eq!(next_peer(&mut early).await, Some(PeerChange::Found(bob.my_id())));
    let mut late = ann.watch_peers().await.unwrap();
    assert_eq!(next_peer(&mut late).await, Some(PeerChange::Found(bob.my_id())));

    join(&ann, "Customers").await;
    let customers = bob.group("Customers").unwrap();
    customers.join().wait(WaitFor::One).timeout(PATIENCE).await.unwrap();
    bob.stop().await;
    ann.forget(bob.my_id(), None, gm_node::Wait::NONE).await.unwrap();
    assert_eq!(next_peer(&mut early).await, Some(PeerChange::Unlisted(bob.my_id())));

    drop(ann);
    assert_eq!(next_peer(&mut early).await, None, "the watch does not keep the node alive");
}

#[tokio::test]
async fn leave_all_leaves_every_group() {
    let (ann, bob) = two_nodes().await;
    for node in [&ann, &bob] {
        join(node, "A").await;
        join(node, "B").await;
    }
    let request = ann.leave_all().wait(WaitFor::All).timeout(PATIENCE);
    let left = sendable(request.into_future()).await.unwrap();
    let names: BTreeSet<&str> = left.iter().map(|left| left.group.as_str()).collect();
    assert_eq!((left.len(), names), (2, BTreeSet::from(["A", "B"])));
    for left in &left {
        assert_eq!(left.result.as_ref().unwrap().wait.outcome, WaitOutcome::Satisfied);
        let others = bob.members(&left.group).await.unwrap();
        assert_eq!(others, [bob.my_id()], "the leave is acknowledged");
    }
    assert_eq!(ann.my_groups().await.unwrap(), []);
    assert_eq!(ann.leave_all().await, Ok(vec![]));
    ann.shutdown().await;
    assert_eq!(ann.leave_all().await, Err(NodeError::Stopped));
    bob.shutdown().await;
}
