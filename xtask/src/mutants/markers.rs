//! Markers around the code of mutants in a rewritten file, by which a compiler error is traced back
//! to its mutants.

use std::collections::BTreeSet;

const OPEN: &str = "/*gm<";
/// Marker after the code of mutants.
pub(crate) const CLOSE: &str = "/*gm>*/";

/// Marker before the code of the mutants with these numbers.
pub(crate) fn open(numbers: &[u32]) -> String {
    let numbers = numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    format!("{OPEN}{numbers}*/")
}

/// Text between the markers of mutants.
pub(crate) fn marked(numbers: &[u32], text: &str) -> String {
    open(numbers) + text + CLOSE
}

/// The mutants of the innermost pair of markers around a byte of the text; empty if there is none.
pub(crate) fn at(text: &str, place: usize) -> BTreeSet<u32> {
    let mut open: Vec<&str> = Vec::new();
    let before = text.get(..place).unwrap_or(text);
    let mut rest = before;
    while let Some(next) = rest.find("/*gm") {
        rest = rest.get(next..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix(OPEN) {
            open.push(after.split_once("*/").map_or("", |(numbers, _)| numbers));
            rest = after;
        } else {
            open.pop();
            rest = rest.get(CLOSE.len()..).unwrap_or_default();
        }
    }
    let numbers = open.last().copied().unwrap_or_default();
    numbers.split(' ').filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_leads_to_the_innermost_mutants() {
        let inner = marked(&[2], "b");
        let text = format!("a{}c", marked(&[1, 2], &format!("x{inner}y")));
        let found = |what: char| at(&text, text.find(what).expect("the text has the character"));
        assert!(found('a').is_empty() && found('c').is_empty());
        assert_eq!(found('b'), BTreeSet::from([2]));
        assert_eq!(found('x'), BTreeSet::from([1, 2]));
        assert_eq!(found('y'), BTreeSet::from([1, 2]));
    }
}
