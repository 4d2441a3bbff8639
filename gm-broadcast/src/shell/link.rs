//! One connection: a task that connects, reads pieces, writes what is handed to it, and ends in an orderly way. Knows no frame.
//!
//! Bytes are read when there is a place for them in the driver's queue, into that place: a connection holds none of its own, and all
//! together hold no more than the queue. Until the driver says that the peer has proven itself, no more is read than that takes; what else
//! the peer sends stays with the system, which stops the peer once the socket's buffer is full.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use gm_clock::NetId;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use super::meter::Meter;
use super::tcp;
use crate::config::Bounds;
use crate::machine::{LinkId, Refusal};

/// What tasks tell the driver.
pub(super) enum Piece {
    Accepted(TcpStream, SocketAddr),
    Opened(LinkId),
    Refused(LinkId, Refusal),
    Bytes(LinkId, Vec<u8>),
    Sent(LinkId, usize),
    /// It ended; whether the system gave it up because nothing was acknowledged.
    Closed(LinkId, bool),
    Seeds(Vec<NetId>),
}

/// Bytes that are read in one go: with the places of the driver's queue, all that waits for the driver.
const READ: usize = 16 << 10;
/// Frames that wait are written in one go up to this many bytes.
const GATHER: usize = 64 << 10;

/// What a task of a connection works with.
pub(super) struct Ends {
    pub(super) link: LinkId,
    /// What is to be written; after its end, the connection is to be closed.
    pub(super) outgoing: mpsc::UnboundedReceiver<Vec<u8>>,
    /// Ends together with `outgoing`, even while that is not looked at.
    pub(super) ordered: oneshot::Receiver<()>,
    /// Told once the peer has proven itself; dropped if the connection is not wanted any longer.
    pub(super) proven: oneshot::Receiver<()>,
    pub(super) pieces: mpsc::Sender<Piece>,
    pub(super) meter: Meter,
    pub(super) linger: Duration,
}

/// Connects, and goes on as [`run`].
pub(super) async fn dial(to: SocketAddr, small_segments: bool, within: Duration, mut ends: Ends) {
    let connected = tokio::select! {
        connected = tokio::time::timeout(within, tcp::connect(to, small_segments)) => connected,
        _ = &mut ends.ordered => return,
    };
    let refusal = match connected {
        Ok(Ok(stream)) => {
            if ends.pieces.send(Piece::Opened(ends.link)).await.is_ok() {
                run(stream, ends).await;
            }
            return;
        }
        Err(_) => Refusal::Silent,
        Ok(Err(error)) => {
            ends.meter.count("dial", name(&error));
            // Only the host itself says no: whatever else fails, on this host or on the way, may soon work.
            if error.kind() == ErrorKind::ConnectionRefused { Refusal::Refused } else { Refusal::Silent }
        }
    };
    let _ = ends.pieces.send(Piece::Refused(ends.link, refusal)).await;
}

/// Moves bytes both ways until either side ends it.
pub(super) async fn run(stream: TcpStream, ends: Ends) {
    let Ends { link, outgoing, mut ordered, proven, pieces, meter, linger } = ends;
    if let Err(error) = tcp::prepare(&stream) {
        meter.count("tcp", name(&error));
    }
    let (from, to) = stream.into_split();
    let mut reading = pin!(read(from, link, proven, &pieces, &meter));
    let mut writing = pin!(write(to, link, outgoing, &pieces, &meter));
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
            meter.count("tcp", name(&error));
            stalled = error.kind() == ErrorKind::TimedOut;
        }
        let _ = pieces.send(Piece::Closed(link, stalled)).await;
        return;
    }
    // What waits is written, then the other side has time to say that it is done: closed earlier, what it has not read yet would be lost
    // to a reset, because something of it may be unread here.
    let flushed = async {
        if !is_written {
            let _ = writing.await;
        }
    };
    let orderly = async { tokio::join!(flushed, reading) };
    if tokio::time::timeout(linger, orderly).await.is_err() {
        meter.count("tcp", "closed without an answer");
    }
}

/// What of a connection is read.
enum Reads {
    /// So many bytes, until its peer has proven itself.
    Some(usize),
    /// Whatever comes.
    All,
    /// Whatever comes, and it is thrown away: the machine ended the connection, and what is unread at its end would be lost to a reset,
    /// with what we sent last.
    Nothing,
}

/// Reads until the other side ends.
async fn read(
    from: OwnedReadHalf,
    link: LinkId,
    proven: oneshot::Receiver<()>,
    pieces: &mpsc::Sender<Piece>,
    meter: &Meter,
) -> io::Result<()> {
    let (mut reads, mut proven) = (Reads::Some(Bounds::UNPROVEN), Some(proven));
    loop {
        let most = match (&reads, &mut proven) {
            (Reads::Some(0), Some(told)) => {
                reads = if told.await.is_ok() { Reads::All } else { Reads::Nothing };
                proven = None;
                continue;
            }
            (Reads::Some(left), _) => READ.min(*left),
            (Reads::All | Reads::Nothing, _) => READ,
        };
        from.readable().await?;
        if matches!(reads, Reads::Nothing) {
            if take(&from, most)?.is_some_and(|bytes| bytes.is_empty()) {
                return Ok(());
            }
            continue;
        }
        let Ok(place) = pieces.reserve().await else { return Ok(()) };
        let Some(bytes) = take(&from, most)? else { continue };
        if bytes.is_empty() {
            return Ok(());
        }
        meter.add("tcp", "bytes in", bytes.len() as u64);
        if let Reads::Some(left) = &mut reads {
            *left = left.saturating_sub(bytes.len());
        }
        place.send(Piece::Bytes(link, bytes));
    }
}

/// What is there, at most so many bytes; nothing if it was less than it seemed. No bytes: the other side has ended.
fn take(from: &OwnedReadHalf, most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = [0; READ];
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
    link: LinkId,
    mut outgoing: mpsc::UnboundedReceiver<Vec<u8>>,
    pieces: &mpsc::Sender<Piece>,
    meter: &Meter,
) -> io::Result<()> {
    while let Some(mut batch) = outgoing.recv().await {
        while batch.len() < GATHER
            && let Ok(more) = outgoing.try_recv()
        {
            batch.extend(more);
        }
        let mut rest = batch.as_slice();
        while !rest.is_empty() {
            let written = to.write(rest).await?;
            rest = rest.get(written..).filter(|_| written > 0).ok_or(ErrorKind::WriteZero)?;
            meter.add("tcp", "bytes out", written as u64);
            if pieces.send(Piece::Sent(link, written)).await.is_err() {
                return Ok(());
            }
        }
    }
    to.shutdown().await
}

/// What an error of a socket is counted as.
pub(super) fn name(error: &io::Error) -> &'static str {
    // EMFILE and ENFILE have no kind of their own.
    if cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24)) {
        return "no descriptors are left";
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => "refused",
        ErrorKind::ConnectionReset => "reset",
        ErrorKind::ConnectionAborted => "aborted",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "unreachable",
        ErrorKind::NetworkDown => "network down",
        ErrorKind::AddrNotAvailable => "no such address here",
        ErrorKind::TimedOut => "timed out",
        ErrorKind::BrokenPipe => "broken pipe",
        ErrorKind::NotConnected => "not connected",
        ErrorKind::PermissionDenied => "forbidden",
        ErrorKind::OutOfMemory => "out of memory",
        ErrorKind::WouldBlock => "no room",
        ErrorKind::InvalidInput => "refused by the system",
        _ => "other error",
    }
}
