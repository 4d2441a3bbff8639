//! Task of one connection: reads chunks, writes frames, and closes in an orderly way; and the task
//! that dials.
//!
//! Bytes are read only once there is room for them in the driver's queue: a connection holds none
//! of its own, and all together hold no more than the queue. An idle connection has no buffer, and
//! its task waits in one place, so that it is small. Until the driver reports that the peer
//! is authenticated, the task reads no more than the handshake and a first frame; further data
//! stays with the system, which stops the peer once the socket's buffer is full.

mod outgoing;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use gm_clock::NetId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::read_buffer::with_read_buffer;
use super::stats::RuntimeStats;
use super::tcp;
use crate::config::BroadcasterLimits;
use crate::counter::Counter;
use crate::machine::{ConnectionId, DialFailure};
use outgoing::remove_written;

pub(super) use outgoing::{Incoming, Outgoing};

/// A notification of a task to the driver.
pub(super) enum ConnectionEvent {
    Accepted(TcpStream, SocketAddr),
    Opened(ConnectionId, TcpStream),
    Refused(ConnectionId, DialFailure),
    Bytes(ConnectionId, Bytes),
    Sent(ConnectionId, usize),
    /// The connection ended; true if the system gave it up without acknowledgements.
    Closed(ConnectionId, bool),
    Seeds(Vec<NetId>),
}

/// Bytes of one read; together with the length of the driver's queue, this limits all data that
/// waits for the driver.
const READ_BYTES: usize = 16 << 10;
/// Parts of a batch in one write.
const MAX_SLICES: usize = 64;

/// Queues and settings of a connection's task.
pub(super) struct ConnectionIo {
    pub(super) link: ConnectionId,
    pub(super) outgoing: Incoming,
    pub(super) events: mpsc::Sender<ConnectionEvent>,
    pub(super) stats: RuntimeStats,
    pub(super) linger: Duration,
}

/// Connects, and passes the connection to the driver, which starts its task.
pub(super) async fn dial(to: SocketAddr, small_segments: bool, within: Duration, io: ConnectionIo) {
    let connected = tokio::select! {
        connected = tokio::time::timeout(within, tcp::connect(to, small_segments)) => connected,
        () = io.outgoing.closed() => return,
    };
    let refusal = match connected {
        Ok(Ok(stream)) => {
            let _ = io.events.send(ConnectionEvent::Opened(io.link, stream)).await;
            return;
        }
        Err(_) => DialFailure::Unreachable,
        Ok(Err(error)) => {
            io.stats.count_reason(Counter::DialErrors, error_reason(&error));
            // Only this error is a refusal by the host; any other failure, here or on the path, may
            // be temporary.
            if error.kind() == ErrorKind::ConnectionRefused {
                DialFailure::Refused
            } else {
                DialFailure::Unreachable
            }
        }
    };
    let _ = io.events.send(ConnectionEvent::Refused(io.link, refusal)).await;
}

/// Copies bytes in both directions until either side ends the connection.
pub(super) async fn run(stream: TcpStream, io: ConnectionIo) {
    if let Err(error) = tcp::prepare(&stream) {
        io.stats.count_reason(Counter::ConnectionErrors, error_reason(&error));
    }
    let left = BroadcasterLimits::UNAUTHENTICATED_BYTES;
    let mut task =
        OpenConnection { stream, io, batch: VecDeque::new(), left: Some(left), end: End::default() };
    let stalled = match task.exchange().await {
        Ok(Ended::ByDriver) => {
            // Only a connection that ends needs the memory of this future.
            return Box::pin(task.close()).await;
        }
        Ok(Ended::ByPeer) => false,
        Err(error) => {
            task.io.stats.count_reason(Counter::ConnectionErrors, error_reason(&error));
            error.kind() == ErrorKind::TimedOut
        }
    };
    let _ = task.io.events.send(ConnectionEvent::Closed(task.io.link, stalled)).await;
}

/// Which side ended a connection.
enum Ended {
    ByDriver,
    ByPeer,
}

/// The next step of a connection.
enum Step {
    /// The driver closed it.
    Close,
    /// Read, as there may be bytes.
    Read,
    /// Report this many written bytes.
    Report(usize),
}

/// The directions that have ended while a connection closes.
#[derive(Debug, Default)]
struct End {
    read: bool,
    written: bool,
}

struct OpenConnection {
    stream: TcpStream,
    io: ConnectionIo,
    /// Frames that are being written.
    batch: VecDeque<Bytes>,
    /// Bytes that may be read before the peer is authenticated; `None` after that.
    left: Option<usize>,
    end: End,
}

