//! The tests of a crate, built with all its mutants in them.
//!
//! Knows cargo and what the compiler says: mutants that it does not take are left out, and it is
//! asked again.

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

/// Rounds of leaving out, at most: types, borrows and constants are complained of one after the
/// other.
const MOST_ROUNDS: usize = 12;

/// What decides which mutant is awake, at the end of the crate's root.
const SWITCH: &str = include_str!("switch.rs.txt");

/// Tests with mutants in them.
#[derive(Debug)]
pub(crate) struct MutantBuild {
    pub(crate) mutants: Vec<Mutant>,
    /// The programs of the tests.
    pub(crate) programs: Vec<PathBuf>,
    /// Where they run.
    pub(crate) folder: PathBuf,
}

/// Builds the tests of a crate with all mutants of its files.
pub(crate) fn build(ws: &Workspace, place: &MutatedCrate) -> Result<MutantBuild> {
    let (sources, defaults) = tree::sources(ws.root(), place.package)?;
    // One for each crate, so that two may be tried at the same time.
    let to = ws.target_folder().join("mutants").join(place.package).join("tree");
    let mut learnt = CompilerFeedback { defaults, ..CompilerFeedback::default() };
    for _ in 0..MOST_ROUNDS {
        let mut mutants = Vec::new();
        let mut instead = Vec::new();
        for source in &sources {
            let mut text = source.text.clone();
            if place.has(&source.file) {
                let first = u32::try_from(mutants.len() + 1)?;
                let (found, changed) = find(&source.file, &source.text, first, &learnt)
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
        let answer = cargo(ws, place, &to)?;
        if answer.good {
            let folder = to.join(place.package);
            return Ok(MutantBuild { mutants, programs: answer.programs, folder });
        }
        learn(&mut learnt, &to, &answer, &mutants)?;
    }
    bail!("the mutants of {} do not compile after {MOST_ROUNDS} rounds", place.package)
}

/// What cargo said.
struct CargoOutput {
    good: bool,
    programs: Vec<PathBuf>,
    errors: Vec<Diagnostic>,
}

fn cargo(ws: &Workspace, place: &MutatedCrate, to: &Path) -> Result<CargoOutput> {
    let MutatedCrate { package, features, programs, .. } = place;
    let mut command: Command = ws.cargo(&format!("test -p {package} {features} --no-run {programs}"));
    command
        .arg("--message-format=json")
        // What is used for a minute is built quickly.
        .args(["--config", "profile.test.opt-level=1", "--config", "profile.test.debug=false"])
        // Cargo tells copies of a workspace apart by what is built, not by where: this is built
        // nowhere else.
        .args(["--config", &format!("profile.test.package.{package}.codegen-units=17")])
        .current_dir(to)
        .env("CARGO_TARGET_DIR", ws.target_folder().join("mutants/build"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().context("cannot start cargo")?;
    let mut answer = CargoOutput { good: false, programs: Vec::new(), errors: Vec::new() };
    let output = child.stdout.take().context("cargo has no output")?;
    for message in Message::parse_stream(BufReader::new(output)) {
        match message.context("cannot read what cargo says")? {
            Message::CompilerArtifact(artifact) if artifact.profile.test => {
                answer.programs.extend(artifact.executable.map(PathBuf::from));
            }
            Message::CompilerMessage(said) if said.message.level == DiagnosticLevel::Error => {
                answer.errors.push(said.message);
            }
            _ => {}
        }
    }
    answer.good = child.wait().context("cannot wait for cargo")?.success();
    Ok(answer)
}

/// Finds the mutants that were complained of; an error if there are none.
fn learn(learnt: &mut CompilerFeedback, to: &Path, answer: &CargoOutput, mutants: &[Mutant]) -> Result<()> {
    let before = (learnt.refused.len(), learnt.constant.len());
    for error in &answer.errors {
        if error.code.as_ref().is_some_and(|code| code.code == "E0015")
            && let Some(name) = error.message.split('`').nth(1)
        {
            learnt.constant.insert(last_two(name));
        }
        for span in error.spans.iter().filter(|span| span.is_primary) {
            let text = fs::read_to_string(to.join(&span.file_name)).unwrap_or_default();
            let byte = usize::try_from(span.byte_start)?;
            learnt.refused.extend(markers::at(&text, byte));
        }
    }
    if before == (learnt.refused.len(), learnt.constant.len()) {
        let said = answer.errors.iter().filter_map(|error| error.rendered.as_deref()).collect::<String>();
        bail!("what does not compile is no mutant ({} are known):\n{said}", mutants.len());
    }
    Ok(())
}
