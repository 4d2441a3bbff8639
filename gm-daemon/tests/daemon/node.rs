//! A daemon process and a client of its socket. Dropping it kills the process.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Temporary directory of a test.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("gm-daemon-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program, without settings from the environment.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gm-node"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GROUP_MANAGER_") || name == "NOTIFY_SOCKET" {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// Runs the program and returns its exit code and output.
pub(crate) fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = program(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A running daemon.
pub(crate) struct Node {
    pub(crate) child: Child,
    pub(crate) id: String,
    pub(crate) socket: PathBuf,
    log: PathBuf,
}

pub(crate) const LOCAL: [&str; 8] = [
    "run",
    "--cluster=test",
    "--insecure-no-encryption",
    "--address=127.0.0.1",
    "--port=0",
    "--multicast=off",
    "--log-level=debug",
    "--log-format=text",
];

impl Node {
    /// Starts a daemon on a directory and waits until it is ready.
    pub(crate) fn start(dir: &Path, flags: &[&str]) -> Node {
        let mut line: Vec<&str> = LOCAL.to_vec();
        let data = format!("--data-dir={}", dir.display());
        line.push(&data);
        line.extend(flags);
        Node::start_as(program(&line), &dir.join("gm.sock"), &dir.with_extension("log"))
    }

    pub(crate) fn start_as(mut command: Command, socket: &Path, log: &Path) -> Node {
        let file = std::fs::File::create(log).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let mut id = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut id).unwrap();
        assert!(!id.is_empty(), "the daemon ended: {}", std::fs::read_to_string(log).unwrap());
        Node { child, id: id.trim().to_owned(), socket: socket.to_owned(), log: log.to_owned() }
    }

    /// Starts a daemon at a fixed port, so that its address remains after a restart.
    pub(crate) fn start_at(dir: &Path, port: u16, flags: &[&str]) -> Node {
        let (port, data) = (format!("--port={port}"), format!("--data-dir={}", dir.display()));
        let mut line = [&LOCAL[..4], &LOCAL[5..], &[&port, &data]].concat();
        line.extend(flags);
        let (socket, log) = (dir.join("gm.sock"), dir.with_extension("log"));
        let file = std::fs::File::create(&log).unwrap();
        let child = program(&line).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        let mut node = Node { child, id: String::new(), socket, log };
        eventually("the daemon answers", || UnixStream::connect(&node.socket).is_ok());
        node.id = node.get("/v1/status")["node"].as_str().unwrap().to_owned();
        node
    }

    /// Sends a request and returns the status and the answer.
    pub(crate) fn ask(&self, line: &str, body: &str) -> (u16, Value) {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        let length = body.len();
        write!(stream, "{line} HTTP/1.0\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, value) = self.ask(&format!("GET {path}"), "");
        assert_eq!(status, 200, "{value}");
        value
    }

    /// Number of members of a group.
    pub(crate) fn members(&self, group: &str) -> usize {
        let members = self.ask(&format!("GET /v1/groups/{group}/members"), "").1["members"].clone();
        members.as_array().map_or(0, Vec::len)
    }

    /// Items of a group, filtered by the query.
    pub(crate) fn items(&self, group: &str, query: &str) -> Vec<Value> {
        let items = self.ask(&format!("GET /v1/groups/{group}/topology{query}"), "").1["items"].clone();
        items.as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, Value) {
        self.ask(&format!("POST {path}"), body)
    }

    pub(crate) fn watch(&self, group: &str) -> BufReader<UnixStream> {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "GET /v1/groups/{group}/watch HTTP/1.0\r\n\r\n").unwrap();
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            lines.read_line(&mut line).unwrap();
        }
        lines
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Stops the daemon as a service manager does.
    pub(crate) fn stop(mut self) -> i32 {
        self.signal("-TERM");
        self.child.wait().unwrap().code().unwrap()
    }

    /// Waits until the daemon has ended.
    pub(crate) fn wait(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the condition is met.
pub(crate) fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < until, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
