//! Rule of hierarchies: within a listed folder no files use each other in a circle, and components
//! use shared modules, but not each other.
//!
//! `declarations` finds the items of the files, `uses` their use by other files, `graph` the
//! circles. A parent module may use its children, unless a child uses an item of the parent. Code
//! of tests does not count.

mod declarations;
mod graph;
mod tokens;
mod uses;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::finding::Finding;
use crate::lexer::Token;
use crate::tables::Folder;
use declarations::{Declarations, Names};
use graph::Graph;
use uses::{Use, uses};

/// Size of a folder's graph.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    files: usize,
    /// Pairs of files of which one uses the other; the parts of the root are one file.
    edges: usize,
    mutual_pairs: usize,
    /// Sets of files that all use each other, directly or not, and the files in them.
    circles: usize,
    files_in_circles: usize,
    /// Places where a function or method of another file is called.
    calls: usize,
    /// The number of calls that lead from one component to another.
    calls_between: usize,
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Numbers { files, edges, mutual_pairs, circles, files_in_circles, calls, calls_between } = self;
        write!(
            f,
            "{files} files, {edges} edges, {mutual_pairs} mutual pairs, {circles} circles of {files_in_circles} files, \
             {calls} calls across files, {calls_between} between components"
        )
    }
}

/// Checks a folder. `texts` are its files by path, without test-only files; the root is the file
/// with the name of the folder. `elsewhere` are names of methods that files outside of the folder
/// define.
pub(crate) fn check(
    folder: &Folder,
    texts: &BTreeMap<&str, &str>,
    elsewhere: &BTreeSet<String>,
) -> (Vec<Finding>, Numbers) {
    let mut findings = Vec::new();
    let mut files = Vec::new();
    for (path, text) in texts {
        match syn::parse_file(text) {
            Ok(parsed) => files.push((*path, module_of(path), parsed)),
            Err(error) => findings.push(Finding::new(path, 1, RULE, format!("cannot be parsed: {error}"))),
        }
    }
    let mut declarations = Declarations::default();
    for (number, (_, module, parsed)) in files.iter().enumerate() {
        declarations.add(number, module.clone(), parsed);
    }
    let used = files.iter().enumerate();
    let mut all: Vec<Use> = used
        .flat_map(|(number, (_, module, parsed))| {
            uses(&declarations, elsewhere, number, module.clone(), parsed)
        })
        .collect();
    all.sort();
    let paths: Vec<&str> = files.iter().map(|(path, ..)| *path).collect();
    let hierarchy = Hierarchy { folder, paths, uses: all };
    findings.extend(hierarchy.circles());
    findings.extend(hierarchy.components());
    (findings, hierarchy.numbers())
}

/// The names of the methods that a file defines.
pub(crate) fn method_names(tokens: &[Token]) -> BTreeSet<String> {
    let is_method = |at: usize| {
        let rest = tokens[at..].iter().skip_while(|token| !token.is_punct('('));
        rest.take(5).any(|token| token.ident() == Some("self"))
    };
    let functions = tokens.windows(2).enumerate().filter(|(_, pair)| pair[0].ident() == Some("fn"));
    let methods = functions.filter(|(at, _)| is_method(*at));
    methods.filter_map(|(_, pair)| pair[1].ident().map(str::to_owned)).collect()
}

const RULE: &str = "circle";
/// The file of the table.
const TABLE: &str = "xtask/src/tables/folders.rs";

/// The module of a file.
fn module_of(path: &str) -> Names {
    let below = path.split_once("/src/").map_or(path, |(_, below)| below);
    let below = below.strip_suffix(".rs").unwrap_or(below);
    let names = below.strip_suffix("/mod").unwrap_or(below).split('/').map(str::to_owned);
    std::iter::once("crate".to_owned()).chain(names).collect()
}

/// The files of a folder, and how they use each other.
struct Hierarchy<'a> {
    folder: &'a Folder,
    paths: Vec<&'a str>,
    /// Sorted by files.
    uses: Vec<Use>,
}

