//! Mutant schemata: the sources with every mutation in them, each behind a switch.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::place::{Kind, Places};
use super::table::Mutation;
use crate::mutants::splice::Edits;

/// A mutation's code at a place.
struct Case<'a> {
    mutation: &'a Mutation,
    code: &'a str,
}

impl Case<'_> {
    fn condition(&self) -> String {
        format!("if crate::gm_mutant::on({}) {{ {} }}", self.mutation.number, self.code.trim())
    }
}

/// The cases at each place of a file. Insertions come before replacements.
type Cases<'a> = BTreeMap<(usize, usize, Kind), Vec<Case<'a>>>;

/// The changed files, with their paths relative to the root. An error if the place of an edit is
/// not found exactly once.
pub(super) fn apply(root: &Path, mutations: &[Mutation]) -> Result<Vec<(String, String)>> {
    let mut files: BTreeMap<&str, (Places, Cases<'_>)> = BTreeMap::new();
    let mut errors = Vec::new();
    for mutation in mutations {
        for edit in &mutation.edits {
            if !files.contains_key(edit.file.as_str()) {
                let text = fs::read_to_string(root.join(&edit.file));
                let text = text.with_context(|| format!("{}: cannot read {}", mutation.name, edit.file))?;
                let places = Places::of(text).with_context(|| format!("cannot parse {}", edit.file))?;
                files.insert(&edit.file, (places, Cases::new()));
            }
            let Some((places, cases)) = files.get_mut(edit.file.as_str()) else { continue };
            match places.find(edit) {
                Ok((kind, Range { start, end })) => {
                    let case = Case { mutation, code: edit.change.code() };
                    cases.entry((start, end, kind)).or_default().push(case);
                }
                Err(error) => errors.push(format!("{}, `{}`: {error:#}", mutation.table, mutation.name)),
            }
        }
    }
    for (file, (_, cases)) in &files {
        errors.extend(overlaps(cases).map(|(one, other)| {
            format!("{file}: edits of `{one}` and `{other}` overlap: give both the same code to find")
        }));
    }
    if !errors.is_empty() {
        bail!("{} edits of mutations have no place:\n{}", errors.len(), errors.join("\n"));
    }
    Ok(files.into_iter().map(|(file, (places, cases))| (file.to_owned(), changed(&places, &cases))).collect())
}

/// The names of two mutations whose edits overlap without being at the same place.
fn overlaps<'a>(cases: &'a Cases<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let name = |list: &'a [Case<'a>]| list.first().map_or("", |case| case.mutation.name.as_str());
    let pairs = cases.iter().zip(cases.iter().skip(1));
    pairs
        .filter(|(((_, end, _), _), ((start, ..), _))| start < end)
        .map(move |((_, one), (_, other))| (name(one), name(other)))
}

/// The text of a file with all cases.
fn changed(places: &Places, cases: &Cases<'_>) -> String {
    let mut edits = Edits::default();
    for ((start, end, kind), list) in cases {
        let conditions: Vec<String> = list.iter().map(Case::condition).collect();
        if start == end {
            edits.insert(*start, conditions.join(" ") + " ");
            continue;
        }
        let former = places.text().get(*start..*end).unwrap_or_default();
        let choice = format!("{} else {{ {former} }}", conditions.join(" else "));
        edits.replace(
            *start..*end,
            match kind {
                Kind::Expression => format!("({choice})"),
                Kind::Statements => choice,
            },
        );
    }
    edits.apply(places.text())
}
