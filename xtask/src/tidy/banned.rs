//! Rule of banned names: in a pure crate sockets, clocks, threads, files and unordered maps; in the
//! other crates the wall clock.
//!
//! The rule compares paths as they are written; it does not resolve names.

use crate::finding::Finding;
use crate::lexer::{Kind, Token};
use crate::tables::BannedName;
use crate::tidy::modules::scan::test_lines;

/// Checks a file. `only_tests` is true if the file is compiled only for tests.
pub(crate) fn check(path: &str, tokens: &[Token], only_tests: bool, names: &[BannedName]) -> Vec<Finding> {
    let tests = test_lines(tokens);
    let mut findings = Vec::new();
    for used in paths(tokens) {
        let in_tests = only_tests || tests.iter().any(|lines| lines.contains(&used.line));
        let banned = names.iter().filter(|banned| banned.in_tests || !in_tests);
        for BannedName { name, why, .. } in banned.filter(|banned| used.contains(banned.name)) {
            findings.push(Finding::new(path, used.line, "banned-name", format!("`{name}`: {why}")));
        }
    }
    // Names in one brace group share its prefix, so a banned prefix gives the same finding twice.
    findings.sort();
    findings.dedup();
    findings
}

/// A path as written: `a::b::c`, or `a::b!`.
#[derive(Debug, PartialEq, Eq)]
struct Used<'a> {
    segments: Vec<&'a str>,
    is_macro: bool,
    line: usize,
}

impl Used<'_> {
    fn contains(&self, name: &str) -> bool {
        match name.strip_suffix('!') {
            Some(name) => self.is_macro && self.segments.last() == Some(&name),
            None => {
                let wanted: Vec<_> = name.split("::").collect();
                self.segments.windows(wanted.len()).any(|window| window == wanted)
            }
        }
    }
}

/// Every path in the tokens. A path in the braces of a `use` includes the prefix before the braces.
fn paths(tokens: &[Token]) -> Vec<Used<'_>> {
    let mut found = Vec::new();
    // The path before each open brace; empty if the brace is not part of a `use`.
    let mut prefixes: Vec<Vec<&str>> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let Some(first) = token.ident() else {
            match token.kind {
                Kind::Punct('{') => prefixes.push(Vec::new()),
                Kind::Punct('}') => drop(prefixes.pop()),
                _ => {}
            }
            at += 1;
            continue;
        };
        let mut segments = prefixes.last().cloned().unwrap_or_default();
        segments.push(first);
        at += 1;
        while is_separator(tokens, at)
            && let Some(next) = tokens.get(at + 2).and_then(Token::ident)
        {
            segments.push(next);
            at += 3;
        }
        if is_separator(tokens, at) && is_punct(tokens, at + 2, '{') {
            prefixes.push(segments.clone());
            at += 3;
        }
        let is_macro = is_punct(tokens, at, '!') && !is_punct(tokens, at + 1, '=');
        found.push(Used { segments, is_macro, line: token.line });
    }
    found
}

fn is_separator(tokens: &[Token], at: usize) -> bool {
    is_punct(tokens, at, ':') && is_punct(tokens, at + 1, ':')
}

fn is_punct(tokens: &[Token], at: usize, wanted: char) -> bool {
    tokens.get(at).is_some_and(|token| token.is_punct(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::tokens;
    use crate::tables::{BANNED_NAMES, WALL_CLOCK};

    fn lines(text: &str, only_tests: bool) -> Vec<usize> {
        let findings = check("a.rs", &tokens(text), only_tests, BANNED_NAMES);
        findings.into_iter().map(|finding| finding.line).collect()
    }

    /// A text in which the rule must find the name.
    fn written(name: &str) -> String {
        match name.strip_suffix('!') {
            Some(name) => format!("//! Doc.\nfn f() {{ {name}!(\"x\"); }}\n"),
            None => format!("//! Doc.\nuse {name};\n"),
        }
    }

    #[test]
    fn every_banned_name_is_caught() {
        for banned in BANNED_NAMES {
            assert_eq!(lines(&written(banned.name), false), [2], "{}", banned.name);
        }
    }

    #[test]
    fn the_wall_clock_is_caught_by_every_name() {
        for banned in WALL_CLOCK {
            let findings = check("a.rs", &tokens(&written(banned.name)), false, WALL_CLOCK);
            assert_eq!(findings.len(), 1, "{}", banned.name);
        }
        assert!(check("a.rs", &tokens("use std::time::Instant;"), false, WALL_CLOCK).is_empty());
    }

    #[test]
    fn tests_are_exempt_where_the_table_allows_it() {
        for banned in BANNED_NAMES {
            let expected: &[usize] = if banned.in_tests { &[2] } else { &[] };
            assert_eq!(lines(&written(banned.name), true), expected, "{}", banned.name);
        }
        let text = "use std::fs;\n#[cfg(test)]\nmod tests {\n use std::env;\n use std::time::Instant;\n}\n";
        assert_eq!(lines(text, false), [1, 5]);
    }

    #[test]
    fn comments_strings_and_longer_names_pass() {
        for text in [
            "// HashMap\n/* Instant */ let a = \"std::fs\";",
            "struct MyHashMap; fn instant() {} let std = fs;",
            "use core::time::Duration; use alloc::collections::BTreeMap;",
            "use foo::fs; let x = println != y; my_println!(\"x\");",
        ] {
            assert_eq!(lines(text, false), [0; 0], "{text}");
        }
    }

    #[test]
    fn names_in_grouped_uses_are_caught() {
        assert_eq!(
            lines("use std::{\n fmt,\n fs::{self, File},\n env as e,\n};\nfs::read();", false),
            [3, 4]
        );
        assert_eq!(lines("use std :: /* x */ fs ;", false), [1]);
        assert_eq!(lines("fn f() { std::thread::spawn(g) }", false), [1, 1]);
    }
}
