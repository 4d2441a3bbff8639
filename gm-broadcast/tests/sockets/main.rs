//! Tests of the runtime on the loopback interface: real sockets, few nodes. No test sleeps for a
//! fixed time: each waits for what it expects.
#![cfg(feature = "tokio")]
// Tests may unwrap: a failure there is a failure of the test.
#![allow(clippy::unwrap_used)]

#[cfg(target_os = "linux")]
mod flood;
mod node;

use std::net::{Ipv6Addr, TcpListener};
use std::time::Duration;

use gm_broadcast::runtime::{
    Multicast, MulticastVerdict, RuntimeError, RuntimeSettings, Seed, Sockets, self_test,
};
use gm_broadcast::{BroadcastCommand, Counter};
use node::{Node, PATIENCE, local};

#[tokio::test]
async fn two_nodes_talk() {
    let (mut ann, mut bob) = (Node::start(local()), Node::start(local()));
    ann.know(&[&bob]).await;
    ann.broadcast("hello").await;
    bob.receives(ann.me(), "hello").await;
    bob.knows(1).await;
    bob.broadcast("and you").await;
    ann.receives(bob.me(), "and you").await;
}

#[tokio::test]
async fn five_nodes_with_one_seed_find_each_other() {
    let first = Node::start(local());
    let mut nodes = vec![first];
    for _ in 0..4 {
        let seeds = vec![Seed::Address(nodes[0].me().socket_addr())];
        nodes.push(Node::start(RuntimeSettings { seeds, ..local() }));
    }
    for node in &nodes {
        node.knows(4).await;
    }
    for speaker in 0..nodes.len() {
        let (me, text) = (nodes[speaker].me(), format!("from {speaker}"));
        nodes[speaker].broadcast(&text).await;
        for node in nodes.iter_mut().filter(|node| node.me() != me) {
            node.receives(me, &text).await;
        }
    }
}

/// The last handle is dropped before the driver has received the last command.
#[tokio::test]
async fn a_runtime_ends_when_its_handle_is_dropped() {
    let ann = Node::start(local());
    ann.shell.send(BroadcastCommand::AddNodes(vec![])).await.unwrap();
    let mut said = ann.into_outputs();
    let ends = async { while said.recv().await.is_some() {} };
    tokio::time::timeout(PATIENCE, ends).await.unwrap();
}

#[tokio::test]
async fn a_seed_may_be_a_name() {
    let mut ann = Node::start(local());
    let port = ann.me().port();
    let seeds = vec![format!("localhost:{port}").parse().unwrap()];
    let bob = Node::start(RuntimeSettings { seeds, ..local() });
    bob.knows(1).await;
    ann.knows(1).await;
    bob.broadcast("by name").await;
    ann.receives(bob.me(), "by name").await;
}

#[tokio::test]
async fn a_seed_that_is_oneself_is_ignored() {
    let bob = Node::start(local());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let seeds = ["127.0.0.1", "localhost"].map(|host| format!("{host}:{port}").parse().unwrap()).to_vec();
    let seeds = [seeds, vec![Seed::Address(bob.me().socket_addr())]].concat();
    let ann = Node::start(RuntimeSettings { port, seeds, ..local() });
    ann.knows(1).await;
    bob.knows(1).await;
    let known = ann
        .shell
        .with_machine(|machine| {
            (machine.broadcaster.known(), machine.broadcaster.counters().get(Counter::DialsStarted))
        })
        .await
        .unwrap();
    assert_eq!(known, (vec![bob.me()], 1));
}

#[tokio::test]
async fn five_nodes_of_one_machine_share_multicast() {
    let settings =
        RuntimeSettings { multicast: Multicast::Group("239.77.77.77:29971".parse().unwrap()), ..local() };
    let found = self_test(&settings, Duration::from_millis(500)).await;
    let works = matches!(&found, Ok(Some(found)) if found.looped > 0);
    assert!(works || cfg!(not(target_os = "linux")), "{found:?}");
    if !works {
        return;
    }
    let mut nodes: Vec<Node> = (0..5).map(|_| Node::start(settings.clone())).collect();
    for node in &nodes {
        node.is_near(4).await;
    }
    let me = nodes[0].me();
    nodes[0].broadcast("to all").await;
    for node in &mut nodes[1..] {
        node.receives(me, "to all").await;
    }
}

/// With IPv6, if this machine has it.
#[tokio::test]
async fn two_ipv6_nodes_talk_by_tcp_and_multicast() {
    let settings = RuntimeSettings {
        address: Some(Ipv6Addr::LOCALHOST.into()),
        multicast: Multicast::Default,
        ..local()
    };
    let Ok(sockets) = Sockets::open(&settings) else { return };
    let hears = sockets.group().is_some();
    drop(sockets);
    let works =
        matches!(self_test(&settings, Duration::from_millis(500)).await, Ok(Some(found)) if found.looped > 0);
    let (ann, mut bob) = (Node::start(settings.clone()), Node::start(settings));
    if hears && works {
        ann.is_near(1).await;
    }
    ann.know(&[&bob]).await;
    ann.broadcast("hello").await;
    bob.receives(ann.me(), "hello").await;
}

