//! Memory of idle connections: live bytes of each of several connections that a node accepted. This
//! is a binary with a single test, so that nothing else is counted.

#![allow(clippy::unwrap_used, missing_docs)]

use std::alloc::System;
use std::net::TcpStream;
use std::time::Duration;

use gm_broadcast::runtime::{DeliverAll, Multicast, RuntimeSettings, Sockets, start};
use gm_broadcast::{BroadcastMachine, Counter, Time};
use gm_codec::{FrameCodec, Key, Keyring, Limits};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::task::yield_now;
use tokio::time::timeout;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A test that takes longer fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// Number of connections that are counted, after some that are not.
const COUNT: usize = 32;
/// Greatest number of live bytes of a connection: its task, its registration with the runtime, its
/// queue, and what the machine keeps of it.
const MAX_CONNECTION_BYTES: usize = 2_300;

#[tokio::test]
async fn an_idle_connection_has_little_memory() {
    let settings = RuntimeSettings {
        address: Some([127, 0, 0, 1].into()),
        port: 0,
        multicast: Multicast::Off,
        ..RuntimeSettings::default()
    };
    let sockets = Sockets::open(&settings).unwrap();
    let keyring = Keyring::new(Key::new([7; 32]));
    let codec = FrameCodec::new("memory".parse().unwrap(), keyring, Limits::default()).unwrap();
    let machine = BroadcastMachine::new(sockets.config(), codec, DeliverAll, [1; 32], Time::ZERO).unwrap();
    let (handle, _outputs) = start(machine, sockets).unwrap();
    let mut connections = Vec::with_capacity(2 * COUNT);
    // Each connection has got its handshake when it is counted.
    let connect = |connections: &mut Vec<TcpStream>| {
        connections.push(TcpStream::connect(handle.me().socket_addr()).unwrap());
    };
    let sent = |handshakes: usize| {
        let handle = handle.clone();
        timeout(PATIENCE, async move {
            while handle.counters().get(Counter::TcpBytesSent) < handshakes as u64 * 16 {
                yield_now().await;
            }
        })
    };
    (0..COUNT / 2).for_each(|_| connect(&mut connections));
    sent(COUNT / 2).await.unwrap();
    let region = Region::new(ALLOCATOR);
    (0..COUNT).for_each(|_| connect(&mut connections));
    sent(COUNT / 2 + COUNT).await.unwrap();
    let change = region.change();
    let live = change.bytes_allocated.saturating_sub(change.bytes_deallocated) / COUNT;
    println!("{live} live bytes a connection");
    assert!(live <= MAX_CONNECTION_BYTES, "{live} live bytes a connection");
}
