//! `--serve` and `--join` that are said at one start and no longer at the next.

use serde_json::Value;

use crate::node::{Node, Scratch, eventually};

/// What is said of each range of a group: its first key, the port, the priority.
fn said(node: &Node, group: &str) -> Vec<(u64, u64, u64)> {
    let number = |item: &Value, name: &str| item[name].as_u64().unwrap();
    let item = |item: &Value| (number(item, "start"), number(item, "port"), number(item, "priority"));
    node.items(group, "").iter().map(item).collect()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_start_withdraws_what_the_configuration_no_longer_says() {
    for moves in [false, true] {
        let scratch = Scratch::new();
        let dir = scratch.0.join("ann");
        let port = free_port();
        let start = |flags: &[&str]| {
            if moves { Node::start(&dir, flags) } else { Node::start_at(&dir, port, flags) }
        };
        let ann = start(&["--serve=g:0-9@80", "--serve=g:10-19@80/2", "--serve=h:0-9@80", "--join=i=1-2"]);
        eventually("it is served", || {
            said(&ann, "g").len() == 2 && !said(&ann, "h").is_empty() && !said(&ann, "i").is_empty()
        });
        // By hand: another range, and another priority of one that the configuration says.
        let by_hand = r#"{"changes":[{"do":"serve","start":20,"end":29,"port":90},{"do":"priority","start":10,"end":19,"priority":"7"}]}"#;
        assert_eq!(ann.post("/v1/groups/g/change", by_hand).0, 200);
        assert_eq!(ann.stop(), 0);

        // 0-9 moves to another port, 10-19 is no longer said but was changed by hand, `h` and `i` are no longer named.
        let ann = start(&["--serve=g:0-9@81/3"]);
        eventually("the old is withdrawn", || {
            said(&ann, "g") == [(0, 81, 3), (10, 80, 7), (20, 90, 1)]
                && ann.get("/v1/status")["groups"]
                    .as_array()
                    .is_some_and(|groups| groups.iter().all(|g| g["member"] == (g["name"] == "g")))
        });
        eventually("the log says so", || {
            let log = ann.log();
            log.matches("left: the configuration no longer names it").count() == 2
                && log.contains("a command changed it since: it stays")
        });
        assert_eq!(ann.stop(), 0);

        // What was changed by hand is nobody's but the hand's now.
        let ann = start(&["--join=g"]);
        eventually("the configured port is withdrawn too", || said(&ann, "g") == [(10, 80, 7), (20, 90, 1)]);
        assert!(!ann.log().contains("a command changed it since"), "{}", ann.log());
        assert_eq!(ann.stop(), 0);
    }
}

#[test]
fn what_is_kept_stays_until_a_start_that_does_not_keep_it() {
    let scratch = Scratch::new();
    let dir = scratch.0.join("ann");
    let ann = Node::start(&dir, &["--serve=g:0-9@80"]);
    eventually("it is served", || said(&ann, "g").len() == 1);
    assert_eq!(ann.stop(), 0);
    let ann = Node::start(&dir, &["--serve=g:10-19@80", "--keep-configured"]);
    eventually("both are served", || {
        said(&ann, "g").len() == 2 && ann.log().contains("as `keep-configured` says")
    });
    assert_eq!(ann.stop(), 0);
    // The group is still named: by an interest, which its last range becomes.
    let ann = Node::start(&dir, &["--join=g"]);
    eventually("neither is served", || {
        let items = ann.items("g", "");
        items.len() == 1 && items[0]["op"] == "get" && items[0]["end"] == u64::from(u32::MAX)
    });
    assert_eq!(ann.stop(), 0);
}

#[test]
fn a_file_that_cannot_be_read_withdraws_nothing() {
    let scratch = Scratch::new();
    let dir = scratch.0.join("ann");
    let ann = Node::start(&dir, &["--serve=g:0-9@80"]);
    eventually("it is served", || said(&ann, "g").len() == 1);
    assert_eq!(ann.stop(), 0);
    std::fs::write(dir.join("configured.json"), "{").unwrap();
    let ann = Node::start(&dir, &["--serve=h:0-9@80"]);
    eventually("the other is served", || said(&ann, "h").len() == 1 && said(&ann, "g").len() == 1);
    assert!(ann.log().contains("configured.json is not read"), "{}", ann.log());
    eventually("and remembered", || {
        std::fs::read_to_string(dir.join("configured.json")).unwrap().contains("\"h\"")
    });
}