#[tokio::test]
async fn a_busy_port_is_an_error_that_names_the_setting() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let error = Sockets::open(&RuntimeSettings { port, ..local() }).unwrap_err();
    assert!(matches!(error, RuntimeError::PortInUse { .. }), "{error:?}");
    assert!(error.to_string().contains("set `port`"), "{error}");
}

#[tokio::test]
async fn a_refused_group_is_an_error_only_if_configured() {
    let group = Multicast::Group("224.1.1.1:1".parse().unwrap());
    let interface = Some("no such thing".to_owned());
    let error = Sockets::open(&RuntimeSettings { multicast: group, interface, ..local() }).unwrap_err();
    assert!(error.to_string().contains("`interface`"), "{error}");
}

#[tokio::test]
async fn queued_broadcasts_are_sent_before_shutdown() {
    for text in ["short".to_owned(), incompressible()] {
        let (ann, mut bob) = (Node::start(local()), Node::start(local()));
        ann.know(&[&bob]).await;
        // No connection is open yet: it is dialed while the shutdown has started.
        ann.broadcast(&text).await;
        ann.shell.stop().await;
        bob.receives(ann.me(), &text).await;
        assert!(ann.shell.send(BroadcastCommand::Close).await.is_err());
    }
}

/// 3 MB, more than the system accepts at once.
fn incompressible() -> String {
    (0..400_000_u32).map(|number| format!("{:x}", number.wrapping_mul(2_654_435_761))).collect()
}

#[tokio::test]
async fn queued_bytes_are_sent_before_a_connection_closes() {
    let (ann, mut bob) = (Node::start(local()), Node::start(local()));
    ann.know(&[&bob]).await;
    let text = incompressible();
    ann.broadcast(&text).await;
    bob.receives(ann.me(), &text).await;
    ann.broadcast(&text).await;
    ann.shell.send(BroadcastCommand::Close).await.unwrap();
    bob.receives(ann.me(), &text).await;
}

#[tokio::test]
async fn a_slow_application_slows_the_sender_and_loses_nothing() {
    let (ann, mut bob) = (Node::start(local()), Node::start(RuntimeSettings { outputs: 1, ..local() }));
    ann.know(&[&bob]).await;
    for number in 0..100 {
        ann.broadcast(&format!("{number} {}", "long ".repeat(5_000))).await;
    }
    node::eventually(|| async { bob.shell.counters().get(Counter::OutputQueueFull) > 0 }).await;
    // It still handles commands and requests.
    bob.shell.send(BroadcastCommand::AddNodes(vec!["127.0.0.1:9".parse().unwrap()])).await.unwrap();
    bob.knows(2).await;
    for number in 0..100 {
        bob.receives(ann.me(), &format!("{number} {}", "long ".repeat(5_000))).await;
    }
}

#[tokio::test]
async fn an_unanswered_dial_times_out() {
    // A listener with a full queue does not reply; the system keeps at least one connection more
    // than configured.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let at = socket.local_addr().unwrap().as_socket().unwrap();
    let _held: Vec<_> =
        (0..4).map(|_| std::net::TcpStream::connect_timeout(&at, Duration::from_millis(50))).collect();
    let ann = Node::start(RuntimeSettings { connect_timeout: Duration::from_millis(100), ..local() });
    ann.shell.send(BroadcastCommand::AddNodes(vec![at.try_into().unwrap()])).await.unwrap();
    ann.broadcast("anybody?").await;
    let silent = || async {
        ann.shell
            .with_machine(|machine| machine.broadcaster.counters().get(Counter::DialsUnreachable))
            .await
            .unwrap()
            > 0
    };
    node::eventually(silent).await;
}

#[tokio::test]
async fn invalid_bytes_close_the_connection() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut ann, bob) = (Node::start(local()), Node::start(local()));
    bob.know(&[&ann]).await;
    for _ in 0..8 {
        let mut stream = tokio::net::TcpStream::connect(ann.me().socket_addr()).await.unwrap();
        let _ = stream.write_all(&[0x55; 4_096]).await;
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    }
    node::eventually(|| async { ann.shell.counters().get(Counter::ConnectionsThrottled) > 0 }).await;
    // A node behind the same address waits a little, and is accepted again.
    node::eventually(|| async {
        bob.broadcast("still there?").await;
        ann.shell
            .with_machine(|machine| machine.broadcaster.counters().get(Counter::BroadcastsDelivered))
            .await
            .unwrap()
            > 0
    })
    .await;
    ann.receives(bob.me(), "still there?").await;
}

#[tokio::test]
async fn the_self_test_covers_multicast_off_and_loopback() {
    assert_eq!(self_test(&local(), Duration::from_millis(10)).await.unwrap(), None);
    let all = RuntimeSettings { multicast: Multicast::Default, ..local() };
    if let Ok(Some(found)) = self_test(&all, Duration::from_millis(500)).await {
        assert_eq!(found.verdict == MulticastVerdict::Works, found.looped > 0, "{found}");
    }
}
