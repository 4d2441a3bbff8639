//! What the driver does for connections: lets them in, dials, hands on their pieces, ends them. Knows no byte of them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gm_clock::NetId;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::Driver;
use crate::config::Bounds;
use crate::machine::{Input, LinkId};
use crate::shell::handle::Driven;
use crate::shell::link::{self, Ends, Piece};
use crate::time::Time;

/// Connections that are still sending what was queued when they were closed, at most; beyond it they are cut off.
const LINGERING: usize = 256;
/// A connection that the machine ends within this time of its being accepted showed nothing that it wanted.
const SOON: Duration = Duration::from_secs(10);

/// A connection, or a dial.
pub(super) struct Link {
    pub(super) outgoing: mpsc::UnboundedSender<Vec<u8>>,
    /// Dropped when it is to end.
    _ordered: oneshot::Sender<()>,
    pub(super) task: AbortHandle,
    /// Bytes handed to it and not yet with the system.
    pub(super) queued: usize,
    /// Bytes that came by it.
    pub(super) come: usize,
    /// Tells its task that the peer has proven itself; nothing once that is told.
    proven: Option<oneshot::Sender<()>>,
    /// From whom and when, if it was accepted.
    pub(super) accepted: Option<(IpAddr, Time)>,
}

impl<M: Driven> Driver<M> {
    pub(super) fn on_piece(&mut self, piece: Option<Piece>) {
        let known = |link: &LinkId| self.links.contains_key(link);
        match piece {
            Some(Piece::Accepted(stream, from)) => self.on_accepted(stream, from),
            Some(Piece::Opened(link)) if known(&link) => self.feed(Input::LinkOpened { link, from: None }),
            Some(Piece::Refused(link, refusal)) if self.links.remove(&link).is_some() => {
                self.feed(Input::LinkRefused { link, refusal });
            }
            Some(Piece::Closed(link, stalled)) if self.links.remove(&link).is_some() => {
                self.feed(Input::LinkClosed { link, stalled });
            }
            Some(Piece::Bytes(link, bytes)) => {
                if let Some(known) = self.links.get_mut(&link) {
                    known.come = known.come.saturating_add(bytes.len());
                    self.feed(Input::LinkBytes { link, bytes });
                    self.look_for_proof(link);
                }
            }
            Some(Piece::Sent(link, bytes)) => {
                if let Some(known) = self.links.get_mut(&link) {
                    known.queued = known.queued.saturating_sub(bytes);
                    self.feed(Input::LinkSent { link, bytes });
                }
            }
            Some(Piece::Seeds(seeds)) => self.feed(Input::Command(M::seeds(seeds))),
            Some(Piece::Opened(_) | Piece::Refused(..) | Piece::Closed(..)) | None => {}
        }
    }

    /// So many bytes hold a first frame, whatever it says: if the machine has not ended the connection for them, it opened.
    fn look_for_proof(&mut self, link: LinkId) {
        if let Some(known) = self.links.get_mut(&link).filter(|known| known.come >= Bounds::UNPROVEN)
            && let Some(proven) = known.proven.take()
        {
            let _ = proven.send(());
        }
    }

    fn on_accepted(&mut self, stream: TcpStream, from: SocketAddr) {
        let now = self.clock.now();
        if self.stopping.is_some() || !self.suspects.lets_in(from.ip(), now) {
            return self.meter.count("accept", "not let in");
        }
        self.meter.count("accept", "accepted");
        let link = LinkId::accepted(self.accepted);
        self.accepted += 1;
        self.open(link, Some((from.ip(), now)), |ends| link::run(stream, ends));
        self.feed(Input::LinkOpened { link, from: Some(from) });
    }

    /// Starts the task of a connection.
    fn open<F>(&mut self, link: LinkId, accepted: Option<(IpAddr, Time)>, task: impl FnOnce(Ends) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (outgoing, to_write) = mpsc::unbounded_channel();
        let (ordered, is_ordered) = oneshot::channel();
        let (proven, is_proven) = oneshot::channel();
        let ends = Ends {
            link,
            outgoing: to_write,
            ordered: is_ordered,
            proven: is_proven,
            pieces: self.pieces.0.clone(),
            meter: self.meter.clone(),
            linger: self.settings.linger,
        };
        let task = self.tasks.spawn(task(ends));
        let proven = Some(proven);
        self.links
            .insert(link, Link { outgoing, _ordered: ordered, task, queued: 0, come: 0, proven, accepted });
    }

    pub(super) fn dial(&mut self, link: LinkId, to: NetId, small_segments: bool) {
        let within = self.settings.connect_timeout;
        self.open(link, None, |ends| link::dial(to.socket_addr(), small_segments, within, ends));
    }

    pub(super) fn close(&mut self, link: LinkId) {
        let Some(closed) = self.links.remove(&link) else { return };
        let now = self.clock.now();
        if let Some((from, since)) = closed.accepted
            && now.since(since) < SOON
            && self.stopping.is_none()
        {
            self.suspects.strike(from, now);
        }
        if self.tasks.len().saturating_sub(self.links.len()) > LINGERING {
            self.meter.count("tcp", "cut off, too many are closing");
            closed.task.abort();
        }
    }
}
