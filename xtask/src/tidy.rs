//! `cargo xtask tidy`: the rules of the source tree, all findings in one run.
//!
//! Gathers the files and asks each rule. The rules are pure functions in the modules below; what they look
//! for is in `tables`.

mod banned;
mod manifests;
mod markdown;
mod modules;
mod text;
mod tree;

use std::collections::BTreeMap;

use anyhow::Result;

use crate::finding::{Finding, report};
use crate::lexer::{self, Token};
use crate::tables::{BANNED_NAMES, LAYERS, WALL_CLOCK, WALL_CLOCK_IN};
use crate::workspace::Workspace;

use tree::Tree;

/// Checks the tree; true if nothing was found.
pub(crate) fn run(ws: &Workspace) -> Result<bool> {
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
    Ok(report("tidy", tree.len(), "files", findings))
}

/// The rules that look at Rust code: dead files, and banned names, more of them in the pure crates.
fn sources(ws: &Workspace, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
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

        let pure = LAYERS.iter().any(|layer| layer.name == *member.name && layer.is_pure());
        let source = format!("{folder}/src/");
        let names = if pure { BANNED_NAMES } else { WALL_CLOCK };
        let is_exempt = |path: &str| !pure && WALL_CLOCK_IN.iter().any(|exempt| path.starts_with(exempt));
        let sources = files.iter().filter(|(path, _)| path.starts_with(&source) && !is_exempt(path));
        for (path, tokens) in sources {
            let only_tests = reached.get(*path).copied().unwrap_or(false);
            findings.extend(banned::check(path, tokens, only_tests, names));
        }
    }
    findings
}

/// The rules that compare the documents with the tree.
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
