//! Table of the mutations: reads the files in `mutations/`.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The folder of the tables.
pub(super) const FOLDER: &str = "mutations";

/// A named, deliberate bug, and what finds it.
#[derive(Debug)]
pub(crate) struct Mutation {
    pub(crate) name: String,
    /// The bug in one sentence.
    pub(crate) about: String,
    pub(crate) found_by: FoundBy,
    pub(crate) edits: Vec<Edit>,
    /// The table that has it, relative to the root.
    pub(crate) table: String,
    /// Number of its switch, from 1.
    pub(crate) number: u32,
}

/// The run or the test that finds a mutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FoundBy {
    /// A run of a simulator.
    Run { simulator: Simulator, scenario: String, seed: u64, checker: String },
    /// A test in the library of a crate, by its full name.
    Test { package: String, test: String },
    /// A fuzz target of a crate: `cargo xtask fuzz --planted`.
    Fuzz { package: String, target: String },
}

impl FoundBy {
    /// The name of the run, the same for all mutations that it finds.
    pub(crate) fn run(&self) -> String {
        match self {
            FoundBy::Run { simulator, scenario, seed, .. } => {
                format!("{} {scenario} {seed}", simulator.package())
            }
            FoundBy::Test { package, test } => format!("{package} {test}"),
            FoundBy::Fuzz { package, target } => format!("{package}, fuzz target {target}"),
        }
    }
}

impl fmt::Display for FoundBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FoundBy::Run { checker, .. } => write!(f, "{}, checker {checker}", self.run()),
            FoundBy::Test { .. } | FoundBy::Fuzz { .. } => f.write_str(&self.run()),
        }
    }
}

/// A program that simulates clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Simulator {
    GmSim,
    GmNodeSim,
}

impl Simulator {
    /// The package, and the name of its program.
    pub(crate) const fn package(self) -> &'static str {
        match self {
            Simulator::GmSim => "gm-sim",
            Simulator::GmNodeSim => "gm-node-sim",
        }
    }
}

/// A change of one place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Path relative to the root.
    pub(crate) file: String,
    /// Name of the function that has the place; without it, the place is the only one in the file.
    pub(crate) function: Option<String>,
    pub(crate) change: Change,
}

/// The change that an edit makes at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Other code instead of an expression or of whole statements.
    Replace { find: String, replace: String },
    /// Statements before the statement that begins like this.
    Insert { before: String, insert: String },
}

impl Change {
    /// The code in the product by which the place is found.
    pub(crate) fn anchor(&self) -> &str {
        match self {
            Change::Replace { find, .. } => find,
            Change::Insert { before, .. } => before,
        }
    }

