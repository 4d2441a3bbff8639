//! Chat between terminals by multicast and TCP: a line typed in one is printed in all others.
//!
//! ```sh
//! head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \
//! ' > key
//! cargo run -p gm-broadcast --example chat -- --cluster tea --key-file key
//! ```
//!
//! `/help` lists the commands. The scenes of `cargo xtask net broadcast` drive this program.

// A command-line program prints to standard output.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::io::BufRead;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use gm_broadcast::runtime::{
    MachineOutput, Multicast, RuntimeHandle, RuntimeSettings, Seed, Sockets, entropy, self_test, start,
};
use gm_broadcast::{
    BroadcastCommand, BroadcastEvent, BroadcastMachine, BroadcastRequest, Counter, Handler, HandlerOutcome,
    Received, RequestedAcks, Targets, Time, TreeShape,
};
use gm_clock::NetId;
use gm_codec::{ApplicationPayload, Body, FrameCodec, Key, Keyring, Limits};
use tokio::sync::mpsc;

#[derive(Clone, Debug, Parser)]
#[command(about = "Chat between terminals by multicast and TCP")]
struct Flags {
    /// Name of the cluster; nodes with another name or key are ignored
    #[arg(long)]
    cluster: String,
    /// File of keys, 32 bytes in hexadecimal per line: the first encrypts, all decrypt
    #[arg(long)]
    key_file: PathBuf,
    /// IP address of this node, with or without a port; port 0 means any free port
    #[arg(long)]
    address: Option<String>,
    /// Address to listen at, if not --address
    #[arg(long)]
    bind: Option<IpAddr>,
    /// Interface for multicast: its name, or one of its addresses
    #[arg(long)]
    interface: Option<String>,
    /// Multicast group: GROUP:PORT, `off`, or `default`
    #[arg(long, default_value = "default")]
    multicast: Multicast,
    /// Node to dial, HOST:PORT; may be repeated
    #[arg(long)]
    seed: Vec<Seed>,
    /// For programs: each delivery is one line `FROM TEXT`, each reply one line that begins with
    /// its command
    #[arg(long)]
    script: bool,
    /// Shape of the broadcast tree: postal, halving or star
    #[arg(long, default_value = "postal", value_parser = shape)]
    shape: TreeShape,
    /// Interval of peer exchange in seconds
    #[arg(long, default_value_t = 30.0)]
    exchange: f64,
    /// Test multicast for this number of seconds, print the result, and exit
    #[arg(long)]
    self_test: Option<f64>,
}

fn shape(text: &str) -> Result<TreeShape, String> {
    match text {
        "postal" => Ok(TreeShape::Postal),
        "halving" => Ok(TreeShape::Halving),
        "star" => Ok(TreeShape::Star),
        _ => Err("one of postal, halving, star".to_owned()),
    }
}

/// Name of the payload type on the wire.
const NAME: &str = "chat";

/// Delivers texts with their origins.
struct Inbox;

impl Handler for Inbox {
    type Delivery = (NetId, String);

    fn handle(&mut self, _now: Time, received: Received<'_>) -> HandlerOutcome<(NetId, String)> {
        let from = received.broadcast.map_or(received.from, |id| id.origin);
        match received.body {
            Body::Application(payload) if payload.name == NAME => {
                HandlerOutcome::deliver((from, String::from_utf8_lossy(&payload.bytes).into_owned()))
            }
            _ => HandlerOutcome { acks: false, stored: false, deliver: None },
        }
    }
}

type Chat = BroadcastMachine<Inbox>;

fn main() -> ExitCode {
    let flags = Flags::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(flags))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> Result<(), Box<dyn Error>> {
    let settings = settings(&flags)?;
    if let Some(seconds) = flags.self_test {
        return test(&settings, Duration::try_from_secs_f64(seconds)?).await;
    }
    let sockets = Sockets::open(&settings)?;
    if let Some(error) = sockets.multicast_error() {
        eprintln!("{error}; continuing without multicast");
    }
    let codec = FrameCodec::new(flags.cluster.parse()?, keys(&flags)?, Limits::default())?;
    let mut config = sockets.config();
    config.tree_shape = flags.shape;
    config.timings.exchange = Duration::try_from_secs_f64(flags.exchange)?;
    let (group, interface) = (sockets.group(), sockets.interface().map(ToOwned::to_owned));
    println!("/i-am {} {} {}", sockets.me(), show(group), show(interface));
    let (handle, mut outputs) =
        start(BroadcastMachine::new(config, codec, Inbox, entropy()?, Time::ZERO)?, sockets)?;
    if !flags.script {
        let settings = settings.clone();
        tokio::spawn(async move {
            test(&settings, Duration::from_secs(2)).await.map_err(|error| error.to_string())
        });
    }
    let mut lines = lines();
    let mut tag = 0;
    loop {
        tokio::select! {
            line = lines.recv() => match line.as_deref() {
                None | Some("/quit") => break,
                Some(line) => run_command(&handle, &settings, line, &mut tag).await?,
            },
            output = outputs.recv() => match output {
                None => break,
                Some(MachineOutput::Delivery((from, text))) => println!("{from} {text}"),
                Some(MachineOutput::Event(event)) => print_event(&event),
            },
        }
    }
    handle.stop().await;
    Ok(())
}

