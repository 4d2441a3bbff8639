//! Findings of a check: where a rule is broken, and the report of all findings.

use std::fmt;

/// A violation of a rule. The order is by path and line, so sorted findings follow the tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path relative to the root, with forward slashes.
    pub(crate) path: String,
    /// Line number from 1; 1 also stands for the whole file.
    pub(crate) line: usize,
    pub(crate) rule: &'static str,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn new(path: &str, line: usize, rule: &'static str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.message)
    }
}

/// Prints all findings in order and a summary line. Returns whether there were none.
pub(crate) fn report(check: &str, seen: usize, unit: &str, mut findings: Vec<Finding>) -> bool {
    findings.sort();
    findings.dedup();
    for finding in &findings {
        println!("{finding}");
    }
    println!("{check}: {seen} {unit}, {} findings", findings.len());
    findings.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_path_line_rule_message() {
        let finding = Finding::new("a/b.rs", 7, "size", "too long");
        assert_eq!(finding.to_string(), "a/b.rs:7: size: too long");
    }

    #[test]
    fn lines_are_ordered_as_numbers() {
        assert!(Finding::new("a.rs", 9, "x", "") < Finding::new("a.rs", 10, "x", ""));
        assert!(Finding::new("a.rs", 10, "x", "") < Finding::new("b.rs", 1, "x", ""));
    }

    #[test]
    fn a_report_is_good_only_without_findings() {
        assert!(report("check", 1, "files", vec![]));
        assert!(!report("check", 1, "files", vec![Finding::new("a.rs", 1, "x", "")]));
    }
}
