//! One connection: a task that connects, reads pieces, writes what is handed to it, and ends in an
//! orderly way. Knows no frame.
//!
//! Bytes are read when there is a place for them in the driver's queue, into that place: a
//! connection holds none of its own, and all together hold no more than the queue. Until the driver
//! says that the peer has proven itself, no more is read than that takes; what else the peer sends
//! stays with the system, which stops the peer once the socket's buffer is full.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

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

/// What tasks tell the driver.
pub(super) enum ConnectionEvent {
    Accepted(TcpStream, SocketAddr),
    Opened(ConnectionId),
    Refused(ConnectionId, DialFailure),
    Bytes(ConnectionId, Vec<u8>),
    Sent(ConnectionId, usize),
    /// It ended; whether the system gave it up because nothing was acknowledged.
    Closed(ConnectionId, bool),
    Seeds(Vec<NetId>),
}

/// Bytes that are read in one go: with the places of the driver's queue, all that waits for the
/// driver.
const READ_BYTES: usize = 16 << 10;
/// Frames that wait are written in one go up to this many bytes.
const WRITE_BATCH_BYTES: usize = 64 << 10;

/// What a task of a connection works with.
pub(super) struct ConnectionIo {
    pub(super) link: ConnectionId,
    /// What is to be written; after its end, the connection is to be closed.
    pub(super) outgoing: mpsc::UnboundedReceiver<Vec<u8>>,
    /// Ends together with `outgoing`, even while that is not looked at.
    pub(super) ordered: oneshot::Receiver<()>,
    /// Told once the peer has proven itself; dropped if the connection is not wanted any longer.
    pub(super) authenticated: oneshot::Receiver<()>,
    pub(super) events: mpsc::Sender<ConnectionEvent>,
    pub(super) stats: RuntimeStats,
    pub(super) linger: Duration,
}

/// Connects, and goes on as [`run`].
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
            // Only the host itself says no: whatever else fails, on this host or on the way, may
            // soon work.
            if error.kind() == ErrorKind::ConnectionRefused {
                DialFailure::Refused
            } else {
                DialFailure::Unreachable
            }
        }
    };
    let _ = ends.events.send(ConnectionEvent::Refused(ends.link, refusal)).await;
}

/// Moves bytes both ways until either side ends it.
pub(super) async fn run(stream: TcpStream, ends: ConnectionIo) {
    let ConnectionIo { link, outgoing, mut ordered, authenticated: proven, events, stats, linger } = ends;
    if let Err(error) = tcp::prepare(&stream) {
        stats.count_reason(Counter::ConnectionErrors, error_reason(&error));
    }
    let (from, to) = stream.into_split();
    let mut reading = pin!(read(from, link, proven, &events, &stats));
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
    // What waits is written, then the other side has time to say that it is done: closed earlier,
    // what it has not read yet would be lost to a reset, because something of it may be unread
    // here.
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

/// What of a connection is read.
enum ReadMode {
    /// So many bytes, until its peer has proven itself.
    UpTo(usize),
    /// Whatever comes.
    All,
    /// Whatever comes, and it is thrown away: the machine ended the connection, and what is unread
    /// at its end would be lost to a reset, with what we sent last.
    Discard,
}

/// Reads until the other side ends.
async fn read(
    from: OwnedReadHalf,
    link: ConnectionId,
    proven: oneshot::Receiver<()>,
    events: &mpsc::Sender<ConnectionEvent>,
    stats: &RuntimeStats,
) -> io::Result<()> {
    let (mut reads, mut proven) = (ReadMode::UpTo(BroadcasterLimits::UNAUTHENTICATED_BYTES), Some(proven));
    loop {
        let most = match (&reads, &mut proven) {
            (ReadMode::UpTo(0), Some(told)) => {
                reads = if told.await.is_ok() { ReadMode::All } else { ReadMode::Discard };
                proven = None;
                continue;
            }
            (ReadMode::UpTo(left), _) => READ_BYTES.min(*left),
            (ReadMode::All | ReadMode::Discard, _) => READ_BYTES,
        };
        from.readable().await?;
        if matches!(reads, ReadMode::Discard) {
            if take(&from, most)?.is_some_and(|bytes| bytes.is_empty()) {
                return Ok(());
            }
            continue;
        }
        let Ok(place) = events.reserve().await else { return Ok(()) };
        let Some(bytes) = take(&from, most)? else { continue };
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

/// What is there, at most so many bytes; nothing if it was less than it seemed. No bytes: the other
/// side has ended.
fn take(from: &OwnedReadHalf, most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = [0; READ_BYTES];
    let room = buffer.get_mut(..most).unwrap_or_default();
    match from.try_read(room) {
        Ok(length) => Ok(Some(room.get(..length).unwrap_or_default().to_vec())),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes until nothing more can come, and says to the other side that it was all.
async fn write(
    mut to: OwnedWriteHalf,
    link: ConnectionId,
    mut outgoing: mpsc::UnboundedReceiver<Vec<u8>>,
    events: &mpsc::Sender<ConnectionEvent>,
    stats: &RuntimeStats,
) -> io::Result<()> {
    while let Some(mut batch) = outgoing.recv().await {
        while batch.len() < WRITE_BATCH_BYTES
            && let Ok(more) = outgoing.try_recv()
        {
            batch.extend(more);
        }
        let mut rest = batch.as_slice();
        while !rest.is_empty() {
            let written = to.write(rest).await?;
            rest = rest.get(written..).filter(|_| written > 0).ok_or(ErrorKind::WriteZero)?;
            stats.add(Counter::TcpBytesSent, written as u64);
            if events.send(ConnectionEvent::Sent(link, written)).await.is_err() {
                return Ok(());
            }
        }
    }
    to.shutdown().await
}

/// The reason as which an error of a socket is counted.
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
