//! Tests with hanging parts: files that block when they are opened, and a blocked shutdown.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::node::{LOCAL, Node, Scratch, eventually, program, run};

fn fifo(path: &str) {
    let _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").args(["-m", "600", path]).status().unwrap().success());
}

/// Creates a sparse file of that size.
fn large(path: &str, bytes: u64) {
    let _ = fs::remove_file(path);
    File::create(path).unwrap().set_len(bytes).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

#[test]
fn irregular_and_huge_settings_files_are_refused() {
    let scratch = Scratch::new();
    let path = scratch.path("file");
    let cases: [(&str, u64, &str); 2] = [("--key-file", 2 << 30, "64 KiB"), ("--config", 1 << 30, "1 MiB")];
    for (flag, bytes, limit) in cases {
        for command in ["run", "check"] {
            let mut line = vec![command, "--cluster=c", "--no-data-dir", flag, &path];
            if flag == "--config" {
                line.push("--insecure-no-encryption");
            }
            let refused = |words: &str| {
                let (exit, _, stderr) = run(&line);
                let name = flag.trim_start_matches('-');
                let good = stderr.contains(&format!("cannot read `{name}` {path}")) && stderr.contains(words);
                assert!(exit == 1 && good, "{line:?}: {exit}: {stderr}");
            };
            fifo(&path);
            refused("it is a FIFO, and only a regular file is opened here");
            large(&path, bytes);
            refused(&format!("it is larger than {limit}"));
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
            refused("it is a directory");
            fs::remove_dir(&path).unwrap();
        }
    }
}

#[test]
fn irregular_files_of_a_data_directory_are_refused() {
    let scratch = Scratch::new();
    let dir = scratch.0.join("ann");
    assert_eq!(Node::start(&dir, &[]).stop(), 0);
    let data = format!("--data-dir={}", dir.display());
    for name in ["gm.redb", "gm.last", "lock"] {
        let (path, moved) = (dir.join(name), dir.join("moved"));
        fs::rename(&path, &moved).unwrap();
        fifo(&path.to_string_lossy());
        for line in [[&LOCAL[..], &[&data]].concat(), vec!["dump", &data]] {
            // A dump does not read `gm.last`.
            if name == "gm.last" && line[0] == "dump" {
                continue;
            }
            let (exit, _, stderr) = run(&line);
            let good = stderr.contains(&format!("/{name}: it is a FIFO"));
            assert!(exit == 1 && good, "{line:?}: {exit}: {stderr}");
        }
        fs::rename(&moved, &path).unwrap();
    }
    // An unreadable file of configured ranges does not prevent the start.
    fifo(&dir.join("configured.json").to_string_lossy());
    fifo(&dir.join("configured.new").to_string_lossy());
    let ann = Node::start(&dir, &["--join=g"]);
    eventually("the node joins", || ann.members("g") == 1);
    assert!(ann.log().contains("configured.json is not read (it is a FIFO"), "{}", ann.log());
    assert_eq!(ann.stop(), 0);
}

#[test]
fn a_blocking_reload_is_refused_and_signals_still_end() {
    let scratch = Scratch::new();
    let key = scratch.path("key");
    fs::write(&key, run(&["keygen"]).1).unwrap();
    fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let api = format!("--api=unix:{}", scratch.path("sock"));
    let flags = [
        "run",
        "--cluster=c",
        "--no-data-dir",
        "--address=127.0.0.1",
        "--port=0",
        "--multicast=off",
        &api,
        "--key-file",
        &key,
    ];
    let ann = Node::start_as(program(&flags), &scratch.0.join("sock"), &scratch.0.join("log"));
    let warns = |ann: &Node, words: &str| ann.get("/v1/status")["warnings"].to_string().contains(words);
    fs::rename(&key, scratch.path("kept")).unwrap();
    fifo(&key);
    ann.signal("-HUP");
    eventually("the reload is refused", || warns(&ann, "it is a FIFO"));
    large(&key, 2 << 30);
    ann.signal("-HUP");
    eventually("the reload is refused", || warns(&ann, "it is larger than 64 KiB"));
    fs::rename(scratch.path("kept"), &key).unwrap();
    ann.signal("-HUP");
    eventually("the reload succeeds", || !warns(&ann, "reload"));
    fs::remove_file(&key).unwrap();
    fifo(&key);
    ann.signal("-HUP");
    assert_eq!(ann.stop(), 0);
}

/// The log is a full FIFO, so every thread that logs hangs.
#[test]
fn a_daemon_that_hangs_is_ended_by_a_second_signal() {
    let scratch = Scratch::new();
    let (log, dir) = (scratch.path("fifo"), scratch.0.join("ann"));
    fifo(&log);
    let data = format!("--data-dir={}", dir.display());
    let line = [&LOCAL[..6], &[&data]].concat();
    let _never_read = nonblocking_options().read(true).open(&log).unwrap();
    let stderr = fs::OpenOptions::new().write(true).open(&log).unwrap();
    let mut child = program(&line).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let socket = dir.join("gm.sock");
    eventually("it answers", || UnixStream::connect(&socket).is_ok());
    let mut filler = nonblocking_options().write(true).open(&log).unwrap();
    for size in [4_096, 1] {
        while filler.write_all(&vec![b'x'; size]).is_ok() {}
    }
    let pid = child.id().to_string();
    let begun = Instant::now();
    let code = loop {
        Command::new("kill").args(["-TERM", &pid]).stderr(Stdio::null()).status().unwrap();
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        // Far less than the time limit after one signal.
        assert!(begun.elapsed() < Duration::from_secs(20), "the daemon does not end");
        sleep(Duration::from_millis(100));
    };
    assert_eq!(code, Some(1));
}

fn nonblocking_options() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    options
}
