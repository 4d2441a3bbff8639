//! `cargo xtask layers`: checks that every crate depends only on crates that the table of layers
//! allows.
//!
//! The check is a pure function over a small model of the crates; only `run` uses cargo and the
//! disk.

use cargo_metadata::{Dependency, DependencyKind, Package};

use crate::finding::{Finding, report};
use crate::lexer::{self, Token};
use crate::tables::{LAYERS, Layer};
use crate::workspace::Workspace;

const RULE: &str = "layers";
const TABLE: &str = "xtask/src/tables.rs";

/// The properties of a workspace crate that its layer restricts.
#[derive(Clone, Debug)]
struct Member {
    name: String,
    /// Path of the manifest, for the report.
    manifest: String,
    deps: Vec<Dep>,
    /// Features that the features of the crate enable, such as `serde/std`.
    switches: Vec<String>,
    /// Whether the crate root has `#![no_std]`.
    no_std: bool,
}

#[derive(Clone, Debug)]
struct Dep {
    name: String,
    /// Whether only tests, benches and examples use it. Build scripts count as the crate itself.
    dev: bool,
    default_features: bool,
    features: Vec<String>,
}

/// Checks the workspace. Returns whether there were no findings.
pub(crate) fn run(ws: &Workspace) -> bool {
    let members: Vec<_> = ws.members().into_iter().map(|package| member(ws, package)).collect();
    report("layers", members.len(), "crates", check(&members, LAYERS))
}

fn check(members: &[Member], table: &[Layer]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for layer in table {
        if !members.iter().any(|member| member.name == layer.name) {
            findings.push(Finding::new(TABLE, 1, RULE, format!("there is no crate {}", layer.name)));
        }
    }
    let internal: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
    for member in members {
        let messages = match table.iter().find(|layer| layer.name == member.name) {
            Some(layer) => {
                let mut messages = edges(member, layer, &internal);
                if layer.is_pure() {
                    messages.extend(impurities(member, &internal));
                }
                messages
            }
            None => vec![format!("{} is not in the table of layers", member.name)],
        };
        findings.extend(messages.into_iter().map(|message| Finding::new(&member.manifest, 1, RULE, message)));
    }
    findings
}

/// Messages for dependencies that the row of the crate does not allow.
fn edges(member: &Member, layer: &Layer, internal: &[&str]) -> Vec<String> {
    let mut messages = Vec::new();
    for dep in &member.deps {
        let name = dep.name.as_str();
        let kind = if dep.dev { "dev-depend" } else { "depend" };
        if internal.contains(&name) {
            let in_tests = dep.dev && layer.internal_dev.contains(&name);
            if !layer.internal.contains(&name) && !in_tests {
                messages.push(format!("{} may not {kind} on {name}", member.name));
            }
        } else if let Some(allowed) = layer.pure
            && !dep.dev
            && !allowed.contains(&name)
        {
            messages.push(format!("{} is pure and may not {kind} on {name}", member.name));
        }
    }
    messages
}

/// Messages for a pure crate that could use `std` through features or a missing `#![no_std]`.
fn impurities(member: &Member, internal: &[&str]) -> Vec<String> {
    let mut messages = Vec::new();
    for dep in member.deps.iter().filter(|dep| !dep.dev && !internal.contains(&dep.name.as_str())) {
        if dep.default_features {
            messages.push(format!("{} must turn off the default features of {}", member.name, dep.name));
        }
        if dep.features.iter().any(|feature| feature == "std") {
            messages.push(format!("{} must not enable `std` of {}", member.name, dep.name));
        }
    }
    for switch in member.switches.iter().filter(|switch| switch.ends_with("/std")) {
        messages.push(format!("a feature of {} must not enable `{switch}`", member.name));
    }
    if !member.no_std {
        messages.push(format!("{} is pure: its lib.rs must have `#![no_std]`", member.name));
    }
    messages
}

fn member(ws: &Workspace, package: &Package) -> Member {
    let root = package.targets.iter().find(|target| target.is_lib() || target.is_bin());
    let text = root.and_then(|target| std::fs::read_to_string(&target.src_path).ok());
    Member {
        name: package.name.to_string(),
        manifest: ws.relative(&package.manifest_path).unwrap_or_default(),
        deps: package.dependencies.iter().map(dep).collect(),
        switches: package.features.values().flatten().cloned().collect(),
        no_std: text.is_some_and(|text| has_no_std(&lexer::tokens(&text))),
    }
}

