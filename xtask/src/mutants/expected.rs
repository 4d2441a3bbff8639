//! Expected survivors: the mutants in `xtask/mutants.toml` that no test catches, with the reasons.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};
use toml::Value;

use crate::workspace::Workspace;

const FILE: &str = "xtask/mutants.toml";

/// Reason why a mutant is expected to survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// No test can catch it: the program behaves the same, or differs in nothing that a test can
    /// observe.
    Explained,
    /// A test could catch it, and none does yet.
    Unnoticed,
}

/// Expected survivors by the names of the mutants.
pub(crate) type ExpectedSurvivors = BTreeMap<String, Expected>;

/// Reads the file.
pub(crate) fn read(ws: &Workspace) -> Result<ExpectedSurvivors> {
    let text = fs::read_to_string(ws.root().join(FILE)).with_context(|| format!("cannot read {FILE}"))?;
    parse(&text).with_context(|| format!("in {FILE}"))
}

/// Parses the text of the file.
pub(crate) fn parse(text: &str) -> Result<ExpectedSurvivors> {
    let table: toml::Table = text.parse()?;
    let mut mutants = ExpectedSurvivors::new();
    for (key, rows) in &table {
        let known = match key.as_str() {
            "explained" => Expected::Explained,
            "unnoticed" => Expected::Unnoticed,
            _ => bail!("unknown section `{key}`: use `explained` or `unnoticed`"),
        };
        for row in rows.as_array().map(Vec::as_slice).unwrap_or_default() {
            let because = row.get("because").and_then(Value::as_str).unwrap_or_default();
            let names = row.get("mutants").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            if because.is_empty() || names.is_empty() {
                bail!("a row needs `because`, a reason, and `mutants`, a list of names: {row:?}");
            }
            for name in names {
                let name = name.as_str().with_context(|| format!("not a name: {name:?}"))?;
                if mutants.insert(name.to_owned(), known).is_some() {
                    bail!("listed twice: {name}");
                }
            }
        }
    }
    Ok(mutants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read() {
        let text = "[[explained]]\nbecause = \"it is the same\"\nmutants = ['a', 'b']\n\
                    [[unnoticed]]\nbecause = \"it is hard to see\"\nmutants = ['c']";
        let known = parse(text).expect("a table");
        assert_eq!((known.len(), known["b"], known["c"]), (3, Expected::Explained, Expected::Unnoticed));
    }

    #[test]
    fn rows_need_a_reason_and_unique_names() {
        assert!(parse("[[explained]]\nmutants = ['a']").is_err());
        assert!(parse("[[explained]]\nbecause = 'b'").is_err());
        assert!(parse("[[explained]]\nbecause = 'b'\nmutants = ['a', 'a']").is_err());
        assert!(parse("[[other]]\nbecause = 'b'\nmutants = ['a']").is_err());
    }
}
