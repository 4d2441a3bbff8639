//! Mutants that no test can catch, each with the reason: `xtask/mutants.toml`.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};
use toml::Value;

use crate::workspace::Workspace;

const FILE: &str = "xtask/mutants.toml";

/// The reasons by the names of the mutants.
pub(crate) fn read(ws: &Workspace) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(ws.root().join(FILE)).with_context(|| format!("cannot read {FILE}"))?;
    parse(&text).with_context(|| format!("in {FILE}"))
}

/// Reads the rows of a text.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let table: toml::Table = text.parse()?;
    let rows = table.get("explained").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut explained = BTreeMap::new();
    for row in rows {
        let because = row.get("because").and_then(Value::as_str).unwrap_or_default();
        let names = row.get("mutants").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if because.is_empty() || names.is_empty() {
            bail!("a row needs `because`, a reason, and `mutants`, a list of names: {row:?}");
        }
        for name in names {
            let name = name.as_str().with_context(|| format!("not a name: {name:?}"))?;
            if explained.insert(name.to_owned(), because.to_owned()).is_some() {
                bail!("explained twice: {name}");
            }
        }
    }
    Ok(explained)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read() {
        let explained =
            parse("[[explained]]\nbecause = \"it is the same\"\nmutants = ['a', 'b']").expect("a table");
        assert_eq!(explained.len(), 2);
        assert_eq!(explained["b"], "it is the same");
    }

    #[test]
    fn a_row_without_a_reason_or_a_name_that_is_there_twice_is_refused() {
        assert!(parse("[[explained]]\nmutants = ['a']").is_err());
        assert!(parse("[[explained]]\nbecause = 'b'").is_err());
        assert!(parse("[[explained]]\nbecause = 'b'\nmutants = ['a', 'a']").is_err());
    }
}
