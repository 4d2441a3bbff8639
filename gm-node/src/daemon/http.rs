//! HTTP/1.1 for the control socket: one request a connection, in bounded memory and time, whatever
//! a client does. Knows no route.
//!
//! It is the daemon's own because servers of libraries put the date into every answer, or compute
//! it for each, and fail on a clock before 1970 or after 9999; here nothing looks at the clock.
//! `http/head.rs`: what a request says before its body; `http/response.rs`: how an answer is sent;
//! `http/stream.rs`: bytes of a connection.

mod head;
mod response;
mod stream;
#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tower_service::Service as _;

use super::connection_limit::LimitedListener;
use head::RequestHead;
use stream::{read_some, until_closed};

pub(super) use response::EndlessBody;

/// Bytes of the longest head of a request.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Bytes of the longest body of a request: all ranges that a member may have.
const MAX_BODY_BYTES: usize = 16 << 20;
/// Bytes of a body for which there is always room.
const SMALL_BODY_BYTES: usize = 16 << 10;
/// Bytes of all longer bodies that are read at one time; who comes later waits.
const MAX_BODIES_BYTES: usize = 64 << 20;
/// In so many bytes room is counted.
const BYTES_PER_PERMIT: usize = 16 << 10;

/// What is shared by the connections.
#[derive(Debug)]
struct ServerState {
    /// How long a client may take to send its request, and to take more of an answer.
    client_timeout: Duration,
    /// Steps of bodies for which there is room.
    body_permits: Semaphore,
    /// The same of one body.
    max_body_permits: usize,
}

/// A request that is not answered by a route, with the status that says why.
type HttpRefusal = (StatusCode, String);

/// Serves all connections. After `end` it accepts no more, and returns when the requests in
/// progress are answered.
pub(super) async fn serve(
    mut room: LimitedListener,
    router: Router,
    patience: Duration,
    end: impl Future<Output = ()>,
) {
    let shared = Arc::new(ServerState {
        client_timeout: patience,
        body_permits: Semaphore::new(MAX_BODIES_BYTES / BYTES_PER_PERMIT),
        max_body_permits: MAX_BODY_BYTES,
    });
    let (ending, ended) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut end = std::pin::pin!(end);
    loop {
        tokio::select! {
            guest = room.accept() => {
                connections.spawn(connection(guest, router.clone(), Arc::clone(&shared), ended.clone()));
            }
            // One that panicked has printed it; the others go on.
            Some(_) = connections.join_next() => {}
            () = &mut end => break,
        }
    }
    drop(room);
    ending.send_replace(true);
    while connections.join_next().await.is_some() {}
}

/// Answers the request of a connection, and ends it.
async fn connection(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    mut router: Router,
    shared: Arc<ServerState>,
    mut ended: watch::Receiver<bool>,
) {
    let until = Instant::now() + shared.client_timeout;
    let mut kept = Vec::new();
    let head = tokio::select! {
        biased;
        head = timeout_at(until, read_head(&mut stream, &mut kept)) => head,
        // A request that has not begun, or not come as a whole, is not waited for.
        _ = ended.wait_for(|ended| *ended) => return,
    };
    let (is_empty, patience) = (kept.is_empty(), shared.client_timeout);
    let head = match head {
        Ok(Ok(Some(head))) => head,
        Ok(Ok(None)) => return,
        Err(_) if is_empty => return,
        Err(_) => return refuse(&mut stream, timed_out("head"), patience).await,
        Ok(Err(refused)) => return refuse(&mut stream, refused, patience).await,
    };
    let (is_head, is_old) = (head.method == Method::HEAD, head.is_http_1_0);
    let read = timeout_at(until, read_body(&mut stream, kept, &head, &shared)).await;
    let (body, room) = match read.unwrap_or_else(|_| Err(Some(timed_out("body")))) {
        Ok(body) => body,
        Err(None) => return,
        Err(Some(refused)) => return refuse(&mut stream, refused, patience).await,
    };
    let mut request = Request::new(Body::from(body));
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) =
        (head.method, head.uri, head.headers);
    let response = tokio::select! {
        response = router.call(request) => response.unwrap_or_else(|never| match never {}),
        () = until_closed(&mut stream) => return,
    };
    drop(room);
    match response::send(&mut stream, response, is_head, is_old, patience).await {
        Err(error) if error.kind() == ErrorKind::TimedOut => tracing::debug!(
            "a client of the control socket took nothing of its answer for {patience:?} (`api-timeout`), and is cut off"
        ),
        // What else fails here is the client's end of it.
        Ok(()) | Err(_) => {}
    }
}

fn timed_out(what: &str) -> HttpRefusal {
    (StatusCode::REQUEST_TIMEOUT, format!("the {what} of the request did not come in time"))
}

async fn refuse(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    refused: HttpRefusal,
    patience: Duration,
) {
    let (status, error) = refused;
    let response: Response = super::routes::refusal(status, error).into_response();
    let _ = response::send(stream, response, false, false, patience).await;
}

/// Reads a head; nothing if the client ends the connection before. What comes behind the head is
/// left in `kept`.
async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
    kept: &mut Vec<u8>,
) -> Result<Option<RequestHead>, HttpRefusal> {
    loop {
        if !kept.is_empty()
            && let Some((head, length)) = RequestHead::read(kept)?
        {
            kept.drain(..length);
            return Ok(Some(head));
        }
        if kept.len() >= MAX_HEAD_BYTES {
            let why = format!("the head of the request is longer than {MAX_HEAD_BYTES} bytes");
            return Err((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, why));
        }
        match read_some(stream, kept, MAX_HEAD_BYTES - kept.len()).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Ok(None),
        }
    }
}

/// Reads a body, and holds the room for it; nothing if the client is gone.
async fn read_body<'a>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut kept: Vec<u8>,
    head: &RequestHead,
    shared: &'a ServerState,
) -> Result<(Bytes, Option<SemaphorePermit<'a>>), Option<HttpRefusal>> {
    if head.length > shared.max_body_permits {
        let why = format!("the body of the request is longer than {} bytes", shared.max_body_permits);
        return Err(Some((StatusCode::PAYLOAD_TOO_LARGE, why)));
    }
    if head.length == 0 {
        return Ok((Bytes::new(), None));
    }
    if head.expects_continue && kept.is_empty() {
        stream::write_all(stream, b"HTTP/1.1 100 Continue\r\n\r\n", shared.client_timeout)
            .await
            .map_err(|_| None)?;
    }
    let mut room: Option<SemaphorePermit<'a>> = None;
    kept.reserve_exact(head.length.min(SMALL_BODY_BYTES).saturating_sub(kept.len()));
    while kept.len() < head.length {
        // Room is made as the body comes, not for what is only announced.
        if kept.len() == kept.capacity() {
            let more = (head.length - kept.len()).min(kept.len());
            let steps = u32::try_from(more.div_ceil(BYTES_PER_PERMIT)).unwrap_or(u32::MAX);
            let more_room = shared.body_permits.acquire_many(steps).await.map_err(|_| None)?;
            match &mut room {
                Some(room) => room.merge(more_room),
                none => *none = Some(more_room),
            }
            kept.reserve_exact(more);
        }
        let wanted = (head.length - kept.len()).min(kept.capacity() - kept.len());
        match read_some(stream, &mut kept, wanted).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(None),
        }
    }
    kept.truncate(head.length);
    Ok((Bytes::from(kept), room))
}
