//! Questions to a daemon, over its control socket. Knows the shapes only as what JSON is read into,
//! and no command.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gm_node::{api, permissions};
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

/// Bytes of an answer, or of a line of an endless one, that are taken.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// How long a daemon may think about a question that waits for nobody, if nothing else is said.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The form of answers that come line by line.
const NDJSON: &str = "application/x-ndjson";

/// What stands as itself in an address; all else is percent-encoded.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as a part of an address.
pub(crate) fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// The daemon behind a socket. Each question has its own connection.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    path: PathBuf,
    max_bytes: usize,
    timeout: Duration,
}

impl Client {
    /// Of the daemon that listens there.
    pub(crate) fn new(path: PathBuf) -> Client {
        Client { path, max_bytes: MAX_ANSWER_BYTES, timeout: DEFAULT_TIMEOUT }
    }

    /// The same, for a daemon that may think so long.
    pub(crate) fn with_timeout(&self, patience: Duration) -> Client {
        Client { timeout: patience, ..self.clone() }
    }

    /// The socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Asks.
    pub(crate) async fn get<T: DeserializeOwned>(&self, uri: &str) -> Result<T, CommandError> {
        self.request(Method::GET, uri, None, self.timeout).await
    }

    /// Tells it to do something for which it waits so long.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        uri: &str,
        body: &impl Serialize,
        waits: Duration,
    ) -> Result<T, CommandError> {
        let body = serde_json::to_vec(body).map_err(|error| CommandError::Usage(error.to_string()))?;
        if body.len() > self.max_bytes {
            return Err(self.too_large("what is to be sent to"));
        }
        self.request(Method::POST, uri, Some(body), waits.saturating_add(self.timeout)).await
    }

    /// Asks for what has no end.
    pub(crate) async fn watch(&self, uri: &str) -> Result<LineStream, CommandError> {
        Ok(LineStream { is_endless: true, ..self.list(uri, Duration::ZERO).await? })
    }

    /// Asks for what may be long, and for which the daemon may wait so long. It has to send more of
    /// it again and again.
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

    /// Connects. If this fails, nothing was sent.
    async fn connect(&self) -> Result<UnixStream, CommandError> {
        let stream = UnixStream::connect(&self.path).await.map_err(|error| self.unreachable(&error))?;
        let peer = stream.peer_cred().map_err(|error| self.closed(&error.to_string()))?;
        self.check(peer.uid(), peer.pid(), permissions::me()).map(|()| stream)
    }

    /// Whoever can replace the socket could answer anything: only one's own user and root are
    /// believed.
    fn check(&self, user: u32, process: Option<i32>, me: u32) -> Result<(), CommandError> {
        if permissions::is_trusted(user, me) {
            return Ok(());
        }
        let process = process.map(|process| format!("the process {process} of ")).unwrap_or_default();
        Err(CommandError::Unreachable(format!(
            "unix:{} is answered by {process}the user {user}, and this is the user {me}: only a daemon of one's own, or of root, is believed, and nothing was \
             sent. If that daemon is meant, give the command as its user",
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
        // It ends with the answer, or when its sender is dropped; what goes wrong in it, the sender
        // says too.
        tokio::spawn(connection);
        let accept = if in_lines { NDJSON } else { "application/json" };
        let mut request = Request::builder().method(method).uri(uri).header(header::HOST, "localhost");
        request = request.header(header::ACCEPT, accept);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| CommandError::Usage(format!("the question `{uri}` cannot be put: {error}")))?;
        sender.send_request(request).await.map_err(|error| self.interrupted(&error))
    }

    /// The whole of an answer, if it is not too much.
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
                Err(_) => self.protocol_error(&format!("status {status}, and not why")),
            },
            Err(failure) => failure,
        }
    }

    fn unreachable(&self, error: &io::Error) -> CommandError {
        let path = self.path.display();
        let says = match error.kind() {
            io::ErrorKind::NotFound => format!(
                "no daemon at unix:{path}: there is no such socket. Start one with `gm-node run`, or name another \
                 with --data-dir DIR or --api unix:PATH"
            ),
            io::ErrorKind::ConnectionRefused => format!(
                "no daemon at unix:{path}: the socket is there, but nobody listens. The daemon ended: start it again"
            ),
            io::ErrorKind::PermissionDenied => format!(
                "unix:{path} may not be opened: a daemon is controlled by the user that runs it. Become that user"
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
            "the daemon at unix:{} went away before its answer was whole ({error}): look at its log",
            self.path.display()
        ))
    }

    fn protocol_error(&self, error: &str) -> CommandError {
        CommandError::Unreachable(format!(
            "what listens at unix:{} answers what this program does not understand ({error}): is it a gm-node, of the same \
             version as this one?",
            self.path.display()
        ))
    }

    /// An answer without anything in it.
    pub(crate) fn empty_answer(&self) -> CommandError {
        self.protocol_error("it has no line")
    }

    fn timed_out(&self, within: Duration) -> CommandError {
        CommandError::Unreachable(format!(
            "the daemon at unix:{} took the question and did not answer within {}: look at its log, or give it more time (--timeout)",
            self.path.display(),
            super::args::format_duration(within)
        ))
    }

    fn too_large(&self, what: &str) -> CommandError {
        CommandError::TooLarge(format!(
            "{what} the daemon at unix:{} is larger than {} MiB, and is not taken",
            self.path.display(),
            self.max_bytes >> 20
        ))
    }
}

/// An answer, line by line.
#[derive(Debug)]
pub(crate) struct LineStream {
    client: Client,
    body: Incoming,
    /// What came...
    buffer: Vec<u8>,
    /// ... and how much of it was read.
    bytes_read: usize,
    /// It may be silent, and ends when the daemon does.
    is_endless: bool,
}

impl LineStream {
    /// The next line; nothing at the end.
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

    /// What comes next.
    async fn frame(&mut self) -> Result<Option<Bytes>, CommandError> {
        let patience = self.client.timeout;
        let frame = if self.is_endless {
            self.body.frame().await
        } else {
            timeout(patience, self.body.frame()).await.map_err(|_| self.client.timed_out(patience))?
        };
        match frame {
            None => Ok(None),
            Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
            // A daemon that ends, or is killed, does not end its answers in good order.
            Some(Err(_)) if self.is_endless => Ok(None),
            Some(Err(error)) => Err(self.client.closed(&error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests;
