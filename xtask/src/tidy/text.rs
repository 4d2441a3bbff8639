//! Rules for the text of one file: its first line, its size, leftover markers, paths of one
//! machine.

use crate::finding::Finding;
use crate::tables::{MACHINE_PATHS, MARKERS, MAX_LINES, OUTSIDE_FOLDER};

/// Checks all rules of this module on a file.
pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if path.ends_with(".rs") {
        findings.extend(module_doc(path, text));
        findings.extend(size(path, text));
        findings.extend(markers(path, text));
    }
    findings.extend(outside(path, text));
    findings
}

/// Checks that a source file begins with a module page.
fn module_doc(path: &str, text: &str) -> Option<Finding> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let good = first.strip_prefix("//!").is_some_and(|doc| !doc.trim().is_empty());
    (!good).then(|| Finding::new(path, 1, "module-doc", "the file must begin with a `//!` module doc"))
}

/// Checks the number of lines: a source file has one subject.
fn size(path: &str, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    let message = || format!("{lines} lines, {MAX_LINES} are allowed");
    (lines > MAX_LINES).then(|| Finding::new(path, MAX_LINES + 1, "size", message()))
}

/// Checks that there are no markers of unfinished work.
fn markers(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, content) in numbered(text) {
        for marker in MARKERS.iter().filter(|marker| has_word(content, marker)) {
            findings.push(Finding::new(path, line, "marker", format!("`{marker}` is left over")));
        }
    }
    findings
}

/// Checks that a file names no path outside the checkout.
fn outside(path: &str, text: &str) -> Vec<Finding> {
    let ends = |list: &[&str]| list.iter().any(|end| path.ends_with(end));
    let reads = ends(&[".rs", ".toml", ".json", ".sh"]) || path == ".ci/run";
    let names = reads || path.ends_with(".md");
    let mut findings = Vec::new();
    for (line, content) in numbered(text) {
        if reads && content.contains(OUTSIDE_FOLDER) {
            findings.push(Finding::new(path, line, "outside", format!("names `{OUTSIDE_FOLDER}`")));
        }
        for place in MACHINE_PATHS.iter().filter(|place| names && has_absolute(content, place)) {
            let message = format!("`{place}` is a path of one machine");
            findings.push(Finding::new(path, line, "outside", message));
        }
    }
    findings
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

/// Whether the line has the word as a whole, not as a part of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let open = |c: Option<char>| !c.is_some_and(|c| c == '_' || c.is_alphanumeric());
        open(before) && (word.ends_with('!') || open(after))
    })
}

/// Whether the line has the path as an absolute one, not as the middle of another path.
fn has_absolute(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "_-.*)}]>".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(findings: &[Finding]) -> Vec<usize> {
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_file_without_module_doc_is_caught() {
        for text in ["", "use a;\n//! Late.", "// Not a doc.\n", "#![no_std]\n//! Late.", "//!\nuse a;"] {
            assert!(module_doc("a.rs", text).is_some(), "{text}");
        }
        assert_eq!(module_doc("a.rs", "\n//! What it is.\nuse a;"), None);
    }

    #[test]
    fn a_long_file_is_caught() {
        assert_eq!(size("a.rs", &"x\n".repeat(MAX_LINES)), None);
        assert!(size("a.rs", &"x\n".repeat(MAX_LINES + 1)).is_some());
    }

    #[test]
    fn each_marker_is_caught_in_code_and_comments() {
        for marker in MARKERS {
            let text = format!("//! Doc.\n// {marker} later\nlet x = {marker}();\n");
            assert_eq!(lines_of(&markers("a.rs", &text)), [2, 3], "{marker}");
        }
    }

    #[test]
    fn longer_words_are_not_markers() {
        for marker in MARKERS.iter().filter(|marker| !marker.ends_with('!')) {
            assert!(markers("a.rs", &format!("{marker}S my_{marker} {marker}_1")).is_empty());
        }
        assert!(markers("a.rs", &format!("my{}", MARKERS[3])).is_empty());
    }

    #[test]
    fn the_folder_beside_the_checkout_is_caught() {
        let text = format!("a\npath = \"{OUTSIDE_FOLDER}/x\"\n");
        for path in ["a.rs", "a/Cargo.toml", "a.json", "a.sh", ".ci/run"] {
            assert_eq!(lines_of(&outside(path, &text)), [2], "{path}");
        }
        assert!(outside("a.md", &text).is_empty(), "a document may name it");
        assert!(outside("a.rs", "shared/x").is_empty());
    }

    #[test]
    fn machine_paths_are_caught() {
        for place in MACHINE_PATHS {
            for path in ["a.rs", "a.toml", "a.md", "a.json", "a.sh", ".ci/run"] {
                let text = format!("a\ncd {place}x or \"{place}y\"\n");
                assert_eq!(lines_of(&outside(path, &text)), [2], "{path} {place}");
            }
            assert!(outside("a.rs", &format!("frame{place}x ..{place}x")).is_empty(), "relative paths");
        }
    }

    #[test]
    fn only_source_files_need_a_doc() {
        assert!(check("a.md", "text\n").is_empty());
        assert_eq!(check("a.rs", "text\n").len(), 1);
    }
}
