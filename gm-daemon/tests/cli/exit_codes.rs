//! Tests of the exit codes and their messages.

use std::path::Path;

use gm_daemon::api::{
    ApiError, Coverage, DaemonStatus, ErrorKind, GroupInfo, ItemList, MemberList, OwnerList, PurgeResult,
    SyncState, WaitResult, WriteResult,
};

use super::program::{Cluster, Folder, ProgramOutput, program, wait_for};

#[test]
fn usage_errors_are_2_without_a_daemon() {
    for args in [
        vec!["serve", "G", "9-1", "--port", "1"],
        vec!["serve", "G", "0-9"],
        vec!["serve", "G", "0-9", "--port", "0"],
        vec!["serve", "G", "0-9", "--port", "1", "--priority", "0"],
        vec!["priority", "G", "0-9", "++1"],
        vec!["locate", "G"],
        vec!["locate", "G", "7", "--bytes", "x"],
        vec!["locate", "G", "customer"],
        vec!["join", ""],
        vec!["join", "G", "--wait", "some"],
        vec!["join", "G", "--timeout", "5"],
        vec!["wait", "G", "--fingerprint", "x"],
        vec!["forget", "10.0.0.1"],
        vec!["topology", "G", "--op", "rmv"],
        vec!["status"],
        vec!["status", "--api", "/run/gm.sock"],
        vec!["nothing"],
    ] {
        let output = ProgramOutput::run(program().args(&args));
        assert_eq!((output.code, output.out.as_str()), (2, ""), "{args:?}: {output:?}");
        assert!(!output.err.is_empty(), "{args:?}");
        let output = ProgramOutput::run(program().arg("--json").args(&args));
        let error: ApiError = output.json();
        assert_eq!((output.code, error.kind), (2, ErrorKind::Usage), "{args:?}: {output:?}");
        assert!(!error.error.is_empty() && !error.error.contains("Usage:"), "{args:?}: {output:?}");
        assert!(output.err.contains(&error.error), "the text for people has the same message: {output:?}");
    }
    // After `--` nothing is a flag.
    assert_eq!(ProgramOutput::run(program().args(["locate", "G", "--", "--json"])).out, "");
    let output = ProgramOutput::run(program().arg("--json"));
    assert!(
        output.code == 2 && output.json::<ApiError>().error.contains("requires a subcommand"),
        "{output:?}"
    );
    assert!(ProgramOutput::run(program().args(["--json", "--help"])).succeeded().out.contains("Usage:"));
}

#[test]
fn the_daemon_and_the_demo_are_refused_in_json() {
    for (args, code, kind) in [
        (&["run", "--json", "--no-data-dir"][..], 1, ErrorKind::Refused),
        (&["run", "--json", "--no-data-dir", "--port", "x"], 2, ErrorKind::Usage),
        (&["run", "--json", "--nothing"], 2, ErrorKind::Usage),
        (&["demo", "--json"], 2, ErrorKind::Usage),
        (&["dump", "--json"], 2, ErrorKind::Usage),
        (&["dump", "--json", "--data-dir", "/nowhere"], 1, ErrorKind::Refused),
        (&["restore", "--json", "/nowhere", "--data-dir", "/nowhere"], 1, ErrorKind::Refused),
    ] {
        let output = ProgramOutput::run(program().args(args));
        let error: ApiError = output.json();
        assert_eq!((output.code, error.kind), (code, kind), "{args:?}: {output:?}");
        assert!(!error.error.is_empty() && !output.err.is_empty(), "{output:?}");
    }
}