impl Hierarchy<'_> {
    /// The module of the folder that a file is or belongs to; `None` for the root and its parts.
    fn component(&self, file: usize) -> Option<&str> {
        let below = self.paths[file].strip_prefix(self.folder.path)?.strip_prefix('/')?;
        let name = below.split('/').next()?;
        let name = name.strip_suffix(".rs").unwrap_or(name);
        (name != "mod" && !self.folder.root_parts.contains(&name)).then_some(name)
    }

    /// The node of a file in the graph: the root and its parts are one.
    fn node(&self, file: usize) -> usize {
        let root = || (0..self.paths.len()).find(|other| self.component(*other).is_none());
        if self.component(file).is_some() { file } else { root().unwrap_or(file) }
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::default();
        for used in &self.uses {
            graph.add(self.node(used.from), self.node(used.to));
        }
        graph
    }

    /// Name of a file below the folder.
    fn name(&self, file: usize) -> &str {
        let parent = self.folder.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let below = self.paths[file].strip_prefix(parent).unwrap_or(self.paths[file]);
        below.strip_prefix('/').unwrap_or(below)
    }

    /// The first use of one node by another.
    fn first_use(&self, from: usize, to: usize) -> Option<&Use> {
        self.uses.iter().find(|used| (self.node(used.from), self.node(used.to)) == (from, to))
    }

    /// A finding for each mutual pair, and for a shortest circle where only more files form one. If
    /// the table lists a number of pairs, that many are allowed, and longer circles too; fewer are
    /// a finding.
    fn circles(&self) -> Vec<Finding> {
        let graph = self.graph();
        let pairs = graph.mutual_pairs();
        let listed = self.folder.mutual_pairs;
        if pairs.len() < listed {
            let message =
                format!("`{}` has {} mutual pairs: list this number", self.folder.path, pairs.len());
            return vec![Finding::new(TABLE, 1, RULE, message)];
        }
        if pairs.len() == listed && listed > 0 {
            return Vec::new();
        }
        let is_in_pair = |set: &BTreeSet<usize>| pairs.iter().any(|(one, _)| set.contains(one));
        let longer = graph.cyclic_sets().into_iter().filter(|set| !is_in_pair(set));
        let longer: Vec<Vec<usize>> = longer.map(|set| graph.shortest_circle(&set)).collect();
        let pairs = pairs.iter().map(|(one, other)| vec![*one, *other]);
        pairs.chain(longer).filter_map(|circle| self.circle(&circle)).collect()
    }

    fn circle(&self, circle: &[usize]) -> Option<Finding> {
        let after = circle.iter().cycle().skip(1);
        let steps = circle.iter().zip(after).filter_map(|(from, to)| self.first_use(*from, *to));
        let steps: Vec<&Use> = steps.collect();
        let first = steps.first()?;
        let told = steps.iter().map(|used| {
            let (from, to) = (self.name(used.from), self.name(used.to));
            format!("`{from}` uses `{}` of `{to}` in line {}", used.item, used.line)
        });
        let told = told.collect::<Vec<_>>().join(", ");
        let message = format!("{} files use each other: {told}", circle.len());
        Some(Finding::new(self.paths[first.from], first.line, RULE, message))
    }

    /// The component that a use leads to, if it is another one than that of the file.
    fn foreign_component(&self, used: &Use) -> Option<&str> {
        let shared = self.folder.shared?;
        let (from, to) = (self.component(used.from)?, self.component(used.to)?);
        (from != to && !shared.contains(&to)).then_some(to)
    }

    /// Findings for components and shared modules that use a component.
    fn components(&self) -> Vec<Finding> {
        let foreign = self.uses.iter().filter_map(|used| Some((used, self.foreign_component(used)?)));
        foreign
            .map(|(used, to)| {
                let message = format!("uses `{}` of the component `{to}`", used.item);
                Finding::new(self.paths[used.from], used.line, "component", message)
            })
            .collect()
    }

    fn numbers(&self) -> Numbers {
        let graph = self.graph();
        let sets = graph.cyclic_sets();
        let calls = self.uses.iter().filter(|used| used.is_call);
        Numbers {
            files: self.paths.len(),
            edges: graph.edges(),
            mutual_pairs: graph.mutual_pairs().len(),
            circles: sets.len(),
            files_in_circles: sets.iter().map(BTreeSet::len).sum(),
            calls: calls.clone().count(),
            calls_between: calls.filter(|used| self.foreign_component(used).is_some()).count(),
        }
    }
}

#[cfg(test)]
mod tests;
