//! Tests of each command and the shape that it prints.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use gm_daemon::api::{
    Coverage, DaemonStatus, GroupChange, GroupInfo, ItemInfo, ItemList, ItemOp, MemberList, OwnerList,
    PeerInfo, WaitResult, WriteResult,
};

use super::program::{Cluster, wait_for};

const LOWER_HALF: &str = "0x0-0x7fffffff";

fn fingerprint(done: &[WriteResult]) -> &str {
    &done[0].fingerprint
}

#[test]
fn a_group_is_written_on_one_node_and_read_on_another() {
    let cluster = Cluster::new(2);
    let [a, b] = &cluster.nodes[..] else { unreachable!() };

    let status: DaemonStatus = a.json(["status"]).succeeded().json();
    assert_eq!(
        (status.node.as_str(), status.cluster.as_str(), status.sealed),
        (a.node.as_str(), "tests", true)
    );
    assert_eq!(status.data_dir.as_deref(), a.dir.to_str());
    let groups: Vec<GroupInfo> = a.json(["groups"]).succeeded().json();
    assert!(groups.is_empty());

    let done: Vec<WriteResult> =
        b.json(["join", "Größe/1 ?", "--interest", "5-9,0x100-0x1ff"]).succeeded().json();
    assert_eq!((done.len(), done[0].group.as_str(), done[0].changed), (1, "Größe/1 ?", true));
    let done: Vec<WriteResult> = b.json(["join", "Customers", "--wait", "none"]).succeeded().json();
    assert_eq!((done[0].wait, done[0].acknowledged), (WaitResult::Satisfied, 0));

    // The group is known by name first.
    wait_for(|| {
        let groups: Vec<GroupInfo> = a.json(["groups"]).json();
        groups.iter().any(|group| group.name == "Customers").then_some(())
    });
    let serve =
        ["serve", "Customers", LOWER_HALF, "--port", "5432", "--priority", "3", "--wait", "one", "--disk"];
    let done: Vec<WriteResult> = a.json(serve).succeeded().json();
    assert_eq!((done[0].wait, done[0].members, done[0].acknowledged), (WaitResult::Satisfied, 1, 1));

    let group: GroupInfo =
        b.json(["wait", "Customers", "--fingerprint", fingerprint(&done)]).succeeded().json();
    assert_eq!((group.name.as_str(), group.members, group.items), ("Customers", 2, 2));
    assert_eq!(group.fingerprint, fingerprint(&done));

    let mut members =
        b.json(["members", "Customers", "--fresh=10s"]).succeeded().json::<MemberList>().members;
    members.sort_by_key(|member| member.serves);
    assert_eq!((members[0].node.as_str(), members[0].interests), (b.node.as_str(), 1));
    assert_eq!((members[1].node.as_str(), members[1].keys), (a.node.as_str(), 1 << 31));

    let items = b.json(["topology", "Customers"]).succeeded().json::<ItemList>().items;
    assert_eq!(items.len(), 2);
    let adds = b.json(["topology", "Customers", "--op", "add"]).succeeded().json::<ItemList>().items;
    let item = ItemInfo {
        node: a.node.clone(),
        op: ItemOp::Add,
        start: 0,
        end: 0x7fff_ffff,
        port: 5432,
        priority: 3,
    };
    assert_eq!(adds, [item]);
    let gets = b.json(["topology", "Customers", "--op", "get"]).succeeded().json::<ItemList>().items;
    assert_eq!((gets.len(), gets[0].node.as_str()), (1, b.node.as_str()));

    let coverage: Coverage = b.json(["coverage", "Customers"]).succeeded().json();
    assert_eq!((coverage.min_owners, coverage.segments.len()), (0, 2));
    let located: OwnerList = b.json(["locate", "Customers", "0x10"]).succeeded().json();
    assert_eq!((located.key, located.owners[0].service.as_str()), (16, "127.0.0.1:5432"));
    let located: OwnerList = b.json(["locate", "Customers", "--bytes", "a b/ü&c=%"]).succeeded().json();
    assert_eq!(located.key, gm_data::key_of("a b/ü&c=%".as_bytes()));

    let peers: Vec<PeerInfo> = a.json(["peers"]).succeeded().json();
    assert_eq!(peers.iter().map(|peer| peer.node.as_str()).collect::<Vec<_>>(), [b.node.as_str()]);
}

