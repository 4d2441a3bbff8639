//! Runs every script, and compares what was said with what is written there. `GM_SCRIPTS=write`
//! writes it instead.

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
        let said = script::run(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(script::run(&said).as_ref(), Ok(&said), "{name} says another thing when it is run again");
        if writes {
            fs::write(&file, said).unwrap();
        } else if said != text {
            let difference = text.lines().zip(said.lines()).find(|(before, now)| before != now);
            wrong.push(format!("{name}: {difference:?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{wrong:#?}\nGM_SCRIPTS=write cargo test -p gm-sim --test scripts writes what is said now"
    );
}
