//! `cargo xtask embed`: builds and runs a program outside of the workspace, whose manifest has one
//! dependency, `gm-node`. So the crate exports all that an embedder needs.
//!
//! The program is the crate's example: two nodes on sockets of this machine, of which one serves
//! keys and the other one watches and locates them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};

use crate::workspace::{Workspace, status};

/// The source of the program.
const EXAMPLE: &str = "gm-node/examples/embed.rs";
/// Folder of its build products.
const TARGET: &str = "target/embed";
/// Text that the program prints at its end.
const EXPECTED: &str = "key 4711 is served by";

/// A folder outside of the workspace, removed at the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What remains is in the system's folder of temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Builds and runs the program. Returns whether it succeeds.
pub(crate) fn run(ws: &Workspace) -> Result<bool> {
    let scratch = Scratch(std::env::temp_dir().join(format!("gm-embedder-{}", std::process::id())));
    write_crate(ws.root(), &scratch.0).context("cannot write the crate of the embedder")?;
    // The workspace's build has downloaded the dependencies in the versions of the lock file.
    let mut build = ws.plain_cargo("build --quiet --offline");
    build.current_dir(&scratch.0).env("CARGO_TARGET_DIR", ws.root().join(TARGET));
    // It is built once, and only run.
    build.env("CARGO_PROFILE_DEV_DEBUG", "false").env("CARGO_INCREMENTAL", "0");
    if !status(&mut build)?.success() {
        println!("a crate that depends on gm-node alone does not build");
        return Ok(false);
    }
    let program = ws.root().join(TARGET).join("debug/gm-embedder");
    let output = std::process::Command::new(program)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start the embedder")?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    Ok(output.status.success() && text.contains(EXPECTED))
}

/// Writes the crate: its manifest, the example, and the workspace's lock file.
fn write_crate(root: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("Cargo.toml"), manifest(root))?;
    fs::copy(root.join(EXAMPLE), folder.join("src/main.rs"))?;
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    Ok(())
}

/// The manifest of the program.
fn manifest(root: &Path) -> String {
    // A literal string of TOML, in which a backslash is a backslash.
    let path = root.join("gm-node");
    format!(
        "[package]\nname = \"gm-embedder\"\nedition = \"2024\"\n\n[dependencies]\ngm-node = {{ path = '{}' }}\n\n[workspace]\n",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedder_depends_on_gm_node_alone() {
        let manifest: toml::Table = manifest(Path::new("/gm")).parse().unwrap();
        let dependencies: Vec<_> = manifest["dependencies"].as_table().unwrap().keys().collect();
        assert_eq!(dependencies, ["gm-node"]);
        assert_eq!(manifest["dependencies"]["gm-node"]["path"].as_str(), Some("/gm/gm-node"));
        assert!(manifest.contains_key("workspace"), "it is a workspace of its own");
    }
}
