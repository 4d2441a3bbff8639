//! Prose ratchet: counts phrases that make comments and messages hard to read, and compares the
//! counts with `xtask/prose.toml`.
//!
//! `tidy` counts each pattern in the comments, string literals and Markdown of each folder. A count
//! may only fall: a greater one is a finding, and `cargo xtask tidy --lower` writes smaller ones to
//! the file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use regex::Regex;

use crate::finding::Finding;
use crate::lexer::{Kind, Token};
use crate::tables::{FRAGMENT, MAX_COMMENT, MAX_TEST_NAME, PROSE};
use crate::tidy::modules::scan::test_lines;

/// The file of the committed counts.
pub(crate) const FILE: &str = "xtask/prose.toml";

/// The places of all hits of one pattern in one folder.
type Hits = Vec<(String, usize)>;

/// The hits by folder and by the name of the pattern.
#[derive(Debug, Default)]
pub(crate) struct Prose {
    hits: BTreeMap<String, BTreeMap<&'static str, Hits>>,
    findings: Vec<Finding>,
}

static PATTERNS: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    let compile = |pattern: &str| Regex::new(pattern).expect("a pattern of the table compiles");
    PROSE.iter().map(|(name, pattern)| (*name, compile(pattern))).collect()
});

/// Name of the count of doc comments that begin with a bare fragment.
const FRAGMENT_NAME: &str = "bare-fragment";

impl Prose {
    /// Counts the hits of a Rust file; `tokens` are the tokens of its text.
    pub(crate) fn rust(&mut self, path: &str, text: &str, tokens: &[Token]) {
        let mut in_doc = false;
        for (at, line) in text.lines().enumerate() {
            let comment = Comment::of(line);
            if let Some(comment) = &comment {
                self.line(path, at + 1, comment.text);
                if comment.is_doc && !in_doc && FRAGMENT.contains(&first_word(comment.text)) {
                    self.hit(path, FRAGMENT_NAME, at + 1);
                }
                if line.chars().count() > MAX_COMMENT && !comment.text.starts_with('|') {
                    let message = format!("a comment has at most {MAX_COMMENT} columns");
                    self.findings.push(Finding::new(path, at + 1, "comment-width", message));
                }
            }
            in_doc = comment.is_some_and(|comment| comment.is_doc);
        }
        let tests = test_lines(tokens);
        let in_tests =
            |line: usize| path.contains("tests") || tests.iter().any(|lines| lines.contains(&line));
        for token in tokens {
            match &token.kind {
                Kind::Str(text) if text.contains(' ') && !in_tests(token.line) => {
                    self.line(path, token.line, text);
                }
                Kind::Ident(name) if name.len() > MAX_TEST_NAME && name.contains('_') => {
                    let message = format!("`{name}` has more than {MAX_TEST_NAME} characters");
                    self.findings.push(Finding::new(path, token.line, "name-length", message));
                }
                _ => {}
            }
        }
    }

    /// Counts the hits of a page of Markdown.
    pub(crate) fn markdown(&mut self, path: &str, text: &str) {
        for (at, line) in text.lines().enumerate() {
            self.line(path, at + 1, line);
        }
    }

    fn line(&mut self, path: &str, line: usize, text: &str) {
        for (name, pattern) in PATTERNS.iter() {
            for _ in pattern.find_iter(text) {
                self.hit(path, name, line);
            }
        }
    }

    fn hit(&mut self, path: &str, name: &'static str, line: usize) {
        let folder = path.split_once('/').map_or(".", |(folder, _)| folder);
        let hits = self.hits.entry(folder.to_owned()).or_default().entry(name).or_default();
        hits.push((path.to_owned(), line));
    }

    /// Compares the counts with the committed ones. The findings of a count that is too high show
    /// the places of all its hits.
    pub(crate) fn compare(self, committed: &str) -> Result<Vec<Finding>> {
        let committed: BTreeMap<String, BTreeMap<String, usize>> =
            toml::from_str(committed).with_context(|| format!("in {FILE}"))?;
        let allowed = |folder: &str, name: &str| {
            committed.get(folder).and_then(|counts| counts.get(name)).copied().unwrap_or(0)
        };
        let mut findings = self.findings;
        for (folder, patterns) in &self.hits {
            for (name, hits) in patterns {
                let limit = allowed(folder, name);
                if hits.len() > limit {
                    let message = format!("{} in `{folder}`, at most {limit} are allowed", hits.len());
                    let places = hits.iter().map(|(path, line)| Finding::new(path, *line, name, &message));
                    findings.extend(places);
                }
            }
        }
        for (folder, counts) in &committed {
            for (name, limit) in counts {
                let count =
                    self.hits.get(folder).and_then(|hits| hits.get(name.as_str())).map_or(0, Vec::len);
                if count < *limit {
                    let message = format!(
                        "{name} in `{folder}` fell from {limit} to {count}: run `cargo xtask tidy --lower`"
                    );
                    findings.push(Finding::new(FILE, 1, "ratchet", message));
                }
            }
        }
        Ok(findings)
    }

