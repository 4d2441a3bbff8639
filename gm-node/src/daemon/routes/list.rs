//! Answers that are as long as the state of a group: made beside the node, from a state that stays as it is, a piece at a time as the client takes them. So neither
//! the node nor memory holds one of them whole. Knows nothing of what they say.

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

use super::{App, Failure};

/// Answers that are made and sent at one time; those of lists are made by a thread of their own.
const MOST: usize = 64;
/// Bytes of a piece, about.
const PIECE: usize = 64 << 10;

/// The room for such answers.
#[derive(Clone, Debug)]
pub(super) struct Lists {
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Lists {
    /// For a place it is waited so long.
    pub(super) fn new(patience: Duration) -> Lists {
        Lists { places: Arc::new(Semaphore::new(MOST)), patience }
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let place = timeout(self.patience, Arc::clone(&self.places).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(Failure::busy)
    }
}

/// How the client wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As one value.
    Whole,
    /// The value with an empty list, and what belongs into the list after it, each on a line.
    Lines,
}

const LINES: &str = "application/x-ndjson";

impl<S: Send + Sync> FromRequestParts<S> for Form {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Form, Failure> {
        let mut accepted = parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        Ok(if accepted.any(|value| value.contains(LINES)) { Form::Lines } else { Form::Whole })
    }
}

/// Answers with what `make` writes.
pub(super) async fn list(
    app: &App,
    form: Form,
    make: impl FnOnce(&mut Out<Pieces>) -> io::Result<()> + Send + 'static,
) -> Result<Response, Failure> {
    let (pieces, body) = pieces(app.lists.place().await?);
    tokio::task::spawn_blocking(move || {
        let mut out = Out::new(pieces, form);
        let made = make(&mut out).and_then(|()| out.end());
        out.to.end(made);
    });
    let form = if form == Form::Lines { LINES } else { "application/json" };
    Ok(([(CONTENT_TYPE, form)], Body::new(body)).into_response())
}

/// The middleware of routes whose answers are made whole: each holds a place until it is sent, so that few are in memory at one time.
pub(super) async fn whole(
    State(lists): State<Lists>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let place = lists.place().await?;
    let mut response = next.run(request).await;
    // It goes with the head of the answer, which is dropped when all of it is sent.
    response.extensions_mut().insert(Arc::new(place));
    Ok(response)
}

/// Where an answer is written: first its head, then what is in its list.
#[derive(Debug)]
pub(super) struct Out<W> {
    to: W,
    form: Form,
    is_first: bool,
}

impl<W: Write> Out<W> {
    fn new(to: W, form: Form) -> Out<W> {
        Out { to, form, is_first: true }
    }

    /// The answer with an empty list, which has to be its last field.
    pub(super) fn head(&mut self, head: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(head)?;
        match self.form {
            Form::Lines => writeln!(self.to, "{text}"),
            Form::Whole => {
                let open = text.strip_suffix("]}").ok_or(ErrorKind::InvalidData)?;
                self.to.write_all(open.as_bytes())
            }
        }
    }

    /// One more in the list.
    pub(super) fn item(&mut self, item: &impl Serialize) -> io::Result<()> {
        if self.form == Form::Whole && !std::mem::take(&mut self.is_first) {
            self.to.write_all(b",")?;
        }
        serde_json::to_writer(&mut self.to, item)?;
        if self.form == Form::Lines { self.to.write_all(b"\n") } else { Ok(()) }
    }

    fn end(&mut self) -> io::Result<()> {
        if self.form == Form::Whole {
            self.to.write_all(b"]}")?;
        }
        self.to.flush()
    }
}

/// A part of the body, or that it ends here. A maker that breaks down says neither.
type Piece = io::Result<Option<Bytes>>;

/// What is written and not taken yet: one piece that is being filled, and one that waits.
#[derive(Debug)]
pub(super) struct Pieces {
    filling: Vec<u8>,
    full: mpsc::Sender<Piece>,
}

/// The body that takes the pieces. It holds its place until it is taken or dropped.
struct Taken(mpsc::Receiver<Piece>, #[allow(dead_code)] OwnedSemaphorePermit);

fn pieces(permit: OwnedSemaphorePermit) -> (Pieces, Taken) {
    let (full, taken) = mpsc::channel(1);
    (Pieces { filling: Vec::new(), full }, Taken(taken, permit))
}

impl Pieces {
    /// Ends the body. That it was not made whole, the client is told by an answer that breaks off.
    fn end(&self, made: io::Result<()>) {
        // If it is gone, nobody has to be told.
        let _ = self.full.blocking_send(made.map(|()| None));
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.filling.extend_from_slice(bytes);
        if self.filling.len() >= PIECE {
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

impl hyper::body::Body for Taken {
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

    fn written(form: Form, count: u32) -> String {
        let mut out = Out::new(Vec::new(), form);
        let sync = api::Sync { state: "single".into(), verified: true, with: None, seconds: None };
        out.head(&api::Coverage { sync, least: 0, pieces: Vec::new() }).unwrap();
        for start in 0..count {
            out.item(&api::Piece { start, end: start, owners: vec![] }).unwrap();
        }
        out.end().unwrap();
        String::from_utf8(out.to).unwrap()
    }

    #[test]
    fn a_list_is_the_same_value_as_if_it_were_made_whole() {
        for count in [0, 1, 3] {
            let whole: api::Coverage = serde_json::from_str(&written(Form::Whole, count)).unwrap();
            assert_eq!(whole.pieces.len(), count as usize);
            assert_eq!(serde_json::to_string(&whole).unwrap(), written(Form::Whole, count));
            let text = written(Form::Lines, count);
            let mut lines = text.lines();
            let head: api::Coverage = serde_json::from_str(lines.next().unwrap()).unwrap();
            assert_eq!(head, api::Coverage { pieces: vec![], ..whole.clone() });
            let pieces: Vec<api::Piece> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(pieces, whole.pieces);
        }
    }

    #[tokio::test]
    async fn only_so_many_answers_are_made_and_not_sent() {
        use tower_service::Service as _;

        let lists = Lists { places: Arc::new(Semaphore::new(1)), patience: Duration::from_millis(20) };
        let mut router: axum::Router = axum::Router::new()
            .route("/", axum::routing::get(|| async { "a long answer" }))
            .route_layer(axum::middleware::from_fn_with_state(lists, whole));
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
    async fn nothing_is_made_ahead_of_a_client_that_does_not_take_it() {
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let (mut pieces, body) = pieces(permit);
        let (tell, told) = std::sync::mpsc::channel();
        let maker = tokio::task::spawn_blocking(move || {
            loop {
                let line = [7; PIECE];
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
