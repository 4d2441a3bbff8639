//! Build of a copy of the workspace that has all mutations: the simulators, and the tests that
//! find mutations.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;
use cargo_metadata::diagnostic::DiagnosticLevel;

use super::schemata;
use super::table::{FoundBy, Mutation, Simulator};
use crate::mutants::build::SWITCH;
use crate::mutants::tree;
use crate::workspace::Workspace;

/// Cargo distinguishes copies of a workspace by their settings, not by their folder. No other build
/// has this one; it is for a crate that all others use.
const OWN_SETTING: &str = "package.gm-clock.codegen-units=18";

/// A copy of the workspace with all mutations in it.
pub(super) struct MutatedTree<'a> {
    ws: &'a Workspace,
    folder: PathBuf,
}

impl<'a> MutatedTree<'a> {
    /// Copies the workspace and changes the copy.
    pub(super) fn make(ws: &'a Workspace, mutations: &[Mutation]) -> Result<MutatedTree<'a>> {
        let mut instead: BTreeMap<String, String> =
            schemata::apply(ws.root(), mutations)?.into_iter().collect();
        let roots: Vec<String> = instead.keys().filter_map(|file| crate_root(file)).collect();
        for root in roots {
            let text = match instead.remove(&root) {
                Some(text) => text,
                None => std::fs::read_to_string(ws.root().join(&root))
                    .with_context(|| format!("cannot read {root}"))?,
            };
            let has_switch = text.ends_with(SWITCH);
            instead.insert(root, if has_switch { text } else { text + SWITCH });
        }
        let folder = ws.target_folder().join("mutations/tree");
        let instead: Vec<(String, String)> = instead.into_iter().collect();
        tree::copy(ws.root(), ws.target_folder(), &folder, &instead)?;
        Ok(MutatedTree { ws, folder })
    }

    /// The folder in which the programs run.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Builds the simulators that find some of the mutations, with optimisation.
    pub(super) fn simulators(&self, mutations: &[&Mutation]) -> Result<BTreeMap<Simulator, PathBuf>> {
        let mut programs = BTreeMap::new();
        for mutation in mutations {
            if let FoundBy::Run { simulator, .. } = mutation.found_by
                && !programs.contains_key(&simulator)
            {
                let words = format!("build --release -p {}", simulator.package());
                programs.insert(simulator, self.program(&words, "release")?);
            }
        }
        Ok(programs)
    }

    /// Builds the tests of the libraries that find some of the mutations; the key is the package.
    pub(super) fn tests(&self, mutations: &[&Mutation]) -> Result<BTreeMap<String, PathBuf>> {
        let mut programs = BTreeMap::new();
        for mutation in mutations {
            if let FoundBy::Test { package, .. } = &mutation.found_by
                && !programs.contains_key(package)
            {
                let words = format!("test --no-run --lib -p {package}");
                programs.insert(package.clone(), self.program(&words, "test")?);
            }
        }
        Ok(programs)
    }

    /// The program that a cargo command builds.
    fn program(&self, words: &str, profile: &str) -> Result<PathBuf> {
        println!("building with all mutations: cargo {words}");
        let mut child = self
            .ws
            .cargo(words)
            .arg("--message-format=json")
            .args(["--config", &format!("profile.{profile}.{OWN_SETTING}")])
            // Those of `cargo xtask mutants`.
            .args(["--config", "profile.test.opt-level=1", "--config", "profile.test.debug=false"])
            .current_dir(&self.folder)
            // `cargo xtask mutants` builds there too, so that dependencies are built once.
            .env("CARGO_TARGET_DIR", self.ws.target_folder().join("mutants/build"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start cargo")?;
        let output = child.stdout.take().context("cargo has no output")?;
        let (mut program, mut errors) = (None, String::new());
        for message in Message::parse_stream(BufReader::new(output)) {
            match message.context("cannot read the output of cargo")? {
                Message::CompilerArtifact(artifact) => {
                    program = artifact.executable.map(PathBuf::from).or(program);
                }
                Message::CompilerMessage(compiler) if compiler.message.level == DiagnosticLevel::Error => {
                    errors += &compiler.message.rendered.unwrap_or(compiler.message.message);
                }
                _ => {}
            }
        }
        if !child.wait().context("cannot wait for cargo")?.success() {
            bail!("the program with all mutations does not compile, in {}:\n{errors}", self.folder.display());
        }
        program.with_context(|| format!("cargo {words} built no program"))
    }
}

/// The root of the library that has a file.
fn crate_root(file: &str) -> Option<String> {
    let (package, _) = file.split_once("/src/")?;
    Some(format!("{package}/src/lib.rs"))
}
