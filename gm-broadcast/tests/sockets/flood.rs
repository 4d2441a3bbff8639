//! A flood of connections without the key: what is read, held and counted.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use gm_broadcast::{BroadcasterLimits, Counter, UnauthenticatedUsage};
use gm_codec::Key;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::node::{Node, eventually, local};

/// A connection from a loopback address of its own: the throttle refuses an address after several
/// strikes.
async fn call(to: SocketAddr, from: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let [high, low] = from.to_be_bytes();
    socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 7, high, low)), 0)).unwrap();
    socket.connect(to).await.unwrap()
}

/// Random bytes, and the header of a frame of a given length with a known key id.
fn begin(bytes: usize) -> Vec<u8> {
    let mut begun = vec![9; 16];
    begun.extend([0x67, 1, Key::new([7; 32]).id()]);
    begun.extend(gm_codec::varint::bytes(bytes as u64));
    begun
}

async fn unauthenticated(node: &Node) -> UnauthenticatedUsage {
    node.shell.with_machine(|machine| machine.broadcaster.unauthenticated()).await.unwrap()
}

/// Partial frames of 16 MiB, and first frames without their last byte: on as many connections as
/// are allowed and on more at a time, with as much data behind them as the system accepts.
#[tokio::test]
async fn unauthenticated_connections_are_read_to_the_limit() {
    let (mut ann, bob) = (Node::start(local()), Node::start(local()));
    let to = ann.me().socket_addr();
    let mut called = 0_u16;
    for (count, bytes, behind) in
        [(512, 16 << 20, 1 << 20), (512, 4_091, 4_090), (700, 4_091, 4_090), (700, 4_091, 1 << 20)]
    {
        let mut streams = Vec::new();
        for _ in 0..count {
            called += 1;
            let mut stream = call(to, called).await;
            // Writes as much as possible without waiting; some connections are closed meanwhile.
            let _ = stream.write_all(&begin(bytes)).await;
            let _ = stream.try_write(&vec![0; behind]);
            streams.push(stream);
        }
        eventually(|| async { ann.shell.counters().get(Counter::ConnectionsAccepted) >= u64::from(called) })
            .await;
        let now = unauthenticated(&ann).await;
        assert!(now.connections <= 512 && now.bytes <= now.max_bytes, "{now:?}");
        let read = ann.shell.counters().get(Counter::TcpBytesReceived);
        assert!(
            read <= u64::from(called) * BroadcasterLimits::UNAUTHENTICATED_BYTES as u64,
            "{read} bytes of {called} connections"
        );
    }
    eventually(|| async {
        unauthenticated(&ann).await
            == UnauthenticatedUsage {
                closed: unauthenticated(&ann).await.closed,
                max_bytes: 2_105_344,
                ..UnauthenticatedUsage::default()
            }
    })
    .await;
    let ended = ann
        .shell
        .with_machine(|machine| machine.broadcaster.counters().get(Counter::UnauthenticatedLeft))
        .await
        .unwrap();
    assert_eq!(unauthenticated(&ann).await.closed + ended, u64::from(called));
    bob.know(&[&ann]).await;
    let text = "after the flood ".repeat(100_000);
    bob.broadcast(&text).await;
    ann.receives(bob.me(), &text).await;
}
