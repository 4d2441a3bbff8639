//! The gate in front of the routes that write. While it is open every write is let in and counted; once it is closed a write is refused before the
//! node sees it, so that the refusal is true: nothing was written. Knows nothing of what is written.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

use super::{App, Failure};

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    is_closed: bool,
    /// Requests that write and are not answered yet.
    inside: usize,
}

/// Counts the writes that are under way, and lets no more in once it is closed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(watch::Sender<Standing>);

/// A write that is under way, until this is dropped.
#[derive(Debug)]
struct Inside(Gate);

impl Gate {
    /// Lets no more writes in.
    pub(crate) fn close(&self) {
        self.0.send_modify(|standing| standing.is_closed = true);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.borrow().is_closed
    }

    /// Returns once no write is under way.
    pub(crate) async fn is_empty(&self) {
        // It cannot fail while we hold the sender.
        let _ = self.0.subscribe().wait_for(|standing| standing.inside == 0).await;
    }

    fn enter(&self) -> Option<Inside> {
        let is_in = self.0.send_if_modified(|standing| {
            standing.inside += usize::from(!standing.is_closed);
            !standing.is_closed
        });
        is_in.then(|| Inside(self.clone()))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.0.send_modify(|standing| standing.inside -= 1);
    }
}

/// Wraps a route that writes.
pub(super) async fn pass(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match app.gate.enter() {
        Some(_inside) => next.run(request).await,
        None => Failure::ending().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_gate_lets_nobody_in_and_waits_for_those_inside() {
        let gate = Gate::default();
        gate.is_empty().await;
        let (first, second) = (gate.enter(), gate.enter());
        assert!(first.is_some() && second.is_some());
        gate.close();
        assert!(gate.enter().is_none() && gate.is_closed());
        drop(first);
        let empty = tokio::spawn({
            let gate = gate.clone();
            async move { gate.is_empty().await }
        });
        tokio::task::yield_now().await;
        assert!(!empty.is_finished());
        drop(second);
        empty.await.unwrap();
    }
}
