//! `cargo xtask port`: runs the wire vectors with the second implementation, in Python.
//!
//! It makes a virtual environment with the one package that the implementation needs, and reads the
//! counts in its last line.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::test_counts::TestCounts;
use crate::workspace::{Workspace, status};

const FOLDER: &str = "docs/port";
const VENV: &str = "target/port-venv";
/// Message if there is no Python.
pub(crate) const NO_PYTHON: &str = "python3 is not installed";

/// Runs the vectors. Returns `None` without Python.
pub(crate) fn run(ws: &Workspace) -> Result<Option<TestCounts>> {
    if !works(Command::new("python3").arg("--version")) {
        return Ok(None);
    }
    let folder = ws.root().join(FOLDER);
    let python = environment(&ws.root().join(VENV), &folder.join("requirements.txt"))?;
    let output = Command::new(python)
        .arg(folder.join("run_vectors.py"))
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start the second implementation")?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let mut tally = text.lines().next_back().and_then(last_line).unwrap_or(TestCounts::FAILED);
    if !output.status.success() && tally.failed == 0 {
        tally += TestCounts::FAILED;
    }
    Ok(Some(tally))
}

/// The Python of a virtual environment with the required packages, which it makes if needed.
fn environment(venv: &Path, requirements: &Path) -> Result<PathBuf> {
    let python = venv.join("bin/python");
    // An interrupted creation leaves a Python without pip: `--clear` starts again.
    if !works(Command::new(&python).args(["-m", "pip", "--version"])) {
        let made = status(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv))?;
        if !made.success() {
            bail!("cannot make a virtual environment: Python's venv is missing (Debian: python3-venv)");
        }
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    if !status(pip.arg(requirements))?.success() {
        bail!("cannot install the packages of {}", requirements.display());
    }
    Ok(python)
}

/// Whether the program exists and succeeds. Its output is not shown.
fn works(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Parses `N passed, M failed`. Returns `None` if no test passed, which counts as a failure.
fn last_line(line: &str) -> Option<TestCounts> {
    let (passed, failed) = line.strip_suffix(" failed")?.split_once(" passed, ")?;
    let tally = TestCounts { passed: passed.parse().ok()?, failed: failed.parse().ok()?, skipped: 0 };
    (tally.passed > 0).then_some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_read() {
        assert_eq!(last_line("12 passed, 3 failed"), Some(TestCounts { passed: 12, failed: 3, skipped: 0 }));
    }

    #[test]
    fn other_lines_and_empty_runs_are_not_counted() {
        for line in
            ["", "0 passed, 0 failed", "12 passed", "x passed, 1 failed", "1 passed, 2 failed, 3 skipped"]
        {
            assert_eq!(last_line(line), None, "{line}");
        }
    }
}
