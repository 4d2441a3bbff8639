//! HTTP client for a daemon's control socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gm_daemon::api;
use gm_node::permissions;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::error::CommandError;

/// Maximum size of an answer, or of a line of a streamed answer.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Default time limit of a request that waits for no other member.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Media type of streamed answers, one JSON value per line.
const NDJSON: &str = "application/x-ndjson";

/// Characters of a URI that are not percent-encoded.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Encodes text as a part of a URI.
pub(crate) fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// Client of the daemon behind a socket. Each request has its own connection.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    path: PathBuf,
    max_bytes: usize,
    timeout: Duration,
}

impl Client {
    /// Creates a client of the daemon that listens at `path`.
    pub(crate) fn new(path: PathBuf) -> Client {
        Client { path, max_bytes: MAX_ANSWER_BYTES, timeout: DEFAULT_TIMEOUT }
    }

    /// The same client with another time limit.
    pub(crate) fn with_timeout(&self, timeout: Duration) -> Client {
        Client { timeout, ..self.clone() }
    }

    /// Path of the socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Sends a GET request.
    pub(crate) async fn get<T: DeserializeOwned>(&self, uri: &str) -> Result<T, CommandError> {
        self.request(Method::GET, uri, None, self.timeout).await
    }

    /// Sends a POST request, whose processing may take `waits` longer than the time limit.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        uri: &str,
        body: &impl Serialize,
        waits: Duration,
    ) -> Result<T, CommandError> {
        let body = serde_json::to_vec(body).map_err(|error| CommandError::Usage(error.to_string()))?;
        if body.len() > self.max_bytes {
            return Err(self.too_large("the request to"));
        }
        self.request(Method::POST, uri, Some(body), waits.saturating_add(self.timeout)).await
    }

    /// Requests an endless answer.
    pub(crate) async fn watch(&self, uri: &str) -> Result<LineStream, CommandError> {
        Ok(LineStream { is_endless: true, ..self.list(uri, Duration::ZERO).await? })
    }

    /// Requests a streamed answer. The daemon may take `waits` longer than the time limit to begin
    /// it, and the time limit for each further part.
    pub(crate) async fn list(&self, uri: &str, waits: Duration) -> Result<LineStream, CommandError> {
        let within = waits.saturating_add(self.timeout);
        let asked = async { self.send(self.connect().await?, Method::GET, uri, None, true).await };
        let response = timeout(within, asked).await.map_err(|_| self.timed_out(within))??;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(response).await);
        }
        let body = response.into_body();
        Ok(LineStream { client: self.clone(), body, buffer: Vec::new(), bytes_read: 0, is_endless: false })
    }

    async fn request<T: DeserializeOwned>(
        &self,
        method: Method,
        uri: &str,
        body: Option<Vec<u8>>,
        within: Duration,
    ) -> Result<T, CommandError> {
        let writes = method == Method::POST;
        let asked = |failure: CommandError| if writes { failure.after_sent_write() } else { failure };
        let answer = async {
            let stream = self.connect().await?;
            self.exchange(stream, method, uri, body).await.map_err(asked)
        };
        timeout(within, answer).await.unwrap_or_else(|_| Err(asked(self.timed_out(within))))
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        stream: UnixStream,
        method: Method,
        uri: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, CommandError> {
        let response = self.send(stream, method, uri, body, false).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(response).await);
        }
        let bytes = self.read_body(response.into_body()).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.protocol_error(&error.to_string()))
    }

    /// Connects. If this fails, no request was sent.
    async fn connect(&self) -> Result<UnixStream, CommandError> {
        let stream = UnixStream::connect(&self.path).await.map_err(|error| self.unreachable(&error))?;
        let peer = stream.peer_cred().map_err(|error| self.closed(&error.to_string()))?;
        self.check(peer.uid(), peer.pid(), permissions::me()).map(|()| stream)
    }

    /// Checks that the daemon runs as this user or root: another user could have replaced the
    /// socket.
    fn check(&self, user: u32, process: Option<i32>, me: u32) -> Result<(), CommandError> {
        if permissions::is_trusted(user, me) {
            return Ok(());
        }
        let process = process.map(|process| format!("the process {process} of ")).unwrap_or_default();
        Err(CommandError::Unreachable(format!(
            "unix:{} is answered by {process}the user {user}, and this is the user {me}: only daemons of the own user or of root are trusted, so nothing was \
             sent. To control that daemon, run the command as its user",
            self.path.display()
        )))
    }

    async fn send(
        &self,
        stream: UnixStream,
        method: Method,
        uri: &str,
        body: Option<Vec<u8>>,
        in_lines: bool,
    ) -> Result<Response<Incoming>, CommandError> {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream))
                .await
                .map_err(|error| self.interrupted(&error))?;
        // The task ends with the answer, or when `sender` is dropped; `sender` reports its errors.
        tokio::spawn(connection);
        let accept = if in_lines { NDJSON } else { "application/json" };
        let mut request = Request::builder().method(method).uri(uri).header(header::HOST, "localhost");
        request = request.header(header::ACCEPT, accept);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| CommandError::Usage(format!("invalid request URI {uri}: {error}")))?;
        sender.send_request(request).await.map_err(|error| self.interrupted(&error))
    }

    /// Reads a whole answer, up to the size limit.
    async fn read_body(&self, body: Incoming) -> Result<Bytes, CommandError> {
        match Limited::new(body, self.max_bytes).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(self.too_large("the answer of")),
            Err(error) => Err(self.closed(&error.to_string())),
        }
    }

    async fn refusal(&self, response: Response<Incoming>) -> CommandError {
        let status = response.status();
        match self.read_body(response.into_body()).await {
            Ok(bytes) => match serde_json::from_slice::<api::ApiError>(&bytes) {
                Ok(error) => CommandError::Refused(error),
                Err(_) => self.protocol_error(&format!("status {status} without an explanation")),
            },
            Err(failure) => failure,
        }
    }

    fn unreachable(&self, error: &io::Error) -> CommandError {
        let path = self.path.display();
        let says = match error.kind() {
            io::ErrorKind::NotFound => format!(
                "no daemon at unix:{path}: there is no such socket. Start a daemon with `gm-node run`, or name another \
                 one with --data-dir DIR or --api unix:PATH"
            ),
            io::ErrorKind::ConnectionRefused => format!(
                "no daemon at unix:{path}: the socket exists, but no process listens. The daemon has ended: start it again"
            ),
            io::ErrorKind::PermissionDenied => format!(
                "no permission to open unix:{path}: only the user that runs a daemon can control it. Run the command as that user"
            ),
            _ => format!(
                "no daemon at unix:{path}: {error}. Name another with --data-dir DIR or --api unix:PATH"
            ),
        };
        CommandError::Unreachable(says)
    }

    fn interrupted(&self, error: &hyper::Error) -> CommandError {
        if error.is_parse() {
            return self.protocol_error(&error.to_string());
        }
        self.closed(&error.to_string())
    }

    fn closed(&self, error: &str) -> CommandError {
        CommandError::Unreachable(format!(
            "the daemon at unix:{} closed the connection before its answer was complete ({error}): see its log",
            self.path.display()
        ))
    }

    fn protocol_error(&self, error: &str) -> CommandError {
        CommandError::Unreachable(format!(
            "invalid answer from unix:{} ({error}): is it a gm-node of the same version as this one?",
            self.path.display()
        ))
    }

    /// Error for an empty answer.
    pub(crate) fn empty_answer(&self) -> CommandError {
        self.protocol_error("it is empty")
    }

    fn timed_out(&self, within: Duration) -> CommandError {
        CommandError::Unreachable(format!(
            "the daemon at unix:{} accepted the request and did not answer within {}: see its log, or allow more time (--timeout)",
            self.path.display(),
            super::args::format_duration(within)
        ))
    }

    fn too_large(&self, what: &str) -> CommandError {
        CommandError::TooLarge(format!(
            "{what} the daemon at unix:{} is larger than {} MiB, which is the limit",
            self.path.display(),
            self.max_bytes >> 20
        ))
    }
}

