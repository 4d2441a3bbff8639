//! Runs every script, and compares the transcripts with the committed ones. `GM_SCRIPTS=write`
//! updates them instead.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use gm_sim::broadcast::script;

#[test]
fn transcripts_match_their_scripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let writes = std::env::var_os("GM_SCRIPTS").is_some_and(|what| what == "write");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let output = script::run(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            script::run(&output).as_ref(),
            Ok(&output),
            "{name}: a second run gives another transcript"
        );
        if writes {
            fs::write(&file, output).unwrap();
        } else if output != text {
            let difference = text.lines().zip(output.lines()).find(|(before, now)| before != now);
            wrong.push(format!("{name}: {difference:?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{wrong:#?}\nGM_SCRIPTS=write cargo test -p gm-sim --test scripts updates the transcripts"
    );
}
