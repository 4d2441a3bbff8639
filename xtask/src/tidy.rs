//! `cargo xtask tidy`: checks the rules of the source tree and prints all findings in one run.
//!
//! It reads the files and calls each rule. The rules are pure functions in the modules below; their
//! data is in `tables`.

mod banned;
mod circles;
mod manifests;
mod markdown;
mod modules;
mod names;
mod prose;
mod text;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::finding::{Finding, report};
use crate::lexer::{self, Token};
use crate::tables::{
    BANNED_NAMES, BOUNDARIES, FOLDERS, LAYERS, MIRRORS, SHARED_TYPE_NAMES, WALL_CLOCK, WALL_CLOCK_IN,
};
use crate::workspace::Workspace;

use names::PublicTypes;
use tree::Tree;

/// Checks the tree. Returns whether there were no findings. With `lower` it first lowers the
/// committed counts of the prose rule to the present ones.
pub(crate) fn run(ws: &Workspace, lower: bool) -> Result<bool> {
    let tree = Tree::read(ws.root())?;
    let mut findings = Vec::new();
    for (path, content) in tree.texts() {
        findings.extend(text::check(path, content));
    }
    findings.extend(sources(ws, &tree));
    findings.extend(documents(ws, &tree));
    for member in ws.members() {
        let path = ws.relative(&member.manifest_path).unwrap_or_default();
        if let Some(content) = tree.text(&path) {
            findings.extend(manifests::inherits(&path, content));
        }
    }
    findings.extend(prose(ws, &tree, lower)?);
    Ok(report("tidy", tree.len(), "files", findings))
}

/// The rules for Rust code: dead files, banned names (more of them in the pure crates), and names
/// of public types.
fn sources(ws: &Workspace, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut types = PublicTypes::default();
    for member in ws.members() {
        let Some(folder) = member.manifest_path.parent().and_then(|folder| ws.relative(folder)) else {
            continue;
        };
        let files: BTreeMap<&str, Vec<Token>> = tree
            .texts()
            .filter(|(path, _)| modules::belongs_to(path, &folder))
            .map(|(path, content)| (path, lexer::tokens(content)))
            .collect();
        let roots = member.targets.iter().filter_map(|target| ws.relative(&target.src_path));
        let reached = modules::reach(roots, &files);
        findings.extend(modules::dead(&files, &reached));

        findings.extend(hierarchies(tree, &reached));
        let pure = LAYERS.iter().any(|layer| layer.name == *member.name && layer.is_pure());
        let source = format!("{folder}/src/");
        let names = if pure { BANNED_NAMES } else { WALL_CLOCK };
        let is_exempt = |path: &str| !pure && WALL_CLOCK_IN.iter().any(|exempt| path.starts_with(exempt));
        for (path, tokens) in files.iter().filter(|(path, _)| path.starts_with(&source)) {
            let only_tests = reached.get(*path).copied().unwrap_or(false);
            if !is_exempt(path) {
                findings.extend(banned::check(path, tokens, only_tests, names));
            }
            for boundary in BOUNDARIES.iter().filter(|boundary| boundary.contains(path)) {
                findings.extend(banned::check(path, tokens, only_tests, boundary.names));
            }
            if !only_tests && !MIRRORS.iter().any(|mirror| path.starts_with(mirror)) {
                types.collect(path, tokens);
            }
        }
    }
    findings.extend(types.check(SHARED_TYPE_NAMES, "xtask/src/tables.rs"));
    findings
}

/// The rule of hierarchies, for the listed folders of one crate. Prints the size of each graph.
fn hierarchies(tree: &Tree, reached: &BTreeMap<String, bool>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in FOLDERS {
        let is_in = |path: &str| {
            path.strip_prefix(folder.path).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        let files = reached.iter().filter(|(path, only_tests)| !**only_tests && is_in(path));
        let texts: BTreeMap<&str, &str> =
            files.filter_map(|(path, _)| Some((path.as_str(), tree.text(path)?))).collect();
        if !texts.is_empty() {
            let others = tree.texts().filter(|(path, _)| path.ends_with(".rs") && path.contains("/src/"));
            let elsewhere: BTreeSet<String> = others
                .filter(|(path, _)| !is_in(path))
                .flat_map(|(_, text)| circles::method_names(&lexer::tokens(text)))
                .collect();
            let (found, numbers) = circles::check(folder, &texts, &elsewhere);
            println!("tidy: {}: {numbers}", folder.path);
            findings.extend(found);
        }
    }
    findings
}

/// The rule of plain English: comment width, name length, and the counts of the prose ratchet.
fn prose(ws: &Workspace, tree: &Tree, lower: bool) -> Result<Vec<Finding>> {
    let mut prose = prose::Prose::default();
    for (path, content) in tree.texts() {
        if path.ends_with(".rs") {
            prose.rust(path, content, &lexer::tokens(content));
        } else if path.ends_with(".md") {
            prose.markdown(path, content);
        }
    }
    let committed = tree.text(prose::FILE);
    if lower {
        let lowered = prose.lowered(committed)?;
        std::fs::write(ws.root().join(prose::FILE), &lowered)?;
        return prose.compare(&lowered);
    }
    prose.compare(committed.unwrap_or_default())
}

/// The rules that compare the Markdown documents with the tree.
fn documents(ws: &Workspace, tree: &Tree) -> Vec<Finding> {
    let exists = |path: &str| tree.exists(path);
    let mut findings = Vec::new();
    for (path, content) in tree.texts().filter(|(path, _)| path.ends_with(".md")) {
        findings.extend(markdown::links(path, content, &exists));
    }
    for path in ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"] {
        match tree.text(path) {
            Some(content) => findings.extend(markdown::named_paths(path, content, &exists)),
            None => findings.push(Finding::new(path, 1, "documents", "is missing")),
        }
    }
    if let Some(content) = tree.text("ARCHITECTURE.md") {
        let members: Vec<_> = ws.members().iter().map(|member| member.name.as_str()).collect();
        findings.extend(markdown::members("ARCHITECTURE.md", content, &members));
    }
    if let (Some(manifest), Some(readme)) = (tree.text("Cargo.toml"), tree.text("README.md")) {
        findings.extend(manifests::rust_version(manifest, readme));
    }
    findings
}
