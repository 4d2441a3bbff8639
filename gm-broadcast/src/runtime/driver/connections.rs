//! Connections of the driver: accepts, dials, passes on their data, and closes them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gm_clock::NetId;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::Driver;
use crate::config::BroadcasterLimits;
use crate::counter::Counter;
use crate::machine::{ConnectionId, Input};
use crate::runtime::connection::{self, ConnectionEvent, ConnectionIo, Outgoing};
use crate::runtime::handle::RuntimeMachine;
use crate::time::Time;

/// Greatest number of closed connections that still send queued data; beyond it they are cut.
const MAX_LINGERING: usize = 256;
/// An accepted connection that the machine closes within this time counts as a strike against its
/// address.
const FAILED_EARLY: Duration = Duration::from_secs(10);

/// A connection, or a dial.
pub(super) struct ConnectionTask {
    /// Dropped to close the connection.
    pub(super) outgoing: Outgoing,
    pub(super) task: AbortHandle,
    /// Bytes that were handed to its task and not yet to the system.
    pub(super) queued: usize,
    /// Bytes received by it.
    pub(super) received: usize,
    /// Whether its task knows that the peer is authenticated.
    authenticated: bool,
    /// Source address and time, if it was accepted.
    pub(super) accepted: Option<(IpAddr, Time)>,
}

impl<M: RuntimeMachine> Driver<M> {
    pub(super) fn on_connection_event(&mut self, event: Option<ConnectionEvent>) {
        match event {
            Some(ConnectionEvent::Accepted(stream, from)) => self.on_accepted(stream, from),
            Some(ConnectionEvent::Opened(link, stream)) => self.on_dialed(link, stream),
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
            Some(ConnectionEvent::Refused(..) | ConnectionEvent::Closed(..)) | None => {}
        }
    }

    /// This many bytes contain a first frame: if the machine has not closed the connection by then,
    /// the frame was authentic.
    fn check_authenticated(&mut self, link: ConnectionId) {
        if let Some(known) = self
            .connections
            .get_mut(&link)
            .filter(|known| known.received >= BroadcasterLimits::UNAUTHENTICATED_BYTES)
            && !known.authenticated
        {
            known.authenticated = true;
            known.outgoing.authenticate();
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
        self.open(link, Some((from.ip(), now)), |io| connection::run(stream, io));
        self.feed(Input::ConnectionOpened { link, from: Some(from) });
    }

    /// A dial succeeded: starts the task of the connection, which needs less memory than the dial.
    fn on_dialed(&mut self, link: ConnectionId, stream: TcpStream) {
        let Some(known) = self.connections.get(&link) else { return };
        let io = self.connection_io(link, &known.outgoing);
        let task = self.connection_tasks.spawn(connection::run(stream, io));
        if let Some(known) = self.connections.get_mut(&link) {
            known.task = task;
        }
        self.feed(Input::ConnectionOpened { link, from: None });
    }

    fn connection_io(&self, link: ConnectionId, outgoing: &Outgoing) -> ConnectionIo {
        ConnectionIo {
            link,
            outgoing: outgoing.for_task(),
            events: self.connection_events.0.clone(),
            stats: self.stats.clone(),
            linger: self.settings.linger,
        }
    }

    /// Starts the task of a connection, or of a dial.
    fn open<F>(
        &mut self,
        link: ConnectionId,
        accepted: Option<(IpAddr, Time)>,
        task: impl FnOnce(ConnectionIo) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let outgoing = Outgoing::default();
        let task = self.connection_tasks.spawn(task(self.connection_io(link, &outgoing)));
        let known = ConnectionTask { outgoing, task, queued: 0, received: 0, authenticated: false, accepted };
        self.connections.insert(link, known);
    }

    pub(super) fn dial(&mut self, link: ConnectionId, to: NetId, small_segments: bool) {
        let within = self.settings.connect_timeout;
        self.open(link, None, |io| connection::dial(to.socket_addr(), small_segments, within, io));
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
