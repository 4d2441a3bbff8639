//! Tests of connections in the world: timing, order, and how they end.

mod toys;

use std::time::Duration;

use gm_broadcast::{ConnectionId, DialFailure, Input, Output};
use gm_sim::{Action, Effect, Fault, FaultClass, NodeIndex, Nodes, Scope};
use toys::{MS, Orders, at, id, plain, probes};

const DIALLED: ConnectionId = ConnectionId::dialled(0);
const ACCEPTED: ConnectionId = ConnectionId::accepted(0);

fn dial(to: u32) -> Output<(), ()> {
    Output::Dial { link: DIALLED, to: id(to), small_segments: false }
}

fn send(link: ConnectionId, bytes: Vec<u8>) -> Output<(), ()> {
    Output::Send { link, bytes: bytes.into() }
}

fn text(length: u32) -> Vec<u8> {
    (0..length).map(|index| u8::try_from(index * 31 % 251).unwrap_or(0)).collect()
}

fn fault(class: FaultClass, effect: Effect) -> Fault {
    Fault { class, scope: Scope::ALL, effect }
}

const OPENED: Input<()> = Input::ConnectionOpened { link: DIALLED, from: None };
const CLOSED: Input<()> = Input::ConnectionClosed { link: DIALLED, stalled: false };
const CLOSED_THERE: Input<()> = Input::ConnectionClosed { link: ACCEPTED, stalled: false };

#[test]
fn a_handshake_takes_one_and_a_half_round_trips() {
    for (peer, latency) in [(1, 1), (2, 10), (4, 100)] {
        let mut world = probes(6, 2, plain());
        world.order(0, dial(peer));
        world.run_until(at(1_000));
        assert_eq!(world.probe(0).when(&OPENED), Some(at(2 * latency)));
        assert_eq!(
            world.probe(peer).when(&Input::ConnectionOpened { link: ACCEPTED, from: None }),
            Some(at(3 * latency))
        );
        world.order(0, send(DIALLED, text(100)));
        world.run_until(at(2_000));
        assert_eq!(world.probe(peer).bytes(ACCEPTED), text(100));
        let sent = Input::ConnectionSent { link: DIALLED, bytes: 100 };
        assert_eq!(world.probe(0).when(&sent), Some(at(1_000 + 2 * latency)));
    }
}

#[test]
fn a_dead_process_refuses_and_a_dead_host_is_silent() {
    let mut world = probes(4, 2, plain());
    world.crash(NodeIndex(1));
    world.kill_host(NodeIndex(2));
    world.order(0, dial(1));
    world.order(0, Output::Dial { link: ConnectionId::dialled(1), to: id(2), small_segments: false });
    world.order(0, Output::Dial { link: ConnectionId::dialled(2), to: id(99), small_segments: false });
    world.run_until(at(10_000));
    let refused = |link, refusal| Input::ConnectionRefused { link, refusal };
    assert_eq!(world.probe(0).when(&refused(DIALLED, DialFailure::Refused)), Some(at(2)));
    for link in [1, 2].map(ConnectionId::dialled) {
        assert_eq!(world.probe(0).when(&refused(link, DialFailure::Unreachable)), Some(at(3_000)));
    }
    assert_eq!(world.links(), 0);
}

#[test]
fn bytes_keep_their_order_and_the_window_limits_the_sender() {
    let mut network = plain();
    network.tcp.window = 1_000;
    network.island.jitter = MS * 5;
    let mut world = probes(2, 2, network);
    world.apply(Action::BeginFault(fault(FaultClass::Chunking, Effect::Chunk(1_000_000)), at(100_000)));
    world.order(0, dial(1));
    world.run_until(at(100));
    for part in text(20_000).chunks(777) {
        world.order(0, send(DIALLED, part.to_vec()));
    }
    world.run_until(at(105));
    assert!(world.probe(1).bytes(ACCEPTED).len() <= 1_000);
    world.run_until(at(10_000));
    assert_eq!(world.probe(1).bytes(ACCEPTED), text(20_000));
    assert_eq!(world.probe(0).sent(DIALLED), 20_000);
    assert!(world.tally().get(FaultClass::Chunking) > 10);
    assert!(world.probe(1).log.len() > 60, "the bytes arrive in pieces");
}

