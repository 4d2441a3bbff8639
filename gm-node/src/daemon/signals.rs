//! What signals mean for the daemon, and the end of standard input where that is watched.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::config::Trouble;
use super::stdin;

/// What signals mean.
pub(super) enum Signalled {
    End(&'static str),
    Reload,
}

pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    input: Option<oneshot::Receiver<()>>,
}

impl Signals {
    pub(super) fn new(with_input: bool) -> Result<Signals, Trouble> {
        let of = |kind| {
            signal(kind).map_err(|error| Trouble::Refused(format!("cannot wait for signals: {error}")))
        };
        Ok(Signals {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            hang_up: of(SignalKind::hangup())?,
            input: stdin::ended(with_input),
        })
    }

    pub(super) async fn next(&mut self) -> Signalled {
        let input = async {
            match &mut self.input {
                Some(input) => drop(input.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = input => Signalled::End("the end of standard input"),
            _ = self.terminate.recv() => Signalled::End("SIGTERM"),
            _ = self.interrupt.recv() => Signalled::End("SIGINT"),
            _ = self.hang_up.recv() => Signalled::Reload,
        }
    }
}