fn settings(flags: &Flags) -> Result<RuntimeSettings, Box<dyn Error>> {
    let mut settings = RuntimeSettings {
        bind: flags.bind,
        interface: flags.interface.clone(),
        multicast: flags.multicast,
        seeds: flags.seed.clone(),
        ..RuntimeSettings::default()
    };
    if let Some(address) = &flags.address {
        match (address.parse::<SocketAddr>(), address.parse::<IpAddr>()) {
            (Ok(address), _) => (settings.address, settings.port) = (Some(address.ip()), address.port()),
            (_, Ok(ip)) => settings.address = Some(ip),
            _ => return Err(format!("--address {address} is neither IP:PORT nor IP").into()),
        }
    }
    Ok(settings)
}

/// Reads the keys of a file.
fn keys(flags: &Flags) -> Result<Keyring, Box<dyn Error>> {
    let text = std::fs::read_to_string(&flags.key_file)
        .map_err(|error| format!("--key-file {}: {error}", flags.key_file.display()))?;
    let mut keys: Option<Keyring> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let key = Key::new(bytes(line).ok_or("--key-file: a line is not 64 hexadecimal digits")?);
        keys = Some(match keys {
            None => Keyring::new(key),
            Some(keys) => keys.with(key)?,
        });
    }
    Ok(keys.ok_or("--key-file: the file has no key")?)
}

fn bytes(hexadecimal: &str) -> Option<[u8; 32]> {
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16)?).ok();
    let digits: Vec<u8> = hexadecimal.bytes().map(digit).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    bytes.try_into().ok().filter(|_| digits.len() == 64)
}

/// Reads standard input line by line, in a thread, as a read from a terminal cannot be cancelled.
fn lines() -> mpsc::Receiver<String> {
    let (lines, taken) = mpsc::channel(64);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    taken
}

async fn run_command(
    handle: &RuntimeHandle<Chat>,
    settings: &RuntimeSettings,
    line: &str,
    tag: &mut u64,
) -> Result<(), Box<dyn Error>> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "" => {}
        "/peers" => {
            println!("/peers {}", list(handle.with_machine(|chat: &Chat| chat.broadcaster.known()).await?))
        }
        "/near" => println!(
            "/near {}",
            list(handle.with_machine(|machine| machine.broadcaster.near().collect()).await?)
        ),
        "/counters" => counters(handle).await?,
        "/multicast" => test(settings, Duration::from_secs(2)).await?,
        "/sure" => {
            *tag += 1;
            let acks = Some(RequestedAcks { within: Duration::from_secs(20), durable: false });
            let broadcasting = BroadcastRequest { tag: *tag, acks, ..BroadcastRequest::new(body(rest)) };
            handle.send(BroadcastCommand::Broadcast(broadcasting)).await?;
        }
        "/to" => {
            let (to, text) = rest.split_once(' ').unwrap_or((rest, ""));
            let to = Targets::Nodes(to.split(',').map(str::parse).collect::<Result<_, _>>()?);
            handle
                .send(BroadcastCommand::Broadcast(BroadcastRequest {
                    to,
                    ..BroadcastRequest::new(body(text))
                }))
                .await?;
        }
        _ if word.starts_with('/') => {
            println!(
                "/help TEXT | /sure TEXT (with acks) | /to NODE,NODE TEXT | /peers | /near | /counters | /multicast | /quit"
            );
        }
        _ => handle.send(BroadcastCommand::Broadcast(BroadcastRequest::new(body(line)))).await?,
    }
    Ok(())
}

fn body(text: &str) -> Body {
    Body::Application(ApplicationPayload { name: NAME.to_owned(), bytes: text.as_bytes().to_vec().into() })
}

async fn test(settings: &RuntimeSettings, within: Duration) -> Result<(), Box<dyn Error>> {
    match self_test(settings, within).await? {
        Some(found) => println!("/multicast {found}"),
        None => println!("/multicast off"),
    }
    Ok(())
}

async fn counters(handle: &RuntimeHandle<Chat>) -> Result<(), Box<dyn Error>> {
    let machine = handle.with_machine(|machine| machine.broadcaster.counters().clone()).await?;
    let runtime = handle.counters();
    let show = |(counter, reason, total): (Counter, Option<&str>, u64)| match reason {
        Some(reason) => format!("{}{{reason={reason}}}={total}", counter.name()),
        None => format!("{}={total}", counter.name()),
    };
    let all: Vec<String> = machine.iter().chain(runtime.iter()).map(show).collect();
    println!("/counters {}", all.join("; "));
    Ok(())
}

fn print_event(event: &BroadcastEvent) {
    match event {
        BroadcastEvent::Acks { tag, report, .. } => println!(
            "/acks {tag} delivered={} missing={} unknown={}{}",
            report.delivered,
            report.missing,
            report.unknown,
            if report.settled { " settled" } else { "" }
        ),
        event => eprintln!("{event:?}"),
    }
}

fn list(nodes: Vec<NetId>) -> String {
    nodes.iter().map(NetId::to_string).collect::<Vec<_>>().join(" ")
}

fn show(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "off".to_owned(), |value| value.to_string())
}
