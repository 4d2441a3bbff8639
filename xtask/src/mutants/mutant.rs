//! Mutants, and the feedback of the compiler about a crate's mutants.

use std::collections::BTreeSet;

/// A small change of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mutant {
    pub(crate) number: u32,
    /// Path relative to the workspace root.
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) function: String,
    /// The code and its replacement. Several mutants of a function may have the same.
    pub(crate) base_change: String,
    /// `base_change`, with a number from its second occurrence in the function on.
    pub(crate) change: String,
    /// Whether it is in the program: the compiler accepts it, and it is not in a function that is
    /// called at compile time.
    pub(crate) built_in: bool,
}

impl Mutant {
    /// The name of the mutant, which does not change when lines are moved.
    pub(crate) fn name(&self) -> String {
        format!("{}: {}: {}", self.file, self.function, self.change)
    }
}

/// Facts about a crate that were learned from its sources and from the compiler in earlier rounds.
#[derive(Clone, Debug, Default)]
pub(crate) struct CompilerFeedback {
    /// Types that implement `Default`.
    pub(crate) defaults: BTreeSet<String>,
    /// Mutants that the compiler rejects.
    pub(crate) refused: BTreeSet<u32>,
    /// Functions that are called at compile time, and so cannot check which mutant is active.
    pub(crate) constant: BTreeSet<String>,
}

/// The last two parts of a path: type and function.
pub(crate) fn last_two(path: &str) -> String {
    let parts: Vec<&str> = path.rsplitn(3, "::").take(2).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_ends_with_a_type_and_a_function() {
        assert_eq!(last_two("range::KeyRange::new"), "KeyRange::new");
        assert_eq!(last_two("KeyRange::new"), "KeyRange::new");
        assert_eq!(last_two("new"), "new");
    }
}
