//! What the owner of a shell holds: a handle by which it speaks to the machine, and what it hears.
//! Knows no socket.

use gm_clock::NetId;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::seeds::{SeedState, SeedStates};
use super::settings::Seed;
use super::stats::RuntimeStats;
use crate::broadcaster::Broadcaster;
use crate::counter::Counters;
use crate::event::BroadcastCommand;
use crate::handler::Handler;
use crate::machine::Machine;

/// A machine that the shell can drive: it knows two commands of the shell's own.
pub trait RuntimeMachine: Machine {
    /// The command that says: call these nodes until they answer, for ever.
    fn seeds(seeds: Vec<NetId>) -> Self::Command;
    /// The command that says: close all connections after what was sent on them.
    fn close() -> Self::Command;
}

impl<H: Handler> RuntimeMachine for Broadcaster<H> {
    fn seeds(seeds: Vec<NetId>) -> BroadcastCommand {
        BroadcastCommand::AddSeeds(seeds)
    }

    fn close() -> BroadcastCommand {
        BroadcastCommand::Close
    }
}

/// What the machine has for its owner, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineOutput<D, E> {
    /// Something came.
    Delivery(D),
    /// Something happened.
    Event(E),
}

/// The shell has ended: nothing is taken any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the shell has ended")]
pub struct Stopped;

/// Looks at the machine, between two inputs.
pub(super) type Inspection<M> = Box<dyn FnOnce(&M) + Send>;

/// What the driver is told.
pub(super) enum Request<M: Machine> {
    Command(M::Command),
    Inspect(Inspection<M>),
    Seed(Seed),
    Stop(oneshot::Sender<()>),
}

/// A handle of a running shell. Clones are handles of the same one; when the last is dropped, the
/// shell ends as if it were stopped.
pub struct RuntimeHandle<M: RuntimeMachine> {
    pub(super) me: NetId,
    pub(super) requests: mpsc::Sender<Request<M>>,
    pub(super) seeds: SeedStates,
    pub(super) stats: RuntimeStats,
}

impl<M: RuntimeMachine> RuntimeHandle<M> {
    /// Our NetId.
    #[must_use]
    pub const fn me(&self) -> NetId {
        self.me
    }

    /// Gives the machine a command; waits while
    /// [`RuntimeSettings::commands`](super::Settings::commands) of them wait already.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn send(&self, command: M::Command) -> Result<(), Stopped> {
        self.requests.send(Request::Command(command)).await.map_err(|_| Stopped)
    }

    /// Asks the machine something, between two inputs: the answer should be quick, for nothing else
    /// happens meanwhile.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn with_machine<T: Send + 'static>(
        &self,
        question: impl FnOnce(&M) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        let look: Inspection<M> = Box::new(move |machine| drop(answer.send(question(machine))));
        self.requests.send(Request::Inspect(look)).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }

    /// Calls one more seed, for ever: its name is resolved again and again as those of the settings
    /// are.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn add_seed(&self, seed: Seed) -> Result<(), Stopped> {
        self.requests.send(Request::Seed(seed)).await.map_err(|_| Stopped)
    }

    /// The seeds, and what became of their addresses and names. Whether they are reached, the
    /// machine knows.
    #[must_use]
    pub fn seeds(&self) -> Vec<SeedState> {
        self.seeds.read()
    }

    /// What the shell counted since its start: datagrams, bytes, connections, errors of sockets.
    /// What the machine counts is its own.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.stats.read()
    }

    /// Ends the shell: lets nobody in any longer, gives what is queued
    /// [`RuntimeSettings::linger`](super::Settings::linger) to be sent, closes all connections,
    /// which have as long again, and returns when that is done. Done already if it had ended.
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
    /// Who it is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shell").field("me", &self.me).finish_non_exhaustive()
    }
}
