//! Sends an answer: its head, then its body as a whole or in chunks. Each chunk is generated after
//! the previous one was sent.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::response::Parts;
use axum::response::Response;
use hyper::body::Frame;
use tokio::io::{AsyncRead, AsyncWrite};

use super::stream::{until_closed, write_all};

/// Marks an answer without end, to which the time limit of readers does not apply. It holds one
/// chunk of limited size.
#[derive(Clone, Copy, Debug)]
pub(in crate::daemon) struct EndlessBody;

/// Sends an answer and closes the connection.
///
/// # Errors
/// The client is gone, or read nothing within the time limit; or the body failed, and the client
/// received an incomplete answer.
pub(super) async fn send(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    response: Response,
    without_body: bool,
    is_http_1_0: bool,
    time_limit: Duration,
) -> io::Result<()> {
    let (parts, body) = response.into_parts();
    let time_limit =
        if parts.extensions.get::<EndlessBody>().is_some() { Duration::ZERO } else { time_limit };
    let length = body.size_hint().exact();
    let in_chunks = length.is_none() && !is_http_1_0;
    write_all(stream, &head(&parts, length, in_chunks), time_limit).await?;
    if !without_body {
        send_body(stream, body, in_chunks, time_limit).await?;
    }
    std::future::poll_fn(|context| Pin::new(&mut *stream).poll_shutdown(context)).await
}

/// Sends a body part by part.
async fn send_body(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut body: Body,
    in_chunks: bool,
    time_limit: Duration,
) -> io::Result<()> {
    loop {
        let bytes = tokio::select! {
            frame = next(&mut body) => match frame {
                None => break,
                Some(frame) => frame.map_err(io::Error::other)?.into_data().unwrap_or_default(),
            },
            () = until_closed(stream) => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        match bytes.len() {
            // An empty chunk would mark the end.
            0 => {}
            length if in_chunks => {
                let mut chunk = format!("{length:x}\r\n").into_bytes();
                chunk.reserve_exact(length + 2);
                chunk.extend_from_slice(&bytes);
                chunk.extend_from_slice(b"\r\n");
                drop(bytes);
                write_all(stream, &chunk, time_limit).await?;
            }
            _ => write_all(stream, &bytes, time_limit).await?,
        }
    }
    if in_chunks { write_all(stream, b"0\r\n\r\n", time_limit).await } else { Ok(()) }
}

/// Returns the next frame of a body.
async fn next(body: &mut Body) -> Option<Result<Frame<Bytes>, axum::Error>> {
    std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

fn head(parts: &Parts, length: Option<u64>, in_chunks: bool) -> Vec<u8> {
    let status = parts.status;
    let mut head =
        format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default())
            .into_bytes();
    let framing = [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION];
    for (name, value) in parts.headers.iter().filter(|(name, _)| !framing.contains(name)) {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    if let Some(length) = length {
        head.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
    }
    if in_chunks {
        head.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    head.extend_from_slice(b"connection: close\r\n\r\n");
    head
}
