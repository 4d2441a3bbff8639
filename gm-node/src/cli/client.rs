//! Questions to a daemon, over its control socket. Knows the shapes only as what JSON is read into, and no command.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gm_node::{api, guard};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::failure::Failure;

/// Bytes of an answer, or of a line of an endless one, that are taken.
const MOST: usize = 64 << 20;

/// How long a daemon may think about a question that waits for nobody, if nothing else is said.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The form of answers that come line by line.
const LINES: &str = "application/x-ndjson";

/// What stands as itself in an address; all else is percent-encoded.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as a part of an address.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// The daemon behind a socket. Each question has its own connection.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    path: PathBuf,
    most: usize,
    patience: Duration,
}

impl Client {
    /// Of the daemon that listens there.
    pub(crate) fn new(path: PathBuf) -> Client {
        Client { path, most: MOST, patience: PATIENCE }
    }

    /// The same, for a daemon that may think so long.
    pub(crate) fn patient(&self, patience: Duration) -> Client {
        Client { patience, ..self.clone() }
    }

    /// The socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Asks.
    pub(crate) async fn get<T: DeserializeOwned>(&self, uri: &str) -> Result<T, Failure> {
        self.ask(Method::GET, uri, None, self.patience).await
    }

    /// Tells it to do something for which it waits so long.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        uri: &str,
        body: &impl Serialize,
        waits: Duration,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::Usage(error.to_string()))?;
        if body.len() > self.most {
            return Err(self.too_much("what is to be sent to"));
        }
        self.ask(Method::POST, uri, Some(body), waits.saturating_add(self.patience)).await
    }

    /// Asks for what has no end.
    pub(crate) async fn watch(&self, uri: &str) -> Result<Lines, Failure> {
        Ok(Lines { is_endless: true, ..self.list(uri, Duration::ZERO).await? })
    }

    /// Asks for what may be long, and for which the daemon may wait so long. It has to send more of it again and again.
    pub(crate) async fn list(&self, uri: &str, waits: Duration) -> Result<Lines, Failure> {
        let within = waits.saturating_add(self.patience);
        let asked = async { self.send(self.connect().await?, Method::GET, uri, None, true).await };
        let response = timeout(within, asked).await.map_err(|_| self.silent(within))??;
        if response.status() != StatusCode::OK {
            return Err(self.refused(response).await);
        }
        let body = response.into_body();
        Ok(Lines { client: self.clone(), body, kept: Vec::new(), read: 0, is_endless: false })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        uri: &str,
        body: Option<Vec<u8>>,
        within: Duration,
    ) -> Result<T, Failure> {
        let writes = method == Method::POST;
        let asked = |failure: Failure| if writes { failure.of_a_write() } else { failure };
        let answer = async {
            let stream = self.connect().await?;
            self.exchange(stream, method, uri, body).await.map_err(asked)
        };
        timeout(within, answer).await.unwrap_or_else(|_| Err(asked(self.silent(within))))
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        stream: UnixStream,
        method: Method,
        uri: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, Failure> {
        let response = self.send(stream, method, uri, body, false).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refused(response).await);
        }
        let bytes = self.whole(response.into_body()).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.strange(&error.to_string()))
    }

    /// Connects. If this fails, nothing was sent.
    async fn connect(&self) -> Result<UnixStream, Failure> {
        let stream = UnixStream::connect(&self.path).await.map_err(|error| self.unreachable(&error))?;
        let peer = stream.peer_cred().map_err(|error| self.gone(&error.to_string()))?;
        self.check(peer.uid(), peer.pid(), guard::me()).map(|()| stream)
    }

    /// Whoever can replace the socket could answer anything: only one's own user and root are believed.
    fn check(&self, user: u32, process: Option<i32>, me: u32) -> Result<(), Failure> {
        if guard::is_trusted(user, me) {
            return Ok(());
        }
        let process = process.map(|process| format!("the process {process} of ")).unwrap_or_default();
        Err(Failure::Unreachable(format!(
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
    ) -> Result<Response<Incoming>, Failure> {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream))
                .await
                .map_err(|error| self.broken(&error))?;
        // It ends with the answer, or when its sender is dropped; what goes wrong in it, the sender says too.
        tokio::spawn(connection);
        let accept = if in_lines { LINES } else { "application/json" };
        let mut request = Request::builder().method(method).uri(uri).header(header::HOST, "localhost");
        request = request.header(header::ACCEPT, accept);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| Failure::Usage(format!("the question `{uri}` cannot be put: {error}")))?;
        sender.send_request(request).await.map_err(|error| self.broken(&error))
    }

    /// The whole of an answer, if it is not too much.
    async fn whole(&self, body: Incoming) -> Result<Bytes, Failure> {
        match Limited::new(body, self.most).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(self.too_much("the answer of")),
            Err(error) => Err(self.gone(&error.to_string())),
        }
    }

    async fn refused(&self, response: Response<Incoming>) -> Failure {
        let status = response.status();
        match self.whole(response.into_body()).await {
            Ok(bytes) => match serde_json::from_slice::<api::Error>(&bytes) {
                Ok(error) => Failure::Refused(error),
                Err(_) => self.strange(&format!("status {status}, and not why")),
            },
            Err(failure) => failure,
        }
    }

    fn unreachable(&self, error: &io::Error) -> Failure {
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
        Failure::Unreachable(says)
    }

    fn broken(&self, error: &hyper::Error) -> Failure {
        if error.is_parse() {
            return self.strange(&error.to_string());
        }
        self.gone(&error.to_string())
    }

    fn gone(&self, error: &str) -> Failure {
        Failure::Unreachable(format!(
            "the daemon at unix:{} went away before its answer was whole ({error}): look at its log",
            self.path.display()
        ))
    }

    fn strange(&self, error: &str) -> Failure {
        Failure::Unreachable(format!(
            "what listens at unix:{} answers what this program does not understand ({error}): is it a gm-node, of the same \
             version as this one?",
            self.path.display()
        ))
    }

    /// An answer without anything in it.
    pub(crate) fn empty(&self) -> Failure {
        self.strange("it has no line")
    }

    fn silent(&self, within: Duration) -> Failure {
        Failure::Unreachable(format!(
            "the daemon at unix:{} took the question and did not answer within {}: look at its log, or give it more time (--timeout)",
            self.path.display(),
            super::args::spelled(within)
        ))
    }

    fn too_much(&self, what: &str) -> Failure {
        Failure::TooMuch(format!(
            "{what} the daemon at unix:{} is larger than {} MiB, and is not taken",
            self.path.display(),
            self.most >> 20
        ))
    }
}

