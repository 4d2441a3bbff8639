//! The task that owns a machine: it hands in what comes, with the time, pulls what is to be done, and does it. Knows no protocol.
//!
//! `driver/links.rs`: what it does for connections; `driver/end.rs`: how it ends.

mod end;
mod links;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gm_clock::NetId;
use links::Link;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::clock::{Clock, entropy};
use super::datagrams::{Datagram, Datagrams};
use super::error::ShellError;
use super::handle::{Driven, Order, Said, Shell};
use super::link::Piece;
use super::meter::Meter;
use super::seeds::SeedStates;
use super::settings::{Seed, Settings};
use super::sockets::Door;
use super::suspects::Suspects;
use super::{accept, seeds};
use crate::chance::Chance;
use crate::machine::{Input, LinkId, Output};
use crate::time::Time;

/// Pieces that wait for the driver, at most; whoever has one more waits. With 16 KiB each, 4 MiB of what came.
const PIECES: usize = 256;
/// How often the clocks are compared, at least.
const LOOK: Duration = Duration::from_secs(1);

type Heard<M> = Said<<M as crate::Machine>::Delivery, <M as crate::Machine>::Event>;

struct Driver<M: Driven> {
    me: NetId,
    machine: M,
    settings: Settings,
    clock: Clock,
    meter: Meter,
    datagrams: Datagrams,
    orders: mpsc::Receiver<Order<M>>,
    pieces: (mpsc::Sender<Piece>, mpsc::Receiver<Piece>),
    said: mpsc::Sender<Heard<M>>,
    /// What the owner has not taken yet.
    backlog: VecDeque<Heard<M>>,
    links: BTreeMap<LinkId, Link>,
    accepted: u64,
    suspects: Suspects,
    /// Tasks of connections.
    tasks: JoinSet<()>,
    /// The tasks of the listener and of the seeds.
    callers: JoinSet<()>,
    /// Until when what is queued may still be sent, and who waits for the end.
    stopping: Option<Time>,
    waiting: Vec<oneshot::Sender<()>>,
    seeds: SeedStates,
}

/// Drives a machine on the sockets of a door, in a task of the current runtime. The machine's time began at [`Time::ZERO`], which is now.
/// What it says must be taken from the receiver; if that is dropped, nobody wants it.
///
/// # Errors
/// [`ShellError::Runtime`], [`ShellError::Entropy`].
///
/// # Panics
/// Outside of a tokio runtime with I/O and time.
pub fn start<M>(machine: M, door: Door) -> Result<(Shell<M>, mpsc::Receiver<Heard<M>>), ShellError>
where
    M: Driven + Send + 'static,
    M::Command: Send,
    M::Delivery: Send,
    M::Event: Send,
{
    let meter = Meter::default();
    let (orders, orders_taken) = mpsc::channel(door.settings.commands.max(1));
    let (said, heard) = mpsc::channel(door.settings.said.max(1));
    let pieces = mpsc::channel(PIECES);
    let mut callers = JoinSet::new();
    let seed_states = SeedStates::default();
    let listener = TcpListener::from_std(door.listener).map_err(ShellError::Runtime)?;
    let datagrams = Datagrams::new(door.unicast, door.multicast, meter.clone())?;
    callers.spawn(accept::accept(listener, pieces.0.clone(), meter.clone()));
    let first_seeds = door.settings.seeds.clone();
    let mut driver = Driver {
        me: door.me,
        machine,
        settings: door.settings,
        clock: Clock::new(),
        meter: meter.clone(),
        datagrams,
        orders: orders_taken,
        pieces,
        said,
        backlog: VecDeque::new(),
        links: BTreeMap::new(),
        accepted: 0,
        suspects: Suspects::default(),
        tasks: JoinSet::new(),
        callers,
        stopping: None,
        waiting: Vec::new(),
        seeds: seed_states.clone(),
    };
    for seed in first_seeds {
        driver.call_seed(seed)?;
    }
    tokio::spawn(driver.run());
    Ok((Shell { me: door.me, orders, seeds: seed_states, meter }, heard))
}

/// What the driver woke for.
enum Turn<M: Driven> {
    Order(Option<Order<M>>),
    Piece(Option<Piece>),
    Datagrams,
    Taken,
    Time,
}

impl<M: Driven> Driver<M> {
    async fn run(mut self) {
        self.feed(Input::Wake);
        loop {
            let now = self.clock.now();
            if self.stopping.is_some_and(|until| now >= until || self.is_quiet()) {
                break;
            }
            match self.turn(now).await {
                Turn::Order(Some(Order::Command(command))) => self.feed(Input::Command(command)),
                Turn::Order(Some(Order::Look(look))) => look(&self.machine),
                Turn::Order(Some(Order::Seed(seed))) => {
                    if let Err(error) = self.call_seed(seed) {
                        tracing::error!("a seed is not called: {error}");
                    }
                }
                Turn::Order(Some(Order::Stop(done))) => {
                    self.waiting.push(done);
                    self.begin_end();
                }
                Turn::Order(None) => self.begin_end(),
                Turn::Piece(piece) => self.on_piece(piece),
                Turn::Datagrams => self.on_datagrams(),
                Turn::Taken | Turn::Time => {}
            }
            self.on_time();
            while self.tasks.try_join_next().is_some() {}
        }
        self.end().await;
    }

