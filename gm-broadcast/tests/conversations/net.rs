//! A few broadcasters in a simulated network, with all that they send, deliver and report. After
//! every input, all usage must be within its limits.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use gm_broadcast::{
    BroadcastCommand, BroadcastEvent, BroadcastMachine, BroadcastRequest, Broadcaster, BroadcasterConfig,
    ConnectionId, Input, Time, Transport, Via,
};
use gm_clock::NetId;
use gm_codec::{BroadcastId, FrameCodec};
use gm_sim::broadcast::tap::{FrameTap, TappedFrame};
use gm_sim::{
    Action, Checker, Effect, Fault, FaultClass, Location, Network, NodeIndex, Nodes, Observation,
    ObservationContext, Scope, StartContext, TrafficKind, Violation, World,
};

use crate::station::{Decisions, Delivered, RecordingHandler, ms, node, sealed, text};

type SimMachine = BroadcastMachine<RecordingHandler>;

/// Arguments of a station's machine, whenever it starts.
struct Setup {
    config: BroadcasterConfig,
    codec: fn() -> FrameCodec,
    handler: RecordingHandler,
}

/// A node of the network, with its outputs.
#[derive(Default)]
pub(crate) struct Station {
    /// The island in which it multicasts.
    pub(crate) island: Option<u32>,
    /// Whether it is paused: it handles no inputs, and its connections stay.
    pub(crate) paused: bool,
    pub(crate) got: Vec<Delivered>,
    pub(crate) events: Vec<BroadcastEvent>,
}

/// Stations are numbered in the order of their addition.
pub(crate) struct Net {
    pub(crate) stations: Vec<Station>,
    /// Every frame on the wire that could be opened.
    pub(crate) wire: Vec<TappedFrame>,
    /// Every datagram: sender, receiver unless it was multicast, bytes.
    pub(crate) datagrams: Vec<(usize, Option<usize>, Vec<u8>)>,
    pub(crate) dials: Vec<(usize, NetId)>,
    /// Lengths of the sends on connections, and connections that were closed, by station.
    pub(crate) sent: Vec<(usize, ConnectionId, usize)>,
    pub(crate) closed: Vec<(usize, ConnectionId)>,
    codec: fn() -> FrameCodec,
    world: World<SimMachine>,
    setups: Rc<RefCell<Vec<Setup>>>,
    recorder: Rc<RefCell<Recorder>>,
}

impl Net {
    pub(crate) fn new(codec: fn() -> FrameCodec) -> Net {
        Net::with_latency(codec, ms(1))
    }

    /// A network without stations. Every path has the same latency.
    pub(crate) fn with_latency(codec: fn() -> FrameCodec, latency: Duration) -> Net {
        let mut network = Network { multicast_loops: true, ..Network::default() };
        for path in [&mut network.island, &mut network.lan] {
            (path.gap, path.latency) = (Duration::ZERO, latency);
        }
        let setups = Rc::new(RefCell::new(Vec::<Setup>::new()));
        let of = Rc::clone(&setups);
        let mut world = World::new(1, network, &[], move |context: &StartContext| {
            let setup = &of.borrow()[number_of(context.node)];
            let (config, handler) = (setup.config.clone(), setup.handler.clone());
            BroadcastMachine::new(config, (setup.codec)(), handler, context.seed, context.now).unwrap()
        });
        let recorder = Rc::new(RefCell::new(Recorder::new(codec())));
        world.add_checker(Rc::clone(&recorder));
        let (stations, wire, datagrams, dials, sent, closed) = Default::default();
        Net { stations, wire, datagrams, dials, sent, closed, codec, world, setups, recorder }
    }

    /// A network of stations on one island, or on none; in the latter case all know each other.
    pub(crate) fn of(count: usize, island: Option<u32>, change: impl Fn(&mut BroadcasterConfig)) -> Net {
        let mut net = Net::new(sealed);
        for _ in 0..count {
            net.add(island, &change);
        }
        if island.is_none() {
            net.introduce();
        }
        net
    }

    pub(crate) fn add(&mut self, island: Option<u32>, change: impl Fn(&mut BroadcasterConfig)) -> usize {
        self.add_with(self.codec, island, change)
    }

