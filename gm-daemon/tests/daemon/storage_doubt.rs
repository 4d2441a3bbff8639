//! Tests with a database that lost its last commit: the daemon starts and warns until it has
//! written again.

use std::fs;
use std::path::Path;

use crate::node::{Node, Scratch, eventually, run};

/// Damages the newer of the two commit slots in the head of the database. The slots begin at bytes
/// 64 and 192; the number of the commit is at offset 104 of a slot, the checksum at 112.
fn lose_last_commit(dir: &Path) {
    let file = dir.join("gm.redb");
    let mut bytes = fs::read(&file).unwrap();
    let number = |place: usize| u64::from_le_bytes(bytes[place + 104..place + 112].try_into().unwrap());
    let newer = if number(64) > number(192) { 64 } else { 192 };
    bytes[newer + 112] ^= 1;
    fs::write(&file, bytes).unwrap();
}

fn is_doubted(node: &Node) -> bool {
    node.get("/v1/status")["warnings"].to_string().contains("the storage may lack what it reported as stored")
}

#[test]
fn a_lost_commit_is_a_warning_until_repaired() {
    let scratch = Scratch::new();
    let dir = scratch.0.join("ann");
    let ann = Node::start(&dir, &["--single"]);
    let port: u16 = ann.id.rsplit_once(':').unwrap().1.parse().unwrap();
    let serve = |node: &Node, key: u32| {
        let order = format!(r#"{{"changes":[{{"do":"serve","start":{key},"end":{key},"port":80}}]}}"#);
        assert_eq!(node.post("/v1/groups/g/change", &order).0, 200);
    };
    (1..=3).for_each(|key| serve(&ann, key));
    assert!(!is_doubted(&ann));
    ann.kill();
    // A kill alone loses nothing.
    let ann = Node::start_at(&dir, port, &["--single"]);
    assert!(!is_doubted(&ann) && ann.items("g", "?op=add").len() == 3);
    serve(&ann, 4);
    ann.kill();
    lose_last_commit(&dir);
    let ann = Node::start_at(&dir, port, &["--single"]);
    assert!(is_doubted(&ann) && ann.items("g", "?op=add").len() == 3, "{}", ann.log());
    let log = ann.log();
    assert!(log.contains("lacks the last commit that was reported as stored"), "{log}");
    assert_eq!(ann.stop(), 0);
    // Without a write since, the warning remains.
    let ann = Node::start_at(&dir, port, &["--single"]);
    assert!(is_doubted(&ann));
    serve(&ann, 4);
    eventually("the warning ends", || ann.log().contains("the storage is trusted again"));
    assert_eq!(ann.stop(), 0);
    let ann = Node::start_at(&dir, port, &["--single"]);
    assert!(!is_doubted(&ann) && ann.items("g", "?op=add").len() == 4);
}

#[test]
fn restored_data_may_be_old() {
    let scratch = Scratch::new();
    let dir = scratch.0.join("ann");
    let ann = Node::start(&dir, &["--single", "--join=g"]);
    eventually("the node is a member", || ann.members("g") == 1);
    assert_eq!(ann.stop(), 0);
    let data = format!("--data-dir={}", dir.display());
    let dump = scratch.path("dump");
    fs::write(&dump, run(&["dump", &data]).1).unwrap();
    let other = scratch.0.join("other");
    assert_eq!(run(&["restore", &dump, &format!("--data-dir={}", other.display())]).0, 0);
    let bob = Node::start(&other, &["--single"]);
    assert!(is_doubted(&bob), "{}", bob.log());
    assert_eq!(bob.stop(), 0);
    // A missing database is detected.
    fs::remove_file(dir.join("gm.redb")).unwrap();
    let ann = Node::start(&dir, &["--single"]);
    assert!(is_doubted(&ann) && ann.log().contains("a new one"), "{}", ann.log());
}
