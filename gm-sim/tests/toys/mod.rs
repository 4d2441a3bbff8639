//! Machines for tests of the world: one that does what it is commanded, and one that sends all the
//! time.

#![allow(dead_code, reason = "each test file uses some of them")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use gm_broadcast::{ConnectionId, Input, Machine, Output, Outputs, Rng, Time};
use gm_clock::NetId;
pub(crate) use gm_sim::layout::id;
use gm_sim::{Location, Network, NodeIndex, StartContext, World};

pub(crate) const MS: Duration = Duration::from_millis(1);

/// Locations on islands of this size, two islands per site.
pub(crate) fn locations(nodes: u32, island: u32) -> Vec<Location> {
    (0..nodes).map(|node| Location { id: id(node), island: node / island, site: node / island / 2 }).collect()
}

pub(crate) fn at(millis: u64) -> Time {
    Time::ZERO + MS * u32::try_from(millis).unwrap()
}

/// A network without gaps and jitter, with latencies of 1 ms within an island, 10 ms between
/// islands, 100 ms between sites.
pub(crate) fn plain() -> Network {
    let mut network = Network::default();
    for (path, millis) in [(&mut network.island, 1), (&mut network.lan, 10), (&mut network.wan, 100)] {
        path.gap = Duration::ZERO;
        path.latency = MS * millis;
    }
    network
}

/// Outputs what it is commanded, and logs its inputs.
#[derive(Debug)]
pub(crate) struct Probe {
    outputs: Outputs<(), ()>,
    pub(crate) context: StartContext,
    pub(crate) log: Vec<(Time, Input<()>)>,
    /// Time of the next wake, if one is set.
    pub(crate) alarm: Option<Time>,
}

impl Probe {
    pub(crate) fn new(context: &StartContext) -> Probe {
        Probe { outputs: Outputs::new(), context: *context, log: Vec::new(), alarm: None }
    }

    pub(crate) fn bytes(&self, link: ConnectionId) -> Vec<u8> {
        let each = self.log.iter().filter_map(|(_, input)| match input {
            Input::ConnectionBytes { link: of, bytes } if *of == link => Some(bytes.clone()),
            _ => None,
        });
        each.flatten().collect()
    }

    pub(crate) fn sent(&self, link: ConnectionId) -> usize {
        let each = self.log.iter().filter_map(|(_, input)| match input {
            Input::ConnectionSent { link: of, bytes } if *of == link => Some(*bytes),
            _ => None,
        });
        each.sum()
    }

    /// Time at which this input arrived first.
    pub(crate) fn when(&self, input: &Input<()>) -> Option<Time> {
        self.log.iter().find(|(_, other)| other == input).map(|(at, _)| *at)
    }
}

#[derive(Debug, Clone)]
pub(crate) enum ProbeCommand {
    Do(Output<(), ()>),
    Alarm(Time),
}

impl Machine for Probe {
    type Command = ProbeCommand;
    type Delivery = ();
    type Event = ();

    fn handle(&mut self, now: Time, input: Input<ProbeCommand>) {
        let now = self.outputs.begin(now);
        let plain = match input {
            Input::Command(ProbeCommand::Do(output)) => return self.outputs.push(output),
            Input::Command(ProbeCommand::Alarm(at)) => {
                self.alarm = Some(at);
                return;
            }
            Input::Wake => {
                self.alarm = None;
                Input::Wake
            }
            Input::Datagram { from, via, bytes } => Input::Datagram { from, via, bytes },
            Input::ConnectionOpened { link, .. } => Input::ConnectionOpened { link, from: None },
            Input::ConnectionBytes { link, bytes } => Input::ConnectionBytes { link, bytes },
            Input::ConnectionSent { link, bytes } => Input::ConnectionSent { link, bytes },
            Input::ConnectionClosed { link, stalled } => Input::ConnectionClosed { link, stalled },
            Input::ConnectionRefused { link, refusal } => Input::ConnectionRefused { link, refusal },
            Input::Entropy(bytes) => Input::Entropy(bytes),
        };
        self.log.push((now, plain));
    }

    fn poll_output(&mut self) -> Option<Output<(), ()>> {
        self.outputs.pull()
    }

    fn deadline(&self) -> Option<Time> {
        self.alarm
    }
}

