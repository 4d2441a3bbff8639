//! Tests of slow, silent and numerous clients of the control socket, and of watchers that do not
//! read.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

use crate::node::{Node, Scratch, eventually};

const RANGES: u32 = 6_000;

/// Request body that serves many ranges in one write.
fn batch(priority: u32) -> String {
    let serve = |at: u32| {
        let (start, end) = (at * 10, at * 10 + 9);
        format!(r#"{{"do":"serve","start":{start},"end":{end},"port":1,"priority":{priority}}}"#)
    };
    let all: Vec<String> = (0..RANGES).map(serve).collect();
    format!(r#"{{"changes":[{}]}}"#, all.join(","))
}

fn change(node: &Node, priority: u32) {
    let (status, answer) = node.post("/v1/groups/g/change", &batch(priority));
    assert_eq!(status, 200, "{answer}");
}

/// Opens a connection and sends a text.
fn send(node: &Node, text: &str) -> UnixStream {
    let mut stream = UnixStream::connect(&node.socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The daemon may close the connection.
    let _ = stream.write_all(text.as_bytes());
    stream
}

/// Reads until the connection ends.
fn read_all(mut stream: UnixStream) -> String {
    let mut bytes = Vec::new();
    // The daemon may disconnect the client.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Resident memory of the daemon in MiB.
#[cfg(target_os = "linux")]
fn resident_bytes(node: &Node) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}

/// Follows a watch until all ranges have that priority. Returns `false` if the watcher received
/// `lost`.
fn read_until(lines: &mut BufReader<UnixStream>, priority: u64) -> bool {
    let mut known: BTreeSet<(u64, u64)> = BTreeSet::new();
    let place = |item: &Value| (item["start"].as_u64().unwrap(), item["priority"].as_u64().unwrap());
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the watch ended");
        let change: Value = serde_json::from_str(&line).unwrap();
        match change["change"].as_str().unwrap() {
            "added" => assert!(known.insert(place(&change["item"]))),
            "changed" => {
                assert!(known.remove(&place(&change["from"])), "{line}");
                assert!(known.insert(place(&change["to"])));
            }
            "lost" => return false,
            other => assert_eq!(other, "joined"),
        }
        if known.len() == RANGES as usize && known.iter().all(|(_, is)| *is == priority) {
            return true;
        }
    }
}

#[test]
fn slow_watchers_cost_little_and_miss_nothing() {
    let scratch = Scratch::new();
    let ann = Node::start(&scratch.0.join("ann"), &["--single"]);
    change(&ann, 1);
    #[cfg(target_os = "linux")]
    let before = resident_bytes(&ann);
    let mut watches: Vec<_> = (0..100).map(|_| ann.watch("g")).collect();
    for priority in 2..5 {
        change(&ann, priority);
    }
    // As text, each difference would take more than a megabyte.
    #[cfg(target_os = "linux")]
    assert!(resident_bytes(&ann) < before + 40, "{} MiB, {before} before", resident_bytes(&ann));
    assert!(read_until(&mut watches[7], 4) && read_until(&mut watches[99], 4));
    change(&ann, 5);
    let mut line = String::new();
    watches[7].read_line(&mut line).unwrap();
    assert!(line.contains(r#""change":"changed""#), "the watch continues: {line}");
}

#[test]
fn a_watcher_too_far_behind_has_to_resynchronize() {
    let scratch = Scratch::new();
    let ann = Node::start(&scratch.0.join("ann"), &["--single", "--watch-memory=64KiB"]);
    change(&ann, 1);
    let (mut slow, mut ready) = (ann.watch("g"), ann.watch("g"));
    assert!(read_until(&mut ready, 1));
    for priority in 2..4 {
        change(&ann, priority);
    }
    assert!(!read_until(&mut slow, 3));
    let item = ann.post("/v1/groups/g/change", r#"{"changes":[{"do":"serve","start":0,"end":9,"port":9}]}"#);
    assert_eq!(item.0, 200);
    let mut line = String::new();
    slow.read_line(&mut line).unwrap();
    assert!(
        line.contains(r#""change":"changed""#) && line.contains(r#""port":9"#),
        "the watch continues from there: {line}"
    );
    let text = read_all(send(&ann, "GET /v1/groups/g/topology HTTP/1.0\r\n\r\n"));
    assert_eq!(text.matches(r#""op":"add""#).count(), RANGES as usize);
}

#[test]
fn stalled_requests_and_answers_time_out() {
    let scratch = Scratch::new();
    let ann = Node::start(&scratch.0.join("ann"), &["--single", "--api-timeout=500ms"]);
    change(&ann, 1);
    let (silent, half) = (send(&ann, ""), send(&ann, "GET /v1/status HTTP/1.1\r\nhost:"));
    let body = send(&ann, "POST /v1/groups/g/join HTTP/1.1\r\ncontent-length: 99\r\n\r\n{");
    let unread = send(&ann, "GET /v1/groups/g/topology HTTP/1.1\r\n\r\n");
    assert_eq!(read_all(silent), "");
    for stream in [half, body] {
        let text = read_all(stream);
        assert!(text.starts_with("HTTP/1.1 408 ") && text.contains("did not arrive in time"), "{text}");
    }
    // The answer is over half a megabyte, part of which the kernel buffers.
    eventually("the client is disconnected", || ann.log().contains("read nothing of its answer"));
    let text = read_all(unread);
    assert!(text.starts_with("HTTP/1.1 200 ") && !text.ends_with("0\r\n\r\n"), "{} bytes", text.len());
    // All the same in time.
    assert_eq!(ann.items("g", "").len(), RANGES as usize);
}

#[test]
fn limits_of_connections_and_watchers_name_the_setting() {
    let scratch = Scratch::new();
    let ann = Node::start(&scratch.0.join("ann"), &["--single", "--max-watchers=2", "--max-connections=4"]);
    let watches = [ann.watch("g"), ann.watch("g")];
    let (status, answer) = ann.ask("GET /v1/groups/g/watch", "");
    let why = answer["error"].as_str().unwrap();
    assert!(status == 507 && why.contains("at most 2; raise `max-watchers`"), "{why}");
    let mut held = Vec::new();
    eventually("the limit is logged", || {
        held.push(send(&ann, ""));
        ann.log().contains("(`max-connections`)")
    });
    drop((held, watches));
    eventually("connections are accepted again", || {
        read_all(send(&ann, "GET /v1/status HTTP/1.0\r\n\r\n")).starts_with("HTTP/1.1 200 ")
    });
}

#[test]
fn request_bodies_are_limited_to_16_mib() {
    let scratch = Scratch::new();
    let ann = Node::start(&scratch.0.join("ann"), &["--single"]);
    let padded = |length: usize| format!("{}{{}}", " ".repeat(length - 2));
    let (status, answer) = ann.post("/v1/groups/g/join", &padded(16 << 20));
    assert_eq!(status, 200, "{answer}");
    let stream = send(&ann, "POST /v1/groups/g/join HTTP/1.1\r\ncontent-length: 16777217\r\n\r\n");
    let text = read_all(stream);
    assert!(text.starts_with("HTTP/1.1 413 ") && text.contains("longer than 16777216 bytes"), "{text}");
}

#[test]
fn a_long_answer_is_streamed_as_ndjson() {
    let scratch = Scratch::new();
    let ann = Node::start(&scratch.0.join("ann"), &["--single"]);
    change(&ann, 1);
    for (what, list) in
        [("members", "members"), ("topology", "items"), ("coverage", "segments"), ("locate?key=5", "owners")]
    {
        let mut whole = ann.get(&format!("/v1/groups/g/{what}"));
        let text = read_all(send(
            &ann,
            &format!("GET /v1/groups/g/{what} HTTP/1.0\r\naccept: application/x-ndjson\r\n\r\n"),
        ));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: application/x-ndjson") && !head.contains("date:"), "{head}");
        let mut lines = body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let first = lines.next().unwrap();
        assert_eq!(Value::Array(lines.collect()), whole[list].take(), "{what}");
        whole[list] = Value::Array(vec![]);
        assert_eq!(first, whole, "{what}");
    }
}
