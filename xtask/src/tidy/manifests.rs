//! Rules for manifests: the settings that crates inherit from the root, and the Rust version.

use toml::{Table, Value};

use crate::finding::Finding;

const INHERITED: &[&str] = &["edition", "rust-version", "license"];
const DEPENDENCIES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// Checks that a crate's manifest inherits its versions, lints and licence from the root.
pub(crate) fn inherits(path: &str, text: &str) -> Vec<Finding> {
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::new(path, 1, "manifest", format!("cannot be read: {error}"))],
    };
    let mut findings = Vec::new();
    let mut find = |line, message| findings.push(Finding::new(path, line, "manifest", message));

    for key in INHERITED {
        let value = manifest.get("package").and_then(|package| package.get(key));
        if !value.is_some_and(is_workspace) {
            find(line_of(text, key), format!("`{key}.workspace = true` is expected"));
        }
    }
    if !manifest.get("lints").is_some_and(is_workspace) {
        find(line_of(text, "[lints"), "`[lints] workspace = true` is expected".to_owned());
    }
    for (name, value) in dependencies(&manifest) {
        let alone = ["version", "path", "git", "registry", "default-features"];
        let odd = alone.iter().find(|key| value.get(key).is_some());
        if !is_workspace(value) || odd.is_some() {
            find(line_of(text, name), format!("`{name}` must come from the root: `{name}.workspace = true`"));
        }
    }
    findings
}

/// Checks that the README states the Rust version of the root manifest, and no other.
pub(crate) fn rust_version(manifest: &str, readme: &str) -> Vec<Finding> {
    let parsed: Option<Table> = manifest.parse().ok();
    let version = parsed
        .as_ref()
        .and_then(|table| table.get("workspace")?.get("package")?.get("rust-version")?.as_str());
    let Some(version) = version else {
        return vec![Finding::new("Cargo.toml", 1, "rust-version", "the root has no `rust-version`")];
    };
    let stated: Vec<_> = readme
        .lines()
        .enumerate()
        .flat_map(|(at, line)| stated_versions(line).map(move |stated| (at + 1, stated)))
        .collect();
    if stated.is_empty() {
        let message = format!("`Rust {version}` is not stated");
        return vec![Finding::new("README.md", 1, "rust-version", message)];
    }
    let wrong = stated.into_iter().filter(|(_, stated)| *stated != version);
    wrong
        .map(|(line, stated)| {
            let message = format!("states Rust {stated}, the manifest has {version}");
            Finding::new("README.md", line, "rust-version", message)
        })
        .collect()
}

/// The dependencies of every kind, including those of single platforms.
fn dependencies(manifest: &Table) -> Vec<(&str, &Value)> {
    let platforms = manifest.get("target").and_then(Value::as_table);
    let tables = platforms.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut found = Vec::new();
    for table in tables.chain([manifest]) {
        for kind in DEPENDENCIES {
            let list = table.get(*kind).and_then(Value::as_table);
            found.extend(list.into_iter().flatten().map(|(name, value)| (name.as_str(), value)));
        }
    }
    found
}

fn is_workspace(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// Number of the first line that begins with a key, or 1 if there is none.
fn line_of(text: &str, key: &str) -> usize {
    text.lines().position(|line| line.trim_start().starts_with(key)).map_or(1, |at| at + 1)
}

/// The version numbers (with a dot) that follow the word `Rust`.
fn stated_versions(line: &str) -> impl Iterator<Item = &str> {
    line.split("Rust ").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number = rest[..end].trim_end_matches('.');
        number.contains('.').then_some(number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"a\"\nedition.workspace = true\nrust-version.workspace = true\n\
        license.workspace = true\n\n[dependencies]\nserde = { workspace = true, features = [\"rc\"] }\n\n\
        [dev-dependencies]\nproptest.workspace = true\n\n[lints]\nworkspace = true\n";

    fn lines(text: &str) -> Vec<usize> {
        inherits("a/Cargo.toml", text).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn an_inheriting_manifest_passes() {
        assert_eq!(lines(GOOD), [0; 0]);
    }

    #[test]
    fn fields_that_are_not_inherited_are_caught() {
        assert_eq!(lines(&GOOD.replace("edition.workspace = true", "edition = \"2021\"")), [3]);
        assert_eq!(lines(&GOOD.replace("rust-version.workspace = true", "rust-version = \"1.70\"")), [4]);
        assert_eq!(lines(&GOOD.replace("license.workspace = true\n", "")), [1]);
        assert_eq!(lines(&GOOD.replace("[lints]\nworkspace = true", "[lints.rust]")), [13]);
    }

    #[test]
    fn versions_that_are_not_inherited_are_caught() {
        assert_eq!(lines(&GOOD.replace("proptest.workspace = true", "proptest = \"1\"")), [11]);
        assert_eq!(lines(&GOOD.replace("proptest.workspace = true", "proptest = { path = \"x\" }")), [11]);
        assert_eq!(lines(&GOOD.replace("workspace = true, f", "version = \"1\", f")), [8]);
        let platform = format!("{GOOD}[target.'cfg(unix)'.dependencies]\nlibc = \"1\"\n");
        assert_eq!(lines(&platform), [16]);
    }

    #[test]
    fn an_unreadable_manifest_is_caught() {
        assert_eq!(lines("[package\n"), [1]);
    }

    #[test]
    fn the_readme_states_the_version_of_the_manifest() {
        let manifest = "[workspace.package]\nrust-version = \"1.88\"\n";
        let lines = |readme| {
            let findings = rust_version(manifest, readme);
            findings.into_iter().map(|finding| finding.line).collect::<Vec<_>>()
        };
        assert_eq!(lines("# gm\nNeeds Rust 1.88 or newer, Rust 2024 edition.\n"), [0; 0]);
        assert_eq!(lines("Needs Rust 1.88.\n"), [0; 0]);
        assert_eq!(lines("Needs Rust.\n"), [1], "not stated");
        assert_eq!(lines("Needs Rust 1.88.\nOr Rust 1.8.\n"), [2], "another one");
        assert_eq!(rust_version("[workspace]\n", "Rust 1.88").len(), 1, "no version in the root");
    }
}