    /// Starts the task that resolves a seed, unless it is called already.
    fn call_seed(&mut self, seed: Seed) -> Result<(), ShellError> {
        if self.stopping.is_none() && self.seeds.add(&seed) {
            let chance = Chance::new(entropy()?);
            let shared = (self.pieces.0.clone(), self.seeds.clone(), self.meter.clone());
            self.callers.spawn(seeds::resolve(seed, self.me, chance, shared));
        }
        Ok(())
    }

    /// Waits for what is next.
    async fn turn(&mut self, now: Time) -> Turn<M> {
        let is_behind = !self.backlog.is_empty();
        let reads = !is_behind || self.stopping.is_some();
        let deadline = self.machine.deadline().unwrap_or(Time::NEVER);
        let until = deadline.min(now + LOOK).min(self.stopping.unwrap_or(Time::NEVER));
        // That the last handle is gone is told by an order that is none, whenever it went; once that is known it would be told for ever.
        let ordered = self.stopping.is_none() || !self.orders.is_closed() || !self.orders.is_empty();
        tokio::select! {
            order = self.orders.recv(), if ordered => Turn::Order(order),
            piece = self.pieces.1.recv(), if reads => Turn::Piece(piece),
            () = self.datagrams.ready(reads) => Turn::Datagrams,
            permit = self.said.reserve(), if is_behind => {
                match (permit, self.backlog.pop_front()) {
                    (Ok(permit), Some(said)) => permit.send(said),
                    _ => self.backlog.clear(),
                }
                Turn::Taken
            }
            () = tokio::time::sleep_until(self.clock.instant(until)) => Turn::Time,
        }
    }

    /// After whatever happened: what is due, and whether the clocks jumped.
    fn on_time(&mut self) {
        if self.clock.wants_chance() {
            match entropy() {
                Ok(seed) => {
                    self.meter.count("clock", "fresh chance");
                    self.feed(Input::Chance(seed));
                }
                Err(error) => {
                    self.meter.count("clock", "no chance to be had");
                    tracing::error!("{error}");
                }
            }
        }
        if self.machine.deadline().is_some_and(|deadline| deadline <= self.clock.now()) {
            self.feed(Input::Wake);
        }
    }

    fn on_datagrams(&mut self) {
        self.datagrams.flush();
        if self.backlog.is_empty() || self.stopping.is_some() {
            for Datagram { from, via, bytes } in self.datagrams.take() {
                self.feed(Input::Datagram { from, via, bytes });
            }
        }
    }

    /// Hands one input to the machine and does all that it wants: the drain rule.
    fn feed(&mut self, input: Input<M::Command>) {
        let mut input = Some(input);
        while let Some(next) = input.take() {
            self.machine.handle(self.clock.now(), next);
            let mut broken = None;
            while let Some(output) = self.machine.poll_output() {
                broken = self.act(output).or(broken);
            }
            input = broken.map(|link| Input::LinkClosed { link, stalled: false });
        }
    }

    /// Does one thing. A connection that holds more than it may is cut off, and returned.
    fn act(&mut self, output: Output<M::Delivery, M::Event>) -> Option<LinkId> {
        match output {
            Output::Multicast(bytes) => self.datagrams.multicast(bytes),
            Output::Datagram { to, bytes } => self.datagrams.send(to.socket_addr(), bytes),
            Output::Dial { link, to, small_segments } => self.dial(link, to, small_segments),
            Output::Send { link, bytes } => {
                let known = self.links.get_mut(&link)?;
                known.queued += bytes.len();
                if known.queued > self.settings.link_bytes {
                    self.meter.count("tcp", "too much is queued");
                    known.task.abort();
                    self.links.remove(&link);
                    return Some(link);
                }
                // Its task may have ended: that it is closed is on its way.
                let _ = known.outgoing.send(bytes);
            }
            Output::Close { link } => self.close(link),
            Output::Deliver(delivery) => self.say(Said::Delivery(delivery)),
            Output::Event(event) => self.say(Said::Event(event)),
        }
        None
    }

    fn say(&mut self, said: Heard<M>) {
        if !self.backlog.is_empty() {
            return self.backlog.push_back(said);
        }
        match self.said.try_send(said) {
            Err(mpsc::error::TrySendError::Full(said)) => {
                self.meter.count("owner", "slow");
                self.backlog.push_back(said);
            }
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }
}
