//! Handle of a running runtime: commands to the machine, its outputs, and shutdown.

use gm_clock::NetId;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::seeds::{SeedState, SeedStates};
use super::settings::Seed;
use super::stats::RuntimeStats;
use crate::broadcast_machine::BroadcastMachine;
use crate::counter::Counters;
use crate::event::BroadcastCommand;
use crate::handler::Handler;
use crate::machine::Machine;

/// A machine that the runtime can drive: it has two commands that the runtime sends.
pub trait RuntimeMachine: Machine {
    /// The command that adds seeds.
    fn seeds(seeds: Vec<NetId>) -> Self::Command;
    /// The command that closes all connections once their data is sent.
    fn close() -> Self::Command;
}

impl<H: Handler> RuntimeMachine for BroadcastMachine<H> {
    fn seeds(seeds: Vec<NetId>) -> BroadcastCommand {
        BroadcastCommand::AddSeeds(seeds)
    }

    fn close() -> BroadcastCommand {
        BroadcastCommand::Close
    }
}

/// An output of the machine for the application, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineOutput<D, E> {
    /// Received data.
    Delivery(D),
    /// A notification.
    Event(E),
}

/// The runtime has stopped and accepts no requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the runtime has stopped")]
pub struct Stopped;

/// A closure that reads the machine between two inputs.
pub(super) type Inspection<M> = Box<dyn FnOnce(&M) + Send>;

/// A request to the driver.
pub(super) enum Request<M: Machine> {
    Command(M::Command),
    Inspect(Inspection<M>),
    Seed(Seed),
    Stop(oneshot::Sender<()>),
}

/// A handle of a running runtime. Clones refer to the same one; when the last is dropped, it shuts
/// down as if stopped.
pub struct RuntimeHandle<M: RuntimeMachine> {
    pub(super) me: NetId,
    pub(super) requests: mpsc::Sender<Request<M>>,
    pub(super) seeds: SeedStates,
    pub(super) stats: RuntimeStats,
}

impl<M: RuntimeMachine> RuntimeHandle<M> {
    /// The NetId of the node.
    #[must_use]
    pub const fn me(&self) -> NetId {
        self.me
    }

    /// Sends a command to the machine; waits while
    /// [`RuntimeSettings::commands`](super::RuntimeSettings::commands) of them are queued.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn send(&self, command: M::Command) -> Result<(), Stopped> {
        self.requests.send(Request::Command(command)).await.map_err(|_| Stopped)
    }

    /// Runs a closure on the machine between two inputs. It should be quick, as it blocks the
    /// driver.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn with_machine<T: Send + 'static>(
        &self,
        inspect: impl FnOnce(&M) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        let inspection: Inspection<M> = Box::new(move |machine| drop(answer.send(inspect(machine))));
        self.requests.send(Request::Inspect(inspection)).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }

    /// Adds a seed. Its name is resolved periodically, like those of the settings.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn add_seed(&self, seed: Seed) -> Result<(), Stopped> {
        self.requests.send(Request::Seed(seed)).await.map_err(|_| Stopped)
    }

    /// The seeds and the results of their resolution. Whether they are reached, the machine knows.
    #[must_use]
    pub fn seeds(&self) -> Vec<SeedState> {
        self.seeds.read()
    }

    /// The runtime's counters since its start: datagrams, bytes, connections, socket errors. The
    /// machine's counters are separate.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.stats.read()
    }

    /// Stops the runtime: accepts no more connections, gives queued data
    /// [`RuntimeSettings::linger`](super::RuntimeSettings::linger) to be sent, closes all
    /// connections, which have the same time again, and then returns. Returns at once if it has
    /// stopped already.
    pub async fn stop(&self) {
        let (done, is_done) = oneshot::channel();
        if self.requests.send(Request::Stop(done)).await.is_ok() {
            let _ = is_done.await;
        }
    }
}

impl<M: RuntimeMachine> Clone for RuntimeHandle<M> {
    fn clone(&self) -> RuntimeHandle<M> {
        RuntimeHandle {
            me: self.me,
            requests: self.requests.clone(),
            seeds: self.seeds.clone(),
            stats: self.stats.clone(),
        }
    }
}

impl<M: RuntimeMachine> std::fmt::Debug for RuntimeHandle<M> {
    /// The NetId only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuntimeHandle").field("me", &self.me).finish_non_exhaustive()
    }
}
