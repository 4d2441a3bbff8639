//! Memory of a world, measured by the allocator; and its speed.

mod toys;

use std::alloc::System;
use std::time::{Duration, Instant};

use gm_broadcast::{ConnectionId, Input, Machine, Output, Outputs, Time};
use gm_clock::NetId;
use gm_sim::{Network, NodeIndex, StartContext, World};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use toys::{at, id, locations};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Number of nodes in the measured world.
const NODES: u32 = 100_000;
/// Maximum bytes of the world per idle node, without its machine.
const MAX_BYTES_PER_NODE: usize = 200;
/// Maximum bytes of the world per idle connection.
const MAX_BYTES_PER_LINK: usize = 1_280;

/// A machine that repeats one action.
#[derive(Debug)]
struct Toy {
    outputs: Outputs<(), ()>,
    behavior: ToyBehavior,
    peer: NetId,
    next: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ToyBehavior {
    /// Dials once on a command.
    Nothing,
    /// Wakes every millisecond.
    Tick,
    /// Answers a datagram with one; begins on a command.
    Ping,
    /// Answers bytes with bytes; dials on a command.
    Echo,
}

impl Toy {
    fn factory(behavior: ToyBehavior, nodes: u32) -> impl FnMut(&StartContext) -> Toy {
        move |context| Toy {
            outputs: Outputs::new(),
            behavior,
            peer: id((context.node.0 + 1) % nodes),
            next: context.now,
        }
    }
}

impl Machine for Toy {
    type Command = ();
    type Delivery = ();
    type Event = ();

    fn handle(&mut self, now: Time, input: Input<()>) {
        self.outputs.begin(now);
        let to = self.peer;
        match (self.behavior, input) {
            (ToyBehavior::Tick, Input::Wake) => self.next = now + Duration::from_millis(1),
            (ToyBehavior::Ping, Input::Command(())) => {
                self.outputs.push(Output::Datagram { to, bytes: vec![0; 64].into() });
            }
            (ToyBehavior::Ping, Input::Datagram { bytes, .. }) => {
                self.outputs.push(Output::Datagram { to, bytes })
            }
            (_, Input::Command(())) => {
                self.outputs.push(Output::Dial {
                    link: ConnectionId::dialled(now.as_nanos()),
                    to,
                    small_segments: false,
                });
            }
            (ToyBehavior::Echo, Input::ConnectionOpened { link, .. }) => {
                self.outputs.push(Output::Send { link, bytes: vec![0; 64].into() });
            }
            (ToyBehavior::Echo, Input::ConnectionBytes { link, bytes }) => {
                self.outputs.push(Output::Send { link, bytes })
            }
            _ => {}
        }
    }

    fn poll_output(&mut self) -> Option<Output<(), ()>> {
        self.outputs.pull()
    }

    fn deadline(&self) -> Option<Time> {
        (self.behavior == ToyBehavior::Tick).then_some(self.next)
    }
}

fn world(behavior: ToyBehavior, nodes: u32) -> World<Toy> {
    let mut world = World::new(1, Network::default(), &locations(nodes, 2), Toy::factory(behavior, nodes));
    world.start_all();
    world
}

#[test]
fn memory_of_100_000_nodes_and_their_connections() {
    let before = Region::new(ALLOCATOR);
    let live = || {
        let change = before.change();
        change.bytes_allocated - change.bytes_deallocated
    };
    let mut world = world(ToyBehavior::Nothing, NODES);
    let node = live() / NODES as usize - size_of::<Toy>();
    let idle = live();
    for node in 0..NODES {
        world.command(NodeIndex(node), ());
    }
    world.run_until(at(10_000));
    assert_eq!(world.links(), NODES as usize);
    let link = (live() - idle) / NODES as usize;
    println!("{node} bytes per node and {link} bytes per connection, with {NODES} of each");
    assert!(node <= MAX_BYTES_PER_NODE, "{node} bytes per node");
    assert!(link <= MAX_BYTES_PER_LINK, "{link} bytes per connection");
}

#[test]
#[ignore = "a measure: cargo test --release -p gm-sim --test size -- --ignored --nocapture"]
fn events_a_second() {
    for (behavior, nodes, name) in [
        (ToyBehavior::Tick, 1_000, "wakes of 1,000 nodes"),
        (ToyBehavior::Tick, 100_000, "wakes of 100,000 nodes"),
        (ToyBehavior::Ping, 1_000, "datagrams of 64 bytes among 1,000 nodes"),
        (ToyBehavior::Echo, 1_000, "bytes and acknowledgements on 1,000 connections"),
    ] {
        let mut world = world(behavior, nodes);
        for node in 0..nodes {
            world.command(NodeIndex(node), ());
        }
        let begin = Instant::now();
        while world.events() < 5_000_000 {
            assert!(world.step());
        }
        let seconds = begin.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "only printed")]
        let (events, inputs) = (world.events() as f64 / seconds, world.trace().inputs() as f64 / seconds);
        println!("{name}: {:.2} million events/s, {:.2} million inputs/s", events / 1e6, inputs / 1e6);
    }
}