#[test]
fn each_write_answers_with_its_result() {
    let cluster = Cluster::new(1);
    let a = &cluster.nodes[0];
    let priorities = || -> Vec<u16> {
        let items = a.json(["topology", "G", "--op", "add"]).succeeded().json::<ItemList>().items;
        items.iter().map(|item| item.priority).collect()
    };
    a.json(["serve", "G", "0-9,20-29", "--port", "1"]).succeeded();
    assert_eq!(priorities(), [1, 1]);
    a.json(["priority", "G", "0-9", "+4"]).succeeded();
    assert_eq!(priorities(), [5, 1]);
    a.json(["priority", "G", "0-9", "-2", "--wait", "none"]).succeeded();
    assert_eq!(priorities(), [3, 1]);
    a.json(["priority", "G", "0-9,20-29", "7"]).succeeded();
    assert_eq!(priorities(), [7, 7]);
    let again: Vec<WriteResult> = a.json(["priority", "G", "0-9", "7"]).succeeded().json();
    assert!(!again[0].changed);
    a.json(["unserve", "G", "20-29"]).succeeded();
    assert_eq!(priorities(), [7]);

    let file = cluster.folder.0.join("changes");
    let changes = r#"[{"do":"serve","start":30,"end":39,"port":2,"priority":8},{"do":"unserve","start":0,"end":9},
        {"do":"interest","start":50,"end":59},{"do":"priority","start":30,"end":39,"priority":"+1"}]"#;
    std::fs::write(&file, changes).unwrap();
    a.json(["change", "G", file.to_str().unwrap()]).succeeded();
    assert_eq!(priorities(), [9]);

    let mut command = a.command(&["change", "G", "-", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"[{"do":"unserve","start":30,"end":39}]"#).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    assert!(priorities().is_empty());

    let left: Vec<WriteResult> = a.json(["leave", "G"]).succeeded().json();
    assert!(left[0].changed);
}

#[test]
fn a_watch_prints_the_state_and_then_changes() {
    let cluster = Cluster::new(1);
    let a = &cluster.nodes[0];
    a.json(["serve", "G", "0-9", "--port", "1"]).succeeded();
    let mut watch = a.command(&["watch", "G", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || -> GroupChange { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let item =
        |priority| ItemInfo { node: a.node.clone(), op: ItemOp::Add, start: 0, end: 9, port: 1, priority };
    assert_eq!(next(), GroupChange::Joined { node: a.node.clone() });
    assert_eq!(next(), GroupChange::Added { item: item(1) });
    a.json(["priority", "G", "0-9", "+1"]).succeeded();
    assert_eq!(next(), GroupChange::Changed { from: item(1), to: item(2) });
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn a_watch_ends_when_its_reader_is_gone() {
    let cluster = Cluster::new(1);
    let a = &cluster.nodes[0];
    a.json(["join", "G"]).succeeded();
    for args in [&["watch", "G"][..], &["watch", "G", "--json"]] {
        let mut watch = a.command(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().contains("oined"));
        // No change happens in the group.
        drop(lines);
        let ended = wait_for(|| watch.try_wait().unwrap());
        assert_eq!(ended.code(), Some(0));
    }
}

#[test]
fn a_lost_member_is_forgotten() {
    let mut cluster = Cluster::new(2);
    let lost = cluster.nodes[1].node.clone();
    cluster.nodes[0].json(["join", "G"]).succeeded();
    let done: Vec<WriteResult> =
        cluster.nodes[1].json(["serve", "G", "0-9", "--port", "1"]).succeeded().json();
    wait_for(|| {
        let output =
            cluster.nodes[0].json(["wait", "G", "--fingerprint", fingerprint(&done), "--timeout", "100ms"]);
        let members = cluster.nodes[0].json(["members", "G"]).json::<MemberList>().members;
        (output.code == 0 || members.len() == 2).then_some(())
    });
    cluster.nodes[1].kill();
    let forgot: Vec<WriteResult> = cluster.nodes[0].json(["forget", &lost]).succeeded().json();
    assert_eq!((forgot.len(), forgot[0].group.as_str()), (1, "G"));
    let members = cluster.nodes[0].json(["members", "G"]).json::<MemberList>().members;
    assert_eq!(members.len(), 1);
}

#[test]
fn text_output_consists_of_tables() {
    let cluster = Cluster::new(1);
    let a = &cluster.nodes[0];
    let text = a.text(["serve", "Customers", LOWER_HALF, "--port", "5432"]).succeeded().out;
    assert!(
        text.starts_with("Customers: written, version ") && text.contains("no acknowledgement was requested"),
        "{text}"
    );
    assert!(a.text(["status"]).succeeded().out.contains(&format!("node       {}, cluster tests", a.node)));
    assert!(a.text(["groups"]).succeeded().out.starts_with("GROUP "));
    assert!(a.text(["members", "Customers"]).succeeded().out.ends_with("1 member.\n"));
    assert!(
        a.text(["topology", "Customers"]).succeeded().out.contains("0x00000000-0x7fffffff         50.0 %")
    );
    assert!(
        a.text(["coverage", "Customers"])
            .succeeded()
            .out
            .ends_with("GAP: 50.0 % of the keys are not served.\n")
    );
    assert!(a.text(["locate", "Customers", "7"]).succeeded().out.contains("is served by 1 member."));
    assert!(
        a.text(["locate", "Customers", "0xffffffff"]).succeeded().out.starts_with("No member serves the key")
    );
    assert!(a.text(["peers"]).succeeded().out.starts_with("No other node is known."));
}
