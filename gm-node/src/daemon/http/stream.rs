//! Bytes of a connection, with a bound in memory and time. Knows nothing of what they say.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

/// Bytes that are read at once.
const STEP: usize = 4 << 10;

/// Reads what is there, `most` bytes at most, behind what is kept already; 0 at the end of the
/// connection. While nothing comes it holds no buffer.
pub(super) async fn read_some(
    stream: &mut (impl AsyncRead + Unpin),
    kept: &mut Vec<u8>,
    most: usize,
) -> io::Result<usize> {
    poll_fn(|context| {
        let mut bytes = [0; STEP];
        let mut buffer = ReadBuf::new(&mut bytes[..most.min(STEP)]);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
        kept.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    })
    .await
}

/// Returns when the client has ended the connection. What it sends besides is dropped: a connection
/// has one request.
pub(super) async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) {
    poll_fn(|context| {
        // Whoever sends without end has its turn like all others.
        for _ in 0..8 {
            let mut bytes = [0; STEP];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Writes all bytes. The client has to take some again and again within `patience`; without a limit
/// if that is zero.
pub(super) async fn write_all(
    stream: &mut (impl AsyncWrite + Unpin),
    mut bytes: &[u8],
    patience: Duration,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let write = poll_fn(|context| Pin::new(&mut *stream).poll_write(context, bytes));
        let written = if patience.is_zero() {
            write.await?
        } else {
            timeout(patience, write).await.map_err(|_| io::Error::from(ErrorKind::TimedOut))??
        };
        bytes = match bytes.get(written..) {
            Some(rest) if written > 0 => rest,
            _ => return Err(ErrorKind::WriteZero.into()),
        };
    }
    Ok(())
}
