//! Nodes that are started with the builder on loopback, as a program that embeds one does: names of
//! `gm_node` only, no other crate of the workspace.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod groups;

use std::future::Future;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use gm_node::{
    BroadcasterLimits, Changes, EventWatch, Group, GroupEvent, GroupWatch, JoinRequest, Key, KeyRange,
    LeaveAllRequest, Multicast, Node, NodeBuilder, NodeError, NodeLimits, NodeTiming, NodeWatch, Op,
    PeerWatch, ServeRequest, StartError, Stream, WaitFor, WaitOutcome, WriteError, WriteRequest,
};
use tokio::time::timeout;

/// A test that takes longer fails. Nothing waits for so long as a rule.
const PATIENCE: Duration = Duration::from_secs(60);

const fn handle<T: Clone + Send + Sync + Unpin + 'static>() {}
const fn stream<T: Stream + Send + Unpin + 'static>() {}

const _: () = {
    handle::<Node>();
    handle::<Group>();
    handle::<NodeBuilder>();
    handle::<ServeRequest>();
    handle::<WriteRequest>();
    handle::<JoinRequest>();
    handle::<LeaveAllRequest>();
    stream::<GroupWatch>();
    stream::<EventWatch>();
    stream::<NodeWatch>();
    stream::<PeerWatch>();
};

/// Compiles if the future can be awaited in a task of a multi-threaded runtime.
fn sendable<F: Future + Send + 'static>(future: F) -> F {
    future
}

fn builder() -> NodeBuilder {
    Node::builder("test", Key::new([7; 32])).address(Ipv4Addr::LOCALHOST).port(0).multicast(Multicast::Off)
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it takes too long")
}

/// Watches until a range is served.
async fn until_served(watch: &mut GroupWatch, range: KeyRange) {
    loop {
        let Changes::Events(events) = watch.next().await.unwrap() else { panic!("too many changes") };
        let serves = |event: &GroupEvent| match event {
            GroupEvent::RangeAdded(item) => item.op() == Op::Add && item.range() == range,
            _ => false,
        };
        if events.iter().any(serves) {
            return;
        }
    }
}

async fn two_nodes_see_each_other() {
    let ann = sendable(builder().ephemeral().start()).await.unwrap();
    let bob = builder().ephemeral().seed(&ann.my_id().to_string()).start().await.unwrap();
    let (at_ann, at_bob) = (ann.group("Customers").unwrap(), bob.group("Customers").unwrap());
    let mut seen_by_ann = sendable(at_ann.watch()).await.unwrap();
    let mut seen_by_bob = at_bob.watch().await.unwrap();

    at_bob.join().interest(..).await.unwrap();
    let request = at_ann.serve(0..=0x7fff_ffff).port(5_432).priority(2);
    let written = sendable(request.wait(WaitFor::One).timeout(PATIENCE).into_future()).await.unwrap();
    assert_eq!((written.wait.outcome, written.wait.acknowledged), (WaitOutcome::Satisfied, 1));
    let low = KeyRange::new(0, 0x7fff_ffff).unwrap();
    let high = KeyRange::new(0x8000_0000, u32::MAX).unwrap();
    until_served(&mut seen_by_bob, low).await;
    at_bob.serve(high).port(5_433).await.unwrap();
    until_served(&mut seen_by_ann, high).await;

    for group in [&at_ann, &at_bob] {
        let owners = sendable(group.locate_key(7)).await.unwrap();
        assert_eq!(owners.iter().map(|owner| owner.member).collect::<Vec<_>>(), [ann.my_id()]);
        assert_eq!(group.view().await.unwrap().first_owner(u32::MAX).unwrap().port, 5_433);
        assert_eq!(group.locate(b"customer:4711").await.unwrap().len(), 1);
        assert_eq!(group.members().await.unwrap().len(), 2);
        assert!(group.status().await.unwrap().unwrap().is_member);
    }
    at_bob.unserve(0x8000_0000..).await.unwrap();
    at_bob.leave().wait(WaitFor::All).timeout(PATIENCE).await.unwrap();
    assert_eq!(at_ann.members().await.unwrap(), [ann.my_id()]);
    bob.shutdown().await;
    ann.shutdown().await;
}

