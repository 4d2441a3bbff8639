//! Tests of the shutdown with writes in progress: every answer is true after the restart.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::node::{Node, Scratch, eventually, program};

/// Number of concurrent writers over the socket, and by the command line.
const WRITERS: (u32, u32) = (96, 4);
/// Number of acknowledged writes before the shutdown.
const BEFORE: u32 = 400;

/// Result of a write, as an exit code of the command line.
type Code = i32;

/// Runs a command and returns its exit code and answer.
fn run_command(node: &Node, arguments: &[&str]) -> (Code, Value) {
    let api = format!("--api=unix:{}", node.socket.display());
    let done = program(arguments).args([&*api, "--json"]).stderr(Stdio::null()).output().unwrap();
    (done.status.code().unwrap(), serde_json::from_slice(&done.stdout).unwrap_or(Value::Null))
}

fn by_command(node: &Node, key: u32) -> Code {
    run_command(node, &["serve", "g", &key.to_string(), "--port=1"]).0
}

/// Writes over the socket, which is faster.
fn by_socket(node: &Node, key: u32) -> Code {
    let Ok(mut stream) = UnixStream::connect(&node.socket) else { return 3 };
    let body = format!(r#"{{"changes":[{{"do":"serve","start":{key},"end":{key},"port":1}}]}}"#);
    let head = format!("POST /v1/groups/g/change HTTP/1.0\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut text = String::new();
    let asked = stream.write_all(format!("{head}{body}").as_bytes());
    if asked.and_then(|()| stream.read_to_string(&mut text)).is_err() {
        return 5;
    }
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return 5 };
    match (head.split(' ').nth(1), serde_json::from_str::<Value>(body)) {
        (Some("200"), Ok(_)) => 0,
        (Some(_), Ok(answer)) if answer["kind"] == "unknown" => 5,
        (Some(_), Ok(_)) => 1,
        _ => 5,
    }
}

/// Served keys.
fn served(node: &Node) -> Vec<u64> {
    node.items("g", "?op=add").iter().map(|item| item["start"].as_u64().unwrap()).collect()
}

#[test]
fn answers_to_writes_during_shutdown_are_true() {
    let scratch = Scratch::new();
    let dir = scratch.0.join("ann");
    let ann = Node::start(&dir, &[]);
    // The first write in a group probes other nodes, which would delay the test.
    assert_eq!(run_command(&ann, &["join", "g", "--interest=0-0"]).0, 0);

    let (next, done) = (AtomicU32::new(1), AtomicU32::new(0));
    let write_on = |write: fn(&Node, u32) -> Code| {
        let mut codes = Vec::new();
        loop {
            let key = next.fetch_add(1, Ordering::Relaxed);
            let code = write(&ann, key);
            done.fetch_add(u32::from(code == 0), Ordering::Relaxed);
            codes.push((u64::from(key), code));
            // The daemon has ended.
            if code == 3 {
                return codes;
            }
        }
    };
    let codes: Vec<(u64, Code)> = std::thread::scope(|scope| {
        let start = |number, write: fn(&Node, u32) -> Code| {
            (0..number).map(move |_| scope.spawn(move || write_on(write)))
        };
        let writers: Vec<_> = start(WRITERS.0, by_socket).chain(start(WRITERS.1, by_command)).collect();
        eventually("writes are acknowledged", || done.load(Ordering::Relaxed) >= BEFORE);
        ann.signal("-TERM");
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    assert_eq!(ann.wait(), 0);
    let mut count: BTreeMap<Code, u32> = BTreeMap::new();
    codes.iter().for_each(|(_, code)| *count.entry(*code).or_default() += 1);

    // The node takes another port, and its record moves there in one write.
    let ann = Node::start(&dir, &[]);
    let acknowledged = usize::try_from(count[&0]).unwrap();
    eventually(&format!("what was acknowledged is served again: {count:?}"), || {
        ann.ask("GET /v1/groups/g", "").0 == 200 && served(&ann).len() >= acknowledged
    });
    let stands = served(&ann);
    for (key, code) in codes {
        let is_there = stands.contains(&key);
        assert!(code != 0 || is_there, "{key} was acknowledged, and is not there: {count:?}");
        assert!(![1, 3].contains(&code) || !is_there, "{key} was refused ({code}), and is there: {count:?}");
        assert!([0, 1, 3, 5].contains(&code), "{key} was answered with {code}: {count:?}");
    }
}

#[test]
fn a_wait_cut_off_by_shutdown_says_the_write_stands() {
    let scratch = Scratch::new();
    let dir = scratch.0.join("ann");
    let ann = Node::start(&dir, &["--join=g"]);
    let seed = format!("--seed={}", ann.id);
    let bob = Node::start(&scratch.0.join("bob"), &["--join=g", &seed]);
    eventually("both are members", || ann.members("g") == 2);
    bob.signal("-STOP");
    let begun = Instant::now();
    let writing = &ann;
    let (code, answer) = std::thread::scope(|scope| {
        let wait = ["serve", "g", "7", "--port=1", "--wait=all", "--timeout=10m"];
        let writer = scope.spawn(move || run_command(writing, &wait));
        eventually("it is written", || served(&ann) == [7]);
        ann.signal("-TERM");
        writer.join().unwrap()
    });
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    // The wait is not satisfied; it is settled if the peer was given up before the shutdown.
    assert_eq!((code, answer[0]["acknowledged"].as_u64()), (4, Some(0)), "{answer}");
    let end = answer[0]["wait"].as_str().unwrap();
    assert!(end == "ended" || end == "settled", "{answer}");
    assert_eq!(ann.wait(), 0);
    let ann = Node::start(&dir, &[]);
    eventually("it stands", || ann.ask("GET /v1/groups/g", "").0 == 200 && served(&ann) == [7]);
}
