//! Accepts connections to the control socket from the daemon's own user and root. Their number is
//! limited; beyond the limit a new connection is closed at once. When the process has no file
//! descriptor left, a reserved one serves one connection after the other, each for a short time.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, timeout};

use gm_node::permissions;

use super::descriptors::{Descriptors, SpareDescriptor, is_exhausted};

/// Size of the kernel's send buffer of a connection; the kernel doubles it for its bookkeeping. It
/// is smaller than the default, because it is memory that slow clients occupy.
const SEND_BUFFER: usize = 32 << 10;
/// Pause after an error of `accept`.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time limit for a connection on the reserved descriptor to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(100);
/// Time limit for the answer on such a connection.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Accepts connections up to the limit.
#[derive(Debug)]
pub(crate) struct LimitedListener {
    listener: UnixListener,
    permits: Arc<Semaphore>,
    /// Whether the limit was logged, with no connection accepted since.
    limit_logged: bool,
    /// Whether a connection of another user was logged.
    foreign_user_logged: bool,
    spare: Arc<SpareDescriptor>,
    descriptors: Arc<Descriptors>,
}

/// An accepted connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// `None` only while it is dropped.
    stream: Option<UnixStream>,
    reserved: Option<ReservedSlot>,
    _permit: Option<OwnedSemaphorePermit>,
}

/// Marks a connection on the reserved descriptor.
#[derive(Debug)]
struct ReservedSlot {
    spare: Arc<SpareDescriptor>,
    deadline: Pin<Box<Sleep>>,
    has_request: bool,
}

impl LimitedListener {
    /// Creates a limited listener.
    pub(crate) fn new(
        listener: UnixListener,
        max_connections: usize,
        descriptors: Arc<Descriptors>,
    ) -> LimitedListener {
        let (permits, spare) = (Arc::new(Semaphore::new(max_connections)), Arc::new(SpareDescriptor::new()));
        LimitedListener {
            listener,
            permits,
            limit_logged: false,
            foreign_user_logged: false,
            spare,
            descriptors,
        }
    }

    /// Whether a connection comes from the own user or root. The mode of the socket keeps other
    /// users out, unless it was changed.
    fn is_ours(&mut self, stream: &UnixStream) -> bool {
        match stream.peer_cred() {
            Ok(peer) if permissions::is_trusted(peer.uid(), permissions::me()) => true,
            Ok(peer) => {
                if !std::mem::replace(&mut self.foreign_user_logged, true) {
                    tracing::warn!(
                        user = peer.uid(),
                        process = peer.pid(),
                        "control socket: a connection of another user is closed. Only the user that runs the daemon and root can control it: chmod 600 the socket"
                    );
                }
                false
            }
            // The client is gone.
            Err(_) => false,
        }
    }

    /// Accepts the next connection, regardless of the limit.
    async fn next(&mut self) -> (UnixStream, Option<ReservedSlot>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    self.spare.refill();
                    return (stream, None);
                }
                Err(error) if is_exhausted(&error) => {
                    self.descriptors.record_exhaustion();
                    if self.spare.release()
                        && let Ok(Ok((stream, _))) = timeout(ACCEPT_PAUSE, self.listener.accept()).await
                    {
                        return (stream, Some(ReservedSlot::new(&self.spare)));
                    }
                    // Another connection has the reserved descriptor, or another part of the
                    // process took it first.
                    let _ = timeout(ACCEPT_PAUSE, self.spare.returned()).await;
                    self.spare.refill();
                }
                // The client closed it before it was accepted.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::error!(
                        "the control socket cannot accept a connection, and tries again: {error}"
                    );
                    sleep(ACCEPT_PAUSE * 10).await;
                }
            }
        }
    }

    /// Accepts the next connection that the limit allows.
    pub(crate) async fn accept(&mut self) -> Connection {
        loop {
            let (stream, reserved) = self.next().await;
            let is_ours = self.is_ours(&stream);
            if let Err(error) = set_socket_send_buffer_size(&stream, SEND_BUFFER) {
                tracing::debug!("a connection of the control socket keeps the default send buffer: {error}");
            }
            let permit = Arc::clone(&self.permits).try_acquire_owned().ok();
            let has_permit = permit.is_some();
            // Beyond the limit the connection is dropped here, which returns the reserved
            // descriptor.
            let connection = Connection { stream: Some(stream), reserved, _permit: permit };
            if !is_ours {
                continue;
            }
            if has_permit {
                self.limit_logged = false;
                return connection;
            }
            if !std::mem::replace(&mut self.limit_logged, true) {
                tracing::warn!(
                    "control socket: connection limit reached (`max-connections`), new connections are closed. List the holders with `ss -xp`"
                );
            }
        }
    }
}

impl ReservedSlot {
    fn new(spare: &Arc<SpareDescriptor>) -> ReservedSlot {
        ReservedSlot {
            spare: Arc::clone(spare),
            deadline: Box::pin(sleep(REQUEST_TIMEOUT)),
            has_request: false,
        }
    }

    fn start_answer(&mut self) {
        if !std::mem::replace(&mut self.has_request, true) {
            self.deadline.as_mut().reset(Instant::now() + ANSWER_TIMEOUT);
        }
    }
}

impl Connection {
    /// Returns the stream, or an error once the deadline of a connection on the reserved descriptor
    /// has passed.
    fn stream(&mut self, context: &mut Context<'_>) -> io::Result<Pin<&mut UnixStream>> {
        if let Some(reserved) = &mut self.reserved
            && reserved.deadline.as_mut().poll(context).is_ready()
        {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.as_mut().map(Pin::new).ok_or_else(|| ErrorKind::NotConnected.into())
    }
}

impl Drop for Connection {
    /// Returns the reserved descriptor without closing it in between, so that no other part of the
    /// process can take it: it stays open as an ended connection.
    fn drop(&mut self) {
        let (Some(stream), Some(reserved)) = (self.stream.take(), &self.reserved) else { return };
        match stream.into_std() {
            Ok(stream) => {
                // An error means that the client ended it already.
                let _ = stream.shutdown(std::net::Shutdown::Both);
                reserved.spare.restore(OwnedFd::from(stream));
            }
            Err(_) => reserved.spare.refill(),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.stream(context)?.poll_read(context, buffer);
        if let (Poll::Ready(Ok(())), Some(reserved)) = (&read, &mut self.reserved) {
            reserved.start_answer();
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream(context)?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream(context)?.poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(UnixStream::is_write_vectored)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn connections_beyond_the_limit_are_closed() {
        let path = std::env::temp_dir().join(format!("gm-listener-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let mut listener = LimitedListener::new(UnixListener::bind(&path).unwrap(), 2, Arc::default());
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..2 {
            ours.push(UnixStream::connect(&path).await.unwrap());
            theirs.push(listener.accept().await);
        }
        let mut third = UnixStream::connect(&path).await.unwrap();
        // The listener closes it while it waits for the next one.
        let refused = tokio::select! {
            _ = listener.accept() => panic!("the limit is reached"),
            end = third.read_u8() => end,
        };
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        theirs.pop();
        let mut fourth = UnixStream::connect(&path).await.unwrap();
        let mut connection = listener.accept().await;
        fourth.write_all(b"x").await.unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), b'x');
        connection.write_all(b"y").await.unwrap();
        assert_eq!(fourth.read_u8().await.unwrap(), b'y');
        std::fs::remove_file(&path).unwrap();
    }
}