impl OpenConnection {
    /// Copies bytes until the peer closes its side, the driver closes the connection, or an error.
    async fn exchange(&mut self) -> io::Result<Ended> {
        loop {
            let written = match poll_fn(|context| self.poll_step(context)).await? {
                Step::Close => return Ok(Ended::ByDriver),
                Step::Report(written) => Some(written),
                Step::Read => None,
            };
            // Nothing is read before there is room for it.
            let place = tokio::select! {
                place = self.io.events.reserve() => place,
                () = self.io.outgoing.closed() => return Ok(Ended::ByDriver),
            };
            let Ok(place) = place else { return Ok(Ended::ByDriver) };
            let link = self.io.link;
            if let Some(written) = written {
                place.send(ConnectionEvent::Sent(link, written));
                continue;
            }
            let max = self.left.unwrap_or(READ_BYTES).min(READ_BYTES);
            let stream = &mut self.stream;
            let Some(bytes) = poll_fn(|context| Poll::Ready(take(stream, context, max))).await? else {
                continue;
            };
            if bytes.is_empty() {
                return Ok(Ended::ByPeer);
            }
            self.io.stats.add(Counter::TcpBytesReceived, bytes.len() as u64);
            self.left = self.left.map(|left| left.saturating_sub(bytes.len()));
            place.send(ConnectionEvent::Bytes(link, bytes));
        }
    }

    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Step>> {
        let orders = self.io.outgoing.poll(context, Some(&mut self.batch));
        if orders.close {
            return Poll::Ready(Ok(Step::Close));
        }
        if orders.authenticated {
            self.left = None;
        }
        if !self.batch.is_empty()
            && let Poll::Ready(written) = self.poll_write(context)
        {
            return Poll::Ready(written.map(Step::Report));
        }
        if self.left == Some(0) {
            return Poll::Pending;
        }
        self.stream.poll_read_ready(context).map_ok(|()| Step::Read)
    }

    /// Writes a part of the batch.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        remove_written(&mut self.batch, 0);
        let Some(front) = self.batch.front() else { return Poll::Ready(Ok(0)) };
        let stream = Pin::new(&mut self.stream);
        let written = if self.batch.len() > 1 {
            let slices: Vec<IoSlice<'_>> =
                self.batch.iter().take(MAX_SLICES).map(|bytes| IoSlice::new(bytes)).collect();
            ready!(stream.poll_write_vectored(context, &slices))?
        } else {
            ready!(stream.poll_write(context, front))?
        };
        if written == 0 {
            return Poll::Ready(Err(ErrorKind::WriteZero.into()));
        }
        remove_written(&mut self.batch, written);
        self.io.stats.add(Counter::TcpBytesSent, written as u64);
        Poll::Ready(Ok(written))
    }

    /// Writes the waiting frames and closes this side, then gives the peer time to close its own:
    /// if it still has unread data when this side closes, a reset would discard it.
    async fn close(mut self) {
        let linger = self.io.linger;
        let closed = poll_fn(|context| self.poll_close(context));
        // An error ends it too: there is nothing left to do.
        if tokio::time::timeout(linger, closed).await.is_err() {
            self.io.stats.count(Counter::LingerTimeouts);
        }
    }

    /// Ends both directions. What arrives is read and discarded: unread data at the end would cause
    /// a reset, which would discard what was sent last.
    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.end.written {
            self.io.outgoing.poll(context, Some(&mut self.batch));
            if self.batch.is_empty() {
                match Pin::new(&mut self.stream).poll_shutdown(context)? {
                    Poll::Ready(()) => self.end.written = true,
                    Poll::Pending => break,
                }
            } else if self.poll_write(context)?.is_pending() {
                break;
            }
        }
        while !self.end.read {
            match take(&mut self.stream, context, READ_BYTES)? {
                Some(bytes) => self.end.read = bytes.is_empty(),
                None => break,
            }
        }
        if self.end.read && self.end.written { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// Reads at most `max` available bytes; `None` if there are none after all, no bytes if the peer
/// closed its side.
fn take(stream: &mut TcpStream, context: &mut Context<'_>, max: usize) -> io::Result<Option<Bytes>> {
    with_read_buffer(|buffer| {
        let mut buffer = ReadBuf::new(buffer.get_mut(..max).unwrap_or_default());
        match Pin::new(stream).poll_read(context, &mut buffer)? {
            Poll::Ready(()) => Ok(Some(Bytes::copy_from_slice(buffer.filled()))),
            Poll::Pending => Ok(None),
        }
    })
}

/// The reason as which a socket error is counted.
pub(super) fn error_reason(error: &io::Error) -> &'static str {
    // EMFILE and ENFILE have no kind of their own.
    if cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24)) {
        return "no_descriptors";
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection_refused",
        ErrorKind::ConnectionReset => "connection_reset",
        ErrorKind::ConnectionAborted => "connection_aborted",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "unreachable",
        ErrorKind::NetworkDown => "network_down",
        ErrorKind::AddrNotAvailable => "address_not_available",
        ErrorKind::TimedOut => "timed_out",
        ErrorKind::BrokenPipe => "broken_pipe",
        ErrorKind::NotConnected => "not_connected",
        ErrorKind::PermissionDenied => "permission_denied",
        ErrorKind::OutOfMemory => "out_of_memory",
        ErrorKind::WouldBlock => "would_block",
        ErrorKind::InvalidInput => "invalid_input",
        _ => "other",
    }
}
