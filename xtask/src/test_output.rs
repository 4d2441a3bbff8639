//! Parser for the output of `cargo test`: sums the counts of test binaries by crate.
//!
//! It reads lines of text; `test` starts the process that writes them.

use std::collections::BTreeMap;

use cargo_metadata::Message;

use crate::test_counts::TestCounts;

/// Treatment of a line that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Text for the terminal.
    Show,
    /// A JSON message from cargo to this program.
    Hide,
}

/// Sums the results of a test run by crate.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Crate names by package id.
    packages: BTreeMap<String, String>,
    /// Crate names by library name, for the doctests.
    libraries: BTreeMap<String, String>,
    /// Crate names by file name of the test binary.
    binaries: BTreeMap<String, String>,
    /// Name of the crate whose results follow.
    current: Option<String>,
    by_crate: BTreeMap<String, TestCounts>,
}

impl Output {
    /// Starts with `(package id, crate name)` and `(library name, crate name)` pairs.
    pub(crate) fn new(
        packages: impl IntoIterator<Item = (String, String)>,
        libraries: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self {
            packages: packages.into_iter().collect(),
            libraries: libraries.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Reads the next line, in the order in which cargo and the tests wrote them.
    pub(crate) fn read(&mut self, line: &str) -> Line {
        if line.starts_with("{\"reason\":") {
            self.note_binary(line);
            return Line::Hide;
        }
        let line = without_colour(line);
        let line = line.trim();
        if let Some(name) = line.strip_prefix("Doc-tests ") {
            self.current = self.libraries.get(name).cloned();
        } else if let Some(file) = running(line) {
            self.current = self.binaries.get(file).cloned();
        } else if let Some(tally) = TestCounts::of_result_line(line) {
            let name = self.current.clone().unwrap_or_else(|| "(unknown)".to_owned());
            *self.by_crate.entry(name).or_default() += tally;
        }
        Line::Show
    }

    /// The sums by crate name.
    pub(crate) fn by_crate(&self) -> &BTreeMap<String, TestCounts> {
        &self.by_crate
    }

    /// The sum over all crates.
    pub(crate) fn total(&self) -> TestCounts {
        let mut total = TestCounts::default();
        for tally in self.by_crate.values() {
            total += *tally;
        }
        total
    }

    fn note_binary(&mut self, line: &str) {
        let Ok(Message::CompilerArtifact(artifact)) = serde_json::from_str(line) else { return };
        let Some(file) = artifact.executable.as_ref().and_then(|path| path.file_name()) else { return };
        if let Some(name) = self.packages.get(&artifact.package_id.repr) {
            self.binaries.insert(file.to_owned(), name.clone());
        }
    }
}

/// The file name in `Running tests/laws.rs (target/debug/deps/laws-0123456789abcdef)`.
fn running(line: &str) -> Option<&str> {
    let path = line.strip_prefix("Running ")?.strip_suffix(')')?.rsplit_once('(')?.1;
    path.rsplit(['/', '\\']).next()
}

/// The line without the escape sequences that set colours.
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_codes, after)| after);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str = "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out";

    fn artifact(package: &str, file: &str) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","package_id":"{package}","manifest_path":"/p/Cargo.toml","target":{{"kind":["test"],"crate_types":["bin"],"name":"laws","src_path":"/p/tests/laws.rs","edition":"2024","doc":false,"doctest":false,"test":true}},"profile":{{"opt_level":"0","debuginfo":2,"debug_assertions":true,"overflow_checks":true,"test":true}},"features":[],"filenames":["/t/{file}"],"executable":"/t/{file}","fresh":true}}"#
        )
    }

    fn output() -> Output {
        let pairs = |list: &[(&str, &str)]| {
            list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>()
        };
        Output::new(pairs(&[("id-a", "a"), ("id-b", "b")]), pairs(&[("a", "a"), ("b", "b")]))
    }

    #[test]
    fn results_go_to_the_crate_of_the_binary() {
        let mut output = output();
        // Both crates have a test target of the same name: only the file names differ.
        assert_eq!(output.read(&artifact("id-a", "laws-aa")), Line::Hide);
        assert_eq!(output.read(&artifact("id-b", "laws-bb")), Line::Hide);
        for line in [
            "     Running tests/laws.rs (target/debug/deps/laws-bb)",
            RESULT,
            "     \u{1b}[1m\u{1b}[92mRunning\u{1b}[0m tests/laws.rs (target/debug/deps/laws-aa)",
            RESULT,
            "   Doc-tests a",
            RESULT,
        ] {
            assert_eq!(output.read(line), Line::Show);
        }
        assert_eq!(output.by_crate()["a"], TestCounts { passed: 4, failed: 0, skipped: 2 });
        assert_eq!(output.by_crate()["b"], TestCounts { passed: 2, failed: 0, skipped: 1 });
        assert_eq!(output.total(), TestCounts { passed: 6, failed: 0, skipped: 3 });
    }

    #[test]
    fn a_result_without_a_known_binary_still_counts() {
        let mut output = output();
        output.read("     Running unittests src/lib.rs (target/debug/deps/other-cc)");
        output.read(RESULT);
        assert_eq!(output.by_crate()["(unknown)"].passed, 2);
        assert_eq!(output.total().passed, 2);
    }

    #[test]
    fn colours_are_removed() {
        assert_eq!(without_colour("\u{1b}[1;32mok\u{1b}[0m."), "ok.");
        assert_eq!(without_colour("plain"), "plain");
    }
}
