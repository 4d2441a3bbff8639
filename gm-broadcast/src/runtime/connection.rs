//! Task of one connection: connects, reads chunks, writes frames, and closes in an orderly way.
//!
//! Bytes are read only once there is room for them in the driver's queue: a connection holds none
//! of its own, and all together hold no more than the queue. Until the driver reports that the peer
//! is authenticated, the task reads no more than the handshake and a first frame; further data
//! stays with the system, which stops the peer once the socket's buffer is full.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use gm_clock::NetId;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use super::stats::RuntimeStats;
use super::tcp;
use crate::config::BroadcasterLimits;
use crate::counter::Counter;
use crate::machine::{ConnectionId, DialFailure};

/// A notification of a task to the driver.
pub(super) enum ConnectionEvent {
    Accepted(TcpStream, SocketAddr),
    Opened(ConnectionId),
    Refused(ConnectionId, DialFailure),
    Bytes(ConnectionId, Bytes),
    Sent(ConnectionId, usize),
    /// The connection ended; true if the system gave it up without acknowledgements.
    Closed(ConnectionId, bool),
    Seeds(Vec<NetId>),
}

/// Bytes of one read, and of its buffer; together with the length of the driver's queue, this
/// limits all data that waits for the driver.
const READ_BYTES: usize = 16 << 10;
/// Waiting frames are combined into one write up to this size.
const WRITE_BATCH_BYTES: usize = 64 << 10;
/// In such a write, frames of up to this size are copied into one buffer, which costs less than a
/// slice for each.
const COPIED_BYTES: usize = 2 << 10;

/// Channels and settings of a connection's task.
pub(super) struct ConnectionIo {
    pub(super) link: ConnectionId,
    /// Data to write; when the channel ends, the connection is closed.
    pub(super) outgoing: mpsc::UnboundedReceiver<Bytes>,
    /// Ends together with `outgoing`; polled even while `outgoing` is not.
    pub(super) ordered: oneshot::Receiver<()>,
    /// Resolves once the peer is authenticated; dropped if the connection is no longer wanted.
    pub(super) authenticated: oneshot::Receiver<()>,
    pub(super) events: mpsc::Sender<ConnectionEvent>,
    pub(super) stats: RuntimeStats,
    pub(super) linger: Duration,
}

/// Connects, then continues as [`run`].
pub(super) async fn dial(to: SocketAddr, small_segments: bool, within: Duration, mut ends: ConnectionIo) {
    let connected = tokio::select! {
        connected = tokio::time::timeout(within, tcp::connect(to, small_segments)) => connected,
        _ = &mut ends.ordered => return,
    };
    let refusal = match connected {
        Ok(Ok(stream)) => {
            if ends.events.send(ConnectionEvent::Opened(ends.link)).await.is_ok() {
                run(stream, ends).await;
            }
            return;
        }
        Err(_) => DialFailure::Unreachable,
        Ok(Err(error)) => {
            ends.stats.count_reason(Counter::DialErrors, error_reason(&error));
            // Only this error is a refusal by the host; any other failure, here or on the path, may
            // be temporary.
            if error.kind() == ErrorKind::ConnectionRefused {
                DialFailure::Refused
            } else {
                DialFailure::Unreachable
            }
        }
    };
    let _ = ends.events.send(ConnectionEvent::Refused(ends.link, refusal)).await;
}

/// Copies bytes in both directions until either side ends the connection.
pub(super) async fn run(stream: TcpStream, ends: ConnectionIo) {
    let ConnectionIo { link, outgoing, mut ordered, authenticated, events, stats, linger } = ends;
    if let Err(error) = tcp::prepare(&stream) {
        stats.count_reason(Counter::ConnectionErrors, error_reason(&error));
    }
    let (from, to) = stream.into_split();
    let mut reading = pin!(read(from, link, authenticated, &events, &stats));
    let mut writing = pin!(write(to, link, outgoing, &events, &stats));
    let mut is_written = false;
    let ended = tokio::select! {
        ended = &mut reading => Some(ended),
        ended = &mut writing => {
            is_written = true;
            ended.err().map(Err)
        }
        _ = &mut ordered => None,
    };
    if let Some(ended) = ended {
        let mut stalled = false;
        if let Err(error) = ended {
            stats.count_reason(Counter::ConnectionErrors, error_reason(&error));
            stalled = error.kind() == ErrorKind::TimedOut;
        }
        let _ = events.send(ConnectionEvent::Closed(link, stalled)).await;
        return;
    }
    // Waiting data is written, then the peer has time to close its side: if it still has unread
    // data when this side closes, a reset would discard it.
    let flushed = async {
        if !is_written {
            let _ = writing.await;
        }
    };
    let orderly = async { tokio::join!(flushed, reading) };
    if tokio::time::timeout(linger, orderly).await.is_err() {
        stats.count(Counter::LingerTimeouts);
    }
}

