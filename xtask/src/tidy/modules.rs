//! Module tree of a crate: finds the source files that the compiler reads, and those that it reads
//! only for tests.
//!
//! It follows `mod` declarations from the targets of a crate, as the Rust reference describes them.
//! Its input is tokens and paths relative to the root.

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::lexer::Token;
use crate::tidy::modules::scan::{Declared, declared};

pub(crate) mod scan;

/// Whether a path is a Rust file of the crate in `folder`, in a place where cargo looks for
/// targets.
pub(crate) fn belongs_to(path: &str, folder: &str) -> bool {
    let Some(below) = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) else { return false };
    let place = below.split('/').next().unwrap_or_default();
    let looked_at = ["src", "tests", "benches", "examples", "build.rs"].contains(&place);
    looked_at && path.ends_with(".rs")
}

/// The files reached from the roots. The value is true if only test-only declarations reach the
/// file.
pub(crate) fn reach(
    roots: impl IntoIterator<Item = String>,
    files: &BTreeMap<&str, Vec<Token>>,
) -> BTreeMap<String, bool> {
    let mut reached = BTreeMap::new();
    let mut waiting: Vec<_> = roots.into_iter().map(|path| (path, true, false)).collect();
    while let Some((path, is_root, only_tests)) = waiting.pop() {
        let Some(tokens) = files.get(path.as_str()) else { continue };
        // A file seen before matters again only if it is now reached outside of tests.
        if reached.get(&path).is_some_and(|before| only_tests || !before) {
            continue;
        }
        for module in declared(tokens) {
            let candidates = candidates(&path, is_root, &module);
            if let Some(file) = candidates.into_iter().find(|file| files.contains_key(file.as_str())) {
                waiting.push((file, false, only_tests || module.only_tests));
            }
        }
        reached.insert(path, only_tests);
    }
    reached
}

/// A finding for every file that no target reaches.
pub(crate) fn dead(files: &BTreeMap<&str, Vec<Token>>, reached: &BTreeMap<String, bool>) -> Vec<Finding> {
    let dead = files.keys().filter(|path| !reached.contains_key(**path));
    dead.map(|path| Finding::new(path, 1, "dead-file", "no target reaches this file")).collect()
}

/// The possible files of a declaration in `path`.
fn candidates(path: &str, is_root: bool, module: &Declared) -> Vec<String> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let owns_folder = is_root || file == "mod.rs";
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let mut below: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();

    // A path attribute outside of inline modules is relative to the folder of the file.
    let beside = module.path.is_some() && module.inside.is_empty();
    if !owns_folder && !beside {
        below.push(stem);
    }
    below.extend(module.inside.iter().map(String::as_str));
    let join = |tail: &str| {
        let mut parts = below.clone();
        for part in tail.split('/') {
            match part {
                "." => {}
                ".." => drop(parts.pop()),
                _ => parts.push(part),
            }
        }
        parts.join("/")
    };
    match &module.path {
        Some(path) => vec![join(path)],
        None => vec![join(&format!("{}.rs", module.name)), join(&format!("{}/mod.rs", module.name))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::tokens;

    type Files<'a> = &'a [(&'a str, &'a str)];

    fn reached(roots: &[&str], files: Files<'_>) -> BTreeMap<String, bool> {
        let files = files.iter().map(|(path, text)| (*path, tokens(text))).collect();
        reach(roots.iter().map(|root| (*root).to_owned()), &files)
    }

    /// The files that are not reached.
    fn dead_files(roots: &[&str], files: Files<'_>) -> Vec<String> {
        let tokens = files.iter().map(|(path, text)| (*path, tokens(text))).collect();
        dead(&tokens, &reached(roots, files)).into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn modules_are_followed_down() {
        let files: Files<'_> = &[
            ("c/src/lib.rs", "mod a; pub mod b; pub(crate) mod d { mod e; }"),
            ("c/src/a.rs", "mod x;"),
            ("c/src/a/x.rs", ""),
            ("c/src/b/mod.rs", "mod y;"),
            ("c/src/b/y.rs", ""),
            ("c/src/d/e.rs", ""),
        ];
        assert_eq!(dead_files(&["c/src/lib.rs"], files), [""; 0]);
    }

    #[test]
    fn dead_files_are_caught() {
        let files: Files<'_> = &[
            ("c/src/lib.rs", "mod a; // mod b;\nconst TEXT: &str = \"mod b;\";"),
            ("c/src/a.rs", ""),
            ("c/src/b.rs", ""),
            // A declaration in a.rs would need the file a/x.rs.
            ("c/src/x.rs", ""),
            ("c/tests/it.rs", ""),
            ("c/tests/helpers/mod.rs", ""),
        ];
        assert_eq!(
            dead_files(&["c/src/lib.rs", "c/tests/it.rs"], files),
            ["c/src/b.rs", "c/src/x.rs", "c/tests/helpers/mod.rs"]
        );
    }

    #[test]
    fn other_targets_are_roots_that_own_their_folder() {
        let files: Files<'_> = &[
            ("c/tests/it.rs", "mod helpers;"),
            ("c/tests/helpers/mod.rs", ""),
            ("c/tests/big/main.rs", "mod part;"),
            ("c/tests/big/part.rs", ""),
        ];
        assert_eq!(dead_files(&["c/tests/it.rs", "c/tests/big/main.rs"], files), [""; 0]);
    }

    #[test]
    fn path_attributes_are_followed() {
        let files: Files<'_> = &[
            ("c/src/lib.rs", "mod a; #[path = \"odd/name.rs\"] mod b;"),
            ("c/src/a.rs", "#[path = \"near.rs\"] mod n; mod inner { #[path = \"../far.rs\"] mod f; }"),
            ("c/src/near.rs", ""),
            ("c/src/a/far.rs", ""),
            ("c/src/odd/name.rs", ""),
            ("c/src/b.rs", ""),
        ];
        assert_eq!(dead_files(&["c/src/lib.rs"], files), ["c/src/b.rs"]);
    }

    #[test]
    fn test_only_files_are_recognised() {
        let files: Files<'_> = &[
            ("c/src/lib.rs", "mod a; #[cfg(test)] mod tests; #[cfg(test)] mod both; mod z;"),
            ("c/src/a.rs", ""),
            ("c/src/tests.rs", "mod deep;"),
            ("c/src/tests/deep.rs", ""),
            ("c/src/both.rs", "mod under;"),
            ("c/src/both/under.rs", ""),
            ("c/src/z.rs", "#[path = \"both.rs\"] mod both;"),
        ];
        let reached = reached(&["c/src/lib.rs"], files);
        let only_tests: Vec<_> = reached.iter().filter(|(_, only)| **only).map(|(path, _)| path).collect();
        assert_eq!(only_tests, ["c/src/tests.rs", "c/src/tests/deep.rs"]);
        assert_eq!(reached.len(), files.len());
    }

    #[test]
    fn only_target_folders_belong_to_a_crate() {
        assert!(belongs_to("c/src/a/b.rs", "c") && belongs_to("c/build.rs", "c"));
        assert!(!belongs_to("c/fixtures/a.rs", "c") && !belongs_to("c/src/a.txt", "c"));
        assert!(!belongs_to("cc/src/a.rs", "c"));
    }
}
