//! Tests of the refusals of `run` and `check`, with messages and exit codes.

use crate::node::{LOCAL, Node, Scratch, run};

#[test]
fn missing_settings_are_named() {
    for command in ["run", "check"] {
        let cases: [(&[&str], i32, &str); 6] = [
            (&["--insecure-no-encryption", "--no-data-dir"], 1, "--cluster NAME"),
            (&["--cluster=c", "--no-data-dir"], 1, "--key-file FILE"),
            (&["--cluster=c", "--insecure-no-encryption"], 1, "--no-data-dir"),
            (&["--cluster=c", "--insecure-no-encryption", "--no-data-dir", "--port=x"], 2, "--port: `x`"),
            (&["--cluster=c", "--no-data-dir", "--key-file=/nowhere"], 1, "cannot read `key-file` /nowhere"),
            (&["--clutser=c"], 2, "--cluster"),
        ];
        for (flags, code, words) in cases {
            let (exit, _, stderr) = run(&[&[command], flags].concat());
            assert!(exit == code && stderr.contains(words), "{command} {flags:?}: {exit}: {stderr}");
        }
    }
}

#[test]
fn files_are_strict() {
    let scratch = Scratch::new();
    let file = scratch.path("gm.toml");
    std::fs::write(&file, "cluster = 'c'\nmulticast_ttl = 3\n").unwrap();
    let (exit, _, stderr) = run(&["check", "--insecure-no-encryption", "--no-data-dir", "--config", &file]);
    assert!(exit == 2 && stderr.contains("is `multicast-ttl` meant?"), "{exit}: {stderr}");
    std::fs::write(&file, "cluster = 'c'\nmulticast-ttl = 3\ninsecure-no-encryption = true\n").unwrap();
    let (exit, stdout, _) = run(&["check", "--no-data-dir", "--json", "--config", &file]);
    let checked: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(exit, 0);
    let rows = checked["settings"].as_array().unwrap();
    let ttl = rows.iter().find(|row| row["key"] == "multicast-ttl").unwrap();
    assert!(ttl["value"] == "3" && ttl["source"].as_str().unwrap().contains("gm.toml"), "{ttl}");
}

#[test]
fn keys_are_secrets() {
    use std::os::unix::fs::PermissionsExt;

    let scratch = Scratch::new();
    let file = scratch.path("key");
    let (exit, key, _) = run(&["keygen"]);
    assert!(exit == 0 && key.trim().len() == 64, "{key}");
    std::fs::write(&file, &key).unwrap();
    let check = |mode| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        run(&["check", "--cluster=c", "--no-data-dir", "--key-file", &file])
    };
    let (exit, _, stderr) = check(0o644);
    assert!(exit == 1 && stderr.contains("chmod 600"), "{stderr}");
    let (exit, stdout, stderr) = check(0o600);
    assert!(exit == 0 && !stdout.contains(key.trim()), "{stderr}");
    std::fs::write(&file, "01234567890123456789012345678912\n").unwrap();
    let (exit, _, stderr) = check(0o600);
    assert!(exit == 1 && stderr.contains("not secret"), "{stderr}");
}

#[test]
fn resources_in_use_are_refused_by_name() {
    let scratch = Scratch::new();
    let dir = scratch.0.join("ann");
    let ann = Node::start(&dir, &[]);
    let pid = ann.child.id().to_string();
    let data = format!("--data-dir={}", dir.display());
    let (exit, _, stderr) = run(&[&LOCAL[..], &[&data]].concat());
    assert!(exit == 1 && stderr.contains("in use by process") && stderr.contains(&pid), "{exit}: {stderr}");

    let api = format!("--api=unix:{}", ann.socket.display());
    let (exit, _, stderr) = run(&[&LOCAL[..], &["--no-data-dir", &api]].concat());
    assert!(exit == 1 && stderr.contains("another daemon answers at"), "{exit}: {stderr}");

    let address = format!("--address={}", ann.id);
    let busy =
        ["run", "--cluster=c", "--insecure-no-encryption", "--no-data-dir", "--multicast=off", &address];
    let (exit, _, stderr) = run(&busy);
    assert!(exit == 1 && stderr.contains("in use") && stderr.contains("`port`"), "{exit}: {stderr}");

    let file = scratch.path("no-socket");
    std::fs::write(&file, "dear").unwrap();
    let api = format!("--api=unix:{file}");
    let (exit, _, stderr) = run(&[&LOCAL[..], &["--no-data-dir", &api]].concat());
    assert!(exit == 1 && stderr.contains("is no socket"), "{exit}: {stderr}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "dear");

    let long = format!("--api=unix:/tmp/{}", "x".repeat(120));
    let (exit, _, stderr) = run(&[&LOCAL[..], &["--no-data-dir", &long]].concat());
    assert!(exit == 1 && stderr.contains("`api`") && stderr.contains("bytes"), "{exit}: {stderr}");

    assert_eq!(ann.get("/v1/status")["node"], ann.id.as_str());
    assert_eq!(ann.stop(), 0);
}

#[test]
fn errors_are_one_json_object() {
    let wrong = ["--json", "--cluster=c", "--no-data-dir", "--port=x"];
    let (exit, stdout, stderr) = run(&[&["check"], &wrong[..]].concat());
    let checked: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert!(exit == 2 && checked["errors"].as_array().is_some_and(|errors| errors.len() == 2), "{checked}");
    assert_eq!(stderr, "");
    let (exit, stdout, stderr) = run(&[&["run"], &wrong[..]].concat());
    let error: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert!(exit == 2 && error["kind"] == "usage" && stderr.contains("--port: `x`"), "{error}: {stderr}");
    assert!(error["error"].as_str().is_some_and(|error| error.contains("`x`") && error.contains("key-file")));
    // With `--json` the log is JSON too, unless `log-format` is set.
    for (format, value) in [(None, "json"), (Some("--log-format=text"), "text")] {
        let mut line = vec!["check", "--json", "--cluster=c", "--insecure-no-encryption", "--no-data-dir"];
        line.extend(format);
        let checked: serde_json::Value = serde_json::from_str(&run(&line).1).unwrap();
        let rows = checked["settings"].as_array().unwrap();
        assert!(rows.iter().any(|row| row["key"] == "log-format" && row["value"] == value), "{checked}");
    }
}

#[test]
fn a_damaged_database_is_refused_in_one_line() {
    let scratch = Scratch::new();
    let dir = scratch.0.join("ann");
    let ann = Node::start(&dir, &[]);
    assert_eq!(ann.post("/v1/groups/g/join", "").0, 200);
    assert_eq!(ann.stop(), 0);
    let file = std::fs::File::options().write(true).open(dir.join("gm.redb")).unwrap();
    let data = format!("--data-dir={}", dir.display());
    // For some damages the library panics.
    for parts in [2, 3, 1_000_000] {
        file.set_len(file.metadata().unwrap().len() / parts).unwrap();
        for line in [[&LOCAL[..], &[&data]].concat(), vec!["dump", &data]] {
            let (exit, _, stderr) = run(&line);
            let mut words = stderr.lines().filter(|line| !line.starts_with("20"));
            let good =
                words.next().is_some_and(|line| line.starts_with("error: ") && line.contains("is damaged"));
            let good = good && words.next().is_none();
            assert!(exit == 1 && good, "{exit}: {stderr}");
        }
    }
}
