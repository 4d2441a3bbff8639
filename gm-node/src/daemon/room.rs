//! Connections of the control socket, of which there are at most so many: one more is closed at once. Knows nothing of what is said on them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections at one time. Each watcher holds one: so many are 1,024 of them, and as many others as anybody's scripts should need.
pub(crate) const MOST: usize = 1_280;

/// Lets in as many as there is room for.
#[derive(Debug)]
pub(crate) struct Room {
    listener: UnixListener,
    places: Arc<Semaphore>,
    /// That one was closed was said, and nobody was let in since.
    told: bool,
}

/// A connection in its place.
#[derive(Debug)]
pub(crate) struct Guest {
    stream: UnixStream,
    _place: OwnedSemaphorePermit,
}

impl Room {
    /// Of a listener.
    pub(crate) fn new(listener: UnixListener, most: usize) -> Room {
        Room { listener, places: Arc::new(Semaphore::new(most)), told: false }
    }
}

impl Listener for Room {
    type Io = Guest;
    type Addr = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> (Guest, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                self.told = false;
                return (Guest { stream, _place: place }, address);
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

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
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
        let mut room = Room::new(UnixListener::bind(&path).unwrap(), 2);
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
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
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
