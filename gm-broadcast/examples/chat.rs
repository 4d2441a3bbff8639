//! Terminals that talk by multicast and TCP: what is typed in one is printed in all others.
//!
//! ```sh
//! head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > key
//! cargo run -p gm-broadcast --example chat -- --cluster tea --key-file key
//! ```
//! Knows no socket: the shell does, and this is how it is used. `/help` lists what can be asked.

// A program of the command line speaks on standard output.
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
    BroadcastCommand, BroadcastEvent, BroadcastRequest, Broadcaster, Counter, Handler, HandlerOutcome,
    Received, RequestedAcks, Targets, Time, TreeShape,
};
use gm_clock::NetId;
use gm_codec::{ApplicationPayload, Body, FrameCodec, Key, Keyring, Limits};
use tokio::sync::mpsc;

#[derive(Clone, Debug, Parser)]
#[command(about = "Terminals that talk by multicast and TCP")]
struct Flags {
    /// The name of the cluster: who has another name or key hears nothing
    #[arg(long)]
    cluster: String,
    /// A file of keys, 32 bytes in hexadecimal a line: the first seals, all open
    #[arg(long)]
    key_file: PathBuf,
    /// Our IP address, with or without a port; port 0 is any that is free
    #[arg(long)]
    address: Option<String>,
    /// Where to listen, if not there
    #[arg(long)]
    bind: Option<IpAddr>,
    /// The interface to multicast on: its name, or one of its addresses
    #[arg(long)]
    interface: Option<String>,
    /// GROUP:PORT, `off`, or `default`
    #[arg(long, default_value = "default")]
    multicast: Multicast,
    /// HOST:PORT of a node to call
    #[arg(long)]
    seed: Vec<Seed>,
    /// For programs: every delivery is one line `FROM TEXT`, every answer one line that begins with
    /// its question
    #[arg(long)]
    script: bool,
    /// How lists are cut into shares
    #[arg(long, default_value = "postal", value_parser = shape)]
    shape: TreeShape,
    /// How often, in seconds, somebody is asked whom he knows
    #[arg(long, default_value_t = 30.0)]
    exchange: f64,
    /// Test multicast for so many seconds, say what was found, and end
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

/// The name of our payloads on the wire.
const NAME: &str = "chat";

/// Hands on what was said, and who said it first.
struct Inbox;

impl Handler for Inbox {
    type Delivery = (NetId, String);

    fn handle(&mut self, _now: Time, received: Received<'_>) -> HandlerOutcome<(NetId, String)> {
        let from = received.broadcast.map_or(received.from, |id| id.origin);
        match received.body {
            Body::Application(said) if said.name == NAME => {
                HandlerOutcome::deliver((from, String::from_utf8_lossy(&said.bytes).into_owned()))
            }
            _ => HandlerOutcome { forward: None, acks: false, stored: false, deliver: None },
        }
    }
}

type Chat = Broadcaster<Inbox>;

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
    if let Some(trouble) = sockets.multicast_error() {
        eprintln!("{trouble}; going on without");
    }
    let codec = FrameCodec::new(flags.cluster.parse()?, keys(&flags)?, Limits::default())?;
    let mut config = sockets.config();
    config.tree_shape = flags.shape;
    config.timings.exchange = Duration::try_from_secs_f64(flags.exchange)?;
    let (group, interface) = (sockets.group(), sockets.interface().map(ToOwned::to_owned));
    println!("/i-am {} {} {}", sockets.me(), show(group), show(interface));
    let (shell, mut said) = start(Broadcaster::new(config, codec, Inbox, entropy()?, Time::ZERO)?, sockets)?;
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
                Some(line) => obey(&shell, &settings, line, &mut tag).await?,
            },
            said = said.recv() => match said {
                None => break,
                Some(MachineOutput::Delivery((from, text))) => println!("{from} {text}"),
                Some(MachineOutput::Event(event)) => tell(&event),
            },
        }
    }
    shell.stop().await;
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

/// The keys of a file.
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
    Ok(keys.ok_or("--key-file: there is no key in it")?)
}

fn bytes(hexadecimal: &str) -> Option<[u8; 32]> {
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16)?).ok();
    let digits: Vec<u8> = hexadecimal.bytes().map(digit).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    bytes.try_into().ok().filter(|_| digits.len() == 64)
}

/// What is typed, line by line. A thread reads it, for a read of a terminal cannot be given up.
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

async fn obey(
    shell: &RuntimeHandle<Chat>,
    settings: &RuntimeSettings,
    line: &str,
    tag: &mut u64,
) -> Result<(), Box<dyn Error>> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "" => {}
        "/peers" => println!("/peers {}", list(shell.with_machine(Chat::known).await?)),
        "/near" => println!("/near {}", list(shell.with_machine(|machine| machine.near().collect()).await?)),
        "/counters" => counters(shell).await?,
        "/multicast" => test(settings, Duration::from_secs(2)).await?,
        "/sure" => {
            *tag += 1;
            let receipts = Some(RequestedAcks { within: Duration::from_secs(20), durable: false });
            let broadcasting =
                BroadcastRequest { tag: *tag, acks: receipts, ..BroadcastRequest::new(body(rest)) };
            shell.send(BroadcastCommand::Broadcast(broadcasting)).await?;
        }
        "/to" => {
            let (to, text) = rest.split_once(' ').unwrap_or((rest, ""));
            let to = Targets::Nodes(to.split(',').map(str::parse).collect::<Result<_, _>>()?);
            shell
                .send(BroadcastCommand::Broadcast(BroadcastRequest {
                    to,
                    ..BroadcastRequest::new(body(text))
                }))
                .await?;
        }
        _ if word.starts_with('/') => {
            println!(
                "/help TEXT | /sure TEXT (with receipts) | /to NODE,NODE TEXT | /peers | /near | /counters | /multicast | /quit"
            );
        }
        _ => shell.send(BroadcastCommand::Broadcast(BroadcastRequest::new(body(line)))).await?,
    }
    Ok(())
}

fn body(text: &str) -> Body {
    Body::Application(ApplicationPayload { name: NAME.to_owned(), bytes: text.as_bytes().to_vec() })
}

async fn test(settings: &RuntimeSettings, within: Duration) -> Result<(), Box<dyn Error>> {
    match self_test(settings, within).await? {
        Some(found) => println!("/multicast {found}"),
        None => println!("/multicast off"),
    }
    Ok(())
}

async fn counters(shell: &RuntimeHandle<Chat>) -> Result<(), Box<dyn Error>> {
    let machine = shell.with_machine(|machine| machine.counters().clone()).await?;
    let shell = shell.counters();
    let show = |(counter, reason, total): (Counter, Option<&str>, u64)| match reason {
        Some(reason) => format!("{}{{reason={reason}}}={total}", counter.name()),
        None => format!("{}={total}", counter.name()),
    };
    let all: Vec<String> = machine.iter().chain(shell.iter()).map(show).collect();
    println!("/counters {}", all.join("; "));
    Ok(())
}

fn tell(event: &BroadcastEvent) {
    match event {
        BroadcastEvent::Acks { tag, report, .. } => println!(
            "/receipts {tag} delivered={} missing={} unknown={}{}",
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
