//! Marks around what mutants say in a changed file, and the way back from a place to the mutants.

use std::collections::BTreeSet;

const OPEN: &str = "/*gm<";
/// What ends what mutants say.
pub(crate) const CLOSE: &str = "/*gm>*/";

/// What begins what mutants say.
pub(crate) fn open(numbers: &[u32]) -> String {
    let numbers = numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    format!("{OPEN}{numbers}*/")
}

/// A text between the marks of mutants.
pub(crate) fn marked(numbers: &[u32], text: &str) -> String {
    open(numbers) + text + CLOSE
}

/// The mutants between whose marks a byte of a text is, by the innermost pair of marks; none if it
/// is between no marks.
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
        let found = |what: char| at(&text, text.find(what).expect("it is there"));
        assert!(found('a').is_empty() && found('c').is_empty());
        assert_eq!(found('b'), BTreeSet::from([2]));
        assert_eq!(found('x'), BTreeSet::from([1, 2]));
        assert_eq!(found('y'), BTreeSet::from([1, 2]));
    }
}
