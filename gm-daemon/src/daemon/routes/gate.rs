//! The gate in front of the routes that write. While it is open, it counts the writes in progress.
//! Once it is closed, it refuses writes before they reach the node, so a refusal guarantees that
//! nothing was written.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

use super::{App, RouteError};

#[derive(Clone, Copy, Debug, Default)]
struct GateState {
    is_closed: bool,
    /// Write requests without an answer.
    in_progress: usize,
}

/// Counts the writes in progress, and refuses more once it is closed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(watch::Sender<GateState>);

/// A write in progress, until this is dropped.
#[derive(Debug)]
struct WriteInProgress(Gate);

impl Gate {
    /// Refuses writes from now on.
    pub(crate) fn close(&self) {
        self.0.send_modify(|state| state.is_closed = true);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.borrow().is_closed
    }

    /// Waits until no write is in progress.
    pub(crate) async fn until_empty(&self) {
        // This cannot fail while the sender exists.
        let _ = self.0.subscribe().wait_for(|state| state.in_progress == 0).await;
    }

    fn enter(&self) -> Option<WriteInProgress> {
        let is_in = self.0.send_if_modified(|state| {
            state.in_progress += usize::from(!state.is_closed);
            !state.is_closed
        });
        is_in.then(|| WriteInProgress(self.clone()))
    }
}

impl Drop for WriteInProgress {
    fn drop(&mut self) {
        self.0.0.send_modify(|state| state.in_progress -= 1);
    }
}

/// The middleware of a route that writes.
pub(super) async fn admit_write(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match app.gate.enter() {
        Some(_inside) => next.run(request).await,
        None => RouteError::shutting_down().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_gate_refuses_and_waits_for_writes_in_progress() {
        let gate = Gate::default();
        gate.until_empty().await;
        let (first, second) = (gate.enter(), gate.enter());
        assert!(first.is_some() && second.is_some());
        gate.close();
        assert!(gate.enter().is_none() && gate.is_closed());
        drop(first);
        let empty = tokio::spawn({
            let gate = gate.clone();
            async move { gate.until_empty().await }
        });
        tokio::task::yield_now().await;
        assert!(!empty.is_finished());
        drop(second);
        empty.await.unwrap();
    }
}