/// Reading mode of a connection.
enum ReadMode {
    /// At most this many bytes, until the peer is authenticated.
    UpTo(usize),
    /// Everything.
    All,
    /// Everything, and discard it: the machine closed the connection, and unread data at its end
    /// would cause a reset, which would discard what was sent last.
    Discard,
}

/// Reads until the peer closes its side.
async fn read(
    from: OwnedReadHalf,
    link: ConnectionId,
    authenticated: oneshot::Receiver<()>,
    events: &mpsc::Sender<ConnectionEvent>,
    stats: &RuntimeStats,
) -> io::Result<()> {
    let (mut reads, mut authenticated) =
        (ReadMode::UpTo(BroadcasterLimits::UNAUTHENTICATED_BYTES), Some(authenticated));
    loop {
        let max = match (&reads, &mut authenticated) {
            (ReadMode::UpTo(0), Some(is_authenticated)) => {
                reads = if is_authenticated.await.is_ok() { ReadMode::All } else { ReadMode::Discard };
                authenticated = None;
                continue;
            }
            (ReadMode::UpTo(left), _) => READ_BYTES.min(*left),
            (ReadMode::All | ReadMode::Discard, _) => READ_BYTES,
        };
        from.readable().await?;
        if matches!(reads, ReadMode::Discard) {
            if take(&from, max)?.is_some_and(|bytes| bytes.is_empty()) {
                return Ok(());
            }
            continue;
        }
        let Ok(place) = events.reserve().await else { return Ok(()) };
        let Some(bytes) = take(&from, max)? else { continue };
        if bytes.is_empty() {
            return Ok(());
        }
        stats.add(Counter::TcpBytesReceived, bytes.len() as u64);
        if let ReadMode::UpTo(left) = &mut reads {
            *left = left.saturating_sub(bytes.len());
        }
        place.send(ConnectionEvent::Bytes(link, bytes));
    }
}

/// Reads at most `max` available bytes; `None` if there are none after all, no bytes if the peer
/// closed its side.
fn take(from: &OwnedReadHalf, max: usize) -> io::Result<Option<Bytes>> {
    let mut buffer = BytesMut::with_capacity(max).limit(max);
    match from.try_read_buf(&mut buffer) {
        Ok(_) => Ok(Some(buffer.into_inner().freeze())),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes until the channel ends, then closes this side.
async fn write(
    mut to: OwnedWriteHalf,
    link: ConnectionId,
    mut outgoing: mpsc::UnboundedReceiver<Bytes>,
    events: &mpsc::Sender<ConnectionEvent>,
    stats: &RuntimeStats,
) -> io::Result<()> {
    while let Some(first) = outgoing.recv().await {
        let mut batch = batch(first, &mut outgoing);
        remove_written(&mut batch, 0);
        while let Some(front) = batch.front() {
            let written = if batch.len() > 1 {
                let slices: Vec<IoSlice<'_>> = batch.iter().map(|bytes| IoSlice::new(bytes)).collect();
                to.write_vectored(&slices).await?
            } else {
                to.write(front).await?
            };
            if written == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            remove_written(&mut batch, written);
            stats.add(Counter::TcpBytesSent, written as u64);
            if events.send(ConnectionEvent::Sent(link, written)).await.is_err() {
                return Ok(());
            }
        }
    }
    to.shutdown().await
}

/// The frames of one write: the first, and those that wait.
fn batch(first: Bytes, outgoing: &mut mpsc::UnboundedReceiver<Bytes>) -> VecDeque<Bytes> {
    let (mut batch, mut copied, mut length) = (VecDeque::new(), BytesMut::new(), 0);
    let mut next = Some(first);
    while let Some(frame) = next.take() {
        length += frame.len();
        if length < WRITE_BATCH_BYTES {
            next = outgoing.try_recv().ok();
        }
        let is_alone = next.is_none() && batch.is_empty() && copied.is_empty();
        if frame.len() <= COPIED_BYTES && !is_alone {
            copied.extend_from_slice(&frame);
        } else {
            if !copied.is_empty() {
                batch.push_back(copied.split().freeze());
            }
            batch.push_back(frame);
        }
    }
    if !copied.is_empty() {
        batch.push_back(copied.freeze());
    }
    batch
}

/// Removes written bytes from the front, and empty parts before the next byte.
fn remove_written(batch: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(front) = batch.front_mut() {
        if written < front.len() {
            return front.advance(written);
        }
        written -= front.len();
        batch.pop_front();
    }
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

#[cfg(test)]
mod tests;
