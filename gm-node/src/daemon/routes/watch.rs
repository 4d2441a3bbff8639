//! Watching a group: one change a line, for as long as somebody reads. Who reads slowly holds up nobody: the next lines are made when the last ones were taken.

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
use gm_node::service::{Changes, Watch};
use hyper::body::Frame;
use tokio::time::{Instant, sleep_until};

use super::ask::Of;
use super::{App, Failure, shape};
use crate::daemon::http::Endless;

/// Changes that are told at once: what a slow watcher holds, besides what the system holds for it.
const CHANGES: usize = 32;
/// A watcher that has all changes is told more no sooner: what changes meanwhile comes together.
const APART: Duration = Duration::from_millis(20);

/// `GET /v1/groups/{g}/watch`.
pub(super) async fn watch(State(app): State<Arc<App>>, Of(group): Of) -> Result<Response, Failure> {
    let watch = app.service.watch(&group).await?;
    let body = Body::new(Lines(Some(Box::pin(lines(watch, Instant::now())))));
    let mut response = ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response();
    response.extensions_mut().insert(Endless);
    Ok(response)
}

/// The watch after some lines, from when on it is asked for more, and the lines; nothing at the end of it.
type Told = Option<(Watch, Instant, Bytes)>;
type Telling = Pin<Box<dyn Future<Output = Told> + Send>>;

/// Waits for what changes, until the node has ended.
async fn lines(mut watch: Watch, from: Instant) -> Told {
    sleep_until(from).await;
    let (changes, is_all): (Vec<api::Change>, bool) = match watch.next_part(CHANGES).await {
        Err(_) => return None,
        Ok(Changes::TooMany) => (vec![api::Change::Lost], true),
        Ok(Changes::Some(events)) => (events.iter().map(shape::change).collect(), events.len() < CHANGES),
    };
    let mut text = Vec::new();
    for change in &changes {
        if serde_json::to_writer(&mut text, change).is_ok() {
            text.push(b'\n');
        }
    }
    let next = if is_all { Instant::now() + APART } else { from };
    Some((watch, next, text.into()))
}

/// Lines as the body of an answer: made when they are asked for.
struct Lines(Option<Telling>);

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl hyper::body::Body for Lines {
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
            self.0 = Some(Box::pin(lines(watch, from)));
            Ok(Frame::data(text))
        }))
    }
}
