//! Watching a group: one change a line, for as long as somebody reads. Who reads slowly holds up nobody: the node waits with what it tells.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use gm_node::api;
use gm_node::service::{Changes, Watch};
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::ask::Of;
use super::{App, Failure, shape};

/// `GET /v1/groups/{g}/watch`.
pub(super) async fn watch(State(app): State<Arc<App>>, Of(group): Of) -> Result<Response, Failure> {
    let watch = app.service.watch(&group).await?;
    let (lines, taken) = mpsc::channel(1);
    tokio::spawn(pump(watch, lines));
    let body = Body::new(Lines(taken));
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// Hands on what changes, until nobody reads or the node has ended.
async fn pump(mut watch: Watch, lines: mpsc::Sender<Bytes>) {
    loop {
        let changes = tokio::select! {
            changes = watch.next() => changes,
            () = lines.closed() => return,
        };
        let changes: Vec<api::Change> = match changes {
            Err(_) => return,
            Ok(Changes::TooMany) => vec![api::Change::Lost],
            Ok(Changes::Some(events)) => events.iter().map(shape::change).collect(),
        };
        let mut text = Vec::new();
        for change in &changes {
            if serde_json::to_writer(&mut text, change).is_ok() {
                text.push(b'\n');
            }
        }
        if lines.send(text.into()).await.is_err() {
            return;
        }
    }
}

/// What comes through a channel, as the body of an answer.
struct Lines(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
