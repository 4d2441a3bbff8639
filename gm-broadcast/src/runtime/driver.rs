//! The task that owns a machine: it passes in inputs with the time, pulls the outputs, and performs
//! them.
//!
//! `driver/connections.rs` handles connections, `driver/shutdown.rs` the end.

mod connections;
mod shutdown;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use connections::ConnectionTask;
use gm_clock::NetId;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::clock::{Clock, entropy};
use super::connection::ConnectionEvent;
use super::datagrams::{DatagramSockets, Readable, ReceivedDatagram};
use super::error::RuntimeError;
use super::handle::{MachineOutput, Request, RuntimeHandle, RuntimeMachine};
use super::seeds::SeedStates;
use super::settings::{RuntimeSettings, Seed};
use super::sockets::Sockets;
use super::stats::RuntimeStats;
use super::throttle::Throttle;
use super::{accept, seeds};
use crate::counter::Counter;
use crate::machine::{ConnectionId, Input, Output};
use crate::rng::Rng;
use crate::time::Time;

/// Greatest number of chunks that wait for the driver; a connection with one more waits. With 16
/// KiB each, 4 MiB of received data.
const MAX_CONNECTION_EVENTS: usize = 256;
/// Greatest interval between comparisons of the clocks.
const CLOCK_CHECK_INTERVAL: Duration = Duration::from_secs(1);

type OutputOf<M> = MachineOutput<<M as crate::Machine>::Delivery, <M as crate::Machine>::Event>;

struct Driver<M: RuntimeMachine> {
    me: NetId,
    machine: M,
    settings: RuntimeSettings,
    clock: Clock,
    stats: RuntimeStats,
    datagrams: DatagramSockets,
    requests: mpsc::Receiver<Request<M>>,
    connection_events: (mpsc::Sender<ConnectionEvent>, mpsc::Receiver<ConnectionEvent>),
    outputs: Outputs<M>,
    /// Outputs that the application has not taken yet.
    backlog: VecDeque<OutputOf<M>>,
    connections: BTreeMap<ConnectionId, ConnectionTask>,
    accepted: u64,
    throttle: Throttle,
    connection_tasks: JoinSet<()>,
    /// The tasks of the listener and of the seeds.
    background_tasks: JoinSet<()>,
    /// During shutdown: until when queued data may still be sent.
    stop_deadline: Option<Time>,
    stop_waiters: Vec<oneshot::Sender<()>>,
    seeds: SeedStates,
}

/// The way of outputs to the application.
enum Outputs<M: RuntimeMachine> {
    Queue(mpsc::Sender<OutputOf<M>>),
    Function(Box<dyn FnMut(OutputOf<M>) + Send>),
}

/// Drives a machine on sockets, in a task of the present tokio runtime. The machine was created at
/// [`Time::ZERO`], which is now. Its outputs must be taken from the receiver; if that is dropped,
/// they are discarded.
///
/// # Errors
/// [`RuntimeError::Runtime`], [`RuntimeError::Entropy`].
///
/// # Panics
/// Outside of a tokio runtime with I/O and time.
pub fn start<M>(
    machine: M,
    sockets: Sockets,
) -> Result<(RuntimeHandle<M>, mpsc::Receiver<OutputOf<M>>), RuntimeError>
where
    M: RuntimeMachine + Send + 'static,
    M::Command: Send,
    M::Delivery: Send,
    M::Event: Send,
{
    let (outputs, received_outputs) = mpsc::channel(sockets.settings.outputs.max(1));
    Ok((start_driver(machine, sockets, Outputs::Queue(outputs))?, received_outputs))
}

/// Like [`start`], but the driver passes each output to a function, which saves the application a
/// task that takes them. The function must be quick, as it blocks the driver. It is dropped after
/// the machine, when the runtime has stopped.
///
/// # Errors
/// As [`start`].
///
/// # Panics
/// As [`start`].
pub fn start_with<M>(
    machine: M,
    sockets: Sockets,
    take: impl FnMut(OutputOf<M>) + Send + 'static,
) -> Result<RuntimeHandle<M>, RuntimeError>
where
    M: RuntimeMachine + Send + 'static,
    M::Command: Send,
    M::Delivery: Send,
    M::Event: Send,
{
    start_driver(machine, sockets, Outputs::Function(Box::new(take)))
}

