//! Route of a watch: streams the changes of a group, one per line. The next lines are generated
//! only after the previous ones were sent, so a slow reader delays nothing and needs no queue.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use gm_daemon::api;
use gm_node::handle::{Changes, Watcher};
use hyper::body::Frame;
use tokio::time::{Instant, sleep_until};

use super::extract::GroupPath;
use super::{App, RouteError, convert};
use crate::daemon::http::EndlessBody;

/// Maximum number of changes generated at once, which bounds the memory for a slow reader.
const MAX_CHANGES: usize = 32;
/// Minimum interval between two parts once all changes were sent, so that changes are batched.
const MIN_INTERVAL: Duration = Duration::from_millis(20);

/// `GET /v1/groups/{g}/watch`.
pub(super) async fn watch(
    State(app): State<Arc<App>>,
    GroupPath(group): GroupPath,
) -> Result<Response, RouteError> {
    let watch = app.node.watch(&group).await?;
    let body = Body::new(ChangeLines(Some(Box::pin(next_lines(watch, Instant::now())))));
    let mut response = ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response();
    response.extensions_mut().insert(EndlessBody);
    Ok(response)
}

/// The watcher, the time of the next step, and the lines of this one; `None` at the end.
type WatchStep = Option<(Watcher, Instant, Bytes)>;
type PendingStep = Pin<Box<dyn Future<Output = WatchStep> + Send>>;

/// Waits for changes and formats them. Returns `None` when the node has ended.
async fn next_lines(mut watch: Watcher, from: Instant) -> WatchStep {
    sleep_until(from).await;
    let (changes, is_all): (Vec<api::GroupChange>, bool) = match watch.next_part(MAX_CHANGES).await {
        Err(_) => return None,
        Ok(Changes::Resync) => (vec![api::GroupChange::Lost], true),
        Ok(Changes::Events(events)) => {
            (events.iter().map(convert::change).collect(), events.len() < MAX_CHANGES)
        }
    };
    let mut text = Vec::new();
    for change in &changes {
        if serde_json::to_writer(&mut text, change).is_ok() {
            text.push(b'\n');
        }
    }
    let next = if is_all { Instant::now() + MIN_INTERVAL } else { from };
    Some((watch, next, text.into()))
}

/// Body of the answer, whose lines are generated on demand.
struct ChangeLines(Option<PendingStep>);

impl fmt::Debug for ChangeLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeLines").finish_non_exhaustive()
    }
}

impl hyper::body::Body for ChangeLines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(step) = &mut self.0 else { return Poll::Ready(None) };
        let next = ready!(step.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(next.map(|(watch, from, text)| {
            self.0 = Some(Box::pin(next_lines(watch, from)));
            Ok(Frame::data(text))
        }))
    }
}
