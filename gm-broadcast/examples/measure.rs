//! Measurement of broadcasts on the loopback interface, with and without multicast: latency until
//! the last node has a change, and traffic. All nodes run in one thread, so the times include the
//! work of all nodes on one processor.
//!
//! Run it by `cargo xtask net broadcast --measure`, which raises the limit of open sockets.

// A command-line program prints to standard output.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::{Duration, Instant};

use clap::Parser;
use gm_broadcast::runtime::{
    MachineOutput, Multicast, RuntimeHandle, RuntimeSettings, Sockets, entropy, start,
};
use gm_broadcast::{
    BroadcastCommand, BroadcastMachine, BroadcastRequest, Counter, Counters, Handler, HandlerOutcome,
    Received, Time,
};
use gm_clock::NetId;
use gm_codec::{ApplicationPayload, Body, FrameCodec, Key, Keyring, Limits};
use tokio::sync::mpsc;

#[derive(Debug, Parser)]
#[command(about = "One change to many nodes on loopback: time and traffic")]
struct Flags {
    /// Numbers of nodes
    #[arg(default_values_t = [8, 64, 128])]
    nodes: Vec<usize>,
    /// Number of measured changes
    #[arg(long, default_value_t = 200)]
    changes: usize,
    /// Number of changes before, which open the connections
    #[arg(long, default_value_t = 100)]
    warm: usize,
    /// Size of a change in bytes
    #[arg(long, default_value_t = 64)]
    bytes: usize,
}

const GROUP: &str = "239.77.77.78:29972";
/// Timeout of every wait.
const PATIENCE: Duration = Duration::from_secs(60);

struct Inbox;

impl Handler for Inbox {
    type Delivery = u64;

    fn handle(&mut self, _now: Time, received: Received<'_>) -> HandlerOutcome<u64> {
        let number = match received.body {
            Body::Application(payload) => payload.bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)),
            _ => None,
        };
        HandlerOutcome { acks: true, stored: false, deliver: number }
    }
}

type Node = RuntimeHandle<BroadcastMachine<Inbox>>;
type Deliveries = mpsc::UnboundedReceiver<(u64, Instant)>;

fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse();
    println!(
        "{} changes of {} bytes, after {} to warm up; per change, all nodes together:",
        flags.changes, flags.bytes, flags.warm
    );
    println!(
        "nodes  multicast  median   worst    lost  multicasts  datagrams  TCP content  TCP announc.  opened  bytes"
    );
    for count in &flags.nodes {
        for multicast in [true, false] {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(measure(&flags, *count, multicast))?;
        }
    }
    Ok(())
}

async fn measure(flags: &Flags, count: usize, multicast: bool) -> Result<(), Box<dyn Error>> {
    let (sender, mut deliveries) = mpsc::unbounded_channel();
    let nodes: Vec<Node> = (0..count).map(|_| node(multicast, &sender)).collect::<Result<_, _>>()?;
    let all: Vec<NetId> = nodes.iter().map(RuntimeHandle::me).collect();
    for node in &nodes {
        node.send(BroadcastCommand::AddNodes(all.clone())).await?;
    }
    if multicast {
        settle(&nodes).await?;
    }
    for number in 0..flags.warm {
        change(&nodes, &mut deliveries, number, flags.bytes).await?;
    }
    let (before, mut times, mut lost) = (counters(&nodes).await?, Vec::new(), 0);
    for number in 0..flags.changes {
        match change(&nodes, &mut deliveries, flags.warm + number, flags.bytes).await? {
            Some(time) => times.push(time),
            None => lost += 1,
        }
    }
    let after = counters(&nodes).await?;
    let per_change = |counted: &[Counter]| {
        let sum = |counters: &Counters| counted.iter().map(|counter| counters.get(*counter)).sum::<u64>();
        (sum(&after) - sum(&before)) as f64 / flags.changes as f64
    };
    times.sort_unstable();
    let millis = |time: Option<&Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
    println!(
        "{count:>5}  {:<9} {:>6.2} ms {:>6.2} ms {lost:>5} {:>11.2} {:>10.2} {:>12.2} {:>12.2} {:>7.1} {:>6.0}",
        if multicast { "on" } else { "off" },
        millis(times.get(times.len() / 2)),
        millis(times.last()),
        per_change(&[Counter::MulticastsSent]),
        per_change(&[Counter::DatagramsSent]),
        per_change(&[Counter::ContentFramesSent]),
        per_change(&[Counter::AnnouncementFramesSent]),
        per_change(&[Counter::DatagramsOpened, Counter::ContentFramesSent, Counter::AnnouncementFramesSent]),
        per_change(&[Counter::UdpBytesSent, Counter::TcpBytesSent]),
    );
    for node in &nodes {
        node.stop().await;
    }
    Ok(())
}