fn start_driver<M>(
    machine: M,
    sockets: Sockets,
    outputs: Outputs<M>,
) -> Result<RuntimeHandle<M>, RuntimeError>
where
    M: RuntimeMachine + Send + 'static,
    M::Command: Send,
    M::Delivery: Send,
    M::Event: Send,
{
    let stats = RuntimeStats::default();
    let (requests, received_requests) = mpsc::channel(sockets.settings.commands.max(1));
    let events = mpsc::channel(MAX_CONNECTION_EVENTS);
    let mut background_tasks = JoinSet::new();
    let seed_states = SeedStates::default();
    let listener = TcpListener::from_std(sockets.listener).map_err(RuntimeError::Runtime)?;
    let datagrams = DatagramSockets::new(sockets.unicast, sockets.multicast, stats.clone())?;
    background_tasks.spawn(accept::accept(listener, events.0.clone(), stats.clone()));
    let first_seeds = sockets.settings.seeds.clone();
    let mut driver = Driver {
        me: sockets.me,
        machine,
        settings: sockets.settings,
        clock: Clock::new(),
        stats: stats.clone(),
        datagrams,
        requests: received_requests,
        connection_events: events,
        outputs,
        backlog: VecDeque::new(),
        connections: BTreeMap::new(),
        accepted: 0,
        throttle: Throttle::default(),
        connection_tasks: JoinSet::new(),
        background_tasks,
        stop_deadline: None,
        stop_waiters: Vec::new(),
        seeds: seed_states.clone(),
    };
    for seed in first_seeds {
        driver.call_seed(seed)?;
    }
    // In a box, so that the task's future does not have several places for it.
    let mut driver = Box::new(driver);
    tokio::spawn(async move { driver.run().await });
    Ok(RuntimeHandle { me: sockets.me, requests, seeds: seed_states, stats })
}

/// An event for which the driver woke up.
enum DriverEvent<M: RuntimeMachine> {
    Request(Option<Request<M>>),
    ConnectionEvent(Option<ConnectionEvent>),
    Datagrams(Readable),
    OwnerReady,
    Deadline,
}

impl<M: RuntimeMachine> Driver<M> {
    async fn run(&mut self) {
        self.feed(Input::Wake);
        loop {
            let now = self.clock.now();
            if self.stop_deadline.is_some_and(|until| now >= until || self.is_drained()) {
                break;
            }
            match self.next_event(now).await {
                DriverEvent::Request(Some(Request::Command(command))) => self.feed(Input::Command(command)),
                DriverEvent::Request(Some(Request::Inspect(look))) => look(&self.machine),
                DriverEvent::Request(Some(Request::Seed(seed))) => {
                    if let Err(error) = self.call_seed(seed) {
                        tracing::error!("the seed cannot be added: {error}");
                    }
                }
                DriverEvent::Request(Some(Request::Stop(done))) => {
                    self.stop_waiters.push(done);
                    self.begin_shutdown();
                }
                DriverEvent::Request(None) => self.begin_shutdown(),
                DriverEvent::ConnectionEvent(event) => self.on_connection_event(event),
                DriverEvent::Datagrams(readable) => self.on_datagrams(readable),
                DriverEvent::OwnerReady | DriverEvent::Deadline => {}
            }
            self.on_deadline();
            while self.connection_tasks.try_join_next().is_some() {}
        }
        self.shut_down().await;
    }

    /// Starts the task that resolves a seed, unless it runs already.
    fn call_seed(&mut self, seed: Seed) -> Result<(), RuntimeError> {
        if self.stop_deadline.is_none() && self.seeds.add(&seed) {
            let rng = Rng::new(entropy()?);
            let shared = (self.connection_events.0.clone(), self.seeds.clone(), self.stats.clone());
            self.background_tasks.spawn(seeds::resolve(seed, self.me, rng, shared));
        }
        Ok(())
    }