#[tokio::test]
async fn nodes_on_one_thread_see_each_other() {
    within(two_nodes_see_each_other()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_on_several_threads_see_each_other() {
    within(async { tokio::spawn(two_nodes_see_each_other()).await.unwrap() }).await;
}

async fn refusal(builder: NodeBuilder) -> String {
    match builder.start().await {
        Ok(node) => panic!("{node:?} has started"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn refused_starts_name_the_method_to_call() {
    let no_limit = NodeLimits { groups: 0, ..NodeLimits::DEFAULT };
    let no_relays = BroadcasterLimits { connections: 0, ..BroadcasterLimits::DEFAULT };
    let no_time = NodeTiming { pull_retry: Duration::ZERO, ..NodeTiming::DEFAULT };
    let without_name = Node::builder("", Key::new([7; 32])).ephemeral();
    let elsewhere = Ipv4Addr::new(203, 0, 113, 7);
    let cases = [
        (builder(), &["`data_dir`", "`ephemeral`"][..]),
        (builder().ephemeral().seed("nowhere").seed("10.0.0.1:1"), &["`seed`", "nowhere"]),
        (without_name, &["`builder`"]),
        (builder().ephemeral().limits(no_limit), &["`groups`", "`limits`"]),
        (builder().ephemeral().timing(no_time), &["`pull_retry`", "`timing`"]),
        (builder().ephemeral().broadcast_limits(no_relays), &["`connections`", "`broadcast_limits`"]),
        (builder().ephemeral().address(elsewhere), &["`address`", "`bind`"]),
        (builder().ephemeral().interface("none").multicast(Multicast::Default), &["`interface`"]),
        (builder().data_dir("/dev/null/nowhere"), &["`data_dir`", "/dev/null/nowhere"]),
    ];
    for (builder, words) in cases {
        let error = refusal(builder).await;
        assert!(words.iter().all(|word| error.contains(word)), "{words:?} in: {error}");
    }
}

#[test]
fn a_start_without_runtime_is_an_error() {
    let start = pin!(builder().ephemeral().start());
    let polled = start.poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Err(StartError::NoRuntime))), "{polled:?}");
}

/// A directory that is removed at the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_node_with_a_directory_is_a_member_after_a_restart() {
    let dir = Scratch(std::env::temp_dir().join(format!("gm-embed-{}", std::process::id())));
    let _ = std::fs::remove_dir_all(&dir.0);
    let first = builder().data_dir(&dir.0).service_port(5_432).start().await.unwrap();
    first.group("Customers").unwrap().serve(..).await.unwrap();
    let error = refusal(builder().data_dir(&dir.0)).await;
    assert!(error.contains("`data_dir`") && error.contains("in use"), "{error}");
    let port = first.my_id().port();
    first.shutdown().await;

    let again = builder().port(port).data_dir(&dir.0).start().await.unwrap();
    let owners = again.group("Customers").unwrap().locate("customer:4711").await.unwrap();
    assert_eq!((owners[0].member, owners[0].port), (again.my_id(), 5_432));
    again.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_answers_writes_and_ends_streams() {
    let node = builder().ephemeral().start().await.unwrap();
    let group = node.group("Customers").unwrap();
    let (mut changes, mut events) = (group.watch().await.unwrap(), node.watch_events());
    let waiting = group.join().wait(WaitFor::Count(5)).timeout(Duration::MAX).into_future();
    let (waited, ()) = within(async { tokio::join!(waiting, node.shutdown()) }).await;
    assert_eq!(waited.unwrap().wait.outcome, WaitOutcome::TimedOut);
    assert!(matches!(changes.next().await, Some(Changes::Events(_)) | None));
    while within(changes.next()).await.is_some() {}
    while within(events.next()).await.is_some() {}
    assert_eq!(group.serve(..).port(1).await, Err(NodeError::Stopped));
    assert_eq!(group.view().await.unwrap_err(), NodeError::Stopped);
    assert_eq!(group.watch().await.unwrap_err(), NodeError::Stopped);
}

#[tokio::test]
async fn requests_report_refusals() {
    let limits = NodeLimits { watchers: 1, ..NodeLimits::DEFAULT };
    let node = builder().ephemeral().limits(limits).start().await.unwrap();
    let group = node.group("Customers").unwrap();
    assert!(node.group("").is_err());
    let refused = |result| match result {
        Err(NodeError::Refused(error)) => error,
        other => panic!("{other:?}"),
    };
    #[allow(clippy::reversed_empty_ranges)] // It is the error of the test.
    let inverted = 9..=1;
    assert!(matches!(refused(group.serve(inverted.clone()).port(1).await), WriteError::Range(_)));
    assert!(matches!(refused(group.join().interest(inverted).interest(..).await), WriteError::Range(_)));
    assert!(matches!(refused(group.serve(..).await), WriteError::Change(_)), "it has no port");
    assert!(matches!(group.view().await, Err(NodeError::Refused(WriteError::UnknownGroup { .. }))));
    assert_eq!(group.status().await.unwrap(), None);
    let _watch = group.watch().await.unwrap();
    let second = group.watch().await.unwrap_err();
    assert!(matches!(second, NodeError::Refused(WriteError::LimitReached { max: 1, .. })), "{second}");
    node.shutdown().await;
}