fn dep(dependency: &Dependency) -> Dep {
    Dep {
        name: dependency.name.clone(),
        dev: dependency.kind == DependencyKind::Development,
        default_features: dependency.uses_default_features,
        features: dependency.features.clone(),
    }
}

fn has_no_std(tokens: &[Token]) -> bool {
    tokens.windows(5).any(|window| {
        window[0].is_punct('#')
            && window[1].is_punct('!')
            && window[2].is_punct('[')
            && window[3].ident() == Some("no_std")
            && window[4].is_punct(']')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Layer] = &[
        Layer { name: "low", internal: &[], internal_dev: &[], pure: Some(&["serde"]), tested: true },
        Layer { name: "high", internal: &["low"], internal_dev: &["kit"], pure: None, tested: true },
        Layer { name: "kit", internal: &[], internal_dev: &[], pure: None, tested: true },
    ];

    fn uses(name: &str) -> Dep {
        Dep { name: name.to_owned(), dev: false, default_features: false, features: vec![] }
    }

    fn tests_use(name: &str) -> Dep {
        Dep { dev: true, ..uses(name) }
    }

    fn member(name: &str, deps: Vec<Dep>) -> Member {
        Member {
            name: name.to_owned(),
            manifest: format!("{name}/Cargo.toml"),
            deps,
            switches: vec![],
            no_std: true,
        }
    }

    fn good() -> Vec<Member> {
        vec![
            member("low", vec![uses("serde"), Dep { default_features: true, ..tests_use("proptest") }]),
            member("high", vec![uses("low"), tests_use("kit"), uses("anything")]),
            member("kit", vec![]),
        ]
    }

    /// The messages after one more dependency was added to a crate of the good workspace.
    fn with(at: usize, dep: Dep) -> Vec<String> {
        let mut members = good();
        members[at].deps.push(dep);
        messages(&members)
    }

    fn messages(members: &[Member]) -> Vec<String> {
        check(members, TABLE).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_layered_workspace_passes() {
        assert_eq!(messages(&good()), [""; 0]);
    }

    #[test]
    fn upward_edges_are_caught() {
        assert_eq!(with(0, uses("high")), ["low may not depend on high"]);
        assert_eq!(with(0, tests_use("kit")), ["low may not dev-depend on kit"]);
        assert_eq!(with(1, uses("kit")), ["high may not depend on kit"], "allowed for its tests only");
    }

    #[test]
    fn outside_crates_of_a_pure_crate_are_caught() {
        assert_eq!(with(0, uses("tokio")), ["low is pure and may not depend on tokio"]);
    }

    #[test]
    fn features_that_bring_std_are_caught() {
        let default = Dep { default_features: true, ..uses("serde") };
        assert_eq!(with(0, default), ["low must turn off the default features of serde"]);
        let std = Dep { features: vec!["std".to_owned()], ..uses("serde") };
        assert_eq!(with(0, std), ["low must not enable `std` of serde"]);
        let mut members = good();
        members[0].switches.push("serde/std".to_owned());
        assert_eq!(messages(&members), ["a feature of low must not enable `serde/std`"]);
    }

    #[test]
    fn a_pure_crate_without_no_std_is_caught() {
        let mut members = good();
        members[0].no_std = false;
        members[1].no_std = false;
        assert_eq!(messages(&members), ["low is pure: its lib.rs must have `#![no_std]`"]);
    }

    #[test]
    fn table_and_workspace_name_the_same_crates() {
        let mut members = good();
        members.push(member("new", vec![]));
        assert_eq!(messages(&members), ["new is not in the table of layers"]);
        members.remove(3);
        members.remove(2);
        // Its users now depend on an external crate, which is forbidden only for pure crates.
        assert_eq!(messages(&members), ["there is no crate kit"]);
    }

    #[test]
    fn only_the_attribute_itself_counts_as_no_std() {
        assert!(has_no_std(&lexer::tokens("//! Doc.\n#![no_std]\n")));
        assert!(!has_no_std(&lexer::tokens("//! Doc.\n// #![no_std]\n")));
        assert!(!has_no_std(&lexer::tokens("#![cfg_attr(not(test), no_std)]\n")));
    }
}
