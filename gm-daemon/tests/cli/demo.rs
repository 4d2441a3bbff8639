//! Tests of the demo: its duration, and that it always cleans up.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::program::{Folder, ProgramOutput, is_listening, names_in, program, wait_for};

fn demo(folder: &Folder, args: &[&str]) -> Command {
    let mut demo = program();
    demo.arg("demo").args(args).env("TMPDIR", &folder.0);
    demo
}

#[test]
fn the_demo_completes_within_20_seconds() {
    for args in [&["--no-multicast"][..], &["--nodes", "3"]] {
        let folder = Folder::new();
        let begun = Instant::now();
        let output = ProgramOutput::run(&mut demo(&folder, args)).succeeded();
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert_eq!(output.out.matches("Enough: every customer").count(), 4, "{}", output.out);
        assert_eq!(output.out.matches("NOT ENOUGH").count(), 1, "{}", output.out);
        assert!(output.out.contains("the whole demo"), "{}", output.out);
        assert_eq!(names_in(&folder.0), [""; 0]);
    }
}

/// Starts a demo with `--keep`, and returns the addresses of its daemons.
fn start_kept(folder: &Folder) -> (Child, BufReader<ChildStdout>, Vec<String>) {
    let mut child = demo(folder, &["--keep", "--no-multicast"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut addresses = Vec::new();
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 && !line.starts_with("$gm watch") {
        if line.starts_with("M1 is ") {
            let words = line.split([' ', ',', '\n']).filter(|word| word.contains(':'));
            addresses = words.map(|word| word.trim_end_matches('.').to_owned()).collect();
        }
        line.clear();
    }
    assert_eq!(addresses.len(), 4);
    (child, lines, addresses)
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let folder = Folder::new();
    let (mut child, _lines, addresses) = start_kept(&folder);
    assert_eq!(
        addresses.iter().filter(|address| is_listening(address)).count(),
        3,
        "the demo has lost one daemon on purpose"
    );
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!addresses.iter().any(|address| is_listening(address)));
    assert_eq!(names_in(&folder.0), [""; 0]);
}

#[test]
fn the_daemons_of_a_demo_that_is_killed_end_too() {
    let folder = Folder::new();
    let (mut child, _lines, addresses) = start_kept(&folder);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for(|| (!addresses.iter().any(|address| is_listening(address))).then_some(()));
}
