//! Streams long answers: each is generated from a snapshot, outside the node's task, one chunk at a
//! time as the client reads. So a long answer neither delays the node nor is in memory as a whole.

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

/// Maximum number of long answers in progress. Each streamed list uses a thread.
const MAX_ANSWERS: usize = 64;
/// Approximate size of a chunk.
const CHUNK_BYTES: usize = 64 << 10;

/// Slots for long answers.
#[derive(Clone, Debug)]
pub(super) struct AnswerSlots {
    permits: Arc<Semaphore>,
    wait_timeout: Duration,
}

impl AnswerSlots {
    /// Creates the slots. A request waits up to `wait_timeout` for one.
    pub(super) fn new(wait_timeout: Duration) -> AnswerSlots {
        AnswerSlots { permits: Arc::new(Semaphore::new(MAX_ANSWERS)), wait_timeout }
    }

    async fn acquire(&self) -> Result<OwnedSemaphorePermit, RouteError> {
        let permit = timeout(self.wait_timeout, Arc::clone(&self.permits).acquire_owned()).await;
        permit.ok().and_then(Result::ok).ok_or_else(RouteError::busy)
    }
}

/// Format of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListFormat {
    /// A single JSON value.
    Json,
    /// The value with an empty list, then each entry of the list on its own line.
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

/// Answers with the output of `make`.
pub(super) async fn stream_list(
    app: &App,
    form: ListFormat,
    make: impl FnOnce(&mut ListWriter<ChunkSender>) -> io::Result<()> + Send + 'static,
) -> Result<Response, RouteError> {
    let (chunks, body) = chunk_channel(app.answer_slots.acquire().await?);
    tokio::task::spawn_blocking(move || {
        let mut out = ListWriter::new(chunks, form);
        let made = make(&mut out).and_then(|()| out.end());
        out.to.end(made);
    });
    let form = if form == ListFormat::JsonLines { NDJSON } else { "application/json" };
    Ok(([(CONTENT_TYPE, form)], Body::new(body)).into_response())
}

/// Middleware of routes whose answers are generated as a whole: each answer holds a slot until it
/// is sent, which limits their memory.
pub(super) async fn limit_answers(
    State(lists): State<AnswerSlots>,
    request: Request,
    next: Next,
) -> Result<Response, RouteError> {
    let permit = lists.acquire().await?;
    let mut response = next.run(request).await;
    // The head of the answer holds the permit, and is dropped when the answer was sent.
    response.extensions_mut().insert(Arc::new(permit));
    Ok(response)
}

/// Writes an answer: first its head, then the entries of its list.
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

    /// Writes the answer with an empty list, which must be its last field.
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

    /// Writes an entry of the list.
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

/// A chunk of the body, or its end. A generator that panics sends neither.
type Chunk = io::Result<Option<Bytes>>;

/// Collects output into chunks. At most one chunk is being filled and one waits to be sent.
#[derive(Debug)]
pub(super) struct ChunkSender {
    filling: Vec<u8>,
    full: mpsc::Sender<Chunk>,
}

/// Body made of the chunks. It holds its slot until it was sent or dropped.
struct ChunkBody(mpsc::Receiver<Chunk>, #[allow(dead_code)] OwnedSemaphorePermit);

fn chunk_channel(permit: OwnedSemaphorePermit) -> (ChunkSender, ChunkBody) {
    let (full, taken) = mpsc::channel(1);
    (ChunkSender { filling: Vec::new(), full }, ChunkBody(taken, permit))
}

impl ChunkSender {
    /// Ends the body. If `made` is an error, the answer breaks off, so that the client notices.
    fn end(&self, made: io::Result<()>) {
        // Sending fails if the client is gone.
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
        let segment = std::mem::take(&mut self.filling);
        if segment.is_empty() {
            return Ok(());
        }
        self.full.blocking_send(Ok(Some(segment.into()))).map_err(|_| ErrorKind::BrokenPipe.into())
    }
}

impl hyper::body::Body for ChunkBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|segment| match segment {
            Some(segment) => segment.map(|segment| segment.map(Frame::data)).transpose(),
            None => Some(Err(ErrorKind::UnexpectedEof.into())),
        })
    }
}

#[cfg(test)]
mod tests {
    use gm_daemon::api;

    use super::*;

    fn written(form: ListFormat, count: u32) -> String {
        let mut out = ListWriter::new(Vec::new(), form);
        let sync = api::SyncInfo { state: api::SyncState::Single, verified: true, with: None, seconds: None };
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
            let segments: Vec<api::CoverageSegment> =
                lines.map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(segments, whole.segments);
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
        let (mut chunks, body) = chunk_channel(permit);
        let (report, reports) = std::sync::mpsc::channel();
        let maker = tokio::task::spawn_blocking(move || {
            loop {
                let line = [7; CHUNK_BYTES];
                chunks.write_all(&line).map_err(|error| error.kind())?;
                let _ = report.send(());
            }
            #[allow(unreachable_code)]
            Ok::<(), ErrorKind>(())
        });
        // One chunk waits to be sent; the second blocks.
        reports.recv().unwrap();
        drop(body);
        assert_eq!(maker.await.unwrap(), Err(ErrorKind::BrokenPipe));
        assert!(reports.iter().count() <= 1);
    }
}