    /// The code of the mutation.
    pub(crate) fn code(&self) -> &str {
        match self {
            Change::Replace { replace, .. } => replace,
            Change::Insert { insert, .. } => insert,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    simulator: Option<Simulator>,
    tests: Option<String>,
    fuzz: Option<String>,
    mutation: Vec<MutationRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MutationRow {
    name: String,
    about: String,
    scenario: Option<String>,
    seed: Option<u64>,
    checker: Option<String>,
    test: Option<String>,
    target: Option<String>,
    edit: Vec<EditRow>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct EditRow {
    file: String,
    function: Option<String>,
    find: Option<String>,
    replace: Option<String>,
    before: Option<String>,
    insert: Option<String>,
}

/// Reads all tables, in the order of their names.
pub(crate) fn read(root: &Path) -> Result<Vec<Mutation>> {
    let folder = root.join(FOLDER);
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string().ok().filter(|name| name.ends_with(".toml")));
    }
    names.sort();
    let mut all = Vec::new();
    for name in names {
        let text = fs::read_to_string(folder.join(&name))?;
        let table = format!("{FOLDER}/{name}");
        all.extend(parse(&table, &text).with_context(|| format!("in {table}"))?);
    }
    let mut known = BTreeSet::new();
    for (number, mutation) in (1..).zip(&mut all) {
        mutation.number = number;
        if !known.insert(mutation.name.clone()) {
            bail!("two mutations have the name `{}`", mutation.name);
        }
    }
    Ok(all)
}

/// Parses the text of a table.
fn parse(table: &str, text: &str) -> Result<Vec<Mutation>> {
    let file: TableFile = toml::from_str(text)?;
    let mut mutations = Vec::new();
    for row in &file.mutation {
        let found_by = found_by(&file, row).with_context(|| format!("mutation `{}`", row.name))?;
        let MutationRow { name, about, edit, .. } = row;
        let (name, about) = (name.clone(), about.clone());
        if edit.is_empty() {
            bail!("mutation `{name}` has no edit");
        }
        let edits = edit.iter().map(edit_of).collect::<Result<_>>();
        let edits = edits.with_context(|| format!("mutation `{name}`"))?;
        mutations.push(Mutation { name, about, found_by, edits, table: table.to_owned(), number: 0 });
    }
    Ok(mutations)
}

fn found_by(file: &TableFile, row: &MutationRow) -> Result<FoundBy> {
    let by = (file.simulator, &file.tests, &file.fuzz);
    match (by, (&row.scenario, row.seed, &row.checker), &row.test, &row.target) {
        ((Some(simulator), None, None), (Some(scenario), Some(seed), Some(checker)), None, None) => {
            let (scenario, checker) = (scenario.clone(), checker.clone());
            Ok(FoundBy::Run { simulator, scenario, seed, checker })
        }
        ((None, Some(package), None), (None, None, None), Some(test), None) => {
            Ok(FoundBy::Test { package: package.clone(), test: test.clone() })
        }
        ((None, None, Some(package)), (None, None, None), None, Some(target)) => {
            Ok(FoundBy::Fuzz { package: package.clone(), target: target.clone() })
        }
        _ => bail!(
            "a table with `simulator` needs `scenario`, `seed` and `checker` in each row, one with `tests` needs `test`, and one with `fuzz` needs `target`"
        ),
    }
}

fn edit_of(row: &EditRow) -> Result<Edit> {
    let EditRow { file, function, find, replace, before, insert } = row.clone();
    let change = match (find, replace, before, insert) {
        (Some(find), Some(replace), None, None) => Change::Replace { find, replace },
        (None, None, Some(before), Some(insert)) => Change::Insert { before, insert },
        _ => bail!("an edit of {file} needs `find` and `replace`, or `before` and `insert`"),
    };
    Ok(Edit { file, function, change })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = "[[mutation]]\nname = \"a\"\nabout = \"A.\"\n";
    const RUN: &str = "scenario = \"calm\"\nseed = 3\nchecker = \"acks\"\n";
    const EDIT: &str = "[[mutation.edit]]\nfile = \"a.rs\"\nfind = \"x\"\nreplace = \"y\"\n";

    fn parsed(parts: &[&str]) -> Result<Vec<Mutation>> {
        parse("mutations/a.toml", &parts.concat())
    }

    #[test]
    fn a_row_names_what_finds_it() {
        let of_run = parsed(&["simulator = \"gm-sim\"\n", ROW, RUN, EDIT]).expect("a row of a run");
        let (scenario, checker) = ("calm".to_owned(), "acks".to_owned());
        let run = FoundBy::Run { simulator: Simulator::GmSim, scenario, seed: 3, checker };
        assert_eq!(of_run[0].found_by, run);
        let of_test = parsed(&["tests = \"gm-a\"\n", ROW, "test = \"t\"\n", EDIT]).expect("a row of a test");
        let test = FoundBy::Test { package: "gm-a".to_owned(), test: "t".to_owned() };
        assert_eq!(of_test[0].found_by, test);
        let of_fuzz =
            parsed(&["fuzz = \"gm-a\"\n", ROW, "target = \"t\"\n", EDIT]).expect("a row of a target");
        let target = FoundBy::Fuzz { package: "gm-a".to_owned(), target: "t".to_owned() };
        assert_eq!(of_fuzz[0].found_by, target);
    }

    #[test]
    fn an_incomplete_row_is_an_error() {
        for parts in [
            &["simulator = \"gm-sim\"\n", ROW, "test = \"t\"\n", EDIT][..],
            &["tests = \"gm-a\"\n", ROW, RUN, EDIT],
            &["fuzz = \"gm-a\"\n", ROW, "test = \"t\"\n", EDIT],
            &[ROW, RUN, EDIT],
            &["simulator = \"gm-sim\"\n", ROW, "scenario = \"calm\"\nseed = 3\n", EDIT],
            &["simulator = \"gm-sim\"\n", ROW, RUN],
            &["simulator = \"gm-sim\"\n", ROW, RUN, EDIT, "before = \"z\"\n"],
            &["simulator = \"gm-sim\"\n", ROW, RUN, EDIT, "comment = \"z\"\n"],
            &["simulator = \"gm-other\"\n", ROW, RUN, EDIT],
        ] {
            assert!(parsed(parts).is_err(), "{parts:?}");
        }
    }
}