    /// The new text of the file of counts: the minimum of each committed and present count. Without
    /// a committed file, the present counts.
    pub(crate) fn lowered(&self, committed: Option<&str>) -> Result<String> {
        let committed: Option<BTreeMap<String, BTreeMap<String, usize>>> =
            committed.map(toml::from_str).transpose().with_context(|| format!("in {FILE}"))?;
        let mut text = String::from(HEAD);
        for (folder, patterns) in &self.hits {
            let limit = |name: &str| match &committed {
                Some(counts) => counts.get(folder).and_then(|counts| counts.get(name)).copied().unwrap_or(0),
                None => usize::MAX,
            };
            let counts = patterns.iter().map(|(name, hits)| (name, hits.len().min(limit(name))));
            let counts: Vec<_> = counts.filter(|(_, count)| *count > 0).collect();
            if counts.is_empty() {
                continue;
            }
            let _ = write!(text, "\n[\"{folder}\"]\n");
            for (name, count) in counts {
                let _ = writeln!(text, "{name} = {count}");
            }
        }
        Ok(text)
    }
}

const HEAD: &str = "# How often each pattern of `PROSE` in `xtask/src/tables.rs` occurs in each folder. A count may only fall:
# `cargo xtask tidy` reports a greater one, and `cargo xtask tidy --lower` rewrites this file after a smaller one.
";

/// A comment on a line of its own.
struct Comment<'a> {
    text: &'a str,
    is_doc: bool,
}

impl<'a> Comment<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let line = line.trim_start();
        let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        let text = doc.or_else(|| line.strip_prefix("//"))?;
        Some(Self { text: text.trim(), is_doc: doc.is_some() })
    }
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer;

    fn rust(text: &str) -> Prose {
        let mut prose = Prose::default();
        prose.rust("a/src/b.rs", text, &lexer::tokens(text));
        prose
    }

    fn count(text: &str, name: &str) -> usize {
        rust(text).hits.get("a").and_then(|hits| hits.get(name)).map_or(0, Vec::len)
    }

    #[test]
    fn each_pattern_matches_its_example_only() {
        for (name, bad, good) in [
            ("whoever", "for whoever asks", "for a peer that asks"),
            ("headless-who", "Sent first. Who is new", "a peer who is new"),
            ("is-said", "the name is told", "the peer sends the name"),
            ("so-many", "waits so long", "so long as it runs, so many that it ends"),
            ("somebody", "somebody has it", "a member has it"),
            ("knows-nothing", "Knows nothing of sockets", "uses no socket"),
        ] {
            assert_eq!(count(&format!("// {bad}\n"), name), 1, "{bad}");
            assert_eq!(count(&format!("fn f() {{ let x = \"{bad}\"; }}\n"), name), 1, "{bad}");
            assert_eq!(count(&format!("// {good}\n"), name), 0, "{good}");
        }
    }

    #[test]
    fn a_doc_comment_begins_with_no_bare_fragment() {
        assert_eq!(count("/// What it is.\nstruct A;", FRAGMENT_NAME), 1);
        assert_eq!(count("/// A peer.\n/// What follows is a sentence.\nstruct A;", FRAGMENT_NAME), 0);
        assert_eq!(count("// What it is.\nstruct A;", FRAGMENT_NAME), 0);
    }

    #[test]
    fn strings_of_tests_are_not_counted() {
        assert_eq!(count("#[cfg(test)]\nmod tests { fn f() { g(\"it is told\"); } }", "is-said"), 0);
    }

    #[test]
    fn wide_comments_and_long_names_are_findings() {
        assert_eq!(rust(&format!("// {}\n", "x".repeat(MAX_COMMENT - 3))).findings, []);
        assert_eq!(rust(&format!("// {}\n", "x".repeat(MAX_COMMENT - 2))).findings.len(), 1);
        assert_eq!(rust(&format!("fn a_{}() {{}}\n", "x".repeat(MAX_TEST_NAME - 1))).findings.len(), 1);
    }

    #[test]
    fn counts_may_fall_and_not_rise() {
        let prose = || rust("// it is told\n// it was said\n");
        let lowered = prose().lowered(None).expect("no file is read");
        assert_eq!(prose().compare(&lowered).expect("it is TOML"), []);
        assert_eq!(prose().compare("").expect("it is TOML").len(), 2);
        let findings = prose().compare("[a]\nis-said = 3\n").expect("it is TOML");
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].path, FILE);
        let lower = prose().lowered(Some("[a]\nis-said = 1\n")).expect("it is TOML");
        assert!(lower.ends_with("[\"a\"]\nis-said = 1\n"), "{lower}");
    }
}
