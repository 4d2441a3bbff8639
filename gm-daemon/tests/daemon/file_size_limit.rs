//! Tests of the limit of file sizes: a write beyond it is refused, and the daemon continues.

use std::process::{Command, Stdio};

use crate::node::{Scratch, program};
use crate::warnings::{limited, warnings};

/// Limit in units of 512 bytes: more than an empty database, and less than this test writes.
const LIMIT: &str = "-f 3600";

#[test]
fn a_daemon_at_the_file_size_limit_refuses_writes() {
    let scratch = Scratch::new();
    let ann = limited(&scratch, LIMIT);
    assert_eq!(ann.post("/v1/groups/g/join", "").0, 200);
    let batch = |round: u32| {
        // Scattered keys, which do not compress well.
        let key = |at: u32| (round * 5_000 + at).wrapping_mul(2_654_435_761);
        let serve = |at: u32| {
            format!(r#"{{"do":"serve","start":{0},"end":{0},"port":{1}}}"#, key(at), key(at) % 65_535 + 1)
        };
        let all: Vec<String> = (0..5_000).map(serve).collect();
        format!(r#"{{"changes":[{}]}}"#, all.join(","))
    };
    let refused = (0..12)
        .map(|round| ann.post("/v1/groups/g/change", &batch(round)))
        .find(|(status, _)| *status != 200);
    let (status, answer) = refused.expect("the limit is reached");
    let why = answer["error"].as_str().unwrap();
    assert_eq!((status, &answer["kind"]), (503, &"storage".into()), "{why}");
    assert!(why.contains("File too large") && why.contains("LimitFSIZE="), "{why}");
    assert!(warnings(&ann).contains("the storage fails, so writes are refused"), "{}", warnings(&ann));
    // A small write may still fit. Reads are answered in either case.
    assert!(
        [200, 503].contains(
            &ann.post("/v1/groups/g/change", r#"{"changes":[{"do":"unserve","start":0,"end":0}]}"#).0
        )
    );
    assert_eq!(ann.members("g"), 1);
    assert_eq!(ann.stop(), 0);
}

/// Standard output is a file at the limit.
#[test]
fn a_command_at_the_file_size_limit_reports_it() {
    let scratch = Scratch::new();
    let file = std::fs::File::create(scratch.path("out")).unwrap();
    let settings = ["check", "--cluster=test", "--insecure-no-encryption", "--no-data-dir"];
    let check = program(&settings);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 1; exec \"$0\" \"$@\""]).arg(check.get_program());
    let output = limited.args(check.get_args()).stdout(file).stderr(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(6), "{text}");
    assert!(text.contains("cannot be printed") && text.contains("File too large"), "{text}");
}