fn node(multicast: bool, sender: &mpsc::UnboundedSender<(u64, Instant)>) -> Result<Node, Box<dyn Error>> {
    let group = if multicast { Multicast::Group(GROUP.parse()?) } else { Multicast::Off };
    let settings = RuntimeSettings {
        address: Some([127, 0, 0, 1].into()),
        port: 0,
        multicast: group,
        ..RuntimeSettings::default()
    };
    let sockets = Sockets::open(&settings)?;
    let codec = FrameCodec::new("measure".parse()?, Keyring::new(Key::new([9; 32])), Limits::default())?;
    let (handle, mut outputs) =
        start(BroadcastMachine::new(sockets.config(), codec, Inbox, entropy()?, Time::ZERO)?, sockets)?;
    let sender = sender.clone();
    tokio::spawn(async move {
        while let Some(output) = outputs.recv().await {
            if let MachineOutput::Delivery(number) = output {
                let _ = sender.send((number, Instant::now()));
            }
        }
    });
    Ok(handle)
}

/// Waits until all nodes are neighbors, and the first one has received all confirmations.
async fn settle(nodes: &[Node]) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    for node in nodes {
        while node.with_machine(|machine| machine.broadcaster.near().count()).await? + 1 < nodes.len() {
            if start.elapsed() > PATIENCE {
                return Err("not all nodes receive each other's multicast".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// Broadcasts one change from the first node. Returns the time until the last of the others had it;
/// `None` if not all had it within ten seconds.
async fn change(
    nodes: &[Node],
    deliveries: &mut Deliveries,
    number: usize,
    bytes: usize,
) -> Result<Option<Duration>, Box<dyn Error>> {
    let [first, others @ ..] = nodes else { return Ok(None) };
    let mut content = (number as u64).to_le_bytes().to_vec();
    content.resize(bytes.max(8), b'.');
    let body = Body::Application(ApplicationPayload { name: "measure".to_owned(), bytes: content.into() });
    let start = Instant::now();
    first.send(BroadcastCommand::Broadcast(BroadcastRequest::new(body))).await?;
    let mut last = Duration::ZERO;
    let all = async {
        let mut missing = others.len();
        while missing > 0 {
            let Some((received, at)) = deliveries.recv().await else { break };
            if received == number as u64 {
                missing -= 1;
                last = last.max(at.saturating_duration_since(start));
            }
        }
    };
    let all = tokio::time::timeout(Duration::from_secs(10), all).await;
    Ok(all.ok().map(|()| last))
}

/// The counters of all nodes and their runtimes, without reasons.
async fn counters(nodes: &[Node]) -> Result<Counters, Box<dyn Error>> {
    let mut sum = Counters::default();
    for node in nodes {
        let machine = node.with_machine(|machine| machine.broadcaster.counters().clone()).await?;
        for (counter, _, total) in machine.iter().chain(node.counters().iter()) {
            sum.add(counter, total);
        }
    }
    Ok(sum)
}
