//! Connections of the driver: accepts, dials, passes on their data, and closes them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use gm_clock::NetId;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::Driver;
use crate::config::BroadcasterLimits;
use crate::counter::Counter;
use crate::machine::{ConnectionId, Input};
use crate::runtime::connection::{self, ConnectionEvent, ConnectionIo};
use crate::runtime::handle::RuntimeMachine;
use crate::time::Time;

/// Greatest number of closed connections that still send queued data; beyond it they are cut.
const MAX_LINGERING: usize = 256;
/// An accepted connection that the machine closes within this time counts as a strike against its
/// address.
const FAILED_EARLY: Duration = Duration::from_secs(10);

/// A connection, or a dial.
pub(super) struct ConnectionTask {
    pub(super) outgoing: mpsc::UnboundedSender<Bytes>,
    /// Dropped to close the connection.
    _ordered: oneshot::Sender<()>,
    pub(super) task: AbortHandle,
    /// Bytes that were handed to its task and not yet to the system.
    pub(super) queued: usize,
    /// Bytes received by it.
    pub(super) received: usize,
    /// Tells its task that the peer is authenticated; `None` after that.
    authenticated: Option<oneshot::Sender<()>>,
    /// Source address and time, if it was accepted.
    pub(super) accepted: Option<(IpAddr, Time)>,
}

impl<M: RuntimeMachine> Driver<M> {
    pub(super) fn on_connection_event(&mut self, event: Option<ConnectionEvent>) {
        let known = |link: &ConnectionId| self.connections.contains_key(link);
        match event {
            Some(ConnectionEvent::Accepted(stream, from)) => self.on_accepted(stream, from),
            Some(ConnectionEvent::Opened(link)) if known(&link) => {
                self.feed(Input::ConnectionOpened { link, from: None })
            }
            Some(ConnectionEvent::Refused(link, refusal)) if self.connections.remove(&link).is_some() => {
                self.feed(Input::ConnectionRefused { link, refusal });
            }
            Some(ConnectionEvent::Closed(link, stalled)) if self.connections.remove(&link).is_some() => {
                self.feed(Input::ConnectionClosed { link, stalled });
            }
            Some(ConnectionEvent::Bytes(link, bytes)) => {
                if let Some(known) = self.connections.get_mut(&link) {
                    known.received = known.received.saturating_add(bytes.len());
                    self.feed(Input::ConnectionBytes { link, bytes });
                    self.check_authenticated(link);
                }
            }
            Some(ConnectionEvent::Sent(link, bytes)) => {
                if let Some(known) = self.connections.get_mut(&link) {
                    known.queued = known.queued.saturating_sub(bytes);
                    self.feed(Input::ConnectionSent { link, bytes });
                }
            }
            Some(ConnectionEvent::Seeds(seeds)) => self.feed(Input::Command(M::seeds(seeds))),
            Some(ConnectionEvent::Opened(_) | ConnectionEvent::Refused(..) | ConnectionEvent::Closed(..))
            | None => {}
        }
    }

    /// This many bytes contain a first frame: if the machine has not closed the connection by then,
    /// the frame was authentic.
    fn check_authenticated(&mut self, link: ConnectionId) {
        if let Some(known) = self
            .connections
            .get_mut(&link)
            .filter(|known| known.received >= BroadcasterLimits::UNAUTHENTICATED_BYTES)
            && let Some(authenticated) = known.authenticated.take()
        {
            let _ = authenticated.send(());
        }
    }

    fn on_accepted(&mut self, stream: TcpStream, from: SocketAddr) {
        let now = self.clock.now();
        if self.stop_deadline.is_some() || !self.throttle.admits(from.ip(), now) {
            return self.stats.count(Counter::ConnectionsThrottled);
        }
        self.stats.count(Counter::ConnectionsAccepted);
        let link = ConnectionId::accepted(self.accepted);
        self.accepted += 1;
        self.open(link, Some((from.ip(), now)), |ends| connection::run(stream, ends));
        self.feed(Input::ConnectionOpened { link, from: Some(from) });
    }

    /// Starts the task of a connection.
    fn open<F>(
        &mut self,
        link: ConnectionId,
        accepted: Option<(IpAddr, Time)>,
        task: impl FnOnce(ConnectionIo) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let (outgoing, to_write) = mpsc::unbounded_channel();
        let (ordered, is_ordered) = oneshot::channel();
        let (authenticated, is_authenticated) = oneshot::channel();
        let ends = ConnectionIo {
            link,
            outgoing: to_write,
            ordered: is_ordered,
            authenticated: is_authenticated,
            events: self.connection_events.0.clone(),
            stats: self.stats.clone(),
            linger: self.settings.linger,
        };
        let task = self.connection_tasks.spawn(task(ends));

        self.connections.insert(
            link,
            ConnectionTask {
                outgoing,
                _ordered: ordered,
                task,
                queued: 0,
                received: 0,
                authenticated: Some(authenticated),
                accepted,
            },
        );
    }

    pub(super) fn dial(&mut self, link: ConnectionId, to: NetId, small_segments: bool) {
        let within = self.settings.connect_timeout;
        self.open(link, None, |ends| connection::dial(to.socket_addr(), small_segments, within, ends));
    }

    pub(super) fn close(&mut self, link: ConnectionId) {
        let Some(closed) = self.connections.remove(&link) else { return };
        let now = self.clock.now();
        if let Some((from, since)) = closed.accepted
            && now.since(since) < FAILED_EARLY
            && self.stop_deadline.is_none()
        {
            self.throttle.strike(from, now);
        }
        if self.connection_tasks.len().saturating_sub(self.connections.len()) > MAX_LINGERING {
            self.stats.count(Counter::ConnectionsCutWhileClosing);
            closed.task.abort();
        }
    }
}
