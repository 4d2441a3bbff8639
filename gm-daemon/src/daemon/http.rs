//! HTTP/1.1 server of the control socket: one request per connection, with limits of memory and
//! time for any client.
//!
//! The daemon has its own server because those of libraries put the date into every answer, and
//! fail if the clock shows a time before 1970 or after 9999. `http/head.rs` parses the head of a
//! request, `http/response.rs` sends answers, `http/stream.rs` reads and writes bytes.

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

/// Maximum size of the head of a request.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Maximum size of the body of a request: enough for all ranges that a member may have.
const MAX_BODY_BYTES: usize = 16 << 20;
/// Size up to which a body needs no permit.
const SMALL_BODY_BYTES: usize = 16 << 10;
/// Maximum size of all longer bodies that are read at the same time. Further ones wait.
const MAX_BODIES_BYTES: usize = 64 << 20;
/// Bytes of a body that need one permit.
const BYTES_PER_PERMIT: usize = 16 << 10;

/// State shared by the connections.
#[derive(Debug)]
struct ServerState {
    /// Time limit for a client to send its request, and to read more of the answer.
    client_timeout: Duration,
    /// Permits for bodies.
    body_permits: Semaphore,
    /// Maximum size of one body.
    max_body_permits: usize,
}

/// Refusal of a request before it reaches a route: status and message.
type HttpRefusal = (StatusCode, String);

/// Serves connections until `end`, then finishes the requests in progress.
pub(super) async fn serve(
    mut listener: LimitedListener,
    router: Router,
    client_timeout: Duration,
    end: impl Future<Output = ()>,
) {
    let shared = Arc::new(ServerState {
        client_timeout,
        body_permits: Semaphore::new(MAX_BODIES_BYTES / BYTES_PER_PERMIT),
        max_body_permits: MAX_BODY_BYTES,
    });
    let (ending, ended) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut end = std::pin::pin!(end);
    loop {
        tokio::select! {
            stream = listener.accept() => {
                connections.spawn(connection(stream, router.clone(), Arc::clone(&shared), ended.clone()));
            }
            // A panic in a connection was printed; the others continue.
            Some(_) = connections.join_next() => {}
            () = &mut end => break,
        }
    }
    drop(listener);
    ending.send_replace(true);
    while connections.join_next().await.is_some() {}
}

/// Answers the request of a connection and closes it.
async fn connection(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    mut router: Router,
    shared: Arc<ServerState>,
    mut ended: watch::Receiver<bool>,
) {
    let until = Instant::now() + shared.client_timeout;
    let mut buffer = Vec::new();
    let head = tokio::select! {
        biased;
        head = timeout_at(until, read_head(&mut stream, &mut buffer)) => head,
        // At shutdown, incomplete requests are dropped.
        _ = ended.wait_for(|ended| *ended) => return,
    };
    let (is_empty, time_limit) = (buffer.is_empty(), shared.client_timeout);
    let head = match head {
        Ok(Ok(Some(head))) => head,
        Ok(Ok(None)) => return,
        Err(_) if is_empty => return,
        Err(_) => return refuse(&mut stream, timed_out("head"), time_limit).await,
        Ok(Err(refused)) => return refuse(&mut stream, refused, time_limit).await,
    };
    let (is_head, is_http_1_0) = (head.method == Method::HEAD, head.is_http_1_0);
    let read = timeout_at(until, read_body(&mut stream, buffer, &head, &shared)).await;
    let (body, permit) = match read.unwrap_or_else(|_| Err(Some(timed_out("body")))) {
        Ok(body) => body,
        Err(None) => return,
        Err(Some(refused)) => return refuse(&mut stream, refused, time_limit).await,
    };
    let mut request = Request::new(Body::from(body));
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) =
        (head.method, head.uri, head.headers);
    let response = tokio::select! {
        response = router.call(request) => response.unwrap_or_else(|never| match never {}),
        () = until_closed(&mut stream) => return,
    };
    drop(permit);
    match response::send(&mut stream, response, is_head, is_http_1_0, time_limit).await {
        Err(error) if error.kind() == ErrorKind::TimedOut => tracing::debug!(
            "a client of the control socket read nothing of its answer for {time_limit:?} (`api-timeout`) and was disconnected"
        ),
        // Other errors mean that the client is gone.
        Ok(()) | Err(_) => {}
    }
}

fn timed_out(what: &str) -> HttpRefusal {
    (StatusCode::REQUEST_TIMEOUT, format!("the {what} of the request did not arrive in time"))
}

async fn refuse(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    refused: HttpRefusal,
    time_limit: Duration,
) {
    let (status, error) = refused;
    let response: Response = super::routes::refusal(status, error).into_response();
    let _ = response::send(stream, response, false, false, time_limit).await;
}

/// Reads a head; `None` if the client closes the connection first. Bytes after the head remain in
/// `buffer`.
async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> Result<Option<RequestHead>, HttpRefusal> {
    loop {
        if !buffer.is_empty()
            && let Some((head, length)) = RequestHead::read(buffer)?
        {
            buffer.drain(..length);
            return Ok(Some(head));
        }
        if buffer.len() >= MAX_HEAD_BYTES {
            let why = format!("the head of the request is longer than {MAX_HEAD_BYTES} bytes");
            return Err((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, why));
        }
        match read_some(stream, buffer, MAX_HEAD_BYTES - buffer.len()).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Ok(None),
        }
    }
}

/// Reads a body and acquires permits for it. `Err(None)` means that the client is gone.
async fn read_body<'a>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut buffer: Vec<u8>,
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
    if head.expects_continue && buffer.is_empty() {
        stream::write_all(stream, b"HTTP/1.1 100 Continue\r\n\r\n", shared.client_timeout)
            .await
            .map_err(|_| None)?;
    }
    let mut permit: Option<SemaphorePermit<'a>> = None;
    buffer.reserve_exact(head.length.min(SMALL_BODY_BYTES).saturating_sub(buffer.len()));
    while buffer.len() < head.length {
        // Memory is reserved as the body arrives, not when it is only announced.
        if buffer.len() == buffer.capacity() {
            let more = (head.length - buffer.len()).min(buffer.len());
            let steps = u32::try_from(more.div_ceil(BYTES_PER_PERMIT)).unwrap_or(u32::MAX);
            let more_permits = shared.body_permits.acquire_many(steps).await.map_err(|_| None)?;
            match &mut permit {
                Some(permit) => permit.merge(more_permits),
                none => *none = Some(more_permits),
            }
            buffer.reserve_exact(more);
        }
        let wanted = (head.length - buffer.len()).min(buffer.capacity() - buffer.len());
        match read_some(stream, &mut buffer, wanted).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(None),
        }
    }
    buffer.truncate(head.length);
    Ok((Bytes::from(buffer), permit))
}
