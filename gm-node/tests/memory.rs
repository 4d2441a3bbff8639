//! Memory of idle nodes: live bytes of each of several nodes in one process, joined and connected
//! to each other. This is a binary with a single test, so that nothing else is counted.

#![allow(clippy::unwrap_used, missing_docs)]

use std::alloc::System;
use std::net::Ipv4Addr;
use std::time::Duration;

use gm_node::{Key, Multicast, Node};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::time::timeout;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A test that takes longer fails.
const PATIENCE: Duration = Duration::from_secs(60);
const NODES: u8 = 16;
/// Greatest number of live bytes of a node. Before buffers were shared and queues grew on demand, a
/// node had half a megabyte.
const MAX_NODE_BYTES: usize = 200_000;

/// Node `number` at an address of its own, with node 0 as its seed.
async fn start(number: u8) -> Node {
    let address = |number: u8| Ipv4Addr::new(127, 9, 0, number + 1);
    let builder = Node::builder("memory", Key::new([7; 32])).ephemeral().multicast(Multicast::Off);
    let builder = builder.address(address(number)).port(29_871);
    let seeded = if number == 0 { builder } else { builder.seed(&format!("{}:29871", address(0))) };
    seeded.start().await.unwrap()
}

async fn knows_all(node: &Node) {
    let group = node.group("Customers").unwrap();
    let mut watch = group.watch().await.unwrap();
    while group.members().await.unwrap().len() < usize::from(NODES) {
        watch.next().await.unwrap();
    }
}

#[tokio::test]
async fn an_idle_node_has_little_memory() {
    let region = Region::new(ALLOCATOR);
    let mut nodes = Vec::new();
    for number in 0..NODES {
        let node = start(number).await;
        node.group("Customers").unwrap().join().await.unwrap();
        nodes.push(node);
    }
    for node in &nodes {
        timeout(PATIENCE, knows_all(node)).await.unwrap();
    }
    let change = region.change();
    let live = change.bytes_allocated.saturating_sub(change.bytes_deallocated) / usize::from(NODES);
    println!("{live} live bytes a node");
    assert!(live <= MAX_NODE_BYTES, "{live} live bytes a node");
}
