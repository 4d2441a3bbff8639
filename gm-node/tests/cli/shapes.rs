//! Each command, and the shape that it prints.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use gm_node::api::{Change, Coverage, Done, Group, Item, Located, Members, Peer, Status, Topology};

use super::program::{Cluster, until};

const HALF: &str = "0x0-0x7fffffff";

fn fingerprint(done: &[Done]) -> &str {
    &done[0].fingerprint
}

#[test]
fn a_group_is_written_on_one_node_and_read_on_another() {
    let cluster = Cluster::new(2);
    let [a, b] = &cluster.nodes[..] else { unreachable!() };

    let status: Status = a.ask(["status"]).done().json();
    assert_eq!(
        (status.node.as_str(), status.cluster.as_str(), status.sealed),
        (a.node.as_str(), "tests", true)
    );
    assert_eq!(status.data_dir.as_deref(), a.dir.to_str());
    let groups: Vec<Group> = a.ask(["groups"]).done().json();
    assert!(groups.is_empty());

    let done: Vec<Done> = b.ask(["join", "Größe/1 ?", "--interest", "5-9,0x100-0x1ff"]).done().json();
    assert_eq!((done.len(), done[0].group.as_str(), done[0].changed), (1, "Größe/1 ?", true));
    let done: Vec<Done> = b.ask(["join", "Customers", "--wait", "none"]).done().json();
    assert_eq!((done[0].wait.as_str(), done[0].delivered), ("satisfied", 0));

    // Known by name, then held.
    until(|| {
        let groups: Vec<Group> = a.ask(["groups"]).json();
        groups.iter().any(|group| group.name == "Customers").then_some(())
    });
    let serve = ["serve", "Customers", HALF, "--port", "5432", "--priority", "3", "--wait", "one", "--disk"];
    let done: Vec<Done> = a.ask(serve).done().json();
    assert_eq!((done[0].wait.as_str(), done[0].members, done[0].delivered), ("satisfied", 1, 1));

    let group: Group = b.ask(["wait", "Customers", "--fingerprint", fingerprint(&done)]).done().json();
    assert_eq!((group.name.as_str(), group.members, group.items), ("Customers", 2, 2));
    assert_eq!(group.fingerprint, fingerprint(&done));

    let mut members = b.ask(["members", "Customers", "--fresh=10s"]).done().json::<Members>().members;
    members.sort_by_key(|member| member.serves);
    assert_eq!((members[0].node.as_str(), members[0].interests), (b.node.as_str(), 1));
    assert_eq!((members[1].node.as_str(), members[1].keys), (a.node.as_str(), 1 << 31));

    let items = b.ask(["topology", "Customers"]).done().json::<Topology>().items;
    assert_eq!(items.len(), 2);
    let adds = b.ask(["topology", "Customers", "--op", "add"]).done().json::<Topology>().items;
    let item =
        Item { node: a.node.clone(), op: "add".into(), start: 0, end: 0x7fff_ffff, port: 5432, priority: 3 };
    assert_eq!(adds, [item]);
    let gets = b.ask(["topology", "Customers", "--op", "get"]).done().json::<Topology>().items;
    assert_eq!((gets.len(), gets[0].node.as_str()), (1, b.node.as_str()));

    let coverage: Coverage = b.ask(["coverage", "Customers"]).done().json();
    assert_eq!((coverage.least, coverage.pieces.len()), (0, 2));
    let located: Located = b.ask(["locate", "Customers", "0x10"]).done().json();
    assert_eq!((located.key, located.owners[0].service.as_str()), (16, "127.0.0.1:5432"));
    let located: Located = b.ask(["locate", "Customers", "--bytes", "a b/ü&c=%"]).done().json();
    assert_eq!(located.key, gm_data::key_of("a b/ü&c=%".as_bytes()));

    let peers: Vec<Peer> = a.ask(["peers"]).done().json();
    assert_eq!(peers.iter().map(|peer| peer.node.as_str()).collect::<Vec<_>>(), [b.node.as_str()]);
}

