//! Rules for Markdown documents: named paths and crates exist, and links have a target.
//!
//! The caller passes a function that tests whether a path exists.

use crate::finding::Finding;

/// Checks that code spans that look like paths name a file or folder below the root.
pub(crate) fn named_paths(path: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in prose(text) {
        for span in split_code(line).1 {
            if looks_like_path(span) && !exists(span.trim_end_matches('/')) {
                findings.push(Finding::new(path, number, "named-path", format!("`{span}` does not exist")));
            }
        }
    }
    findings
}

/// Checks that a code span names each crate of the workspace.
pub(crate) fn members(path: &str, text: &str, members: &[&str]) -> Vec<Finding> {
    let spans: Vec<_> = prose(text).flat_map(|(_, line)| split_code(line).1).collect();
    let unnamed = members.iter().filter(|member| !spans.contains(member));
    unnamed
        .map(|member| Finding::new(path, 1, "named-crate", format!("the crate `{member}` is not named")))
        .collect()
}

/// Checks that links to local files lead to files in the tree.
pub(crate) fn links(path: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in prose(text) {
        let (plain, _) = split_code(line);
        for target in link_targets(&plain).filter(|target| is_local(target)) {
            let file = target.split('#').next().unwrap_or_default();
            if !resolve(path, file).is_some_and(|file| exists(&file)) {
                findings.push(Finding::new(path, number, "link", format!("`{target}` does not exist")));
            }
        }
    }
    findings
}

/// The lines outside of fenced code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fence: Option<&str> = None;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        match (fence, mark) {
            (None, Some(_)) => fence = mark,
            (Some(open), Some(close)) if open == close => fence = None,
            (None, None) => return Some((at + 1, line)),
            _ => {}
        }
        None
    })
}

/// A line without its code spans, and the spans.
fn split_code(line: &str) -> (String, Vec<&str>) {
    let mut plain = String::new();
    let mut spans = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.find('`') {
        let ticks = rest[start..].len() - rest[start..].trim_start_matches('`').len();
        let (before, after) = (&rest[..start], &rest[start + ticks..]);
        plain.push_str(before);
        let Some(end) = after.find(&rest[start..start + ticks]) else {
            rest = after;
            continue;
        };
        spans.push(after[..end].trim());
        // A placeholder, so that a link around a span remains a link.
        plain.push('x');
        rest = &after[end + ticks..];
    }
    plain.push_str(rest);
    (plain, spans)
}

fn looks_like_path(span: &str) -> bool {
    let ends = [".md", ".rs", ".toml", ".json"].iter().any(|end| span.ends_with(end));
    // An absolute path is not below the root.
    let other = ["-", "http", "/"].iter().any(|start| span.starts_with(start));
    let pattern = span.contains([' ', '*', '<', '$']) || span.contains("::");
    (span.contains('/') || ends) && !other && !pattern
}

/// The targets of `[text](target)` and of `[label]: target`.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let definition = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "));
    let targets = inline.chain(definition.map(|(_, target)| target));
    // The text after the first blank is a title.
    targets.filter_map(|target| target.split_whitespace().next())
}

fn is_local(target: &str) -> bool {
    let scheme = target.contains("://") || target.starts_with("mailto:");
    !scheme && !target.starts_with('#')
}

/// The path of a link's target relative to the root, for a link in the file `from`; `None` if it
/// leaves the root.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<_> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exists(path: &str) -> bool {
        ["README.md", "docs", "docs/WIRE.md", "gm/src/lib.rs"].contains(&path)
    }

    fn messages(findings: Vec<Finding>) -> Vec<String> {
        findings.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn missing_paths_are_caught() {
        let text = "See `README.md`, `docs/` and `gm/src/old.rs`.\n\nAlso ``docs/GONE.md``.\n";
        let found = named_paths("ARCHITECTURE.md", text, &exists);
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(messages(found), ["`gm/src/old.rs` does not exist", "`docs/GONE.md` does not exist"]);
    }

    #[test]
    fn other_code_is_not_a_path() {
        let text = "`cargo test a/b` `a::b/c` `--x/y` `https://x/y` `src/*.rs` `<a/b>` `$A/b` `/dev/null` `x`\n\
            ```\n`gone/file.rs`\n```\nand gone/file.rs without ticks\n";
        assert_eq!(messages(named_paths("a.md", text, &exists)), [""; 0]);
    }

    #[test]
    fn unnamed_crates_are_caught() {
        let text = "`gm` is here, gm-clock is not in ticks, `gm-data-x` is another.";
        assert_eq!(
            messages(members("a.md", text, &["gm", "gm-clock", "gm-data"])),
            ["the crate `gm-clock` is not named", "the crate `gm-data` is not named"]
        );
    }

    #[test]
    fn dead_links_are_caught() {
        let text =
            "[a](GONE.md) [b](WIRE.md#part) [`c`](../README.md \"title\") [d](../../out.md)\n[e]: no.md\n";
        assert_eq!(
            messages(links("docs/INDEX.md", text, &exists)),
            ["`GONE.md` does not exist", "`../../out.md` does not exist", "`no.md` does not exist"]
        );
    }

    #[test]
    fn external_links_are_not_checked() {
        let text =
            "[a](https://x.org/y.md) [b](#part) [c](mailto:x@y.z) `[d](gone.md)`\n```\n[e](gone.md)\n```\n";
        assert_eq!(messages(links("a.md", text, &exists)), [""; 0]);
    }

    #[test]
    fn a_lone_tick_hides_nothing() {
        let (plain, spans) = split_code("a ` b [c](d)");
        assert_eq!((plain.as_str(), spans.len()), ("a  b [c](d)", 0));
    }
}
