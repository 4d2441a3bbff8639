//! The head of a request: its first line and its headers. Reads what a client sent, and takes no
//! byte on trust.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use super::HttpRefusal;

/// Headers of a request, at most.
const MAX_HEADERS: usize = 64;

/// What a request says before its body.
#[derive(Debug)]
pub(super) struct RequestHead {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    /// Bytes of the body.
    pub(super) length: usize,
    /// The client sends the body once it is told to.
    pub(super) expects_continue: bool,
    /// HTTP/1.0: it does not know answers in chunks.
    pub(super) is_http_1_0: bool,
}

fn bad(why: impl std::fmt::Display) -> HttpRefusal {
    (StatusCode::BAD_REQUEST, format!("the head of the request is not understood: {why}"))
}

impl RequestHead {
    /// Reads a head and its length; nothing if it is not whole yet.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<(RequestHead, usize)>, HttpRefusal> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => {
                let why = format!("the request has more than {MAX_HEADERS} headers");
                return Err((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, why));
            }
            Err(error) => return Err(bad(error)),
        };
        let method = Method::from_bytes(request.method.unwrap_or_default().as_bytes()).map_err(bad)?;
        let uri: Uri = request.path.unwrap_or_default().parse().map_err(bad)?;
        let mut all = HeaderMap::new();
        for header in request.headers.iter() {
            let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(bad)?;
            all.append(name, HeaderValue::from_bytes(header.value).map_err(bad)?);
        }
        if all.contains_key("transfer-encoding") {
            let why = "a body is taken with a content-length, and not in chunks".to_owned();
            return Err((StatusCode::LENGTH_REQUIRED, why));
        }
        let head = RequestHead {
            method,
            uri,
            length: body_length(&all)?,
            expects_continue: all
                .get("expect")
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")),
            is_http_1_0: request.version == Some(0),
            headers: all,
        };
        Ok(Some((head, length)))
    }
}

/// The length of the body. Several that differ are refused, as nobody knows which one counts.
fn body_length(headers: &HeaderMap) -> Result<usize, HttpRefusal> {
    let mut length = None;
    for value in headers.get_all("content-length") {
        let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse::<usize>().ok());
        let number = number.ok_or_else(|| bad("the content-length is no number of bytes"))?;
        if length.is_some_and(|length| length != number) {
            return Err(bad("it has two content-lengths"));
        }
        length = Some(number);
    }
    Ok(length.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let text = b"POST /v1/forget?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nExpect: 100-Continue\r\n\r\nbody";
        for cut in 0..text.len() - 4 {
            assert!(RequestHead::read(&text[..cut]).unwrap().is_none(), "{cut}");
        }
        let (head, length) = RequestHead::read(text).unwrap().unwrap();
        assert_eq!(&text[length..], b"body");
        assert_eq!(
            (head.method, head.uri.path(), head.uri.query()),
            (Method::POST, "/v1/forget", Some("a=b"))
        );
        assert_eq!((head.length, head.expects_continue, head.is_http_1_0), (7, true, false));
        assert_eq!(head.headers["host"], "x");
        assert!(RequestHead::read(b"GET / HTTP/1.0\r\n\r\n").unwrap().unwrap().0.is_http_1_0);
    }

    #[test]
    fn ambiguous_and_invalid_heads_are_refused() {
        let refused = |lines: &str| {
            RequestHead::read(format!("GET / HTTP/1.1\r\n{lines}\r\n\r\n").as_bytes()).unwrap_err().0
        };
        for lines in
            ["content-length: -1", "content-length: 1\r\ncontent-length: 2", "content-length: x", "a b: c"]
        {
            assert_eq!(refused(lines), StatusCode::BAD_REQUEST, "{lines}");
        }
        assert_eq!(refused("content-length: 99999999999999999999999"), StatusCode::BAD_REQUEST);
        assert_eq!(refused("transfer-encoding: chunked"), StatusCode::LENGTH_REQUIRED);
        let many = (0..=MAX_HEADERS).map(|at| format!("h{at}: x")).collect::<Vec<_>>().join("\r\n");
        assert_eq!(refused(&many), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        for bytes in [
            &b"SSH-2.0-x\r\n\r\n"[..],
            b"GET / HTTP/2.0\r\n\r\n",
            b"\x16\x03\x01\x02",
            b"GET  HTTP/1.1\r\n\r\n",
        ] {
            assert!(RequestHead::read(bytes).is_err(), "{bytes:?}");
        }
    }
}
