//! Tests of ranges that `--serve` and `--join` configure at one start and no longer at the next.

use serde_json::Value;

use crate::node::{Node, Scratch, eventually};

/// Each range of a group: its first key, port and priority.
fn ranges(node: &Node, group: &str) -> Vec<(u64, u64, u64)> {
    let number = |item: &Value, name: &str| item[name].as_u64().unwrap();
    let item = |item: &Value| (number(item, "start"), number(item, "port"), number(item, "priority"));
    node.items(group, "").iter().map(item).collect()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_start_withdraws_what_is_no_longer_configured() {
    for moves in [false, true] {
        let scratch = Scratch::new();
        let dir = scratch.0.join("ann");
        let port = free_port();
        let start = |flags: &[&str]| {
            if moves { Node::start(&dir, flags) } else { Node::start_at(&dir, port, flags) }
        };
        let ann = start(&["--serve=g:0-9@80", "--serve=g:10-19@80/2", "--serve=h:0-9@80", "--join=i=1-2"]);
        eventually("the range is served", || {
            ranges(&ann, "g").len() == 2 && !ranges(&ann, "h").is_empty() && !ranges(&ann, "i").is_empty()
        });
        // By command: another range, and another priority of a configured range.
        let by_command = r#"{"changes":[{"do":"serve","start":20,"end":29,"port":90},{"do":"priority","start":10,"end":19,"priority":"7"}]}"#;
        assert_eq!(ann.post("/v1/groups/g/change", by_command).0, 200);
        assert_eq!(ann.stop(), 0);

        // 0-9 moves to another port, 10-19 is no longer configured but was changed by a command,
        // `h` and `i` are no longer configured.
        let ann = start(&["--serve=g:0-9@81/3"]);
        eventually("the old ranges are withdrawn", || {
            ranges(&ann, "g") == [(0, 81, 3), (10, 80, 7), (20, 90, 1)]
                && ann.get("/v1/status")["groups"]
                    .as_array()
                    .is_some_and(|groups| groups.iter().all(|g| g["member"] == (g["name"] == "g")))
        });
        eventually("the withdrawal is logged", || {
            let log = ann.log();
            log.matches("left: the group is no longer configured").count() == 2
                && log.contains("a command has changed it since, so it stays")
        });
        assert_eq!(ann.stop(), 0);

        // A range that was changed by a command is no longer remembered as configured.
        let ann = start(&["--join=g"]);
        eventually("the configured port is withdrawn too", || {
            ranges(&ann, "g") == [(10, 80, 7), (20, 90, 1)]
        });
        assert!(!ann.log().contains("a command has changed it since"), "{}", ann.log());
        assert_eq!(ann.stop(), 0);
    }
}

#[test]
fn keep_configured_withdraws_nothing() {
    let scratch = Scratch::new();
    let dir = scratch.0.join("ann");
    let ann = Node::start(&dir, &["--serve=g:0-9@80"]);
    eventually("the range is served", || ranges(&ann, "g").len() == 1);
    assert_eq!(ann.stop(), 0);
    let ann = Node::start(&dir, &["--serve=g:10-19@80", "--keep-configured"]);
    eventually("both are served", || {
        ranges(&ann, "g").len() == 2 && ann.log().contains("because of `keep-configured`")
    });
    assert_eq!(ann.stop(), 0);
    // The group is still configured, so the node remains a member with an interest.
    let ann = Node::start(&dir, &["--join=g"]);
    eventually("neither is served", || {
        let items = ann.items("g", "");
        items.len() == 1 && items[0]["op"] == "get" && items[0]["end"] == u64::from(u32::MAX)
    });
    assert_eq!(ann.stop(), 0);
}

#[test]
fn an_unreadable_file_of_ranges_withdraws_nothing() {
    let scratch = Scratch::new();
    let dir = scratch.0.join("ann");
    let ann = Node::start(&dir, &["--serve=g:0-9@80"]);
    eventually("the range is served", || ranges(&ann, "g").len() == 1);
    assert_eq!(ann.stop(), 0);
    std::fs::write(dir.join("configured.json"), "{").unwrap();
    let ann = Node::start(&dir, &["--serve=h:0-9@80"]);
    eventually("the other range is served", || ranges(&ann, "h").len() == 1 && ranges(&ann, "g").len() == 1);
    assert!(ann.log().contains("configured.json is not read"), "{}", ann.log());
    eventually("the new range is remembered", || {
        std::fs::read_to_string(dir.join("configured.json")).unwrap().contains("\"h\"")
    });
}
