//! Rule of public type names: no two public types of the workspace share a name, unless a table
//! lists it with a reason.
//!
//! The rule reads `pub struct`, `pub enum`, `pub union`, `pub trait` and `pub type` as they are
//! written; `pub(crate)` is not public.

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::lexer::Token;
use crate::tidy::modules::scan::test_lines;

/// Public types: the places of their definitions by name.
#[derive(Debug, Default)]
pub(crate) struct PublicTypes {
    places: BTreeMap<String, Vec<(String, usize)>>,
}

impl PublicTypes {
    /// Collects the types that a file defines outside of its tests.
    pub(crate) fn collect(&mut self, path: &str, tokens: &[Token]) {
        let tests = test_lines(tokens);
        for window in tokens.windows(3) {
            let [first, kind, name] = window else { continue };
            let is_type = matches!(kind.ident(), Some("struct" | "enum" | "trait" | "type" | "union"));
            let is_test = tests.iter().any(|lines| lines.contains(&first.line));
            if let (Some("pub"), true, false, Some(name)) = (first.ident(), is_type, is_test, name.ident()) {
                self.places.entry(name.to_owned()).or_default().push((path.to_owned(), first.line));
            }
        }
    }

    /// Findings for names with several definitions that the table does not list, and for rows of
    /// the table that are not needed.
    pub(crate) fn check(&self, listed: &[(&str, &str)], table: &str) -> Vec<Finding> {
        let is_listed = |name: &str| listed.iter().any(|(listed, _)| *listed == name);
        let doubled = self.places.iter().filter(|(name, places)| places.len() > 1 && !is_listed(name));
        let mut findings: Vec<Finding> = doubled
            .flat_map(|(name, places)| {
                let message = format!("there are {} public types `{name}`", places.len());
                places.iter().map(move |(path, line)| Finding::new(path, *line, "type-name", &message))
            })
            .collect();
        for (name, _) in listed {
            if self.places.get(*name).is_none_or(|places| places.len() < 2) {
                let message = format!("`{name}` is listed, but fewer than two public types have this name");
                findings.push(Finding::new(table, 1, "type-name", message));
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer;

    fn findings(texts: &[&str], listed: &[(&str, &str)]) -> usize {
        let mut types = PublicTypes::default();
        for (at, text) in texts.iter().enumerate() {
            types.collect(&format!("{at}.rs"), &lexer::tokens(text));
        }
        types.check(listed, "tables.rs").len()
    }

    #[test]
    fn a_public_name_of_two_types_is_caught() {
        assert_eq!(findings(&["pub struct A;", "pub enum A {}"], &[]), 2);
        assert_eq!(findings(&["pub struct A;", "pub enum B {}"], &[]), 0);
    }

    #[test]
    fn private_types_and_types_of_tests_may_share_a_name() {
        assert_eq!(findings(&["pub struct A;", "pub(crate) struct A;", "struct A;"], &[]), 0);
        assert_eq!(findings(&["pub struct A;", "#[cfg(test)]\nmod tests { pub struct A; }"], &[]), 0);
    }

    #[test]
    fn a_listed_name_is_allowed_as_long_as_there_are_two() {
        assert_eq!(findings(&["pub struct A;", "pub enum A {}"], &[("A", "a reason")]), 0);
        assert_eq!(findings(&["pub struct A;"], &[("A", "a reason")]), 1);
    }
}
