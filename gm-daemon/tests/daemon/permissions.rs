//! Tests of permissions: files that other users can change are refused, and other users are neither
//! answered nor trusted.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Output;

use crate::node::{LOCAL, Node, Scratch, eventually, program, run};

/// User id of the unprivileged account, on all supported systems.
const OTHER_USER: u32 = 65_534;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Whether the tests run as root, which can change owners.
fn is_root(scratch: &Scratch) -> bool {
    let file = scratch.0.join("given");
    fs::write(&file, "").unwrap();
    let is_root = chown(&file, Some(OTHER_USER), None).is_ok();
    if !is_root {
        eprintln!("skipped: changing the owner of files needs root");
    }
    is_root
}

/// Error message of a refused start on a directory.
fn refusal_of(dir: &Path) -> String {
    let data = format!("--data-dir={}", dir.display());
    let (exit, _, stderr) = run(&[&LOCAL[..], &[&data]].concat());
    assert_eq!(exit, 1, "{stderr}");
    stderr
}

#[test]
fn a_data_directory_writable_by_others_is_refused() {
    let scratch = Scratch::new();
    let dir = scratch.0.join("ann");
    fs::create_dir(&dir).unwrap();
    // A sticky bit is not enough: other users could create the files first.
    for open in [0o777, 0o775, 0o722, 0o1777] {
        mode(&dir, open);
        let words = refusal_of(&dir);
        let has = |part: &str| words.contains(part);
        assert!(
            has("other users may write to") && has(&format!("{open:04o}")) && has("chmod go-w"),
            "{words}"
        );
        assert!(!dir.join("gm.redb").exists() && !dir.join("lock").exists());
    }
    mode(&dir, 0o755);
    assert_eq!(Node::start(&dir, &[]).stop(), 0);
    for name in ["gm.redb", "gm.last", "lock"] {
        mode(&dir.join(name), 0o666);
        let words = refusal_of(&dir);
        assert!(words.contains(&format!("/{name} (its mode is 0666)")), "{words}");
        mode(&dir.join(name), 0o600);
    }
    assert_eq!(Node::start(&dir, &[]).stop(), 0);
}

#[test]
fn files_of_another_user_are_refused() {
    let scratch = Scratch::new();
    if !is_root(&scratch) {
        return;
    }
    let dir = scratch.0.join("ann");
    assert_eq!(Node::start(&dir, &[]).stop(), 0);
    for path in [dir.clone(), dir.join("gm.redb"), dir.join("gm.last"), dir.join("lock")] {
        chown(&path, Some(OTHER_USER), None).unwrap();
        let words = refusal_of(&dir);
        let expected = format!("{} belongs to the user {OTHER_USER}", path.display());
        assert!(words.contains(&expected) && words.contains("chown 0"), "{words}");
        chown(&path, Some(0), None).unwrap();
    }
    let key = scratch.path("key");
    fs::write(&key, run(&["keygen"]).1).unwrap();
    mode(key.as_ref(), 0o600);
    let check = || run(&["check", "--cluster=c", "--no-data-dir", "--key-file", &key]);
    assert_eq!(check().0, 0);
    chown(&key, Some(OTHER_USER), None).unwrap();
    let (exit, _, stderr) = check();
    assert!(exit == 1 && stderr.contains("belongs to the user"), "{stderr}");
}

#[test]
fn a_world_writable_parent_directory_is_a_warning() {
    let scratch = Scratch::new();
    let above = scratch.0.join("above");
    fs::create_dir(&above).unwrap();
    mode(&above, 0o777);
    let ann = Node::start(&above.join("ann"), &[]);
    let warnings = |ann: &Node| ann.get("/v1/status")["warnings"].to_string();
    let expected = format!("other users may write to {}", above.canonicalize().unwrap().display());
    assert!(warnings(&ann).contains(&expected), "{}", warnings(&ann));
    assert!(ann.log().contains(&expected));
    assert_eq!(ann.stop(), 0);
    mode(&above, 0o1777);
    let ann = Node::start(&above.join("ann"), &[]);
    assert!(!warnings(&ann).contains(&expected), "{}", warnings(&ann));
}

#[test]
fn a_configuration_writable_by_others_is_a_warning() {
    let scratch = Scratch::new();
    let config = scratch.0.join("gm.toml");
    fs::write(&config, "cluster = 'c'\ninsecure-no-encryption = true\n").unwrap();
    let name = config.to_string_lossy();
    let warns = |open| {
        mode(&config, open);
        let (exit, stdout, stderr) = run(&["check", "--no-data-dir", "--config", &name]);
        assert_eq!(exit, 0, "{stderr}");
        stdout.contains(&format!("other users may write to {name} (its mode is {open:04o})"))
    };
    assert!(warns(0o666) && warns(0o664) && !warns(0o644));
}

#[test]
fn the_client_refuses_a_socket_of_another_user() {
    let scratch = Scratch::new();
    if !is_root(&scratch) {
        return;
    }
    let dir = scratch.0.join("theirs");
    fs::create_dir(&dir).unwrap();
    mode(&dir, 0o700);
    chown(&dir, Some(OTHER_USER), None).unwrap();
    let data = format!("--data-dir={}", dir.display());
    let mut command = program(&[&LOCAL[..], &[&data]].concat());
    command.uid(OTHER_USER);
    let theirs = Node::start_as(command, &dir.join("gm.sock"), &scratch.0.join("theirs.log"));
    for line in [vec!["status", &data], vec!["join", "g", &data]] {
        let (exit, _, stderr) = run(&line);
        let who = format!("is answered by the process {} of the user {OTHER_USER}", theirs.child.id());
        assert!(exit == 3 && stderr.contains(&who) && stderr.contains("nothing was sent"), "{stderr}");
    }
    // The daemon's own user is answered.
    let mut own = program(&["status", &data]);
    let Output { status, stderr, .. } = own.uid(OTHER_USER).output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    assert!(!theirs.log().contains("control socket"), "{}", theirs.log());
}

#[test]
fn another_user_is_never_answered() {
    let scratch = Scratch::new();
    if !is_root(&scratch) {
        return;
    }
    let dir = scratch.0.join("ann");
    fs::create_dir(&dir).unwrap();
    mode(&dir, 0o755);
    let ann = Node::start(&dir, &[]);
    mode(&ann.socket, 0o666);
    let data = format!("--data-dir={}", dir.display());
    let mut status = program(&["status", &data]);
    let Output { status, .. } = status.uid(OTHER_USER).output().unwrap();
    assert_eq!(status.code(), Some(3));
    eventually("the connection is logged", || ann.log().contains("a connection of another user is closed"));
    assert_eq!(run(&["status", &data]).0, 0);
}

#[test]
fn a_foreign_socket_is_not_removed() {
    let scratch = Scratch::new();
    let dir = scratch.0.join("ann");
    let ann = Node::start(&dir, &[]);
    let socket = ann.socket.clone();
    fs::rename(&socket, dir.join("moved")).unwrap();
    let _another = UnixListener::bind(&socket).unwrap();
    ann.signal("-TERM");
    assert_eq!(ann.wait(), 0);
    assert!(socket.exists());
}
