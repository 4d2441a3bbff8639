//! `cargo xtask deps`: licences, banned crates and duplicate versions in the resolved graph.
//!
//! The check is a pure function over a list of packages; the tables are its arguments.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::finding::{Finding, report};
use crate::fuzz;
use crate::spdx;
use crate::tables::{BANNED_CRATES, DUPLICATES, LICENCES, LICENCES_OF_FUZZING, LICENCES_OF_PEERS};
use crate::workspace::Workspace;

const RULE: &str = "deps";

/// A package that is not part of this workspace.
#[derive(Debug)]
struct Foreign {
    name: String,
    version: String,
    licence: Option<String>,
}

/// The rules for the dependency graph.
#[derive(Debug)]
struct Rules<'a> {
    /// Path of the lock file, for the report.
    lock: &'a str,
    licences: &'a [&'a str],
    banned: &'a [(&'a str, &'a str)],
    duplicates: &'a [(&'a str, &'a str)],
}

/// Checks the whole graph, for all platforms and with all features. Returns whether there were no
/// findings.
pub(crate) fn run(ws: &Workspace) -> Result<bool> {
    let rules =
        Rules { lock: "Cargo.lock", licences: LICENCES, banned: BANNED_CRATES, duplicates: DUPLICATES };
    let mut packages = foreign(ws, "")?;
    let mut findings = check(&packages, &rules);

    // The fuzz targets are a workspace of their own.
    let lock = format!("{}/Cargo.lock", fuzz::FOLDER);
    let licences = [LICENCES, LICENCES_OF_FUZZING].concat();
    let rules = Rules { lock: &lock, licences: &licences, banned: BANNED_CRATES, duplicates: &[] };
    let of_fuzzing = foreign(ws, fuzz::FOLDER)?;
    findings.extend(check(&of_fuzzing, &rules));
    packages.extend(of_fuzzing);
    Ok(report("deps", packages.len(), "packages", findings))
}

/// Checks the licences of the packages that the harness of the peers uses, in its own workspace.
/// They are no part of the product, so nothing else is checked. Returns whether there were no
/// findings.
pub(crate) fn peers(ws: &Workspace, folder: &str) -> Result<bool> {
    let lock = format!("{folder}/Cargo.lock");
    let licences = [LICENCES, LICENCES_OF_PEERS].concat();
    let packages = foreign(ws, folder)?;
    let trouble = packages.iter().filter_map(|package| {
        let message = licence_trouble(package, &licences)?;
        Some(Finding::new(&lock, 1, RULE, format!("{} {}: {message}", package.name, package.version)))
    });
    Ok(report("deps of the peers", packages.len(), "packages", trouble.collect()))
}

/// The external packages of a workspace.
fn foreign(ws: &Workspace, folder: &str) -> Result<Vec<Foreign>> {
    let metadata = ws.resolved(folder)?;
    let packages = metadata
        .packages
        .iter()
        .filter(|package| package.source.is_some() || ws.relative(&package.manifest_path).is_none())
        .map(|package| Foreign {
            name: package.name.to_string(),
            version: package.version.to_string(),
            licence: package.license.clone(),
        })
        .collect();
    Ok(packages)
}

fn check(packages: &[Foreign], rules: &Rules<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let found = |message| Finding::new(rules.lock, 1, RULE, message);
    for package in packages {
        if let Some(message) = licence_trouble(package, rules.licences) {
            findings.push(found(format!("{} {}: {message}", package.name, package.version)));
        }
        if let Some((name, why)) = rules.banned.iter().find(|(name, _)| *name == package.name) {
            findings.push(found(format!("{name} {} is banned: {why}", package.version)));
        }
    }

    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    for (name, versions) in &versions {
        if !rules.duplicates.iter().any(|(excepted, _)| excepted == name) {
            let list = versions.iter().copied().collect::<Vec<_>>().join(", ");
            findings.push(found(format!("{name} is present in several versions: {list}")));
        }
    }
    for (name, _) in rules.duplicates {
        if !versions.contains_key(name) {
            findings.push(found(format!("{name} has one version: remove its exception")));
        }
    }
    findings
}

fn licence_trouble(package: &Foreign, allowed: &[&str]) -> Option<String> {
    let Some(licence) = &package.licence else { return Some("declares no licence".to_owned()) };
    match spdx::is_satisfied(licence, allowed) {
        Ok(true) => None,
        Ok(false) => Some(format!("licence `{licence}` is not allowed")),
        Err(error) => Some(format!("{error:#}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules<'static> = Rules {
        lock: "Cargo.lock",
        licences: &["MIT"],
        banned: &[("evil", "it is")],
        duplicates: &[("twice", "because")],
    };

    fn package(name: &str, version: &str, licence: &str) -> Foreign {
        let licence = (!licence.is_empty()).then(|| licence.to_owned());
        Foreign { name: name.to_owned(), version: version.to_owned(), licence }
    }

    /// Messages after packages were added to a graph without findings.
    fn messages(more: Vec<Foreign>) -> Vec<String> {
        let mut packages = vec![package("twice", "1.0.0", "MIT"), package("twice", "2.0.0", "MIT")];
        packages.extend(more);
        check(&packages, &RULES).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_good_graph_passes() {
        assert!(messages(vec![package("good", "1.0.0", "MIT OR GPL-3.0")]).is_empty());
    }

    #[test]
    fn licences_are_caught() {
        assert_eq!(
            messages(vec![package("bad", "1.0.0", "GPL-3.0")]),
            ["bad 1.0.0: licence `GPL-3.0` is not allowed"]
        );
        assert_eq!(messages(vec![package("none", "1.0.0", "")]), ["none 1.0.0: declares no licence"]);
        assert_eq!(messages(vec![package("odd", "1.0.0", "MIT OR")]).len(), 1);
    }

    #[test]
    fn banned_crates_are_caught() {
        assert_eq!(messages(vec![package("evil", "1.0.0", "MIT")]), ["evil 1.0.0 is banned: it is"]);
    }

    #[test]
    fn duplicates_are_caught() {
        assert_eq!(
            messages(vec![package("two", "1.0.0", "MIT"), package("two", "2.0.0", "MIT")]),
            ["two is present in several versions: 1.0.0, 2.0.0"]
        );
    }

    #[test]
    fn needless_exceptions_are_caught() {
        let found = check(&[package("twice", "1.0.0", "MIT")], &RULES);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "twice has one version: remove its exception");
    }
}