#[test]
fn bytes_arrive_in_pieces_of_at_most_the_given_length() {
    let mut world = probes(2, 2, plain());
    world.apply(Action::BeginFault(fault(FaultClass::Chunking, Effect::Pieces(3)), at(100_000)));
    world.order(0, dial(1));
    world.run_until(at(100));
    world.order(0, send(DIALLED, text(10)));
    world.order(0, send(DIALLED, text(3)));
    world.run_until(at(200));
    let lengths = world.probe(1).log.iter().filter_map(|(_, input)| match input {
        Input::ConnectionBytes { bytes, .. } => Some(bytes.len()),
        _ => None,
    });
    assert_eq!(lengths.collect::<Vec<_>>(), [3, 3, 3, 1, 3]);
    assert_eq!((world.probe(0).sent(DIALLED), world.tally().get(FaultClass::Chunking)), (13, 1));
}

#[test]
fn a_close_arrives_after_the_bytes_sent_before_it() {
    let mut network = plain();
    network.tcp.window = 1_000;
    let mut world = probes(2, 2, network);
    world.order(0, dial(1));
    world.run_until(at(100));
    world.order(0, send(DIALLED, text(5_500)));
    world.order(0, Output::Close { link: DIALLED });
    world.run_until(at(1_000));
    assert_eq!(world.probe(1).bytes(ACCEPTED), text(5_500));
    assert!(world.probe(1).when(&CLOSED_THERE).is_some());
    assert_eq!(world.probe(0).when(&CLOSED), None);
    assert_eq!(world.links(), 0);
}

#[test]
fn a_dial_closed_early_delivers_only_bytes_already_sent() {
    let mut world = probes(2, 2, plain());
    world.order(0, dial(1));
    world.order(0, Output::Close { link: DIALLED });
    world.order(0, Output::Dial { link: ConnectionId::dialled(1), to: id(1), small_segments: false });
    world.order(0, send(ConnectionId::dialled(1), text(10)));
    world.order(0, Output::Close { link: ConnectionId::dialled(1) });
    world.run_until(at(10_000));
    assert!(world.probe(0).log.is_empty());
    assert_eq!(world.probe(1).bytes(ACCEPTED), text(10));
    assert_eq!((world.probe(1).log.len(), world.links()), (3, 0));
}

#[test]
fn a_partition_holds_bytes_until_it_heals() {
    let mut world = probes(2, 2, plain());
    world.order(0, dial(1));
    world.run_until(at(100));
    world.apply(Action::BeginFault(fault(FaultClass::Partition, Effect::Block), at(3_500)));
    world.order(0, send(DIALLED, text(50)));
    world.run_until(at(3_499));
    assert!(world.probe(1).bytes(ACCEPTED).is_empty());
    world.run_until(at(8_000));
    assert_eq!(world.probe(1).bytes(ACCEPTED), text(50));
    assert_eq!(world.probe(0).sent(DIALLED), 50);
    assert!(world.tally().get(FaultClass::Partition) > 0);
}

#[test]
fn a_sender_times_out_and_an_idle_end_never_notices() {
    // Both directions blocked, or only the reverse one: no answer arrives in either case.
    for scope in [Scope::ALL, Scope { from: Nodes::One(NodeIndex(1)), to: Nodes::All, bidirectional: false }]
    {
        let mut world = probes(2, 2, plain());
        world.order(0, dial(1));
        world.run_until(at(100));
        let fault = Fault { class: FaultClass::OneWay, scope, effect: Effect::Block };
        world.apply(Action::BeginFault(fault, at(60_000)));
        world.order(0, send(DIALLED, text(50)));
        world.run_until(at(59_000));
        let stalled = Input::ConnectionClosed { link: DIALLED, stalled: true };
        let closed = world.probe(0).when(&stalled).unwrap();
        assert!(closed >= at(4_100) && closed <= at(4_200), "{closed}");
        assert_eq!(world.probe(1).when(&CLOSED_THERE), None);
        // It notices when it sends.
        world.run_until(at(61_000));
        world.order(1, send(ACCEPTED, text(1)));
        world.run_until(at(62_000));
        assert_eq!(world.probe(1).when(&CLOSED_THERE), Some(at(61_002)));
        assert_eq!(world.links(), 0);
    }
}

