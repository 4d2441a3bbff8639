//! Text edits: collects insertions and replacements, and applies all of them at once.

use std::ops::Range;

/// Edits in the order in which they were added. Several insertions at the same position keep that
/// order.
#[derive(Debug, Default)]
pub(crate) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    /// Inserts a text before the byte `at`.
    pub(crate) fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.0.push((at..at, text.into()));
    }

    /// Replaces a range by a text. Replaced ranges must not overlap.
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