    /// Waits for the next event.
    async fn next_event(&mut self, now: Time) -> DriverEvent<M> {
        let is_behind = !self.backlog.is_empty();
        let reads = !is_behind || self.stop_deadline.is_some();
        let deadline = self.machine.deadline().unwrap_or(Time::NEVER);
        let until = deadline.min(now + CLOCK_CHECK_INTERVAL).min(self.stop_deadline.unwrap_or(Time::NEVER));
        // When the last handle is dropped, `recv` returns `None` once; after that it would return
        // `None` without end.
        let expects_requests =
            self.stop_deadline.is_none() || !self.requests.is_closed() || !self.requests.is_empty();
        tokio::select! {
            request = self.requests.recv(), if expects_requests => DriverEvent::Request(request),
            event = self.connection_events.1.recv(), if reads => DriverEvent::ConnectionEvent(event),
            readable = self.datagrams.ready(reads) => DriverEvent::Datagrams(readable),
            permit = self.outputs.reserve(), if is_behind => {
                match (permit, self.backlog.pop_front()) {
                    (Some(permit), Some(output)) => permit.send(output),
                    _ => self.backlog.clear(),
                }
                DriverEvent::OwnerReady
            }
            () = tokio::time::sleep_until(self.clock.instant(until)) => DriverEvent::Deadline,
        }
    }

    /// Called after every event: fires the machine's deadline, and renews entropy after a jump of
    /// the clocks.
    fn on_deadline(&mut self) {
        if self.clock.wants_entropy() {
            match entropy() {
                Ok(seed) => {
                    self.stats.count(Counter::EntropyRenewals);
                    self.feed(Input::Entropy(seed));
                }
                Err(error) => {
                    self.stats.count(Counter::EntropyFailures);
                    tracing::error!("{error}");
                }
            }
        }
        if self.machine.deadline().is_some_and(|deadline| deadline <= self.clock.now()) {
            self.feed(Input::Wake);
        }
    }

    fn on_datagrams(&mut self, readable: Readable) {
        self.datagrams.flush();
        for ReceivedDatagram { from, via, bytes } in self.datagrams.receive(readable) {
            self.feed(Input::Datagram { from, via, bytes });
        }
    }

    /// Passes one input to the machine and performs all outputs: the drain rule.
    fn feed(&mut self, input: Input<M::Command>) {
        let mut input = Some(input);
        while let Some(next) = input.take() {
            self.machine.handle(self.clock.now(), next);
            let mut broken = None;
            while let Some(output) = self.machine.poll_output() {
                broken = self.perform(output).or(broken);
            }
            input = broken.map(|link| Input::ConnectionClosed { link, stalled: false });
        }
    }

    /// Performs one output. Returns a connection that it cut because too much data was queued.
    fn perform(&mut self, output: Output<M::Delivery, M::Event>) -> Option<ConnectionId> {
        match output {
            Output::Multicast(bytes) => self.datagrams.multicast(bytes),
            Output::Datagram { to, bytes } => self.datagrams.send(to.socket_addr(), bytes),
            Output::Dial { link, to, small_segments } => self.dial(link, to, small_segments),
            Output::Send { link, bytes } => {
                let known = self.connections.get_mut(&link)?;
                known.queued += bytes.len();
                if known.queued > self.settings.connection_bytes {
                    self.stats.count(Counter::ConnectionsOverQueueLimit);
                    known.task.abort();
                    self.connections.remove(&link);
                    return Some(link);
                }
                // Its task may have ended: then its end is reported soon.
                known.outgoing.send(bytes);
            }
            Output::Close { link } => self.close(link),
            Output::Deliver(delivery) => self.pass_to_owner(MachineOutput::Delivery(delivery)),
            Output::Event(event) => self.pass_to_owner(MachineOutput::Event(event)),
        }
        None
    }

    fn pass_to_owner(&mut self, output: OutputOf<M>) {
        let queue = match &mut self.outputs {
            Outputs::Function(take) => return take(output),
            Outputs::Queue(queue) => queue,
        };
        if !self.backlog.is_empty() {
            return self.backlog.push_back(output);
        }
        match queue.try_send(output) {
            Err(mpsc::error::TrySendError::Full(output)) => {
                self.stats.count(Counter::OutputQueueFull);
                self.backlog.push_back(output);
            }
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }
}

impl<M: RuntimeMachine> Outputs<M> {
    /// Waits for room in the queue; `None` if the application dropped it.
    async fn reserve(&mut self) -> Option<mpsc::Permit<'_, OutputOf<M>>> {
        match self {
            Outputs::Queue(queue) => queue.reserve().await.ok(),
            Outputs::Function(_) => None,
        }
    }
}
