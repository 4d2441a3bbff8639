//! Build of a crate's tests with all of its mutants in one program.
//!
//! Mutants that the compiler rejects are left out, and the build starts again.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;
use cargo_metadata::diagnostic::{Diagnostic, DiagnosticLevel};

use super::find::find;
use super::mutant::{CompilerFeedback, Mutant, last_two};
use super::{MutatedCrate, markers, tree};
use crate::workspace::Workspace;

/// Maximum number of builds. The compiler reports errors of types, borrows and constants in
/// separate phases, so several rounds are needed.
const MAX_ROUNDS: usize = 12;

/// The module that decides which mutant is active; it is appended to the crate root.
pub(crate) const SWITCH: &str = include_str!("switch.rs.txt");

/// The built tests, with the mutants in them.
#[derive(Debug)]
pub(crate) struct MutantBuild {
    pub(crate) mutants: Vec<Mutant>,
    /// The test programs.
    pub(crate) programs: Vec<PathBuf>,
    /// The folder in which the programs run.
    pub(crate) folder: PathBuf,
}

/// Builds the tests of a crate with all mutants of its files.
pub(crate) fn build(ws: &Workspace, krate: &MutatedCrate) -> Result<MutantBuild> {
    let (sources, defaults) = tree::sources(ws.root(), krate.package)?;
    // One folder per crate, so that two crates can be tried at the same time.
    let to = ws.target_folder().join("mutants").join(krate.package).join("tree");
    let mut feedback = CompilerFeedback { defaults, ..CompilerFeedback::default() };
    for _ in 0..MAX_ROUNDS {
        let mut mutants = Vec::new();
        let mut instead = Vec::new();
        for source in &sources {
            let mut text = source.text.clone();
            if krate.has(&source.file) {
                let first = u32::try_from(mutants.len() + 1)?;
                let (found, changed) = find(&source.file, &source.text, first, &feedback)
                    .with_context(|| format!("cannot parse {}", source.file))?;
                mutants.extend(found);
                text = changed;
            }
            if source.file.ends_with("/src/lib.rs") {
                text += SWITCH;
            }
            instead.push((source.file.clone(), text));
        }
        tree::copy(ws.root(), ws.target_folder(), &to, &instead)?;
        let answer = cargo(ws, krate, &to)?;
        if answer.good {
            let folder = to.join(krate.package);
            return Ok(MutantBuild { mutants, programs: answer.programs, folder });
        }
        note_rejected(&mut feedback, &to, &answer, &mutants)?;
    }
    bail!("the mutants of {} do not compile after {MAX_ROUNDS} rounds", krate.package)
}

/// Result of a cargo build.
struct CargoOutput {
    good: bool,
    programs: Vec<PathBuf>,
    errors: Vec<Diagnostic>,
}

fn cargo(ws: &Workspace, krate: &MutatedCrate, to: &Path) -> Result<CargoOutput> {
    let MutatedCrate { package, features, programs, .. } = krate;
    let mut command: Command = ws.cargo(&format!("test -p {package} {features} --no-run {programs}"));
    command
        .arg("--message-format=json")
        // The programs run for a minute, so a quick build matters more than their speed.
        .args(["--config", "profile.test.opt-level=1", "--config", "profile.test.debug=false"])
        // Cargo distinguishes copies of a workspace by their settings, not by their folder. No
        // other build has this setting.
        .args(["--config", &format!("profile.test.package.{package}.codegen-units=17")])
        .current_dir(to)
        .env("CARGO_TARGET_DIR", ws.target_folder().join("mutants/build"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().context("cannot start cargo")?;
    let mut answer = CargoOutput { good: false, programs: Vec::new(), errors: Vec::new() };
    let output = child.stdout.take().context("cargo has no output")?;
    for message in Message::parse_stream(BufReader::new(output)) {
        match message.context("cannot read the output of cargo")? {
            Message::CompilerArtifact(artifact) if artifact.profile.test => {
                answer.programs.extend(artifact.executable.map(PathBuf::from));
            }
            Message::CompilerMessage(compiler) if compiler.message.level == DiagnosticLevel::Error => {
                answer.errors.push(compiler.message);
            }
            _ => {}
        }
    }
    answer.good = child.wait().context("cannot wait for cargo")?.success();
    Ok(answer)
}

/// Finds the mutants that the compiler rejects. An error if it rejects other code.
fn note_rejected(
    feedback: &mut CompilerFeedback,
    to: &Path,
    answer: &CargoOutput,
    mutants: &[Mutant],
) -> Result<()> {
    let before = (feedback.refused.len(), feedback.constant.len());
    for error in &answer.errors {
        if error.code.as_ref().is_some_and(|code| code.code == "E0015")
            && let Some(name) = error.message.split('`').nth(1)
        {
            feedback.constant.insert(last_two(name));
        }
        for span in error.spans.iter().filter(|span| span.is_primary) {
            let text = fs::read_to_string(to.join(&span.file_name)).unwrap_or_default();
            let byte = usize::try_from(span.byte_start)?;
            feedback.refused.extend(markers::at(&text, byte));
        }
    }
    if before == (feedback.refused.len(), feedback.constant.len()) {
        let rendered = answer.errors.iter().filter_map(|error| error.rendered.as_deref()).collect::<String>();
        bail!("the compiler reports errors outside of the {} mutants:\n{rendered}", mutants.len());
    }
    Ok(())
}
