//! Tests of the server with slow, silent, greedy and disconnected clients.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::to_bytes;
use axum::extract::Request as Asked;
use axum::routing::{any, get};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;

/// Time limit for clients.
const SLOW: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(60);

/// A body without an end.
struct EndlessBytes;

impl hyper::body::Body for EndlessBytes {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"12345678")))))
    }
}

/// Signals when a request begins and when it is dropped.
struct DropSignal(mpsc::UnboundedSender<()>);

impl Drop for DropSignal {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

fn router(dropped: mpsc::UnboundedSender<()>) -> Router {
    let echo = |asked: Asked| async { to_bytes(asked.into_body(), usize::MAX).await.unwrap() };
    let never = move || async move {
        let guard = DropSignal(dropped);
        // The request has begun.
        let _ = guard.0.send(());
        std::future::pending::<()>().await;
    };
    let watch = || async {
        let mut response = Body::new(EndlessBytes).into_response();
        response.extensions_mut().insert(EndlessBody);
        response
    };
    Router::new()
        .route("/echo", any(echo))
        .route("/never", get(never))
        .route("/long", get(|| async { Body::new(EndlessBytes).into_response() }))
        .route("/watch", get(watch))
}

struct TestServer {
    shared: Arc<ServerState>,
    ending: watch::Sender<bool>,
    dropped: mpsc::UnboundedReceiver<()>,
    router: Router,
}

impl TestServer {
    fn new(client_timeout: Duration, permits: usize) -> TestServer {
        let (signal, dropped) = mpsc::unbounded_channel();
        let shared =
            ServerState { client_timeout, body_permits: Semaphore::new(permits), max_body_permits: 1 << 20 };
        TestServer {
            shared: Arc::new(shared),
            ending: watch::channel(false).0,
            dropped,
            router: router(signal),
        }
    }

    /// Opens a connection; returns the client's side and the server's task.
    fn client(&self) -> (DuplexStream, JoinHandle<()>) {
        let (ours, theirs) = duplex(256);
        let shared = Arc::clone(&self.shared);
        (ours, tokio::spawn(connection(theirs, self.router.clone(), shared, self.ending.subscribe())))
    }

