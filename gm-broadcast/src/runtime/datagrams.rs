//! Datagram sockets of the runtime: batched reads, and a bounded queue of sends.
//!
//! System calls for many datagrams at once (`sendmmsg`, `recvmmsg`) need `unsafe` code, which the
//! workspace forbids, or a crate that has it. Here one wake-up reads up to [`BATCH`] datagrams,
//! which saves wake-ups but no system calls.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::connection::error_reason;
use super::error::RuntimeError;
use super::read_buffer::with_read_buffer;
use super::selftest;
use super::sockets;
use super::stats::RuntimeStats;
use crate::counter::Counter;
use crate::machine::Via;

/// Datagrams that are read from one socket before other work is done.
pub const BATCH: usize = 64;
/// Bytes of datagrams after which other work is done, as anyone can send the largest ones.
const BATCH_BYTES: usize = 256 << 10;
/// Queued datagrams for which the system has no room; beyond it, the oldest is dropped.
const MAX_QUEUED: usize = 1_024;
/// Pause of reading after a socket error.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// A received datagram.
pub(super) struct ReceivedDatagram {
    pub(super) from: SocketAddr,
    pub(super) via: Via,
    pub(super) bytes: Bytes,
}

/// Which sockets are readable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Readable {
    unicast: bool,
    multicast: bool,
}

#[derive(Debug)]
pub(super) struct DatagramSockets {
    unicast: UdpSocket,
    multicast: Option<UdpSocket>,
    group: Option<SocketAddr>,
    send_queue: VecDeque<(SocketAddr, Bytes)>,
    /// Earliest time of the next read, after an error.
    resume: Option<Instant>,
    stats: RuntimeStats,
}

impl DatagramSockets {
    pub(super) fn new(
        unicast: std::net::UdpSocket,
        multicast: Option<sockets::MulticastSocket>,
        stats: RuntimeStats,
    ) -> Result<DatagramSockets, RuntimeError> {
        let group = multicast.as_ref().map(|group| group.address);
        let multicast = multicast.map(|group| UdpSocket::from_std(group.socket)).transpose();
        Ok(DatagramSockets {
            unicast: UdpSocket::from_std(unicast).map_err(RuntimeError::Runtime)?,
            multicast: multicast.map_err(RuntimeError::Runtime)?,
            group,
            send_queue: VecDeque::new(),
            resume: None,
            stats,
        })
    }

    pub(super) fn is_idle(&self) -> bool {
        self.send_queue.is_empty()
    }

    /// Waits until a socket is readable, if `read`, or queued datagrams can be sent. Returns which
    /// sockets are readable.
    pub(super) async fn ready(&self, read: bool) -> Readable {
        if let Some(resume) = self.resume {
            tokio::time::sleep_until(resume).await;
        }
        poll_fn(|context| self.poll_ready(context, read)).await
    }

    fn poll_ready(&self, context: &mut Context<'_>, read: bool) -> Poll<Readable> {
        let readable = if read {
            let multicast = self.multicast.as_ref();
            Readable {
                unicast: self.unicast.poll_recv_ready(context).is_ready(),
                multicast: multicast.is_some_and(|socket| socket.poll_recv_ready(context).is_ready()),
            }
        } else {
            Readable::default()
        };
        let can_send = !self.send_queue.is_empty() && self.unicast.poll_send_ready(context).is_ready();
        if can_send || readable != Readable::default() { Poll::Ready(readable) } else { Poll::Pending }
    }

    /// Sends to a node.
    pub(super) fn send(&mut self, to: SocketAddr, bytes: Bytes) {
        self.stats.count(Counter::DatagramsSent);
        self.queue(to, bytes);
    }

    /// Sends to the multicast group, if there is one.
    pub(super) fn multicast(&mut self, bytes: Bytes) {
        match self.group {
            Some(group) => {
                self.stats.count(Counter::MulticastsSent);
                self.queue(group, bytes);
            }
            None => self.stats.count(Counter::MulticastsSuppressed),
        }
    }

    fn queue(&mut self, to: SocketAddr, bytes: Bytes) {
        self.stats.add(Counter::UdpBytesSent, bytes.len() as u64);
        if self.send_queue.len() >= MAX_QUEUED {
            self.send_queue.pop_front();
            self.stats.count(Counter::DatagramQueueOverflows);
        }
        self.send_queue.push_back((to, bytes));
        self.flush();
    }

    /// Sends queued datagrams, as far as the system has room.
    pub(super) fn flush(&mut self) {
        while let Some((to, bytes)) = self.send_queue.front() {
            match self.unicast.try_send_to(bytes, *to) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => self.stats.count_reason(Counter::DatagramSendErrors, error_reason(&error)),
                Ok(_) => {}
            }
            self.send_queue.pop_front();
        }
    }

    /// Reads up to [`BATCH`] datagrams and about 256 KiB from each readable socket.
    pub(super) fn receive(&mut self, readable: Readable) -> Vec<ReceivedDatagram> {
        let mut taken = Vec::new();
        self.resume = None;
        let unicast = readable.unicast.then_some(&self.unicast);
        let multicast = self.multicast.as_ref().filter(|_| readable.multicast);
        let sockets = [(unicast, Via::Unicast), (multicast, Via::Multicast)];
        for (socket, via) in sockets {
            let Some(socket) = socket else { continue };
            if let Err(error) =
                with_read_buffer(|buffer| read_all(socket, via, &self.stats, buffer, &mut taken))
            {
                self.stats.count_reason(Counter::DatagramReceiveErrors, error_reason(&error));
                self.resume = Some(Instant::now() + ERROR_PAUSE);
            }
        }
        taken
    }
}

/// Reads a socket until it is empty, or a limit is reached.
fn read_all(
    socket: &UdpSocket,
    via: Via,
    stats: &RuntimeStats,
    buffer: &mut [u8],
    taken: &mut Vec<ReceivedDatagram>,
) -> io::Result<()> {
    let mut bytes_left = BATCH_BYTES;
    for _ in 0..BATCH {
        if bytes_left == 0 {
            break;
        }
        let (length, from) = match socket.try_recv_from(buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        };
        bytes_left = bytes_left.saturating_sub(length);
        let bytes = buffer.get(..length).unwrap_or_default();
        stats.count(Counter::DatagramsReceived);
        stats.add(Counter::UdpBytesReceived, length as u64);
        if selftest::is_probe(bytes) {
            stats.count(Counter::SelfTestProbesReceived);
        } else {
            taken.push(ReceivedDatagram { from, via, bytes: Bytes::copy_from_slice(bytes) });
        }
    }
    Ok(())
}
