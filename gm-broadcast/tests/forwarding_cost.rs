//! Memory cost of forwarding: the allocations of a relay for one broadcast that arrives by a
//! connection and goes on to three relays and the island. This is a binary with a single test, so
//! that nothing else is counted.

use std::alloc::System;
use std::collections::BTreeMap;

use gm_broadcast::{
    BroadcastCommand, BroadcastMachine, BroadcasterConfig, ConnectionId, Counter, Handler, HandlerOutcome,
    Input, Machine, Output, Received, Time, TreeShape,
};
use gm_clock::NetId;
use gm_codec::{
    ApplicationPayload, Body, BroadcastHeader, ConnectionSide, Epoch, FrameCodec, Handshake, Header, Key,
    Keyring, Limits, NonceSequence, Payload, Routing, Stream,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Number of broadcasts that are counted, after as many that are not.
const COUNT: usize = 32;
/// Bytes of one read of a runtime.
const READ_BYTES: usize = 16 << 10;
const RELAYS: usize = 3;

/// Accepts every payload and keeps none.
struct AcceptAll;

impl Handler for AcceptAll {
    type Delivery = ();

    fn handle(&mut self, _now: Time, _received: Received<'_>) -> HandlerOutcome<()> {
        HandlerOutcome { acks: true, stored: false, deliver: Some(()) }
    }
}

/// The machine that forwards, and what it sent.
struct Relay {
    machine: BroadcastMachine<AcceptAll>,
    now: Time,
    dialled: Vec<ConnectionId>,
    handshakes: BTreeMap<ConnectionId, [u8; Handshake::BYTES]>,
    /// Allocations, allocated bytes, frames, bytes of frames, multicasts.
    spent: [usize; 5],
}

impl Relay {
    fn new() -> Relay {
        let mut config = BroadcasterConfig::new(node(0));
        config.datagram_hops = false;
        config.tree_shape = TreeShape::Star;
        let machine = BroadcastMachine::new(config, codec(), AcceptAll, [1; 32], Time::ZERO);
        Relay {
            machine: machine.expect("a valid configuration"),
            now: Time::ZERO,
            dialled: Vec::new(),
            handshakes: BTreeMap::new(),
            spent: [0; 5],
        }
    }

    /// Handles one input, and counts what the machine allocates until its outputs are pulled.
    fn feed(&mut self, input: Input<BroadcastCommand>) {
        let mut outputs = Vec::with_capacity(64);
        let region = Region::new(ALLOCATOR);
        self.machine.handle(self.now, input);
        while let Some(output) = self.machine.poll_output() {
            outputs.push(output);
        }
        let change = region.change();
        self.spent[0] += change.allocations + change.reallocations;
        self.spent[1] += change.bytes_allocated;
        for output in outputs {
            match output {
                Output::Dial { link, .. } => self.dialled.push(link),
                Output::Send { link, bytes } => {
                    if let Ok(handshake) = bytes[..].try_into() {
                        self.handshakes.insert(link, handshake);
                    }
                    self.spent[2] += 1;
                    self.spent[3] += bytes.len();
                    self.machine.handle(self.now, Input::ConnectionSent { link, bytes: bytes.len() });
                    assert_eq!(self.machine.poll_output(), None);
                }
                Output::Multicast(_) => self.spent[4] += 1,
                _ => {}
            }
        }
    }

    fn hear(&mut self, link: ConnectionId, bytes: &[u8]) {
        for chunk in bytes.chunks(READ_BYTES) {
            self.feed(Input::ConnectionBytes { link, bytes: chunk.to_vec().into() });
        }
    }
}

/// The node that sends the broadcasts.
struct Origin {
    link: ConnectionId,
    codec: FrameCodec,
    stream: Stream,
    nonces: NonceSequence,
    sequence: u64,
}

impl Origin {
    fn call(relay: &mut Relay) -> Origin {
        let link = ConnectionId::accepted(1);
        relay.feed(Input::ConnectionOpened { link, from: Some(node(9).into()) });
        let own = [9; Handshake::BYTES];
        let theirs = relay.handshakes[&link];
        let stream = Handshake::new(ConnectionSide::Initiator, own).read(&mut theirs.as_slice());
        relay.hear(link, &own);
        let stream = stream.expect("no echo").expect("16 bytes");
        let nonces = NonceSequence::new(Epoch::new([9; 8]).expect("not reserved"));
        let mut origin = Origin { link, codec: codec(), stream, nonces, sequence: 0 };
        let hello = origin.frame(Header::direct(node(9)), Body::HeaderOnly);
        relay.hear(link, &hello);
        origin
    }

    fn frame(&mut self, header: Header, body: Body) -> Vec<u8> {
        let (mut payload, mut frame) = (Vec::new(), Vec::new());
        Payload { header, body }.encode(self.codec.limits(), &mut payload).expect("a valid payload");
        let nonce = self.nonces.next_nonce().expect("not exhausted");
        self.stream.seal(&mut self.codec, nonce, &payload, &mut frame).expect("short");
        frame
    }

    /// Sends a broadcast with a content of this many bytes for all relays.
    fn broadcast(&mut self, relay: &mut Relay, content: Vec<u8>) {
        let targets = (1..=RELAYS).map(node).collect();
        let routing = BroadcastHeader { origin: None, sequence: self.sequence, targets, ack_request: None };
        self.sequence += 1;
        let header = Header { routing: Routing::Broadcast(routing), ..Header::direct(node(9)) };
        let body = Body::Application(ApplicationPayload { name: "test".into(), bytes: content.into() });
        let frame = self.frame(header, body);
        relay.hear(self.link, &frame);
    }
}

fn node(number: usize) -> NetId {
    format!("10.0.0.{}:29999", number + 1).parse().expect("an address")
}

fn codec() -> FrameCodec {
    let keyring = Keyring::new(Key::new([7; 32]));
    FrameCodec::new("production".parse().expect("a name"), keyring, Limits::default()).expect("valid limits")
}

/// Bytes that do not compress, or that compress to a twentieth.
fn content(bytes: usize, compressible: bool) -> Vec<u8> {
    let mut state = 1_u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if compressible { b'x' } else { state.to_be_bytes()[0] }
    };
    (0..bytes).map(next).collect()
}