#[test]
fn unprintable_answers_are_6() {
    let cluster = Cluster::new(1);
    let a = &cluster.nodes[0];
    let full = |args: &[&str]| {
        let out = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let done = a.command(args).stdout(out).output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    let (code, says) = full(&["serve", "G", "77", "--port", "1"]);
    assert!(code == Some(6) && says.contains("the write stands"), "{code:?}: {says}");
    assert!(a.json(["locate", "G", "77"]).succeeded().out.contains("127.0.0.1:1"));
    for args in
        [&["serve", "G", "78", "--port", "1", "--json"][..], &["status"], &["groups", "--json"], &["keygen"]]
    {
        let (code, says) = full(args);
        assert!(code == Some(6) && says.contains("cannot be printed"), "{args:?}: {code:?}: {says}");
    }
    // A refusal keeps its exit code even if it cannot be printed.
    assert_eq!(full(&["unserve", "G", "1", "--json"]).0, Some(1));
}

#[test]
fn no_daemon_is_3_and_names_the_socket() {
    let folder = Folder::new();
    let socket = folder.0.join("gm.sock");
    let says = |output: &ProgramOutput| {
        assert_eq!((output.code, output.out.as_str()), (3, ""), "{output:?}");
        assert!(output.err.contains(&format!("unix:{}", socket.display())), "{}", output.err);
        assert!(output.err.contains("gm-node run"), "{}", output.err);
    };
    let api = format!("unix:{}", socket.display());
    says(&ProgramOutput::run(program().args(["--api", &api, "status"])));
    says(&ProgramOutput::run(program().args(["status", "--api", &api])));
    says(&ProgramOutput::run(program().arg("status").env("GROUP_MANAGER_API", &api)));
    says(&ProgramOutput::run(program().arg("--data-dir").arg(&folder.0).arg("status")));
    // Flags take precedence over the environment.
    says(&ProgramOutput::run(
        program().arg("status").arg("--data-dir").arg(&folder.0).env("GROUP_MANAGER_API", "unix:/none"),
    ));

    let output = ProgramOutput::run(program().args(["status", "--json", "--api", &api]));
    assert_eq!((output.code, output.json::<ApiError>().kind), (3, ErrorKind::Unreachable));
}

#[test]
fn the_daemon_is_found_by_socket_environment_or_directory() {
    let cluster = Cluster::new(1);
    let a = &cluster.nodes[0];
    let api = format!("unix:{}", a.socket().display());
    let node = |output: ProgramOutput| assert_eq!(output.succeeded().json::<DaemonStatus>().node, a.node);
    node(ProgramOutput::run(program().args(["--api", &api, "status", "--json"])));
    node(ProgramOutput::run(program().args(["--json", "status", "--api", &api])));
    node(ProgramOutput::run(program().args(["status", "--json"]).env("GROUP_MANAGER_API", &api)));
    node(ProgramOutput::run(program().args(["status", "--json"]).env("GROUP_MANAGER_DATA_DIR", &a.dir)));
    node(ProgramOutput::run(program().arg("--data-dir").arg(&a.dir).args(["status", "--json"])));
}

#[test]
fn refusals_are_1_with_a_reason() {
    let cluster = Cluster::new(1);
    let a = &cluster.nodes[0];
    for what in ["members", "topology", "coverage"] {
        let output = a.json([what, "Nowhere"]);
        assert_eq!((output.code, output.json::<ApiError>().kind), (7, ErrorKind::UnknownGroup), "{what}");
        assert!(output.err.contains("Nowhere"), "{}", output.err);
    }
    a.json(["serve", "G", "0-9", "--port", "1"]).succeeded();
    for (args, words) in [
        (&["unserve", "G", "0-8"][..], "served"),
        (&["priority", "G", "0-8", "+1"], "Serve it with `serve` and a port"),
        (&["forget", "10.9.9.9:9"], "in all groups that this node hosts"),
        (&["forget", "10.9.9.9:9", "--group=G"], "10.9.9.9:9 is unknown in G"),
        (&["forget", &a.node, "--group=G"], "is this node itself"),
    ] {
        let output = ProgramOutput::run(a.command(args).arg("--json"));
        assert_eq!(output.code, 1, "{args:?}: {output:?}");
        let error = output.json::<ApiError>().error;
        assert!(error.contains(words), "{args:?}: {error}");
        assert_eq!(
            ProgramOutput::run(&mut a.command(args)).out,
            "",
            "text for people goes to standard error"
        );
    }
}

#[test]
fn forgotten_members_are_purged_and_writing_is_resumed() {
    let mut cluster = Cluster::new(2);
    cluster.nodes[0].json(["join", "G"]).succeeded();
    cluster.nodes[1].json(["join", "G", "--wait", "one"]).succeeded();
    let gone = cluster.nodes[1].node.clone();
    cluster.nodes[1].kill();
    let a = &cluster.nodes[0];
    let records = || {
        let groups: Vec<GroupInfo> = a.json(["groups"]).json();
        groups.iter().map(|group| (group.records, group.forgotten)).collect::<Vec<_>>()
    };
    a.json(["forget", &gone, "--group", "G"]).succeeded();
    assert_eq!(records(), [(2, 1)]);
    let purged: PurgeResult = a.json(["purge", "G"]).succeeded().json();
    assert_eq!((purged.group.as_str(), purged.records), ("G", 1));
    wait_for(|| (records() == [(1, 0)]).then_some(()));
    assert!(a.text(["purge", "G"]).succeeded().out.contains("nothing is dropped"));
    assert_eq!(a.json(["purge", "Nowhere"]).code, 1);
    // Without a pause, `resume` changes nothing.
    let resumed: Vec<WriteResult> = a.json(["resume", "G"]).succeeded().json();
    assert!(!resumed[0].changed);
    assert_eq!(a.json(["resume", "Nowhere"]).code, 1);
}

#[test]
fn a_gap_is_1_only_if_more_is_required() {
    let cluster = Cluster::new(1);
    let a = &cluster.nodes[0];
    a.json(["serve", "G", "0-0xffffffff", "--port", "1"]).succeeded();
    let enough: Coverage = a.json(["coverage", "G", "--require", "1"]).succeeded().json();
    assert_eq!(enough.min_owners, 1);
    let gap = a.json(["coverage", "G", "--require", "2"]);
    assert_eq!((gap.code, gap.json::<Coverage>()), (1, enough));
    let gap = a.text(["coverage", "G", "--require", "2"]);
    assert!(gap.out.contains("GAP: 100.0 % of the keys are served by fewer than 2 members"), "{gap:?}");
    // A group that is not hosted may have owners elsewhere, so this is not a gap.
    assert_eq!(a.json(["coverage", "Nowhere", "--require", "1"]).code, 7);
}

/// Until a group was compared with another host, answers may lack members, and reads report that.
#[test]
fn an_unverified_read_is_7_and_fresh_waits() {
    let mut cluster = Cluster::new(2);
    cluster.nodes[1].kill();
    let a = &cluster.nodes[0];
    a.json(["serve", "G", "0-9", "--port", "1"]).succeeded();
    let output = a.json(["locate", "G", "77"]);
    let located: OwnerList = output.json();
    assert_eq!((output.code, located.sync.state, located.owners.len()), (7, SyncState::Unverified, 0));
    assert!(a.text(["members", "G"]).out.contains("NOT VERIFIED: "));
    let output = a.json(["topology", "G", "--fresh=50ms"]);
    assert_eq!((output.code, output.json::<ItemList>().items.len()), (7, 1));
    assert_eq!(
        a.json(["coverage", "G", "--require", "1"]).code,
        7,
        "a gap must not be reported before the group is verified"
    );

    let mut cluster = Cluster::new(2);
    cluster.add();
    let (a, c) = (&cluster.nodes[0], &cluster.nodes[2]);
    a.json(["serve", "G", "0-0xffffffff", "--port", "1"]).succeeded();
    c.json(["join", "G"]).succeeded();
    let located: OwnerList = c.json(["locate", "G", "77", "--fresh=10s"]).succeeded().json();
    assert_eq!((located.sync.state, located.owners[0].node.as_str()), (SyncState::Equal, a.node.as_str()));
    c.json(["coverage", "G", "--require", "1", "--fresh"]).succeeded();
    // A sole member is verified by a peer that has heard of no member.
    c.json(["join", "Own"]).succeeded();
    let alone: MemberList = c.json(["members", "Own", "--fresh=10s"]).succeeded().json();
    assert_eq!((alone.sync.state, alone.members.len()), (SyncState::Sole, 1));
}

#[test]
fn an_unmet_wait_is_4_and_the_write_stands() {
    let mut cluster = Cluster::new(2);
    cluster.nodes[0].json(["join", "G"]).succeeded();
    cluster.nodes[1].json(["join", "G"]).succeeded();
    wait_for(|| {
        let output = cluster.nodes[0].json(["priority", "G", "7", "1"]);
        assert_eq!(output.code, 1, "the range is not served");
        let output = cluster.nodes[0].json(["members", "G"]);
        let members = output.json::<MemberList>().members;
        members.iter().any(|member| member.node == cluster.nodes[1].node).then_some(())
    });
    cluster.nodes[1].kill();
    let a = &cluster.nodes[0];
    let serve = ["serve", "G", "0-9", "--port", "1", "--wait", "all", "--timeout", "1500ms"];
    let output = a.json(serve);
    assert_eq!((output.code, output.err.as_str()), (4, ""), "{output:?}");
    let done: Vec<WriteResult> = output.json();
    assert!(done[0].changed && done[0].wait != WaitResult::Satisfied, "{done:?}");
    assert_eq!((done[0].members, done[0].acknowledged, done[0].refused), (1, 0, 0), "{done:?}");
    assert_eq!(done[0].unreachable + done[0].unknown, 1, "{done:?}");
    assert!(a.json(["topology", "G", "--op", "add"]).out.contains("\"port\":1"));

    let output = a.json(["wait", "G", "--fingerprint", &"0".repeat(32), "--timeout", "50ms"]);
    assert_eq!((output.code, output.json::<ApiError>().kind), (4, ErrorKind::TimedOut));
    assert!(output.err.contains(&done[0].fingerprint), "{}", output.err);
    let output = a.text(["wait", "Nowhere", "--fingerprint", &"0".repeat(32), "--timeout", "50ms"]);
    assert!(output.code == 4 && output.err.contains("is not hosted here"), "{output:?}");
}

/// A write affects no other member here, but the others host the group and can acknowledge.
#[test]
fn members_of_disjoint_ranges_acknowledge() {
    let cluster = Cluster::new(3);
    for (node, keys) in cluster.nodes.iter().zip(["0-99", "100-199", "200-299"]) {
        node.json(["serve", "G", keys, "--port", "1"]).succeeded();
    }
    let b = &cluster.nodes[1];
    wait_for(|| (b.json(["members", "G"]).json::<MemberList>().members.len() == 3).then_some(()));
    for wait in ["one", "2", "all"] {
        let output = b.json(["priority", "G", "100-199", "+1", "--wait", wait]);
        let done: Vec<WriteResult> = output.succeeded().json();
        assert_eq!((done[0].wait, done[0].members), (WaitResult::Satisfied, 2));
    }
    let text = b.text(["unserve", "G", "100-199", "--wait", "2"]).succeeded().out;
    assert!(text.contains("; 2 other members acknowledged. Fingerprint"), "{text}");
    b.text(["leave", "G", "--wait", "one"]).succeeded();
}

#[test]
fn a_wait_without_other_members_times_out() {
    let join =
        |cluster: &Cluster, wait| cluster.nodes[0].text(["join", "G", "--wait", wait, "--timeout", "300ms"]);
    // The other node is not a member of the group.
    let cluster = Cluster::new(2);
    for wait in ["one", "all"] {
        let output = join(&cluster, wait);
        assert_eq!(output.code, 4, "{output:?}");
        assert!(output.out.contains("TIMED OUT after 300 ms: no other member is known"), "{output:?}");
    }
    // With `--single` there is no other member to wait for.
    let single = Cluster::new(1);
    let output = join(&single, "one");
    assert!(output.code == 4 && output.out.contains("INCOMPLETE: no other member is known"), "{output:?}");
    assert!(
        join(&single, "all").succeeded().out.contains("; single-node mode, no other member to wait for.")
    );
}

#[test]
fn an_invalid_file_of_changes_is_2() {
    let cluster = Cluster::new(1);
    let a = &cluster.nodes[0];
    let file = cluster.folder.0.join("changes");
    let name = file.to_str().unwrap();
    for (text, says) in [
        ("", "is not a JSON list"),
        ("{}", "is not a JSON list"),
        (r#"[{"do":"serve","start":0,"end":9}]"#, "missing field `port`"),
        (r#"[{"do":"serv","start":0,"end":9,"port":1}]"#, "unknown variant `serv`"),
        (r#"[{"do":"unserve","start":0,"end":9,"prot":1}]"#, "unknown field `prot`"),
    ] {
        std::fs::write(&file, text).unwrap();
        let output = a.text(["change", "G", name]);
        assert!(output.code == 2 && output.err.contains(says), "{text}: {output:?}");
    }
    std::fs::remove_file(&file).unwrap();
    let output = a.text(["change", "G", name]);
    assert!(output.code == 2 && output.err.contains(name), "{output:?}");
    assert!(!Path::new(name).exists());
    // The command accepts this change, and the daemon refuses it.
    std::fs::write(&file, r#"[{"do":"unserve","start":9,"end":0}]"#).unwrap();
    let output = a.json(["change", "G", name]);
    assert_eq!((output.code, output.json::<ApiError>().kind), (2, ErrorKind::Usage), "{output:?}");
}
