//! Parser of a request's head: the first line and the headers.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use super::HttpRefusal;

/// Maximum number of headers.
const MAX_HEADERS: usize = 64;

/// Parsed head of a request.
#[derive(Debug)]
pub(super) struct RequestHead {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    /// Length of the body in bytes.
    pub(super) length: usize,
    /// The client waits for `100 Continue` before it sends the body.
    pub(super) expects_continue: bool,
    /// The client uses HTTP/1.0, which has no chunked answers.
    pub(super) is_http_1_0: bool,
}

fn bad(why: impl std::fmt::Display) -> HttpRefusal {
    (StatusCode::BAD_REQUEST, format!("invalid head of the request: {why}"))
}

impl RequestHead {
    /// Parses a head and returns it with its length; `None` if it is incomplete.
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
            let why = "a body needs a content-length, and must not be chunked".to_owned();
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

/// Returns the length of the body. Different lengths are refused as ambiguous.
fn body_length(headers: &HeaderMap) -> Result<usize, HttpRefusal> {
    let mut length = None;
    for value in headers.get_all("content-length") {
        let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse::<usize>().ok());
        let number = number.ok_or_else(|| bad("the content-length is not a number"))?;
        if length.is_some_and(|length| length != number) {
            return Err(bad("it has two different content-lengths"));
        }
        length = Some(number);
    }
    Ok(length.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_parsed_once_it_is_complete() {
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
