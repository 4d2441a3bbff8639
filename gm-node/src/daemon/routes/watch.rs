//! Watching a group: one change a line, for as long as somebody reads. Who reads slowly holds up
//! nobody: the next lines are made when the last ones were taken.

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
use gm_node::api;
use gm_node::handle::{Changes, Watcher};
use hyper::body::Frame;
use tokio::time::{Instant, sleep_until};

use super::extract::GroupPath;
use super::{App, RouteError, convert};
use crate::daemon::http::EndlessBody;

/// Changes that are told at once: what a slow watcher holds, besides what the system holds for it.
const MAX_CHANGES: usize = 32;
/// A watcher that has all changes is told more no sooner: what changes meanwhile comes together.
const MIN_INTERVAL: Duration = Duration::from_millis(20);

/// `GET /v1/groups/{g}/watch`.
pub(super) async fn watch(
    State(app): State<Arc<App>>,
    GroupPath(group): GroupPath,
) -> Result<Response, RouteError> {
    let watch = app.service.watch(&group).await?;
    let body = Body::new(ChangeLines(Some(Box::pin(next_lines(watch, Instant::now())))));
    let mut response = ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response();
    response.extensions_mut().insert(EndlessBody);
    Ok(response)
}

/// The watch after some lines, from when on it is asked for more, and the lines; nothing at the end
/// of it.
type WatchStep = Option<(Watcher, Instant, Bytes)>;
type PendingStep = Pin<Box<dyn Future<Output = WatchStep> + Send>>;

/// Waits for what changes, until the node has ended.
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

/// Lines as the body of an answer: made when they are asked for.
struct ChangeLines(Option<PendingStep>);

impl fmt::Debug for ChangeLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl hyper::body::Body for ChangeLines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(telling) = &mut self.0 else { return Poll::Ready(None) };
        let told = ready!(telling.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(told.map(|(watch, from, text)| {
            self.0 = Some(Box::pin(next_lines(watch, from)));
            Ok(Frame::data(text))
        }))
    }
}
