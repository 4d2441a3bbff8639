//! Changes of a text at places of it, made all at once.
//!
//! Knows bytes and order; knows no language.

use std::ops::Range;

/// Changes in the order in which they were asked for: at one place, what was asked for first comes
/// first.
#[derive(Debug, Default)]
pub(crate) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    /// Puts a text before the byte `at`.
    pub(crate) fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.0.push((at..at, text.into()));
    }

    /// Puts a text in the place of another. What is replaced must not overlap.
    pub(crate) fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.0.push((range, text.into()));
    }

    /// The changed text.
    pub(crate) fn apply(mut self, text: &str) -> String {
        self.0.sort_by_key(|(range, _)| range.start);
        let mut changed = String::with_capacity(text.len() * 2);
        let mut at = 0;
        for (range, new) in self.0 {
            changed.push_str(text.get(at..range.start).unwrap_or_default());
            changed.push_str(&new);
            at = at.max(range.end);
        }
        changed.push_str(text.get(at..).unwrap_or_default());
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_applied_in_the_order_of_insertion() {
        let mut edits = Edits::default();
        edits.insert(0, "(");
        edits.insert(0, "[");
        edits.insert(1, "]");
        edits.replace(1..2, " - ");
        edits.insert(3, ")");
        assert_eq!(edits.apply("a+b;"), "([a] - b);");
    }

    #[test]
    fn without_changes_a_text_stays() {
        assert_eq!(Edits::default().apply("ä"), "ä");
    }
}