    /// Sends bytes and returns the answer.
    async fn ask(&self, bytes: impl AsRef<[u8]>) -> String {
        let (stream, task) = self.client();
        let (mut read, mut write) = tokio::io::split(stream);
        let bytes = bytes.as_ref().to_vec();
        let sending = tokio::spawn(async move {
            // The server may not read all of it. The stream must live until the answer was read.
            let _ = write.write_all(&bytes).await;
            write
        });
        let mut text = String::new();
        read.read_to_string(&mut text).await.unwrap();
        task.await.unwrap();
        drop(sending.await.unwrap());
        text
    }
}

#[tokio::test]
async fn a_request_is_answered_without_delay() {
    let server = TestServer::new(LONG, 1);
    let text = server.ask("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello").await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "hello");
    assert_eq!(
        head,
        "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: 5\r\nconnection: close"
    );
    let text = server.ask("HEAD /echo HTTP/1.1\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    // The client waits for `100 Continue` before it sends the body.
    let (mut stream, _task) = server.client();
    let head = b"POST /echo HTTP/1.1\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut answer = [0; 25];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"ab").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("\r\n\r\nab"), "{text}");
}

#[tokio::test]
async fn too_long_and_invalid_requests_are_refused_with_text() {
    let server = TestServer::new(LONG, 1);
    for (bytes, status, says) in [
        ("nonsense\r\n\r\n".to_owned(), "400", "invalid head"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(MAX_HEAD_BYTES)), "431", "longer than 16384 bytes"),
        ("POST /echo HTTP/1.1\r\ncontent-length: 1048577\r\n\r\n".to_owned(), "413", "longer than 1048576"),
        ("POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(), "411", "content-length"),
        ("GET /nowhere HTTP/1.1\r\n\r\n".to_owned(), "404", ""),
    ] {
        let text = server.ask(bytes).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")) && text.contains(says), "{text}");
    }
}

#[tokio::test]
async fn half_a_request_is_refused_and_silence_is_dropped() {
    let server = TestServer::new(SLOW, 1);
    let late = |text: &str| text.starts_with("HTTP/1.1 408 ") && text.contains("did not arrive in time");
    assert!(late(&server.ask("GET /echo HTT").await));
    assert!(late(&server.ask("POST /echo HTTP/1.1\r\ncontent-length: 9\r\n\r\nhalf").await));
    assert_eq!(server.ask("").await, "");
    // The shutdown does not wait for incomplete requests.
    let server = TestServer::new(LONG, 1);
    let (mut stream, task) = server.client();
    stream.write_all(b"GET /echo HTT").await.unwrap();
    server.ending.send_replace(true);
    task.await.unwrap();
    // A complete request is answered.
    let (mut stream, theirs) = duplex(256);
    stream.write_all(b"GET /echo HTTP/1.1\r\n\r\n").await.unwrap();
    connection(theirs, server.router.clone(), Arc::clone(&server.shared), server.ending.subscribe()).await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
}

#[tokio::test]
async fn small_bodies_are_always_accepted() {
    let mut server = TestServer::new(SLOW, 4);
    let body = |length: usize, sent: usize| {
        format!("POST /echo HTTP/1.1\r\ncontent-length: {length}\r\n\r\n{}", "x".repeat(sent))
    };
    // A body beyond the permits times out, and returns the permits that it held.
    assert!(server.ask(body(200_000, 200_000)).await.starts_with("HTTP/1.1 408 "));
    assert_eq!(server.shared.body_permits.available_permits(), 4);
    Arc::get_mut(&mut server.shared).unwrap().client_timeout = LONG;
    let ok = server.ask(body(80_000, 80_000)).await;
    assert!(ok.starts_with("HTTP/1.1 200 ") && ok.ends_with('x'), "{}", &ok[..80]);
    assert_eq!(server.shared.body_permits.available_permits(), 4);
    // While one body holds all permits, small ones are accepted.
    let (mut greedy, task) = server.client();
    greedy.write_all(body(80_000, 40_000).as_bytes()).await.unwrap();
    while server.shared.body_permits.available_permits() == 4 {
        tokio::task::yield_now().await;
    }
    assert!(server.ask(body(SMALL_BODY_BYTES, SMALL_BODY_BYTES)).await.starts_with("HTTP/1.1 200 "));
    drop(greedy);
    task.await.unwrap();
    assert_eq!(server.shared.body_permits.available_permits(), 4);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_but_no_watcher() {
    let server = TestServer::new(SLOW, 1);
    let (mut stream, task) = server.client();
    stream.write_all(b"GET /long HTTP/1.1\r\n\r\n").await.unwrap();
    task.await.unwrap();
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await.unwrap();
    assert!(text.len() <= 256 && !text.ends_with(b"0\r\n\r\n"), "the answer must break off");

    let (mut stream, task) = server.client();
    stream.write_all(b"GET /watch HTTP/1.1\r\n\r\n").await.unwrap();
    tokio::time::sleep(4 * SLOW).await;
    let mut bytes = [0; 10_000];
    stream.read_exact(&mut bytes).await.unwrap();
    assert!(!task.is_finished());
    drop(stream);
    task.await.unwrap();
}

#[tokio::test]
async fn a_request_ends_when_its_client_is_gone() {
    let mut server = TestServer::new(LONG, 1);
    let (mut stream, task) = server.client();
    // Bytes after the request are dropped.
    stream.write_all(b"GET /never HTTP/1.1\r\n\r\nGET /echo HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(server.dropped.recv().await, Some(()), "the request has begun");
    drop(stream);
    task.await.unwrap();
    assert_eq!(server.dropped.recv().await, Some(()), "the request was dropped");
}
