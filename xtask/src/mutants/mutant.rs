//! What a mutant is, and what is learnt of a crate before its mutants are written.

use std::collections::BTreeSet;

/// One change of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mutant {
    pub(crate) number: u32,
    /// From the root of the workspace.
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) function: String,
    /// What is changed and what it becomes, as often as it is in the function.
    pub(crate) said: String,
    /// The same, numbered from the second on.
    pub(crate) change: String,
    /// Whether it is in the program: a compiler takes it, and it is not in a function that is
    /// called while compiling.
    pub(crate) made: bool,
}

impl Mutant {
    /// Its name, which stays when lines are moved.
    pub(crate) fn name(&self) -> String {
        format!("{}: {}: {}", self.file, self.function, self.change)
    }
}

/// What was learnt of a crate before its mutants are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct CompilerFeedback {
    /// Types with a default value.
    pub(crate) defaults: BTreeSet<String>,
    /// Mutants that no compiler takes.
    pub(crate) refused: BTreeSet<u32>,
    /// Functions that are called while compiling, and cannot ask which mutant is chosen.
    pub(crate) constant: BTreeSet<String>,
}

/// The type and the function of a path.
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
