//! Tests of problems for an operator: each is a warning in `status` until it is resolved, and one
//! line in the log.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use crate::node::{LOCAL, Node, Scratch, eventually, program, run};

/// The warnings of a node, in one text.
pub(crate) fn warnings(node: &Node) -> String {
    let status = node.get("/v1/status");
    let all = status["warnings"].as_array().unwrap().iter();
    all.map(|warning| warning.as_str().unwrap().to_owned() + "\n").collect()
}

#[test]
fn a_failed_reload_is_a_warning_until_one_succeeds() {
    let scratch = Scratch::new();
    let (keys, api) = (scratch.path("keys"), format!("--api=unix:{}", scratch.path("ann.sock")));
    let write = |text: &str| {
        std::fs::write(&keys, text).unwrap();
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    // Two keys with different ids.
    let id = |key: &str| {
        write(key);
        let line =
            [LOCAL[0], LOCAL[1], "--key-file", &keys, "--no-data-dir", LOCAL[3], LOCAL[4], LOCAL[5], &api];
        let (socket, log) = (scratch.0.join("ann.sock"), scratch.0.join("ann.log"));
        let ann = Node::start_as(program(&line), &socket, &log);
        let id = ann.get("/v1/status")["key"].as_str().unwrap().to_owned();
        (ann, id)
    };
    let one = run(&["keygen"]).1;
    let (ann, first) = id(&one);
    assert_eq!(ann.stop(), 0);
    let (ann, other, second) = loop {
        let other = run(&["keygen"]).1;
        let (ann, second) = id(&other);
        if first != second {
            break (ann, other, second);
        }
    };
    assert!(ann.log().contains(&format!("key=\"{second}\"")), "{}", ann.log());

    write("not a key\n");
    ann.signal("-HUP");
    eventually("the failure is in the status", || {
        let warnings = warnings(&ann);
        warnings.contains("the last reload (SIGHUP) failed") && warnings.contains("line 1")
    });
    assert_eq!(ann.get("/v1/status")["key"], second.as_str(), "the previous key remains");
    write(&format!("{one}{other}"));
    ann.signal("-HUP");
    eventually("the warning ends", || !warnings(&ann).contains("reload"));
    let status = ann.get("/v1/status");
    assert_eq!((&status["key"], &status["other_keys"][0]), (&first.as_str().into(), &second.as_str().into()));
    assert!(
        ann.log().contains(&format!("reloaded key=\"{first}\" other_keys=\"{second}\"")),
        "{}",
        ann.log()
    );
}

/// Starts a daemon with these arguments of `ulimit`.
pub(crate) fn limited(scratch: &Scratch, words: &str) -> Node {
    let dir = scratch.0.join("ann");
    let data = format!("--data-dir={}", dir.display());
    let run = program(&[&LOCAL[..], &[&data]].concat());
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", &format!("ulimit {words}; exec \"$0\" \"$@\"")]);
    limited.arg(run.get_program()).args(run.get_args());
    Node::start_as(limited, &dir.join("gm.sock"), &scratch.0.join("ann.log"))
}

/// Connections that send no request.
fn idle_connections(node: &Node) -> Vec<UnixStream> {
    (0..56).map(|_| UnixStream::connect(&node.socket).unwrap()).collect()
}

#[test]
fn the_daemon_raises_a_low_limit_of_open_files() {
    let scratch = Scratch::new();
    let ann = limited(&scratch, "-Sn 48");
    let held = idle_connections(&ann);
    assert!(!warnings(&ann).contains("file descriptors"));
    drop(held);
    assert_eq!(ann.stop(), 0);
}

#[test]
fn the_daemon_answers_and_warns_without_descriptors() {
    let scratch = Scratch::new();
    let ann = limited(&scratch, "-n 48");
    assert!(!warnings(&ann).contains("file descriptors"));
    // The last ones wait in the listen queue, ahead of the next request.
    let held = idle_connections(&ann);
    for _ in 0..3 {
        let warnings = warnings(&ann);
        // Between two requests the daemon may have closed a file of its own: then they "were" in
        // use.
        let expected = ["all file descriptors ", " in use", "The limit is 48", "LimitNOFILE="];
        assert!(expected.iter().all(|part| warnings.contains(part)), "{warnings}");
    }
    let (status, answer) = ann.post("/v1/groups/g/join", "");
    assert_eq!(status, 200, "{answer}");
    drop(held);
    eventually("the warning remains for a while", || {
        warnings(&ann).contains("all file descriptors were in use")
    });
    assert!(ann.log().contains("ERROR all file descriptors are in use"), "{}", ann.log());
    assert_eq!(ann.stop(), 0);
}

#[test]
fn a_leave_on_exit_without_acknowledgement_is_logged() {
    let scratch = Scratch::new();
    let ann = Node::start(&scratch.0.join("ann"), &["--join=g"]);
    let seed = format!("--seed={}", ann.id);
    let bob = Node::start(&scratch.0.join("bob"), &["--join=g", "--leave-on-exit", &seed]);
    eventually("both are members", || bob.members("g") == 2);
    ann.kill();
    let log = scratch.0.join("bob.log");
    assert_eq!(bob.stop(), 0);
    let log = std::fs::read_to_string(log).unwrap();
    let line = log.lines().find(|line| line.contains("0 of 1 other members acknowledged it"));
    assert!(
        line.is_some_and(|line| line.contains("WARN") && line.contains("group=g") && line.contains("forget")),
        "{log}"
    );
}

/// The group is known to have no other member, so the shutdown does not wait.
#[test]
fn a_sole_member_leaves_on_exit_without_delay() {
    let scratch = Scratch::new();
    let ann = Node::start(&scratch.0.join("ann"), &[]);
    let seed = format!("--seed={}", ann.id);
    let bob = Node::start(&scratch.0.join("bob"), &["--join=g", "--leave-on-exit", &seed]);
    let sync = || bob.ask("GET /v1/groups/g/members", "").1["sync"]["state"].clone();
    eventually("a peer was asked", || sync() == "sole");
    let log = scratch.0.join("bob.log");
    let began = std::time::Instant::now();
    assert_eq!(bob.stop(), 0);
    assert!(began.elapsed() < std::time::Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(std::fs::read_to_string(log).unwrap().contains("left; no other member was known"));
}
