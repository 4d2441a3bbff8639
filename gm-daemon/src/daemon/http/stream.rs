//! Reads and writes the bytes of a connection, with limits of memory and time.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

/// Maximum number of bytes of one read.
const STEP: usize = 4 << 10;

/// Appends at most `max` available bytes to `buffer` and returns their number; 0 at the end of the
/// connection. It holds no memory while it waits.
pub(super) async fn read_some(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    max: usize,
) -> io::Result<usize> {
    poll_fn(|context| {
        let mut bytes = [0; STEP];
        let mut read = ReadBuf::new(&mut bytes[..max.min(STEP)]);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut read))?;
        buffer.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    })
    .await
}

/// Returns when the client has closed the connection. Further bytes are dropped: a connection
/// carries one request.
pub(super) async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) {
    poll_fn(|context| {
        // A client that keeps sending must not starve other tasks.
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

/// Writes all bytes. The client has to read some within each `time_limit`; zero means no limit.
pub(super) async fn write_all(
    stream: &mut (impl AsyncWrite + Unpin),
    mut bytes: &[u8],
    time_limit: Duration,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let write = poll_fn(|context| Pin::new(&mut *stream).poll_write(context, bytes));
        let written = if time_limit.is_zero() {
            write.await?
        } else {
            timeout(time_limit, write).await.map_err(|_| io::Error::from(ErrorKind::TimedOut))??
        };
        bytes = match bytes.get(written..) {
            Some(rest) if written > 0 => rest,
            _ => return Err(ErrorKind::WriteZero.into()),
        };
    }
    Ok(())
}
