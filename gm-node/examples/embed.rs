//! Two nodes in one process, on real sockets of this machine: one serves keys, and the other one
//! locates them. It needs no other crate than `gm-node`.

#![allow(clippy::print_stdout)] // An example prints.

use std::error::Error;
use std::net::Ipv4Addr;

use gm_node::{Multicast, Node, NodeBuilder, WaitFor, keys};

// A program with a tokio of its own writes `#[tokio::main]`.
#[gm_node::tokio::main(crate = "gm_node::tokio", flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Processes on several hosts share a key by a file: `keys::from_file("gm.key")?`.
    let key = keys::generate()?;
    // Not needed on a real network: loopback, a free port, no multicast.
    let local = |node: NodeBuilder| node.address(Ipv4Addr::LOCALHOST).port(0).multicast(Multicast::Off);
    let first = local(Node::builder("example", key.clone()).ephemeral()).start().await?;
    let seed = first.my_id().to_string();
    let second = local(Node::builder("example", key).ephemeral()).seed(&seed).start().await?;

    let here = second.group("Customers")?;
    let mut changes = here.watch().await?;
    here.join().await?;
    let customers = first.group("Customers")?;
    customers.serve(0x0000_0000..=0x7fff_ffff).port(5432).priority(2).wait(WaitFor::One).await?;
    println!("{first:?} serves the lower half of the keys");

    while here.locate_key(4711).await?.is_empty() {
        println!("{}: {:?}", second.my_id(), changes.next().await);
    }
    for owner in here.locate_key(4711).await? {
        println!("key 4711 is served by {} at port {}", owner.member, owner.port);
    }
    second.shutdown().await;
    first.shutdown().await;
    Ok(())
}
