//! Tests of the client against servers that are not daemons.

use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::*;

/// A temporary folder, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("gm-client-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Opens a socket that answers each connection with these bytes and closes it.
    fn answering(&self, bytes: Vec<u8>) -> Client {
        let path = self.0.join("s");
        let listener = UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(&bytes).await;
            }
        });
        Client::new(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn http(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn answers_and_refusals_are_read() {
    let folder = Folder::new("answers");
    let client = folder.answering(http("200 OK", "[1,2]"));
    assert_eq!(client.get::<Vec<u32>>("/v1/groups").await.unwrap(), [1, 2]);

    let folder = Folder::new("refusals");
    let client = folder.answering(http("409 Conflict", r#"{"error":"not so","kind":"refused"}"#));
    let failure = client.post::<Vec<u32>>("/v1/forget", &(), Duration::ZERO).await.unwrap_err();
    assert_eq!((failure.to_string().as_str(), failure.exit_code()), ("not so", 1));
}

#[tokio::test]
async fn a_missing_daemon_is_reported_with_path_and_remedy() {
    let folder = Folder::new("nobody");
    let client = Client::new(folder.0.join("none"));
    let failure = client.get::<()>("/").await.unwrap_err();
    assert_eq!(failure.exit_code(), 3);
    let text = failure.to_string();
    assert!(text.contains("/none: there is no such socket") && text.contains("gm-node run"), "{text}");

    let path = folder.0.join("left");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let failure = Client::new(path).get::<()>("/").await.unwrap_err();
    assert!(failure.to_string().contains("no process listens") && failure.exit_code() == 3, "{failure}");

    let failure = Client::new(folder.0.join("x".repeat(200))).get::<()>("/").await.unwrap_err();
    assert_eq!(failure.exit_code(), 3, "{failure}");
}

#[tokio::test]
async fn a_foreign_server_differs_from_a_closed_connection() {
    for (name, bytes, says) in [
        ("ssh", b"SSH-2.0-nothing here\r\n\r\n".to_vec(), "invalid answer"),
        ("html", http("200 OK", "<html>"), "invalid answer"),
        ("error", http("500 Oh", "<html>"), "status 500"),
        ("cut", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n[1,".to_vec(), "closed the connection"),
        ("empty", Vec::new(), "closed the connection"),
    ] {
        let folder = Folder::new(name);
        let failure = folder.answering(bytes).get::<Vec<u32>>("/").await.unwrap_err();
        assert!(failure.to_string().contains(says) && failure.exit_code() == 3, "{name}: {failure}");
    }
}

#[tokio::test]
async fn a_write_without_a_whole_answer_is_unknown() {
    for (name, bytes, says) in [
        ("w-html", http("200 OK", "<html>"), "invalid answer"),
        ("w-error", http("500 Oh", "<html>"), "status 500"),
        ("w-cut", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n[1,".to_vec(), "closed the connection"),
        ("w-empty", Vec::new(), "closed the connection"),
        ("w-unknown", http("500 Oh", r#"{"error":"not known","kind":"unknown"}"#), "not known"),
    ] {
        let folder = Folder::new(name);
        let client = folder.answering(bytes);
        let failure = client.post::<Vec<u32>>("/", &(), Duration::ZERO).await.unwrap_err();
        assert!(failure.to_string().contains(says) && failure.exit_code() == 5, "{name}: {failure}");
        assert_eq!(failure.as_json().kind, api::ErrorKind::Unknown);
    }
    // No request was sent.
    let folder = Folder::new("w-nobody");
    let refused = Client::new(folder.0.join("none")).post::<()>("/", &(), Duration::ZERO).await.unwrap_err();
    assert_eq!(refused.exit_code(), 3);
}

#[tokio::test]
async fn a_silent_daemon_is_unreachable_or_unknown_after_a_write() {
    let folder = Folder::new("silent");
    let path = folder.0.join("s");
    // The system accepts connections, and nothing answers them.
    let _listener = UnixListener::bind(&path).unwrap();
    let client = Client { timeout: Duration::from_millis(20), ..Client::new(path) };
    let failure = client.get::<()>("/").await.unwrap_err();
    assert!(failure.to_string().contains("within 20 ms") && failure.exit_code() == 3, "{failure}");
    let failure = client.post::<()>("/", &(), Duration::from_millis(5)).await.unwrap_err();
    assert!(failure.to_string().contains("within 25 ms") && failure.exit_code() == 5, "{failure}");
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let folder = Folder::new("large");
    let client =
        Client { max_bytes: 1 << 20, ..folder.answering(http("200 OK", &" ".repeat((1 << 20) + 1))) };
    let failure = client.get::<()>("/").await.unwrap_err();
    assert!(failure.to_string().contains("larger than 1 MiB") && failure.exit_code() == 1, "{failure}");
}

#[tokio::test]
async fn lines_are_reassembled_and_limited() {
    let folder = Folder::new("lines");
    let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n1\n2\r\n4\r\n2\n\n3\r\n1\r\n\n\r\n0\r\n\r\n";
    let mut lines = folder.answering(chunks.into()).list("/", Duration::ZERO).await.unwrap();
    let mut all = Vec::new();
    while let Some(number) = lines.next::<u32>().await.unwrap() {
        all.push(number);
    }
    assert_eq!(all, [1, 22, 3]);

    let folder = Folder::new("line");
    let client = Client { max_bytes: 100, ..folder.answering(http("200 OK", &"1".repeat(5_000))) };
    let mut lines = client.list("/", Duration::ZERO).await.unwrap();
    assert_eq!(lines.next::<u32>().await.unwrap_err().exit_code(), 1);
}

#[tokio::test]
async fn a_cut_list_fails_and_a_cut_watch_ends() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n1\n\r\n";
    for (name, rest) in [("cut", ""), ("within", "1\r\n2\r\n0\r\n\r\n")] {
        let folder = Folder::new(&format!("long-{name}"));
        let client = folder.answering(format!("{head}{rest}").into());
        let mut lines = client.list("/", Duration::ZERO).await.unwrap();
        assert_eq!(lines.next::<u32>().await.unwrap(), Some(1));
        let failure = lines.next::<u32>().await.unwrap_err();
        assert!(
            failure.to_string().contains("before its answer was complete") && failure.exit_code() == 3,
            "{name}: {failure}"
        );
        let mut lines = client.watch("/").await.unwrap();
        assert_eq!(lines.next::<u32>().await.unwrap(), Some(1));
        assert_eq!(lines.next::<u32>().await.unwrap(), None);
    }
}

#[tokio::test]
async fn silence_within_a_list_times_out_but_not_in_a_watch() {
    let folder = Folder::new("stall");
    let path = folder.0.join("s");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let mut streams = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n1\n\r\n";
            stream.write_all(head).await.unwrap();
            streams.push(stream);
        }
    });
    let client = Client::new(path).with_timeout(Duration::from_millis(20));
    let mut lines = client.list("/", Duration::ZERO).await.unwrap();
    assert_eq!(lines.next::<u32>().await.unwrap(), Some(1));
    assert!(lines.next::<u32>().await.unwrap_err().to_string().contains("--timeout"));
    let mut lines = client.watch("/").await.unwrap();
    assert_eq!(lines.next::<u32>().await.unwrap(), Some(1));
    let silent = timeout(Duration::from_millis(200), lines.next::<u32>()).await;
    assert!(silent.is_err(), "the watch keeps waiting");
}

#[test]
fn names_are_encoded_whole() {
    assert_eq!(percent_encode("Größe/ä b?c=d&e-1"), "Gr%C3%B6%C3%9Fe%2F%C3%A4%20b%3Fc%3Dd%26e-1");
}

#[test]
fn only_a_daemon_of_the_own_user_or_root_is_trusted() {
    let client = Client::new("/run/gm.sock".into());
    for (user, me) in [(0, 0), (7, 7), (0, 7)] {
        client.check(user, Some(4711), me).unwrap();
    }
    for (user, me) in [(7, 0), (8, 7)] {
        let failure = client.check(user, Some(4711), me).unwrap_err();
        let text = failure.to_string();
        let who = format!("answered by the process 4711 of the user {user}, and this is the user {me}");
        assert!(text.contains(&who) && text.contains("/run/gm.sock") && failure.exit_code() == 3, "{text}");
    }
}