#[test]
fn a_crash_closes_and_a_dead_host_does_not() {
    let mut world = probes(3, 3, plain());
    world.order(0, dial(1));
    world.order(0, Output::Dial { link: ConnectionId::dialled(1), to: id(2), small_segments: false });
    world.run_until(at(100));
    world.crash(NodeIndex(1));
    world.kill_host(NodeIndex(2));
    world.run_until(at(50_000));
    assert_eq!(world.probe(0).when(&CLOSED), Some(at(101)));
    let other = Input::ConnectionClosed { link: ConnectionId::dialled(1), stalled: true };
    assert_eq!(world.probe(0).when(&other), None);
    world.order(0, send(ConnectionId::dialled(1), text(9)));
    world.run_until(at(53_999));
    assert_eq!(world.probe(0).when(&other), None);
    world.run_until(at(54_200));
    assert!(world.probe(0).when(&other).is_some());
}

#[test]
fn a_host_that_returns_knows_nothing_of_the_connection() {
    let mut world = probes(2, 2, plain());
    world.order(0, dial(1));
    world.run_until(at(100));
    world.order(0, send(DIALLED, text(9)));
    world.kill_host(NodeIndex(1));
    world.run_until(at(1_000));
    world.start(NodeIndex(1));
    world.run_until(at(4_000));
    assert!(world.probe(0).when(&CLOSED).is_some());
    assert!(world.probe(1).log.is_empty());
    assert_eq!((world.probe(1).context.restarts, world.links()), (1, 0));
}

#[test]
fn a_paused_node_handles_its_inputs_when_resumed() {
    let mut network = plain();
    network.tcp.window = 1_000;
    let mut world = probes(2, 2, network);
    world.pause(NodeIndex(1));
    world.order(0, dial(1));
    world.order(0, Output::Datagram { to: id(1), bytes: vec![1].into() });
    world.run_until(at(10));
    assert!(world.probe(0).when(&OPENED).is_some());
    world.order(0, send(DIALLED, text(3_000)));
    world.run_until(at(100_000));
    assert_eq!((world.probe(0).sent(DIALLED), world.probe(1).log.len()), (0, 0));
    world.resume(NodeIndex(1));
    let log = &world.probe(1).log;
    assert!(matches!(log[0].1, Input::Datagram { .. }) && matches!(log[1].1, Input::ConnectionOpened { .. }));
    assert_eq!(world.probe(1).bytes(ACCEPTED).len(), 1_000);
    world.run_until(at(101_000));
    assert_eq!((world.probe(0).sent(DIALLED), world.probe(1).bytes(ACCEPTED)), (3_000, text(3_000)));
}

#[test]
fn a_slow_reader_delays_acks_and_the_close() {
    let mut world = probes(2, 2, plain());
    world.order(0, dial(1));
    world.run_until(at(100));
    world.apply(Action::BeginFault(fault(FaultClass::SlowReader, Effect::SlowReader(1_000)), at(5_100)));
    world.order(0, send(DIALLED, text(8_000)));
    world.run_until(at(2_100));
    let sent = world.probe(0).sent(DIALLED);
    assert!((1_800..=2_100).contains(&sent), "{sent}");
    world.order(0, Output::Close { link: DIALLED });
    world.run_until(at(5_000));
    assert_eq!(world.probe(1).when(&CLOSED_THERE), None);
    world.run_until(at(6_000));
    assert_eq!(world.probe(1).bytes(ACCEPTED), text(8_000));
    assert!(world.probe(1).when(&CLOSED_THERE).is_some());
}

