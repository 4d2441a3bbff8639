//! The workspace as cargo describes it, and how commands are started in it.
//!
//! Knows cargo's metadata and processes; knows no rule.

use std::path::Path;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};
use cargo_metadata::camino::Utf8Path;
use cargo_metadata::{Metadata, MetadataCommand, Package};

/// An opened workspace.
pub(crate) struct Workspace {
    metadata: Metadata,
    locked: bool,
}

impl Workspace {
    /// Reads the manifests of the workspace around the current directory.
    ///
    /// With `locked`, every later command refuses to change the lock file.
    pub(crate) fn open(locked: bool) -> Result<Self> {
        let metadata = command(locked).no_deps().exec().context("cannot read the workspace manifests")?;
        Ok(Self { metadata, locked })
    }

    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Where build products go.
    pub(crate) fn target_folder(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// Whether lock files must stay as they are.
    pub(crate) const fn is_locked(&self) -> bool {
        self.locked
    }

    /// The member crates, in the order of their names.
    pub(crate) fn members(&self) -> Vec<&Package> {
        let mut members = self.metadata.workspace_packages();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        members
    }

    /// A file's place below the root, with forward slashes; `None` if it lies elsewhere.
    pub(crate) fn relative(&self, path: &Utf8Path) -> Option<String> {
        let below = path.strip_prefix(&self.metadata.workspace_root).ok()?;
        Some(below.as_str().replace('\\', "/"))
    }

    /// The resolved graph of all packages, dependencies included, of the workspace in a folder
    /// below the root.
    pub(crate) fn resolved(&self, folder: &str) -> Result<Metadata> {
        command(self.locked)
            .current_dir(self.root().join(folder))
            .exec()
            .with_context(|| format!("cannot resolve the dependencies of the workspace in `{folder}`"))
    }

    /// A cargo command in the root: `words` split at spaces, `--locked` put after the subcommand if
    /// asked for.
    ///
    /// Only for subcommands that know `--locked`; see [`Workspace::plain_cargo`].
    pub(crate) fn cargo(&self, words: &str) -> Command {
        let mut words = words.split_whitespace();
        let mut command = Command::new(cargo_program());
        command.current_dir(self.root()).args(words.next());
        if self.locked {
            command.arg("--locked");
        }
        command.args(words);
        command
    }

    /// A cargo command in the root, exactly as written.
    pub(crate) fn plain_cargo(&self, words: &str) -> Command {
        let mut command = Command::new(cargo_program());
        command.current_dir(self.root()).args(words.split_whitespace());
        command
    }
}

/// Runs a command with our own standard streams.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| format!("cannot start {}", command.get_program().display()))
}

/// The cargo that started us, so that a chosen toolchain stays chosen.
fn cargo_program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn command(locked: bool) -> MetadataCommand {
    let mut command = MetadataCommand::new();
    if locked {
        command.other_options(vec!["--locked".to_owned()]);
    }
    command
}
