//! `cargo xtask vectors`: regenerates the vector files, or compares them with the committed ones.
//!
//! The tests that own the files write them; this module starts those tests. It reads a vector file
//! as lists of cases by name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::tables::VECTOR_TESTS;
use crate::workspace::{Workspace, status};

const FOLDER: &str = "vectors";
const SCRATCH: &str = "target/vectors";

/// Texts of files by crate and file name.
type Files = BTreeMap<(String, String), String>;

/// Writes all files, or with `check` writes them to a scratch folder and compares. Returns whether
/// all is well.
pub(crate) fn run(ws: &Workspace, check: bool) -> Result<bool> {
    let committed = files(ws, |name| ws.root().join(name).join(FOLDER))?;
    let scratch = ws.root().join(SCRATCH);
    let mut command = ws.cargo("test --quiet --workspace --all-features");
    for test in VECTOR_TESTS {
        command.args(["--test", test]);
    }
    command.env("GM_VECTORS", "write").env_remove("GM_VECTORS_DIR");
    if check {
        // Otherwise files of an earlier run would count as files of this one.
        match std::fs::remove_dir_all(&scratch) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).context("cannot empty the scratch folder");
            }
            _ => {}
        }
        command.env("GM_VECTORS_DIR", &scratch);
    }
    if !status(&mut command)?.success() {
        println!("a test that writes vectors failed");
        return Ok(false);
    }
    let written = match check {
        true => files(ws, |name| scratch.join(name))?,
        false => files(ws, |name| ws.root().join(name).join(FOLDER))?,
    };
    let mut good = true;
    let names: BTreeSet<_> = committed.keys().chain(written.keys()).collect();
    for name in names {
        let place = format!("{}/{FOLDER}/{}", name.0, name.1);
        match compare(committed.get(name).map(String::as_str), written.get(name).map(String::as_str))? {
            Compared::Equal(cases) => println!("{place:<36} {cases:>5} cases"),
            Compared::Differs(why) if check => {
                println!("{place}: {why}; if this is intended: cargo xtask vectors");
                good = false;
            }
            Compared::Differs(why) => println!("{place}: written; {why}"),
        }
    }
    Ok(good)
}

/// The vector files of all crates.
fn files(ws: &Workspace, folder: impl Fn(&str) -> std::path::PathBuf) -> Result<Files> {
    let mut files = Files::new();
    for member in ws.members() {
        for (name, text) in read_folder(&folder(&member.name))? {
            files.insert((member.name.to_string(), name), text);
        }
    }
    Ok(files)
}

/// Names and texts of the files in a folder; empty if there is no folder.
fn read_folder(folder: &Path) -> Result<Vec<(String, String)>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot list {}", folder.display()))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.context("cannot read a folder of vectors")?.path();
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push((name, text));
    }
    Ok(files)
}

#[derive(Debug, PartialEq, Eq)]
enum Compared {
    /// The files are equal; the number of cases.
    Equal(usize),
    /// The files differ; a description of the first difference.
    Differs(String),
}

fn compare(committed: Option<&str>, written: Option<&str>) -> Result<Compared> {
    let difference = match (committed, written) {
        (Some(old), Some(new)) if old == new => return Ok(Compared::Equal(cases(&parse(new)?))),
        (Some(old), Some(new)) => first_difference(&parse(old)?, &parse(new)?),
        (Some(_), None) => {
            "no test writes this file; VECTOR_TESTS in xtask/src/tables.rs lists the tests that do".to_owned()
        }
        (None, _) => "no such file was committed".to_owned(),
    };
    Ok(Compared::Differs(difference))
}

fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text).context("a file of vectors is not JSON")
}

/// The lists of a file by name.
fn lists(file: &Value) -> impl Iterator<Item = (&String, &Vec<Value>)> {
    file.as_object().into_iter().flatten().filter_map(|(name, value)| Some((name, value.as_array()?)))
}

fn cases(file: &Value) -> usize {
    lists(file).map(|(_, list)| list.len()).sum()
}

/// A description of the first case that differs.
fn first_difference(old: &Value, new: &Value) -> String {
    for (name, written) in lists(new) {
        let committed = old[name.as_str()].as_array().map_or(&[][..], Vec::as_slice);
        let same = committed.iter().zip(written).take_while(|(old, new)| old == new).count();
        if same < committed.len().max(written.len()) {
            let counts = match committed.len() == written.len() {
                true => String::new(),
                false => format!(" ({} cases committed, {} written)", committed.len(), written.len()),
            };
            return format!("case {same} of {name:?} differs{counts}");
        }
    }
    match old == new {
        true => "the same cases in another notation".to_owned(),
        false => "the text around the cases differs".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(old: &str, new: &str) -> String {
        match compare(Some(old), Some(new)).expect("both are JSON") {
            Compared::Differs(why) => why,
            Compared::Equal(cases) => panic!("{cases} equal cases"),
        }
    }

    #[test]
    fn equal_files_are_counted() {
        let file = r#"{"note": "n", "a": [1, 2], "b": [3]}"#;
        assert_eq!(compare(Some(file), Some(file)).expect("JSON"), Compared::Equal(3));
    }

    #[test]
    fn the_first_case_that_differs_is_named() {
        assert_eq!(differs(r#"{"a": [1, 2, 3]}"#, r#"{"a": [1, 5, 6]}"#), "case 1 of \"a\" differs");
        assert_eq!(
            differs(r#"{"a": [1], "b": [2]}"#, r#"{"a": [1], "b": [2, 3]}"#),
            "case 1 of \"b\" differs (1 cases committed, 2 written)"
        );
        assert_eq!(
            differs(r#"{"a": [1, 2]}"#, r#"{"a": [1]}"#),
            "case 1 of \"a\" differs (2 cases committed, 1 written)"
        );
    }

    #[test]
    fn the_text_around_the_cases_is_compared_too() {
        let file = r#"{"note": "n", "a": [1]}"#;
        assert_eq!(differs(r#"{"note": "o", "a": [1]}"#, file), "the text around the cases differs");
        assert_eq!(differs(r#"{"note":"n","a":[1]}"#, file), "the same cases in another notation");
    }

    #[test]
    fn a_file_on_one_side_only_is_found() {
        assert!(
            matches!(compare(None, Some("{}")), Ok(Compared::Differs(why)) if why == "no such file was committed")
        );
        assert!(
            matches!(compare(Some("{}"), None), Ok(Compared::Differs(why)) if why.starts_with("no test writes"))
        );
    }
}
