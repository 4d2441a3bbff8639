//! What an operator should look at: in `status` until it is over, and in the log once.

use std::os::unix::fs::PermissionsExt;

use crate::node::{LOCAL, Node, Scratch, eventually, program, run};

/// The warnings of a node, in one text.
fn warnings(node: &Node) -> String {
    let status = node.get("/v1/status");
    let all = status["warnings"].as_array().unwrap().iter();
    all.map(|warning| warning.as_str().unwrap().to_owned() + "\n").collect()
}

#[test]
fn a_reload_that_failed_is_a_warning_until_one_succeeds_and_the_sealing_key_is_named() {
    let scratch = Scratch::new();
    let (keys, api) = (scratch.path("keys"), format!("--api=unix:{}", scratch.path("ann.sock")));
    let write = |text: &str| {
        std::fs::write(&keys, text).unwrap();
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    // Two whose ids differ.
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
    eventually("the failure stands in status", || {
        let warnings = warnings(&ann);
        warnings.contains("the last reload (SIGHUP) failed") && warnings.contains("line 1")
    });
    assert_eq!(ann.get("/v1/status")["key"], second.as_str(), "everything goes on as it was");
    write(&format!("{one}{other}"));
    ann.signal("-HUP");
    eventually("it is over", || !warnings(&ann).contains("reload"));
    let status = ann.get("/v1/status");
    assert_eq!((&status["key"], &status["other_keys"][0]), (&first.as_str().into(), &second.as_str().into()));
    assert!(
        ann.log().contains(&format!("reloaded key=\"{first}\" other_keys=\"{second}\"")),
        "{}",
        ann.log()
    );
}
