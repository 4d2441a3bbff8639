//! Tests of the daemon's lifecycle: start, requests, reload, stop, restart.

use std::io::BufRead;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;

use serde_json::Value;

use crate::node::{LOCAL, Node, Scratch, eventually, program, run};

fn members(node: &Node) -> usize {
    node.members("Customers")
}

#[test]
fn two_daemons_form_a_group_and_report_changes() {
    let scratch = Scratch::new();
    let ann = Node::start(&scratch.0.join("ann"), &["--serve=Customers:0x0-0x7fffffff@5432/2"]);
    let seed = format!("--seed={}", ann.id);
    let bob = Node::start(&scratch.0.join("bob"), &["--join=Customers", &seed]);
    eventually("both are members", || members(&ann) == 2 && members(&bob) == 2);

    let located = bob.get("/v1/groups/Customers/locate?key=0x10");
    assert_eq!(located["owners"][0]["node"], ann.id.as_str(), "{located}");
    assert_eq!(located["owners"][0]["service"], "127.0.0.1:5432");
    assert_eq!(ann.get("/v1/groups/Customers/coverage")["min_owners"], 0);

    let mut watch = bob.watch("Customers");
    let order =
        r#"{"changes":[{"do":"serve","start":5,"end":6,"port":80}],"wait":{"wait":"all","timeout":10000}}"#;
    let (status, done) = ann.post("/v1/groups/Customers/change", order);
    assert_eq!(
        (status, &done[0]["changed"], &done[0]["wait"]),
        (200, &Value::from(true), &"satisfied".into()),
        "{done}"
    );
    let mut line = String::new();
    while !line.contains(r#""start":5"#) {
        line.clear();
        assert!(watch.read_line(&mut line).unwrap() > 0, "the watch ended");
    }
    let fingerprint = |node: &Node| node.get("/v1/groups/Customers")["fingerprint"].clone();
    eventually("both are in sync", || fingerprint(&ann) == fingerprint(&bob));
    assert_eq!(ann.get("/v1/peers")[0]["node"], bob.id.as_str());

    let mode = std::fs::metadata(&ann.socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert_eq!(bob.stop(), 0);
    assert_eq!(members(&ann), 2, "a stop is not a leave");
    assert_eq!(ann.stop(), 0);
}

#[test]
fn a_restart_keeps_writes_and_replaces_a_dead_socket() {
    let scratch = Scratch::new();
    let dir = scratch.0.join("ann");
    let ann = Node::start(&dir, &[]);
    let (status, _) = ann.post("/v1/groups/a%2Fb/join", r#"{"ranges":[[1,2]]}"#);
    assert_eq!(status, 200);
    ann.kill();
    assert!(dir.join("gm.sock").exists(), "a crash leaves the socket");

    // The node takes another port, and its record moves to the new address.
    let ann = Node::start(&dir, &[]);
    eventually("the record moved with the address", || {
        let items = ann.ask("GET /v1/groups/a%2Fb/topology?op=get", "").1["items"].clone();
        items.as_array().is_some_and(|items| items.len() == 1 && items[0]["start"] == 1)
    });
    assert!(ann.log().contains("address changed from"), "{}", ann.log());
    assert_eq!(ann.stop(), 0);
    assert!(!dir.join("gm.sock").exists());

    let data = format!("--data-dir={}", dir.display());
    let (exit, dump, stderr) = run(&["dump", &data]);
    assert!(exit == 0 && dump.contains("a/b"), "{exit}: {stderr}");
    let file = scratch.path("dump");
    std::fs::write(&file, &dump).unwrap();
    let other = format!("--data-dir={}", scratch.path("other"));
    assert_eq!(run(&["restore", &file, &other]).0, 0);
    assert_eq!(run(&["dump", &other]).1, dump);
    assert_eq!(run(&["restore", &file, &other]).0, 1, "an existing directory is not overwritten");
    assert_eq!(run(&["dump"]).0, 2);
}

#[test]
fn refusals_have_a_status_and_a_kind() {
    let scratch = Scratch::new();
    let ann = Node::start(&scratch.0.join("ann"), &["--serve=g:0-9@80"]);
    eventually("the range is served", || ann.ask("GET /v1/groups/g", "").0 == 200);
    let serve = r#"{"changes":[{"do":"serve","start":9,"end":1,"port":80}]}"#;
    let cases = [
        (ann.ask("GET /v1/nothing", ""), 404, "usage"),
        (ann.ask("GET /v1/groups/none/members", ""), 404, "unknown-group"),
        (ann.ask("GET /v1/groups/g/topology?op=x", ""), 400, "usage"),
        (ann.ask("GET /v1/groups/g/locate?key=x", ""), 400, "usage"),
        (ann.ask("GET /v1/groups/g/locate", ""), 400, "usage"),
        (ann.ask("GET /v1/groups/g/locate?kay=1", ""), 400, "usage"),
        (ann.post("/v1/groups/g/change", serve), 400, "usage"),
        (ann.post("/v1/groups/g/change", "{"), 400, "usage"),
        (ann.post("/v1/groups/g/change", r#"{"chnages":[]}"#), 400, "usage"),
        (
            ann.post("/v1/groups/g/change", r#"{"changes":[{"do":"unserve","start":1,"end":2}]}"#),
            409,
            "refused",
        ),
        (ann.post("/v1/groups/g/join", r#"{"wait":{"wait":"some"}}"#), 400, "usage"),
        (ann.post("/v1/forget", r#"{"node":"10.0.0.1:5"}"#), 409, "refused"),
        (ann.post("/v1/forget", r#"{"node":"x"}"#), 400, "usage"),
    ];
    for (number, ((status, answer), wanted, kind)) in cases.into_iter().enumerate() {
        assert!(status == wanted && answer["kind"] == kind, "case {number}: {status} {answer}");
        assert!(answer["error"].as_str().is_some_and(|error| !error.is_empty()));
    }
    for priority in ["7", "+3", "-2"] {
        let order =
            format!(r#"{{"changes":[{{"do":"priority","start":0,"end":9,"priority":"{priority}"}}]}}"#);
        assert_eq!(ann.post("/v1/groups/g/change", &order).0, 200);
    }
    assert_eq!(ann.get("/v1/groups/g/topology?op=add")["items"][0]["priority"], 8);
}

#[test]
fn signals_and_the_service_manager() {
    let scratch = Scratch::new();
    let (notify, config) = (scratch.path("notify"), scratch.path("gm.toml"));
    let manager = UnixDatagram::bind(&notify).unwrap();
    std::fs::write(&config, "log-level = 'info'\n").unwrap();
    let ann = Node::start(&scratch.0.join("ann"), &["--join=g"]);
    let seed = format!("seed = ['{}']\n", ann.id);
    let api = format!("unix:{}", scratch.path("bob.sock"));
    let line =
        [&LOCAL[..6], &["--no-data-dir", "--leave-on-exit", "--join=g", "--config", &config, "--api", &api]]
            .concat();
    let mut command = program(&line);
    command.env("NOTIFY_SOCKET", &notify);
    let bob = Node::start_as(command, &scratch.0.join("bob.sock"), &scratch.0.join("bob.log"));
    let mut bytes = [0; 256];
    let length = manager.recv(&mut bytes).unwrap();
    assert!(bytes[..length].starts_with(b"READY=1"));

    std::fs::write(&config, "colour = 'red'\n").unwrap();
    bob.signal("-HUP");
    eventually("an invalid file changes nothing", || bob.log().contains("not reloaded"));
    std::fs::write(&config, seed).unwrap();
    bob.signal("-HUP");
    let count = |node: &Node| node.members("g");
    eventually("a new seed is dialed", || count(&bob) == 2 && count(&ann) == 2);
    assert_eq!(bob.stop(), 0);
    eventually("a node that left is no member", || count(&ann) == 1);
    ann.signal("-INT");
}
