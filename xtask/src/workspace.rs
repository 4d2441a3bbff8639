//! Cargo workspace: its metadata, and commands that run in it.

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

    /// The folder of build products.
    pub(crate) fn target_folder(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// Whether lock files must not change.
    pub(crate) const fn is_locked(&self) -> bool {
        self.locked
    }

    /// The member crates, in the order of their names.
    pub(crate) fn members(&self) -> Vec<&Package> {
        let mut members = self.metadata.workspace_packages();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        members
    }

    /// A file's path relative to the root, with forward slashes; `None` if it is not below the
    /// root.
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

    /// A cargo command in the root: `words` split at spaces, with `--locked` after the subcommand
    /// if the workspace was opened with it.
    ///
    /// Only for subcommands that accept `--locked`; see [`Workspace::plain_cargo`].
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

/// Runs a command with the standard streams of this process.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| format!("cannot start {}", command.get_program().display()))
}

/// The cargo that started this program, so that the chosen toolchain is kept.
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