    pub(crate) fn add_with(
        &mut self,
        codec: fn() -> FrameCodec,
        island: Option<u32>,
        change: impl Fn(&mut BroadcasterConfig),
    ) -> usize {
        let number = self.stations.len();
        let mut config =
            BroadcasterConfig { multicast: island.is_some(), ..BroadcasterConfig::new(node(number)) };
        change(&mut config);
        self.setups.borrow_mut().push(Setup { config, codec, handler: RecordingHandler::default() });
        self.stations.push(Station { island, ..Station::default() });
        // A station on no island has one to itself.
        let alone = 1_000 + u32::try_from(number).unwrap();
        let location = Location { id: node(number), island: island.unwrap_or(alone), site: 0 };
        self.world.add_node(location);
        self.start(number);
        number
    }

    pub(crate) fn introduce(&mut self) {
        let all: Vec<NetId> = (0..self.stations.len()).map(node).collect();
        for number in 0..self.stations.len() {
            self.command(number, BroadcastCommand::AddNodes(all.clone()));
        }
    }

    pub(crate) const fn now(&self) -> Time {
        self.world.now()
    }

    pub(crate) fn broadcaster(&self, number: usize) -> &Broadcaster<Delivered> {
        &self.world.machine(at(number)).unwrap().broadcaster
    }

    pub(crate) fn command(&mut self, number: usize, command: BroadcastCommand) {
        self.world.command(at(number), command);
        self.collect();
    }

    /// Sends a text to one station.
    pub(crate) fn send(&mut self, from: usize, to: usize, what: &str, transport: Transport) {
        self.command(from, BroadcastCommand::Send { to: node(to), body: text(what), transport });
    }

    /// Passes an input to a station that the network does not produce by itself.
    pub(crate) fn feed(&mut self, number: usize, input: Input<BroadcastCommand>) {
        self.world.inject(at(number), input);
        self.collect();
    }

    /// Starts a broadcast and returns its id.
    pub(crate) fn broadcast(&mut self, number: usize, broadcasting: BroadcastRequest) -> BroadcastId {
        let before = self.stations[number].events.len();
        self.command(number, BroadcastCommand::Broadcast(broadcasting));
        let began = self.stations[number].events[before..].iter().find_map(|event| match event {
            BroadcastEvent::Started { id, .. } => Some(*id),
            _ => None,
        });
        began.unwrap()
    }

    pub(crate) fn run(&mut self, time: Duration) {
        self.world.run_for(time);
        self.collect();
    }

    /// Runs the next event; false if there is none, or it was after `until`.
    pub(crate) fn step(&mut self, until: Time) -> bool {
        let stepped = self.world.step();
        self.collect();
        stepped && self.now() <= until
    }

    /// Changes what a station's handler decides from now on.
    pub(crate) fn decide(&self, number: usize, decisions: Decisions) {
        self.setups.borrow()[number].handler.0.set(decisions);
    }

    pub(crate) fn start(&mut self, number: usize) {
        self.world.start(at(number));
        self.collect();
    }

    /// Kills a station's process, which has no memory: its host refuses connections.
    pub(crate) fn crash(&mut self, number: usize) {
        self.world.crash(at(number));
        self.collect();
    }

    pub(crate) fn pause(&mut self, number: usize) {
        self.stations[number].paused = true;
        self.world.pause(at(number));
    }

    /// Resumes a paused station, which then gets its inputs.
    pub(crate) fn resume(&mut self, number: usize) {
        self.stations[number].paused = false;
        self.world.resume(at(number));
        self.collect();
    }

    pub(crate) fn move_to(&mut self, number: usize, island: u32) {
        self.stations[number].island = Some(island);
        self.world.move_to_island(at(number), island);
    }

    /// Loses every copy of a datagram for which this returns true; its arguments are the frame and
    /// the number of the receiver.
    pub(crate) fn lose(&mut self, mut lose: impl FnMut(&TappedFrame, usize) -> bool + 'static) {
        let mut tap = FrameTap::new((self.codec)());
        self.world.set_datagram_filter(Some(Box::new(move |copy| {
            let receiver = number_of(copy.to);
            let to = (copy.via == Via::Unicast).then(|| (copy.to, node(receiver)));
            tap.datagram(copy.from, to, copy.bytes).is_some_and(|tapped| lose(&tapped, receiver))
        })));
    }

    pub(crate) fn lose_nothing(&mut self) {
        self.world.set_datagram_filter(None);
    }