pub(crate) fn probes(nodes: u32, island: u32, network: Network) -> World<Probe> {
    let mut world = World::new(1, network, &locations(nodes, island), Probe::new);
    world.start_all();
    world
}

pub(crate) trait Orders {
    fn order(&mut self, node: u32, output: Output<(), ()>);
    fn probe(&self, node: u32) -> &Probe;
}

impl Orders for World<Probe> {
    fn order(&mut self, node: u32, output: Output<(), ()>) {
        self.command(NodeIndex(node), ProbeCommand::Do(output));
    }

    fn probe(&self, node: u32) -> &Probe {
        self.machine(NodeIndex(node)).unwrap()
    }
}

/// Sends to random nodes every few milliseconds, in every way; answers bytes with bytes; reports
/// all events to its owner.
#[derive(Debug)]
pub(crate) struct Chatter {
    outputs: Outputs<usize, &'static str>,
    rng: Rng,
    nodes: u32,
    me: u32,
    next: Time,
    dialled: u64,
    /// Open connections, and bytes that were sent and not acknowledged.
    links: BTreeMap<ConnectionId, usize>,
    pub(crate) inputs: u64,
}

impl Chatter {
    pub(crate) fn factory(nodes: u32) -> impl FnMut(&StartContext) -> Chatter {
        move |context| Chatter {
            outputs: Outputs::new(),
            rng: Rng::new(context.seed),
            nodes,
            me: context.node.0,
            next: context.now + MS * 5,
            dialled: 0,
            links: BTreeMap::new(),
            inputs: 0,
        }
    }

    fn random_peer(&mut self) -> NetId {
        let distance = 1 + u32::try_from(self.rng.below(u64::from(self.nodes) - 1)).unwrap();
        id((self.me + distance) % self.nodes)
    }

    fn talk(&mut self) {
        let length = 700 + self.rng.index(300);
        let bytes = Bytes::from(vec![7; length]);
        let random_peer = self.random_peer();
        match self.rng.below(4) {
            0 => self.outputs.push(Output::Multicast(bytes)),
            1 => self.outputs.push(Output::Datagram { to: random_peer, bytes }),
            2 if self.links.len() < 4 => {
                let link = ConnectionId::dialled(self.dialled);
                self.dialled += 1;
                self.outputs.push(Output::Dial { link, to: random_peer, small_segments: false });
            }
            _ => {
                let index = self.rng.index(self.links.len());
                let Some((link, waiting)) = self.links.iter_mut().nth(index) else { return };
                let link = *link;
                *waiting += bytes.len();
                self.outputs.push(Output::Send { link, bytes });
                if self.rng.ratio(1, 10) {
                    self.links.remove(&link);
                    self.outputs.push(Output::Close { link });
                }
            }
        }
    }
}

impl Machine for Chatter {
    type Command = ();
    type Delivery = usize;
    type Event = &'static str;

    fn handle(&mut self, now: Time, input: Input<()>) {
        let now = self.outputs.begin(now);
        self.inputs += 1;
        match input {
            Input::Datagram { bytes, .. } => self.outputs.push(Output::Deliver(bytes.len())),
            Input::ConnectionOpened { link, .. } => {
                self.links.insert(link, 0);
            }
            Input::ConnectionBytes { link, bytes } => {
                assert!(self.links.contains_key(&link), "bytes of an unknown connection");
                self.outputs.push(Output::Deliver(bytes.len()));
            }
            Input::ConnectionSent { link, bytes } => {
                let waiting = self.links.get_mut(&link).expect("a known connection");
                *waiting = waiting.checked_sub(bytes).expect("no more bytes acknowledged than sent");
            }
            Input::ConnectionClosed { link, .. } => {
                self.links.remove(&link).expect("a known connection");
                self.outputs.push(Output::Event("closed"));
            }
            Input::ConnectionRefused { .. } => self.outputs.push(Output::Event("refused")),
            Input::Entropy(_) => self.outputs.push(Output::Event("entropy")),
            Input::Command(()) => self.talk(),
            Input::Wake => {
                self.talk();
                self.next = now + MS * 5 + self.rng.duration_up_to(MS * 20);
            }
        }
    }

    fn poll_output(&mut self) -> Option<Output<usize, &'static str>> {
        self.outputs.pull()
    }

    fn deadline(&self) -> Option<Time> {
        Some(self.next)
    }
}
