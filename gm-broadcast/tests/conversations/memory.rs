//! Memory of partial frames: without the key next to nothing, with it one budget, and all of it is
//! released.

use gm_broadcast::{
    BroadcastRequest, BroadcasterConfig, BroadcasterLimits, ConnectionId, Counter, Input, Transport,
};
use gm_codec::{
    Body, ConnectionSide, Epoch, FrameCodec, Handshake, Header, Key, Keyring, Limits, NonceSequence, Payload,
    Stream,
};

use crate::net::Net;
use crate::observe::limit_usage;
use crate::station::{broadcast_of, ms, node, sealed, text};

/// A single node, whose connections the test makes.
struct Victim {
    net: Net,
    links: u64,
}

impl Victim {
    fn new(codec: fn() -> FrameCodec, change: impl Fn(&mut BroadcasterConfig)) -> Victim {
        let mut net = Net::new(codec);
        net.add(None, change);
        Victim { net, links: 0 }
    }

    fn accept(&mut self) -> ConnectionId {
        self.links += 1;
        let link = ConnectionId::accepted(self.links);
        self.net.feed(0, Input::ConnectionOpened { link, from: Some(node(9).into()) });
        link
    }

    fn hear(&mut self, link: ConnectionId, bytes: &[u8]) {
        self.net.feed(0, Input::ConnectionBytes { link, bytes: bytes.to_vec().into() });
    }

    fn has_closed(&self, link: ConnectionId) -> bool {
        self.net.closed.contains(&(0, link))
    }

    fn delivered(&self) -> usize {
        self.net.stations[0].got.len()
    }

    fn count(&self, counter: Counter) -> u64 {
        self.net.count(0, counter)
    }
}

/// A peer with the key that does not follow the protocol.
struct KeyHolder {
    link: ConnectionId,
    codec: FrameCodec,
    stream: Stream,
    nonces: NonceSequence,
    me: usize,
    /// Its handshake.
    own: [u8; Handshake::BYTES],
    hello: Vec<u8>,
}

impl KeyHolder {
    /// Opens a connection and authenticates.
    fn call(victim: &mut Victim, codec: FrameCodec, me: usize) -> KeyHolder {
        let link = victim.accept();
        let own = [u8::try_from(me).unwrap(); Handshake::BYTES];
        let theirs = victim.net.handshake_of(0, link);
        let stream =
            Handshake::new(ConnectionSide::Initiator, own).read(&mut theirs.as_slice()).unwrap().unwrap();
        let nonces = NonceSequence::new(Epoch::new([u8::try_from(me).unwrap(); 8]).unwrap());
        let mut holder = KeyHolder { link, codec, stream, nonces, me, own, hello: Vec::new() };
        victim.hear(link, &own);
        holder.hello = holder.frame(Body::HeaderOnly);
        victim.hear(link, &holder.hello);
        victim.net.feed(0, Input::ConnectionSent { link, bytes: theirs.len() });
        holder
    }

    fn frame(&mut self, body: Body) -> Vec<u8> {
        let tapped = Payload { header: Header::direct(node(self.me)), body };
        let (mut payload, mut frame) = (Vec::new(), Vec::new());
        tapped.encode(self.codec.limits(), &mut payload).unwrap();
        let nonce = self.nonces.next_nonce().unwrap();
        self.stream.seal(&mut self.codec, nonce, &payload, &mut frame).unwrap();
        frame
    }
}

/// Text that does not compress.
fn noise(bytes: usize) -> String {
    let mut state = 1_u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(33 + u8::try_from(state >> 58).unwrap())
    };
    (0..bytes).map(next).collect()
}

const FRAME: usize = 256 << 10;

/// Frames of at most 256 KiB, so that a budget of three of them is small.
fn narrow() -> FrameCodec {
    let limits = Limits { frame: FRAME, payload: FRAME, ..Limits::default() };
    FrameCodec::new("production".parse().unwrap(), Keyring::new(Key::new([7; 32])), limits).unwrap()
}