/// A streamed answer, one value per line.
#[derive(Debug)]
pub(crate) struct LineStream {
    client: Client,
    body: Incoming,
    /// Received bytes.
    buffer: Vec<u8>,
    /// Number of bytes of `buffer` that were consumed.
    bytes_read: usize,
    /// Whether the answer has no end: no time limit applies, and the end of the connection is no
    /// error.
    is_endless: bool,
}

impl LineStream {
    /// Returns the next value; `None` at the end.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, CommandError> {
        let mut searched = self.bytes_read;
        loop {
            if let Some(at) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let line = &self.buffer[self.bytes_read..searched + at];
                searched += at + 1;
                self.bytes_read = searched;
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                let read = serde_json::from_slice(line);
                return read.map(Some).map_err(|error| self.client.protocol_error(&error.to_string()));
            }
            self.buffer.drain(..self.bytes_read);
            self.bytes_read = 0;
            searched = self.buffer.len();
            if searched > self.client.max_bytes {
                return Err(self.client.too_large("a line of"));
            }
            match self.frame().await? {
                Some(data) => self.buffer.extend_from_slice(&data),
                None if self.buffer.iter().all(u8::is_ascii_whitespace) || self.is_endless => {
                    return Ok(None);
                }
                None => return Err(self.client.closed("it ends within a line")),
            }
        }
    }

    /// Returns the next part of the body; `None` at the end.
    async fn frame(&mut self) -> Result<Option<Bytes>, CommandError> {
        let time_limit = self.client.timeout;
        let frame = if self.is_endless {
            self.body.frame().await
        } else {
            timeout(time_limit, self.body.frame()).await.map_err(|_| self.client.timed_out(time_limit))?
        };
        match frame {
            None => Ok(None),
            Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
            // A daemon that ends does not terminate its endless answers properly.
            Some(Err(_)) if self.is_endless => Ok(None),
            Some(Err(error)) => Err(self.client.closed(&error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests;