#[test]
fn each_command_that_writes_answers_with_what_came_of_it() {
    let cluster = Cluster::new(1);
    let a = &cluster.nodes[0];
    let priorities = || -> Vec<u16> {
        let items = a.ask(["topology", "G", "--op", "add"]).done().json::<Topology>().items;
        items.iter().map(|item| item.priority).collect()
    };
    a.ask(["serve", "G", "0-9,20-29", "--port", "1"]).done();
    assert_eq!(priorities(), [1, 1]);
    a.ask(["priority", "G", "0-9", "+4"]).done();
    assert_eq!(priorities(), [5, 1]);
    a.ask(["priority", "G", "0-9", "-2", "--wait", "none"]).done();
    assert_eq!(priorities(), [3, 1]);
    a.ask(["priority", "G", "0-9,20-29", "7"]).done();
    assert_eq!(priorities(), [7, 7]);
    let again: Vec<Done> = a.ask(["priority", "G", "0-9", "7"]).done().json();
    assert!(!again[0].changed);
    a.ask(["unserve", "G", "20-29"]).done();
    assert_eq!(priorities(), [7]);

    let file = cluster.folder.0.join("changes");
    let changes = r#"[{"do":"serve","start":30,"end":39,"port":2,"priority":8},{"do":"unserve","start":0,"end":9},
        {"do":"interest","start":50,"end":59},{"do":"priority","start":30,"end":39,"priority":"+1"}]"#;
    std::fs::write(&file, changes).unwrap();
    a.ask(["change", "G", file.to_str().unwrap()]).done();
    assert_eq!(priorities(), [9]);

    let mut command = a.command(&["change", "G", "-", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"[{"do":"unserve","start":30,"end":39}]"#).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    assert!(priorities().is_empty());

    let left: Vec<Done> = a.ask(["leave", "G"]).done().json();
    assert!(left[0].changed);
}

#[test]
fn a_watch_tells_what_is_there_and_what_comes() {
    let cluster = Cluster::new(1);
    let a = &cluster.nodes[0];
    a.ask(["serve", "G", "0-9", "--port", "1"]).done();
    let mut watch = a.command(&["watch", "G", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || -> Change { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let item =
        |priority| Item { node: a.node.clone(), op: "add".into(), start: 0, end: 9, port: 1, priority };
    assert_eq!(next(), Change::Joined { node: a.node.clone() });
    assert_eq!(next(), Change::Added { item: item(1) });
    a.ask(["priority", "G", "0-9", "+1"]).done();
    assert_eq!(next(), Change::Changed { from: item(1), to: item(2) });
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn a_watch_ends_when_its_reader_is_gone() {
    let cluster = Cluster::new(1);
    let a = &cluster.nodes[0];
    a.ask(["join", "G"]).done();
    for args in [&["watch", "G"][..], &["watch", "G", "--json"]] {
        let mut watch = a.command(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().contains("oined"));
        // Nothing happens in the group.
        drop(lines);
        let ended = until(|| watch.try_wait().unwrap());
        assert_eq!(ended.code(), Some(0));
    }
}

#[test]
fn one_who_is_lost_is_forgotten() {
    let mut cluster = Cluster::new(2);
    let lost = cluster.nodes[1].node.clone();
    cluster.nodes[0].ask(["join", "G"]).done();
    let done: Vec<Done> = cluster.nodes[1].ask(["serve", "G", "0-9", "--port", "1"]).done().json();
    until(|| {
        let said =
            cluster.nodes[0].ask(["wait", "G", "--fingerprint", fingerprint(&done), "--timeout", "100ms"]);
        let members = cluster.nodes[0].ask(["members", "G"]).json::<Members>().members;
        (said.code == 0 || members.len() == 2).then_some(())
    });
    cluster.nodes[1].kill();
    let forgot: Vec<Done> = cluster.nodes[0].ask(["forget", &lost]).done().json();
    assert_eq!((forgot.len(), forgot[0].group.as_str()), (1, "G"));
    let members = cluster.nodes[0].ask(["members", "G"]).json::<Members>().members;
    assert_eq!(members.len(), 1);
}

#[test]
fn people_are_shown_tables() {
    let cluster = Cluster::new(1);
    let a = &cluster.nodes[0];
    let told = a.tell(["serve", "Customers", HALF, "--port", "5432"]).done().out;
    assert!(
        told.starts_with("Customers: written, version ") && told.contains("no other member was waited for"),
        "{told}"
    );
    assert!(a.tell(["status"]).done().out.contains(&format!("node       {}, cluster tests", a.node)));
    assert!(a.tell(["groups"]).done().out.starts_with("GROUP "));
    assert!(a.tell(["members", "Customers"]).done().out.ends_with("1 member.\n"));
    assert!(a.tell(["topology", "Customers"]).done().out.contains("0x00000000-0x7fffffff       50.0 %"));
    assert!(
        a.tell(["coverage", "Customers"])
            .done()
            .out
            .ends_with("GAP: 50.0 % of the keys are served by nobody.\n")
    );
    assert!(a.tell(["locate", "Customers", "7"]).done().out.contains("is served by 1 member."));
    assert!(a.tell(["locate", "Customers", "0xffffffff"]).done().out.starts_with("No member serves the key"));
    assert!(a.tell(["peers"]).done().out.starts_with("No other node is known."));
}