/// The worst case of connections without the key: any number of them, each as far as it goes
/// without an authentic frame. The usage equals the documented limit, to the byte.
#[test]
fn unauthenticated_connections_hold_the_stated_maximum() {
    let mut victim = Victim::new(sealed, |_| {});
    let stated = BroadcasterLimits::DEFAULT.max_unauthenticated_bytes();
    assert_eq!(stated, 512 * (16 + 4_096));
    for number in 0..1_000_usize {
        let link = victim.accept();
        victim.hear(link, &[7; 16]);
        // The longest first frame but for its last byte, in chunks of any size; its key id is
        // known.
        let mut frame = vec![0x67, 1, Key::new([7; 32]).id(), 0xfb, 0x1f];
        frame.resize(4_095, 0);
        for event in frame.chunks(1 + number % 50 * 7) {
            victim.hear(link, event);
        }
    }
    assert_eq!(victim.net.peak(0, "unauthenticated bytes"), stated);
    assert_eq!(
        (victim.net.peak(0, "partial frame bytes"), victim.net.peak(0, "dialed, unauthenticated bytes")),
        (0, 0)
    );
    let unproven = victim.net.broadcaster(0).unauthenticated();
    assert_eq!((unproven.connections, unproven.bytes, unproven.max_bytes), (512, stated, stated));
    assert_eq!((unproven.closed, victim.count(Counter::ConnectionsEvictedUnauthenticated)), (488, 488));
    // One byte a second does not keep a connection alive.
    for _ in 0..5 {
        victim.net.run(ms(1_000));
        victim.hear(ConnectionId::accepted(1_000), &[]);
    }
    let unproven = victim.net.broadcaster(0).unauthenticated();
    assert_eq!((unproven.connections, unproven.bytes, unproven.closed), (0, 0, 1_000));
    assert_eq!(victim.count(Counter::AuthenticationTimeouts), 512);
}

#[test]
fn a_long_first_frame_is_refused_by_its_header() {
    let mut victim = Victim::new(sealed, |config| config.seeds = vec![node(5)]);
    let accepted = victim.accept();
    victim.net.run(ms(0));
    let dialled = ConnectionId::dialled(1);
    victim.net.feed(0, Input::ConnectionOpened { link: dialled, from: None });
    for link in [accepted, dialled] {
        victim.hear(link, &[7; 16]);
        victim.hear(link, &[0x67, 1, 9, 0xf9, 0xff, 0xff, 0x07]);
        assert!(victim.has_closed(link));
    }
    assert_eq!(
        (
            victim.net.broadcaster(0).counters().get_reason(Counter::FramesRejected, "TooLong"),
            victim.count(Counter::UnauthenticatedClosed)
        ),
        (2, 1)
    );
}

/// A recorded connection, replayed on another connection of the same node, and after its restart.
/// No frame of it is authentic, as both sides draw random bytes for each connection.
#[test]
fn a_recorded_connection_does_not_authenticate() {
    let mut victim = Victim::new(sealed, |_| {});
    let mut holder = KeyHolder::call(&mut victim, sealed(), 3);
    let more = holder.frame(text("recorded"));
    victim.hear(holder.link, &more);
    assert_eq!((victim.net.broadcaster(0).known(), victim.delivered()), (vec![node(3)], 1));
    let mut restarted = Victim::new(sealed, |_| {});
    restarted.net.feed(0, Input::Entropy([2; 32]));
    let known = [vec![node(3)], Vec::new()];
    for (victim, known) in [&mut victim, &mut restarted].into_iter().zip(known) {
        let before = victim.delivered();
        let link = victim.accept();
        victim.hear(link, &[holder.own.as_slice(), &holder.hello, &more].concat());
        assert_eq!(
            (
                victim.net.broadcaster(0).counters().get_reason(Counter::FramesRejected, "NotAuthentic"),
                victim.count(Counter::UnauthenticatedClosed)
            ),
            (1, 1)
        );
        assert!(victim.has_closed(link));
        assert_eq!((victim.net.broadcaster(0).known(), victim.delivered()), (known, before));
    }
}

/// Peers with the key that stop in the middle of long frames share one budget; the frame that began
/// first, and those that continue, are completed.
#[test]
fn partial_frames_share_one_budget() {
    let mut victim = Victim::new(narrow, |config| config.limits.partial_frame_bytes = 3 * FRAME);
    let mut holders: Vec<KeyHolder> = (1..41).map(|me| KeyHolder::call(&mut victim, narrow(), me)).collect();
    let frames: Vec<Vec<u8>> =
        holders.iter_mut().map(|holder| holder.frame(text(&noise(FRAME - 1_000)))).collect();
    let part = FRAME * 3 / 4;
    for (holder, frame) in holders.iter().zip(&frames) {
        victim.net.run(ms(1));
        for event in frame[..part].chunks(16 << 10) {
            victim.hear(holder.link, event);
        }
    }
    assert!(victim.net.peak(0, "partial frame bytes") > 2 * FRAME);
    assert!(victim.count(Counter::PartialFramesEvicted) >= 37);
    assert_eq!(victim.count(Counter::PartialFramesRefused), 0);
    // The first frame, whose end arrives late, and the last one: both were spared.
    for place in [0, 39] {
        assert!(!victim.has_closed(holders[place].link));
        victim.hear(holders[place].link, &frames[place][part..]);
    }
    assert_eq!(victim.delivered(), 2);
    // A new connection works as well, and its memory is released.
    let mut last = KeyHolder::call(&mut victim, narrow(), 77);
    let frame = last.frame(text(&noise(FRAME - 1_000)));
    victim.hear(last.link, &frame);
    assert_eq!(victim.delivered(), 3);
    victim.net.run(ms(70_000));
    assert_eq!(limit_usage(victim.net.broadcaster(0), "partial frame bytes"), (0, 3 * FRAME));
}

