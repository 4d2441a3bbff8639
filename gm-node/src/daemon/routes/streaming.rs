//! Answers that are as long as the state of a group: made beside the node, from a state that stays
//! as it is, a piece at a time as the client takes them. So neither the node nor memory holds one
//! of them whole. Knows nothing of what they say.

use std::io::{self, ErrorKind, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use super::{App, RouteError};

/// Answers that are made and sent at one time; those of lists are made by a thread of their own.
const MAX_ANSWERS: usize = 64;
/// Bytes of a piece, about.
const CHUNK_BYTES: usize = 64 << 10;

/// The room for such answers.
#[derive(Clone, Debug)]
pub(super) struct AnswerSlots {
    permits: Arc<Semaphore>,
    wait_timeout: Duration,
}

impl AnswerSlots {
    /// For a place it is waited so long.
    pub(super) fn new(patience: Duration) -> AnswerSlots {
        AnswerSlots { permits: Arc::new(Semaphore::new(MAX_ANSWERS)), wait_timeout: patience }
    }

    async fn acquire(&self) -> Result<OwnedSemaphorePermit, RouteError> {
        let place = timeout(self.wait_timeout, Arc::clone(&self.permits).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(RouteError::busy)
    }
}

/// How the client wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListFormat {
    /// As one value.
    Json,
    /// The value with an empty list, and what belongs into the list after it, each on a line.
    JsonLines,
}

const NDJSON: &str = "application/x-ndjson";

impl<S: Send + Sync> FromRequestParts<S> for ListFormat {
    type Rejection = RouteError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<ListFormat, RouteError> {
        let mut accepted = parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        Ok(if accepted.any(|value| value.contains(NDJSON)) {
            ListFormat::JsonLines
        } else {
            ListFormat::Json
        })
    }
}

/// Answers with what `make` writes.
pub(super) async fn stream_list(
    app: &App,
    form: ListFormat,
    make: impl FnOnce(&mut ListWriter<ChunkSender>) -> io::Result<()> + Send + 'static,
) -> Result<Response, RouteError> {
    let (pieces, body) = chunk_channel(app.answer_slots.acquire().await?);
    tokio::task::spawn_blocking(move || {
        let mut out = ListWriter::new(pieces, form);
        let made = make(&mut out).and_then(|()| out.end());
        out.to.end(made);
    });
    let form = if form == ListFormat::JsonLines { NDJSON } else { "application/json" };
    Ok(([(CONTENT_TYPE, form)], Body::new(body)).into_response())
}

/// The middleware of routes whose answers are made whole: each holds a place until it is sent, so
/// that few are in memory at one time.
pub(super) async fn limit_answers(
    State(lists): State<AnswerSlots>,
    request: Request,
    next: Next,
) -> Result<Response, RouteError> {
    let place = lists.acquire().await?;
    let mut response = next.run(request).await;
    // It goes with the head of the answer, which is dropped when all of it is sent.
    response.extensions_mut().insert(Arc::new(place));
    Ok(response)
}

/// Where an answer is written: first its head, then what is in its list.
#[derive(Debug)]
pub(super) struct ListWriter<W> {
    to: W,
    form: ListFormat,
    is_first: bool,
}

impl<W: Write> ListWriter<W> {
    fn new(to: W, form: ListFormat) -> ListWriter<W> {
        ListWriter { to, form, is_first: true }
    }

    /// The answer with an empty list, which has to be its last field.
    pub(super) fn head(&mut self, head: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(head)?;
        match self.form {
            ListFormat::JsonLines => writeln!(self.to, "{text}"),
            ListFormat::Json => {
                let open = text.strip_suffix("]}").ok_or(ErrorKind::InvalidData)?;
                self.to.write_all(open.as_bytes())
            }
        }
    }

    /// One more in the list.
    pub(super) fn item(&mut self, item: &impl Serialize) -> io::Result<()> {
        if self.form == ListFormat::Json && !std::mem::take(&mut self.is_first) {
            self.to.write_all(b",")?;
        }
        serde_json::to_writer(&mut self.to, item)?;
        if self.form == ListFormat::JsonLines { self.to.write_all(b"\n") } else { Ok(()) }
    }

    fn end(&mut self) -> io::Result<()> {
        if self.form == ListFormat::Json {
            self.to.write_all(b"]}")?;
        }
        self.to.flush()
    }
}

/// A part of the body, or that it ends here. A maker that breaks down says neither.
type Chunk = io::Result<Option<Bytes>>;

/// What is written and not taken yet: one piece that is being filled, and one that waits.
#[derive(Debug)]
pub(super) struct ChunkSender {
    filling: Vec<u8>,
    full: mpsc::Sender<Chunk>,
}

/// The body that takes the pieces. It holds its place until it is taken or dropped.
struct ChunkBody(mpsc::Receiver<Chunk>, #[allow(dead_code)] OwnedSemaphorePermit);

fn chunk_channel(permit: OwnedSemaphorePermit) -> (ChunkSender, ChunkBody) {
    let (full, taken) = mpsc::channel(1);
    (ChunkSender { filling: Vec::new(), full }, ChunkBody(taken, permit))
}

impl ChunkSender {
    /// Ends the body. That it was not made whole, the client is told by an answer that breaks off.
    fn end(&self, made: io::Result<()>) {
        // If it is gone, nobody has to be told.
        let _ = self.full.blocking_send(made.map(|()| None));
    }
}

impl Write for ChunkSender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.filling.extend_from_slice(bytes);
        if self.filling.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.filling);
        if piece.is_empty() {
            return Ok(());
        }
        self.full.blocking_send(Ok(Some(piece.into()))).map_err(|_| ErrorKind::BrokenPipe.into())
    }
}

