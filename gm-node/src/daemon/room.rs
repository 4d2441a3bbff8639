//! Connections of the control socket, of which there are at most so many: one more is closed at once. When no file descriptor is left, a spared one serves one
//! connection after the other, each for a short time. Knows nothing of what is said on them.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::descriptors::{Descriptors, Spare, are_used_up};

/// Connections at one time. Each watcher holds one: so many are 1,024 of them, and as many others as anybody's scripts should need.
pub(crate) const MOST: usize = 1_280;
/// How long nothing is accepted after an error.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a connection on the spared descriptor may take to ask...
const ASKING: Duration = Duration::from_millis(100);
/// ... and to be answered.
const ANSWERING: Duration = Duration::from_secs(1);

/// Lets in as many as there is room for.
#[derive(Debug)]
pub(crate) struct Room {
    listener: UnixListener,
    places: Arc<Semaphore>,
    /// That one was closed was said, and nobody was let in since.
    told: bool,
    spare: Arc<Spare>,
    descriptors: Arc<Descriptors>,
}

/// A connection in its place.
#[derive(Debug)]
pub(crate) struct Guest {
    /// Nothing once it is dropped.
    stream: Option<UnixStream>,
    spared: Option<Spared>,
    _place: Option<OwnedSemaphorePermit>,
}

/// Of a connection that has the spared descriptor.
#[derive(Debug)]
struct Spared {
    spare: Arc<Spare>,
    until: Pin<Box<Sleep>>,
    has_asked: bool,
}

impl Room {
    /// Of a listener.
    pub(crate) fn new(listener: UnixListener, most: usize, descriptors: Arc<Descriptors>) -> Room {
        let (places, spare) = (Arc::new(Semaphore::new(most)), Arc::new(Spare::new()));
        Room { listener, places, told: false, spare, descriptors }
    }

    /// The next connection, whether there is room for it or not.
    async fn next(&mut self) -> (UnixStream, Option<Spared>, <Room as Listener>::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    self.spare.refill();
                    return (stream, None, address);
                }
                Err(error) if are_used_up(&error) => {
                    self.descriptors.note();
                    if self.spare.give_up()
                        && let Ok(Ok((stream, address))) = timeout(PAUSE, self.listener.accept()).await
                    {
                        return (stream, Some(Spared::new(&self.spare)), address);
                    }
                    // It is with another connection, or somebody else was faster.
                    let _ = timeout(PAUSE, self.spare.is_back()).await;
                    self.spare.refill();
                }
                // The other side was faster than we.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::error!("the control socket takes no connection, and tries again: {error}");
                    sleep(PAUSE * 10).await;
                }
            }
        }
    }
}

impl Spared {
    fn new(spare: &Arc<Spare>) -> Spared {
        Spared { spare: Arc::clone(spare), until: Box::pin(sleep(ASKING)), has_asked: false }
    }

    fn asks(&mut self) {
        if !std::mem::replace(&mut self.has_asked, true) {
            self.until.as_mut().reset(Instant::now() + ANSWERING);
        }
    }
}

impl Listener for Room {
    type Io = Guest;
    type Addr = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> (Guest, Self::Addr) {
        loop {
            let (stream, spared, address) = self.next().await;
            let place = Arc::clone(&self.places).try_acquire_owned().ok();
            let has_place = place.is_some();
            // Without a place it is dropped, and the spared descriptor goes back.
            let guest = Guest { stream: Some(stream), spared, _place: place };
            if has_place {
                self.told = false;
                return (guest, address);
            }
            if !std::mem::replace(&mut self.told, true) {
                tracing::warn!(
                    "the control socket has as many connections as may be: whoever connects is turned away until some of them end. Who holds them shows `ss -xp`"
                );
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl Guest {
    /// The stream, as long as its time is not over.
    fn stream(&mut self, context: &mut Context<'_>) -> io::Result<Pin<&mut UnixStream>> {
        if let Some(spared) = &mut self.spared
            && spared.until.as_mut().poll(context).is_ready()
        {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.as_mut().map(Pin::new).ok_or_else(|| ErrorKind::NotConnected.into())
    }
}

impl Drop for Guest {
    /// The spared descriptor is never free in between: it goes back as it is, with a connection on it that has ended.
    fn drop(&mut self) {
        let (Some(stream), Some(spared)) = (self.stream.take(), &self.spared) else { return };
        match stream.into_std() {
            Ok(stream) => {
                // It may have ended already.
                let _ = stream.shutdown(std::net::Shutdown::Both);
                spared.spare.give_back(OwnedFd::from(stream));
            }
            Err(_) => spared.spare.refill(),
        }
    }
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.stream(context)?.poll_read(context, buffer);
        if let (Poll::Ready(Ok(())), Some(spared)) = (&read, &mut self.spared) {
            spared.asks();
        }
        read
    }
}

impl AsyncWrite for Guest {
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
    async fn one_too_many_is_turned_away_and_there_is_room_again_when_one_ends() {
        let path = std::env::temp_dir().join(format!("gm-room-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let mut room = Room::new(UnixListener::bind(&path).unwrap(), 2, Arc::default());
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..2 {
            ours.push(UnixStream::connect(&path).await.unwrap());
            theirs.push(room.accept().await.0);
        }
        let mut third = UnixStream::connect(&path).await.unwrap();
        // It is turned away while the next one is waited for.
        let refused = tokio::select! {
            _ = room.accept() => panic!("there is no room"),
            end = third.read_u8() => end,
        };
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        theirs.pop();
        let mut fourth = UnixStream::connect(&path).await.unwrap();
        let mut guest = room.accept().await.0;
        fourth.write_all(b"x").await.unwrap();
        assert_eq!(guest.read_u8().await.unwrap(), b'x');
        guest.write_all(b"y").await.unwrap();
        assert_eq!(fourth.read_u8().await.unwrap(), b'y');
        std::fs::remove_file(&path).unwrap();
    }
}