/// A budget for one frame completes one frame after the other: the one that began first is never
/// closed to make room.
#[test]
fn the_smallest_budget_still_lets_the_first_frame_through() {
    let mut victim = Victim::new(narrow, |config| config.limits.partial_frame_bytes = 1);
    let mut first = KeyHolder::call(&mut victim, narrow(), 1);
    let mut second = KeyHolder::call(&mut victim, narrow(), 2);
    let [one, two] = [&mut first, &mut second].map(|holder| holder.frame(text(&noise(FRAME - 1_000))));
    victim.hear(first.link, &one[..FRAME / 2]);
    victim.net.run(ms(1));
    victim.hear(second.link, &two[..FRAME / 2 + 1_000]);
    assert_eq!(victim.count(Counter::PartialFramesRefused), 1);
    assert_eq!(victim.net.closed, [(0, second.link)]);
    victim.hear(first.link, &one[FRAME / 2..]);
    assert_eq!(victim.delivered(), 1);
    assert!(victim.net.peak(0, "partial frame bytes") <= FRAME);
}

/// A peer with the key that stops in the middle of a frame, or sends a byte now and then, while it
/// is sent data: its time ends. One that sends enough has the time that it needs.
#[test]
fn an_endless_frame_times_out_a_slow_one_does_not() {
    let mut victim = Victim::new(narrow, |config| config.timings.frame = ms(1_000));
    let mut holders: Vec<KeyHolder> = (1..4).map(|me| KeyHolder::call(&mut victim, narrow(), me)).collect();
    let frames: Vec<Vec<u8>> =
        holders.iter_mut().map(|holder| holder.frame(text(&noise(FRAME - 1_000)))).collect();
    let (stopped, trickling, slow) = (holders[0].link, holders[1].link, holders[2].link);
    for (holder, frame) in holders.iter().zip(&frames) {
        victim.hear(holder.link, &frame[..10]);
    }
    // 100,000 bytes a second are more than 64 KiB.
    for step in 0..25 {
        victim.net.run(ms(100));
        for number in 1..4 {
            victim.net.send(0, number, "are you there?", Transport::Tcp);
        }
        for (_, link, bytes) in std::mem::take(&mut victim.net.sent) {
            victim.net.feed(0, Input::ConnectionSent { link, bytes });
        }
        victim.hear(trickling, &frames[1][10 + step..11 + step]);
        victim.hear(slow, &frames[2][10 + step * 10_000..10 + (step + 1) * 10_000]);
    }
    assert_eq!(victim.count(Counter::PartialFramesTimedOut), 2);
    assert!(victim.has_closed(stopped) && victim.has_closed(trickling));
    assert!(!victim.has_closed(slow));
    victim.hear(slow, &frames[2][10 + 25 * 10_000..]);
    assert_eq!(victim.delivered(), 1);
}

/// A peer that only sends a long frame and is sent nothing is not idle meanwhile.
#[test]
fn a_slow_frame_is_not_taken_for_an_idle_connection() {
    let mut victim = Victim::new(narrow, |config| config.timings.idle = ms(1_000));
    let mut holder = KeyHolder::call(&mut victim, narrow(), 1);
    let frame = holder.frame(text(&noise(FRAME - 1_000)));
    for event in frame.chunks(10_000) {
        victim.net.run(ms(100));
        victim.hear(holder.link, event);
    }
    assert_eq!(
        (victim.delivered(), victim.count(Counter::ConnectionsIdle)),
        (1, 0),
        "{:?}",
        victim.net.broadcaster(0).counters()
    );
    victim.net.run(ms(2_000));
    assert_eq!(victim.count(Counter::ConnectionsIdle), 1);
}

/// The first payload of a connection may be long: then an empty frame precedes it, once on each
/// connection, in either direction.
#[test]
fn an_announcement_precedes_a_long_first_frame() {
    let mut net = Net::of(2, None, |_| {});
    let long = noise(100_000);
    for _ in 0..3 {
        net.broadcast(0, broadcast_of(&long));
        net.run(ms(100));
    }
    net.broadcast(1, BroadcastRequest::new(text(&long)));
    net.run(ms(100));
    assert_eq!((net.texts(1).len(), net.texts(0).len()), (3, 1));
    for number in [0, 1] {
        assert_eq!(net.count(number, Counter::AuthenticationFramesSent), 1);
        assert_eq!(net.count(number, Counter::FramesRejected), 0);
    }
    let mut net = Net::of(2, None, |_| {});
    net.broadcast(0, broadcast_of(&"long and compressed ".repeat(20)));
    net.run(ms(100));
    assert_eq!(net.count(0, Counter::AuthenticationFramesSent), 0, "a payload that fits is sent alone");
}