/// Allocations and allocated bytes for one forwarded broadcast, and the bytes of one of its frames,
/// on average.
fn cost(bytes: usize, compressible: bool) -> [usize; 3] {
    let mut relay = Relay::new();
    let mut origin = Origin::call(&mut relay);
    origin.broadcast(&mut relay, content(bytes, compressible));
    for link in std::mem::take(&mut relay.dialled) {
        relay.feed(Input::ConnectionOpened { link, from: None });
        relay.hear(link, &[u8::try_from(relay.handshakes.len()).expect("few"); Handshake::BYTES]);
    }
    for _ in 0..COUNT {
        origin.broadcast(&mut relay, content(bytes, compressible));
    }
    relay.spent = [0; 5];
    for _ in 0..COUNT {
        origin.broadcast(&mut relay, content(bytes, compressible));
    }
    let [allocations, allocated, frames, frame_bytes, multicasts] = relay.spent;
    let counters = relay.machine.broadcaster.counters();
    assert_eq!(counters.get(Counter::BroadcastsDelivered), 2 * COUNT as u64 + 1);
    assert_eq!(frames, RELAYS * COUNT, "each relay gets each broadcast");
    assert_eq!(multicasts, 0, "no neighbor is known");
    [allocations / COUNT, allocated / COUNT, frame_bytes / frames]
}

/// The bytes are those of the frames, and of the payload in the one buffer in which it is assembled
/// or decompressed, and then kept; the rest, and most allocations, are lists of targets.
#[test]
fn forwarding_allocates_little_beyond_the_frames() {
    for (bytes, compressible, max_allocations, max_allocated) in [
        (1 << 10, false, 26, 7_400),
        (1 << 10, true, 27, 4_500),
        (64 << 10, false, 27, 264_000),
        (64 << 10, true, 24, 76_600),
    ] {
        let [allocations, allocated, frame] = cost(bytes, compressible);
        println!("{bytes} bytes, frames of {frame}: {allocations} allocations, {allocated} bytes");
        assert!(allocations <= max_allocations, "{allocations} allocations for {bytes} bytes");
        assert!(allocated <= max_allocated, "{allocated} bytes allocated for {bytes} bytes");
    }
}
