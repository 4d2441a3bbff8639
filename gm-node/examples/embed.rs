//! Three nodes in one process on a simulated network: one serves all keys, and all of them locate
//! it.

#![allow(clippy::print_stdout, clippy::expect_used)] // An example prints, and its settings are constants.

use gm_clock::NetId;
use gm_codec::{FrameCodec, Key, Keyring, Limits};
use gm_data::{Change, GroupName, KeyRange};
use gm_node::store::memory::MemoryStore;
use gm_node::{NodeCommand, NodeConfig, NodeMachine, StoredState, Wait, Write, WriteKind};
use gm_sim::{Location, Network, NodeIndex, StartContext, World};
use std::{error::Error, time::Duration};

fn node(context: &StartContext) -> NodeMachine<MemoryStore> {
    let keyring = Keyring::new(Key::new([7; 32])); // a real key is random
    let codec =
        FrameCodec::new("example".parse().expect("a name"), keyring, Limits::default()).expect("limits");
    let (config, store) = (NodeConfig::new(context.location.id), MemoryStore::ephemeral());
    NodeMachine::new(config, codec, store, StoredState::default(), context.seed, context.now)
        .expect("a configuration")
}

fn main() -> Result<(), Box<dyn Error>> {
    let location =
        |ip: &str| Ok::<_, Box<dyn Error>>(Location { id: ip.parse::<NetId>()?, island: 0, site: 0 });
    let locations = [location("10.0.0.1:29999")?, location("10.0.0.2:29999")?, location("10.0.0.3:29999")?];
    let mut world = World::new(1, Network::default(), &locations, node);
    world.start_all();
    let group: GroupName = "Customers".parse()?;
    let serve = Change::Serve { range: KeyRange::WHOLE, port: Some(5432), priority: 1 };
    for (index, kind) in
        [(0, WriteKind::Change(vec![serve])), (1, WriteKind::Join(vec![])), (2, WriteKind::Join(vec![]))]
    {
        let write = Write { tag: 0, group: group.clone(), kind, wait: Wait::all(Duration::from_secs(1)) };
        world.command(NodeIndex(index), NodeCommand::Write(write));
    }
    world.run_for(Duration::from_secs(2));
    for index in world.indices() {
        let view = world.machine(index).and_then(|node| node.view(&group)).ok_or("not a member")?;
        println!("{index}: key 4711 is served by {:?}", view.first_owner(4711).ok_or("no owner")?.member);
    }
    Ok(())
}