    /// Begins a fault of connections, from one station to another.
    pub(crate) fn begin(&mut self, (from, to): (usize, usize), effect: Effect) {
        let scope = Scope { from: Nodes::One(at(from)), to: Nodes::One(at(to)), bidirectional: false };
        let fault = Fault { class: FaultClass::Stall, scope, effect };
        self.world.apply(Action::BeginFault(fault, Time::NEVER));
    }

    /// Ends the faults of connections.
    pub(crate) fn heal(&mut self) {
        self.world.heal(false);
        self.collect();
    }

    /// Peak usage of a limit of a station.
    pub(crate) fn peak(&self, number: usize, what: &'static str) -> usize {
        self.recorder.borrow().peaks[&(number, what)]
    }

    /// The handshake bytes of a station on a connection.
    pub(crate) fn handshake_of(&self, number: usize, link: ConnectionId) -> Vec<u8> {
        self.recorder.borrow().tap.handshake(at(number), link).unwrap().to_vec()
    }

    /// Moves the recorder's entries to the public fields.
    fn collect(&mut self) {
        let new = &mut *self.recorder.borrow_mut();
        self.wire.append(&mut new.wire);
        self.datagrams.append(&mut new.datagrams);
        self.dials.append(&mut new.dials);
        self.sent.append(&mut new.sent);
        self.closed.append(&mut new.closed);
        new.got.drain(..).for_each(|(number, got)| self.stations[number].got.push(got));
        new.events.drain(..).for_each(|(number, event)| self.stations[number].events.push(event));
    }
}

/// The outputs of all stations since the last collection, see [`Net`] and [`Station`].
struct Recorder {
    tap: FrameTap,
    /// Peak usage of each limit.
    peaks: BTreeMap<(usize, &'static str), usize>,
    wire: Vec<TappedFrame>,
    datagrams: Vec<(usize, Option<usize>, Vec<u8>)>,
    dials: Vec<(usize, NetId)>,
    sent: Vec<(usize, ConnectionId, usize)>,
    closed: Vec<(usize, ConnectionId)>,
    got: Vec<(usize, Delivered)>,
    events: Vec<(usize, BroadcastEvent)>,
}

impl Recorder {
    fn new(codec: FrameCodec) -> Recorder {
        let (wire, datagrams, dials, sent, closed, got, events) = Default::default();
        let (tap, peaks) = (FrameTap::new(codec), BTreeMap::new());
        Recorder { tap, peaks, wire, datagrams, dials, sent, closed, got, events }
    }
}

impl Checker<SimMachine> for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn observe(
        &mut self,
        context: ObservationContext,
        seen: &Observation<'_, SimMachine>,
    ) -> Result<(), Violation> {
        self.tap.observe(context.node, seen);
        let (from, number) = (context.node, number_of(context.node));
        match seen {
            Observation::Sent { flow: TrafficKind::Stream, to, link: Some(link), bytes, .. } => {
                self.sent.push((number, *link, bytes.len()));
                self.wire.extend(self.tap.stream(from, *to, *link, bytes).unwrap_or_default());
            }
            Observation::Sent { to, bytes, .. } => {
                let to = to.map(|to| (to, node(number_of(to))));
                self.wire.extend(self.tap.datagram(from, to, bytes));
                self.datagrams.push((number, to.map(|(to, _)| number_of(to)), bytes.to_vec()));
            }
            Observation::Dialled { to, .. } => self.dials.push((number, *to)),
            Observation::Closed { link } => self.closed.push((number, *link)),
            Observation::Delivered(got) => self.got.push((number, (*got).clone())),
            Observation::Event(event) => self.events.push((number, (*event).clone())),
            _ => {}
        }
        Ok(())
    }

    fn after_input(&mut self, context: ObservationContext, machine: &SimMachine) -> Result<(), Violation> {
        for (what, held, most) in machine.broadcaster.limit_usage() {
            assert!(held <= most, "{held} {what} exceed the limit of {most}");
            let peak = self.peaks.entry((number_of(context.node), what)).or_default();
            *peak = held.max(*peak);
        }
        Ok(())
    }
}

/// The index of a station in its world.
pub(crate) fn at(number: usize) -> NodeIndex {
    NodeIndex(u32::try_from(number).unwrap())
}

pub(crate) fn number_of(node: NodeIndex) -> usize {
    usize::try_from(node.0).unwrap()
}