/// An answer, line by line.
#[derive(Debug)]
pub(crate) struct Lines {
    client: Client,
    body: Incoming,
    /// What came...
    kept: Vec<u8>,
    /// ... and how much of it was read.
    read: usize,
    /// It may be silent, and ends when the daemon does.
    is_endless: bool,
}

impl Lines {
    /// The next line; nothing at the end.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Failure> {
        let mut searched = self.read;
        loop {
            if let Some(at) = self.kept[searched..].iter().position(|byte| *byte == b'\n') {
                let line = &self.kept[self.read..searched + at];
                searched += at + 1;
                self.read = searched;
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                let read = serde_json::from_slice(line);
                return read.map(Some).map_err(|error| self.client.strange(&error.to_string()));
            }
            self.kept.drain(..self.read);
            self.read = 0;
            searched = self.kept.len();
            if searched > self.client.most {
                return Err(self.client.too_much("a line of"));
            }
            match self.frame().await? {
                Some(data) => self.kept.extend_from_slice(&data),
                None if self.kept.iter().all(u8::is_ascii_whitespace) || self.is_endless => return Ok(None),
                None => return Err(self.client.gone("it ends within a line")),
            }
        }
    }

    /// What comes next.
    async fn frame(&mut self) -> Result<Option<Bytes>, Failure> {
        let patience = self.client.patience;
        let frame = if self.is_endless {
            self.body.frame().await
        } else {
            timeout(patience, self.body.frame()).await.map_err(|_| self.client.silent(patience))?
        };
        match frame {
            None => Ok(None),
            Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
            // A daemon that ends, or is killed, does not end its answers in good order.
            Some(Err(_)) if self.is_endless => Ok(None),
            Some(Err(error)) => Err(self.client.gone(&error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests;
