//! Build of the fuzz targets, with the compiler flags of `cargo fuzz` but without that program.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;
use cargo_metadata::diagnostic::DiagnosticLevel;

use super::FOLDER;
use crate::workspace::{Workspace, status};

/// Compiler flags for coverage. The stable compiler accepts all of them.
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Ccodegen-units=1",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Variants of the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    Plain,
    /// With the address sanitizer, on the nightly toolchain.
    Address,
}

impl Variant {
    const fn more(self) -> Option<&'static str> {
        match self {
            Variant::Plain => None,
            Variant::Address => Some("-Zsanitizer=address"),
        }
    }
}

/// The built programs.
#[derive(Debug, Default)]
pub(super) struct FuzzBuild {
    programs: BTreeMap<String, PathBuf>,
    library: Option<PathBuf>,
}

impl FuzzBuild {
    pub(super) fn program(&self, target: &str) -> Result<&Path> {
        self.programs.get(target).map(PathBuf::as_path).with_context(|| format!("{target} was not built"))
    }

    /// The library libFuzzer, so that another variant need not build it again.
    pub(super) fn library(&self) -> Option<&Path> {
        self.library.as_deref()
    }
}

/// Whether there is a C++ compiler, which the build of libFuzzer needs.
pub(super) fn has_compiler() -> bool {
    let program = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let mut version = Command::new(program);
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// Builds targets of the workspace in `root`, which is that of `ws` or a copy of it. `library` is a
/// libFuzzer that was built before, if there is one.
pub(super) fn build(
    ws: &Workspace,
    root: &Path,
    variant: Variant,
    library: Option<&Path>,
    targets: &[&str],
) -> Result<FuzzBuild> {
    let mut command = cargo(ws, root, variant, "build")?;
    // Only errors are shown: a copy with mutations has warnings.
    command.arg("--message-format=json").stdout(Stdio::piped());
    command.args(targets.iter().flat_map(|target| ["--bin", target]));
    if let Some(library) = library {
        command.env("CUSTOM_LIBFUZZER_PATH", library);
    }
    let mut child = command.spawn().context("cannot start cargo build")?;
    let stdout = child.stdout.take().context("cargo build has no output")?;
    let mut built = FuzzBuild::default();
    for message in Message::parse_stream(BufReader::new(stdout)) {
        match message.context("cannot read the output of cargo build")? {
            Message::CompilerArtifact(artifact) => {
                if let Some(program) = artifact.executable {
                    built.programs.insert(artifact.target.name, program.into());
                }
            }
            Message::BuildScriptExecuted(script) => {
                let library = script.out_dir.join("libfuzzer.a");
                if library.is_file() {
                    built.library = Some(library.into());
                }
            }
            Message::CompilerMessage(compiler) if compiler.message.level == DiagnosticLevel::Error => {
                eprint!("{}", compiler.message.rendered.unwrap_or(compiler.message.message));
            }
            _ => {}
        }
    }
    if !child.wait().context("cannot wait for cargo build")?.success() {
        bail!("the fuzz targets do not build");
    }
    Ok(built)
}

/// Runs clippy on the targets. Returns whether it reports nothing.
pub(super) fn clippy(ws: &Workspace) -> Result<bool> {
    let mut command = cargo(ws, ws.root(), Variant::Plain, "clippy")?;
    Ok(status(command.args(["--quiet", "--no-deps", "--", "-D", "warnings"]))?.success())
}

/// A cargo command for the targets. It names the platform, so that cargo builds build scripts
/// without the coverage flags.
fn cargo(ws: &Workspace, root: &Path, variant: Variant, subcommand: &str) -> Result<Command> {
    let mut command = match variant {
        Variant::Address => Command::new("rustup"),
        Variant::Plain => ws.plain_cargo(""),
    };
    if variant == Variant::Address {
        command.args(["run", "nightly", "cargo"]).current_dir(ws.root());
    }
    command.args([subcommand, "--release", "--target", &host()?]);
    if ws.is_locked() {
        command.arg("--locked");
    }
    command.arg("--manifest-path").arg(root.join(FOLDER).join("Cargo.toml"));
    command.arg("--target-dir").arg(ws.target_folder().join("fuzz/build"));
    let flags: Vec<_> = FLAGS.iter().copied().chain(variant.more()).collect();
    command.env("RUSTFLAGS", flags.join(" ")).env_remove("CARGO_ENCODED_RUSTFLAGS");
    Ok(command)
}

/// The compiler's name of this platform.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV prints no host platform")
}