#[test]
fn a_reset_closes_both_ends_and_a_stall_only_delays() {
    let mut world = probes(2, 2, plain());
    world.order(0, dial(1));
    world.run_until(at(100));
    world.apply(Action::BeginFault(fault(FaultClass::Stall, Effect::Stall), at(1_000)));
    world.order(0, send(DIALLED, text(10)));
    world.order(0, Output::Datagram { to: id(1), bytes: vec![1].into() });
    world.run_until(at(900));
    assert_eq!(world.probe(1).bytes(ACCEPTED).len(), 0);
    assert_eq!(world.probe(1).log.len(), 2, "a stall does not block datagrams");
    world.run_until(at(3_000));
    assert_eq!(world.probe(1).bytes(ACCEPTED).len(), 10);
    world.apply(Action::BeginFault(fault(FaultClass::Reset, Effect::Reset(1_000_000)), at(4_000)));
    world.order(0, send(DIALLED, text(10)));
    world.run_for(Duration::from_millis(10));
    assert!(world.probe(0).when(&CLOSED).is_some() && world.probe(1).when(&CLOSED_THERE).is_some());
    assert_eq!((world.probe(1).bytes(ACCEPTED).len(), world.links()), (10, 0));
}

#[test]
fn a_black_hole_swallows_long_segments_only() {
    let mut world = probes(2, 2, plain());
    let fault = fault(FaultClass::MtuBlackHole, Effect::MtuBlackHole(100));
    world.apply(Action::BeginFault(fault, at(60_000)));
    world.order(0, dial(1));
    world.run_until(at(100));
    world.order(0, send(DIALLED, text(100)));
    world.run_until(at(200));
    world.order(0, send(DIALLED, text(101)));
    // Its receipt is acknowledged behind the bytes that are held up.
    world.order(1, send(ACCEPTED, text(50)));
    world.run_until(at(20_000));
    assert_eq!((world.probe(1).bytes(ACCEPTED).len(), world.probe(0).bytes(DIALLED).len()), (100, 50));
    assert!(world.probe(0).when(&Input::ConnectionClosed { link: DIALLED, stalled: true }).is_some());
    assert!(world.probe(1).when(&Input::ConnectionClosed { link: ACCEPTED, stalled: true }).is_none());
    let (dialled, accepted) = (ConnectionId::dialled(1), ConnectionId::accepted(1));
    world.order(0, Output::Dial { link: dialled, to: id(1), small_segments: true });
    world.run_until(at(21_000));
    world.order(0, send(dialled, text(1_000)));
    world.order(1, send(accepted, text(1_000)));
    world.run_until(at(22_000));
    assert_eq!((world.probe(1).bytes(accepted).len(), world.probe(0).bytes(dialled).len()), (1_000, 1_000));
}

#[test]
fn refused_and_silent_dials() {
    let mut world = probes(2, 2, plain());
    world.apply(Action::BeginFault(fault(FaultClass::DialRefused, Effect::Refuse), at(10)));
    world.order(0, dial(1));
    world.run_until(at(20));
    world.apply(Action::BeginFault(fault(FaultClass::DialSilent, Effect::Silent), at(30)));
    world.order(0, Output::Dial { link: ConnectionId::dialled(1), to: id(1), small_segments: false });
    world.run_until(at(20_000));
    let refused = Input::ConnectionRefused { link: DIALLED, refusal: DialFailure::Refused };
    let silent =
        Input::ConnectionRefused { link: ConnectionId::dialled(1), refusal: DialFailure::Unreachable };
    assert_eq!(world.probe(0).when(&refused), Some(at(2)));
    assert_eq!(world.probe(0).when(&silent), Some(at(3_020)));
    assert!(world.probe(1).log.is_empty());
}