impl hyper::body::Body for ChunkBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|piece| match piece {
            Some(piece) => piece.map(|piece| piece.map(Frame::data)).transpose(),
            None => Some(Err(ErrorKind::UnexpectedEof.into())),
        })
    }
}

#[cfg(test)]
mod tests {
    use gm_node::api;

    use super::*;

    fn written(form: ListFormat, count: u32) -> String {
        let mut out = ListWriter::new(Vec::new(), form);
        let sync = api::SyncInfo { state: "single".into(), verified: true, with: None, seconds: None };
        out.head(&api::Coverage { sync, min_owners: 0, segments: Vec::new() }).unwrap();
        for start in 0..count {
            out.item(&api::CoverageSegment { start, end: start, owners: vec![] }).unwrap();
        }
        out.end().unwrap();
        String::from_utf8(out.to).unwrap()
    }

    #[test]
    fn a_streamed_list_equals_a_whole_one() {
        for count in [0, 1, 3] {
            let whole: api::Coverage = serde_json::from_str(&written(ListFormat::Json, count)).unwrap();
            assert_eq!(whole.segments.len(), count as usize);
            assert_eq!(serde_json::to_string(&whole).unwrap(), written(ListFormat::Json, count));
            let text = written(ListFormat::JsonLines, count);
            let mut lines = text.lines();
            let head: api::Coverage = serde_json::from_str(lines.next().unwrap()).unwrap();
            assert_eq!(head, api::Coverage { segments: vec![], ..whole.clone() });
            let pieces: Vec<api::CoverageSegment> =
                lines.map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(pieces, whole.segments);
        }
    }

    #[tokio::test]
    async fn unsent_answers_are_limited() {
        use tower_service::Service as _;

        let lists =
            AnswerSlots { permits: Arc::new(Semaphore::new(1)), wait_timeout: Duration::from_millis(20) };
        let mut router: axum::Router = axum::Router::new()
            .route("/", axum::routing::get(|| async { "a long answer" }))
            .route_layer(axum::middleware::from_fn_with_state(lists, limit_answers));
        let mut ask = || router.call(Request::new(Body::empty()));
        let first = ask().await.unwrap();
        assert_eq!(
            (first.status(), ask().await.unwrap().status()),
            (200.try_into().unwrap(), 503.try_into().unwrap())
        );
        drop(first);
        assert_eq!(ask().await.unwrap().status(), 200);
    }

    #[tokio::test]
    async fn no_chunk_is_made_ahead_of_a_slow_client() {
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let (mut pieces, body) = chunk_channel(permit);
        let (tell, told) = std::sync::mpsc::channel();
        let maker = tokio::task::spawn_blocking(move || {
            loop {
                let line = [7; CHUNK_BYTES];
                pieces.write_all(&line).map_err(|error| error.kind())?;
                let _ = tell.send(());
            }
            #[allow(unreachable_code)]
            Ok::<(), ErrorKind>(())
        });
        // One piece waits to be taken, and the second finds no place.
        told.recv().unwrap();
        drop(body);
        assert_eq!(maker.await.unwrap(), Err(ErrorKind::BrokenPipe));
        assert!(told.iter().count() <= 1);
    }
}
