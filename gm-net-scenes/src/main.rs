//! Scenes with real nodes in network namespaces, connected by bridges and a router without
//! multicast forwarding, while networks, processes and disks fail. `cargo xtask net` calls it.
//!
//! This file has the flags, checks what the system must have, builds the programs, and runs the
//! scenes, several at once (`runner`). `broadcast_scenes` tests the broadcast alone,
//! `daemon_scenes` daemons and the command line. The last line of the output has the counts, which
//! `cargo xtask ci` reads.

#![allow(clippy::print_stdout, reason = "a command line tool prints to standard output")]

mod broadcast_scenes;
mod chat_process;
mod clusters;
mod daemon;
mod daemon_scenes;
mod links;
mod namespaces;
mod outsider;
mod process_log;
mod rules;
mod runner;
mod scene_counts;
mod waiting;

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use serde_json::Value;

use namespaces::{Cluster, Process};
use runner::{Load, QueuedScene, SceneResult};
use scene_counts::SceneCounts;

/// Environment variable that `.ci/run` sets after it has installed the tools. If it is set, a scene
/// that cannot run counts as failed.
const REQUIRED: &str = "GM_NET_REQUIRED";
/// The workspace, in which cargo builds the programs of the scenes.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Selection of scenes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SceneKind {
    /// Scenes of both kinds
    All,
    /// Scenes of the broadcast alone, with the example `chat`
    Broadcast,
    /// Scenes of daemons, controlled by the command line
    Node,
}

/// Run scenes with real nodes in network namespaces
#[derive(Debug, Parser)]
#[command(name = "cargo xtask net", bin_name = "cargo xtask net")]
struct Flags {
    #[arg(default_value = "all")]
    what: SceneKind,
    /// Only the scenes whose names contain this
    #[arg(value_name = "SCENE")]
    scene: Option<String>,
    /// Number of kills in the scene `writer-kills`
    #[arg(long, default_value_t = KILLS)]
    kills: u32,
    /// Number of scenes that run at the same time
    #[arg(long, default_value_t = JOBS)]
    jobs: usize,
    /// Instead of scenes, measure time and traffic of one broadcast to many nodes on loopback
    #[arg(long)]
    measure: bool,
    /// Run as the outsider of a scene: flood this node and replay the group's multicasts
    #[arg(long, hide = true)]
    outsider: Option<SocketAddr>,
}

/// Default of `--kills`.
const KILLS: u32 = 40;
/// Default of `--jobs`. Scenes mostly wait, so more run than there are processors.
const JOBS: usize = 4;

impl Flags {
    fn wants(&self, what: SceneKind, name: &str) -> bool {
        [SceneKind::All, what].contains(&self.what)
            && self.scene.as_deref().is_none_or(|part| name.contains(part))
    }
}

fn main() -> ExitCode {
    let counts = run(&Flags::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        SceneCounts::FAILED
    });
    println!("{counts}");
    if counts.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Executes the flags.
fn run(flags: &Flags) -> Result<SceneCounts> {
    if let Some(target) = flags.outsider {
        outsider::run(target)?;
        return Ok(SceneCounts::default());
    }
    if flags.measure {
        measure()?;
        return Ok(SceneCounts::default());
    }
    let of_broadcast: Vec<_> = broadcast_scenes::SCENES
        .iter()
        .filter(|(name, ..)| flags.wants(SceneKind::Broadcast, name))
        .collect();
    let of_daemons: Vec<_> =
        daemon_scenes::SCENES.iter().filter(|(name, ..)| flags.wants(SceneKind::Node, name)).collect();
    let count = (of_broadcast.len() + of_daemons.len()) as u64;
    if count == 0 {
        bail!("there is no such scene");
    }
    let missing = missing_tools();
    if !missing.is_empty() {
        println!("{count} scenes cannot run here: {}", missing.join("; "));
        return Ok(match std::env::var_os(REQUIRED) {
            Some(_) => SceneCounts { failed: count, ..SceneCounts::default() },
            None => SceneCounts { skipped: count, ..SceneCounts::default() },
        });
    }
    namespaces::remove_leftovers()?;
    let chat = if of_broadcast.is_empty() { PathBuf::new() } else { build(EXAMPLE, "chat")? };
    let program = if of_daemons.is_empty() { PathBuf::new() } else { build(DAEMON, "gm-node")? };
    let settings = daemon_scenes::Settings { kills: flags.kills };
    let mut queue = Vec::new();
    for (name, load, scene) in of_broadcast {
        queue.push(queued(name, *load, &chat, scene));
    }
    for (name, load, scene) in of_daemons {
        queue.push(queued(name, *load, &program, |cluster| scene(cluster, &settings)));
    }
    println!("{count} scenes, {} at a time", flags.jobs);
    let counts = runner::run_all(queue, flags.jobs, |result| println!("{}", result.text));
    namespaces::remove_empty_etc();
    Ok(counts)
}

fn queued<'a, N: Process>(
    name: &'a str,
    load: Load,
    program: &'a Path,
    scene: impl FnOnce(&mut Cluster<N>) -> Result<()> + Send + 'a,
) -> QueuedScene<'a> {
    QueuedScene { load, run: Box::new(move || run_scene(name, program, scene)) }
}

/// Runs a scene on a new cluster.
fn run_scene<N: Process>(
    name: &str,
    program: &Path,
    scene: impl FnOnce(&mut Cluster<N>) -> Result<()>,
) -> SceneResult {
    let start = Instant::now();
    let mut logs = String::new();
    let outcome = Cluster::new(program.to_owned()).and_then(|mut cluster| {
        let outcome = scene(&mut cluster).and_then(|()| cluster.dropped());
        if outcome.is_err() {
            logs = cluster.last_lines();
        }
        Ok((outcome?, cluster.remarks()))
    });
    let seconds = start.elapsed().as_secs_f64();
    let (text, counts) = match outcome {
        Ok((None, remarks)) => (format!("no drop rules{remarks}"), SceneCounts::PASSED),
        Ok((Some(dropped), remarks)) => {
            (format!("its drop rules matched {dropped} packets{remarks}"), SceneCounts::PASSED)
        }
        Err(error) => (format!("FAILED: {error:#}{logs}"), SceneCounts::FAILED),
    };
    SceneResult { text: format!("{name:<46} {seconds:>5.1} s, {text}"), counts }
}

/// Messages about tools and rights that the system lacks.
fn missing_tools() -> Vec<String> {
    let mut missing = Vec::new();
    let there = |program: &str, flag: &str| {
        let mut command = Command::new(program);
        command
            .arg(flag)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if !there("ip", "-V") {
        missing.push("`ip` is not installed (Debian: iproute2)".to_owned());
    }
    if !there("nft", "-v") {
        missing.push("`nft` is not installed (Debian: nftables)".to_owned());
    }
    if missing.is_empty()
        && let Err(error) = namespaces::check_namespaces()
    {
        missing.push(format!("cannot create a network namespace with rules, which needs root: {error:#}"));
    }
    missing
}

/// Measures time and traffic of one broadcast to many nodes.
fn measure() -> Result<()> {
    // Both sockets of every connection are in one process: raise the limit of open files to the
    // hard limit.
    let script = "ulimit -n $(ulimit -Hn); exec \"$0\"";
    let mut command = Command::new("sh");
    let status = command.args(["-c", script]).arg(build(EXAMPLE, "measure")?).status();
    if !status.context("cannot start a shell")?.success() {
        bail!("the measurement failed");
    }
    Ok(())
}

const EXAMPLE: &str = "--package gm-broadcast --example";
const DAEMON: &str = "--package gm-daemon --bin";

/// Builds an example or the program, and returns its path.
///
/// The lock file stays as it is: cargo has resolved the whole workspace to build this program.
fn build(target: &str, name: &str) -> Result<PathBuf> {
    // The cargo that started this program, so that the chosen toolchain is kept.
    let cargo = std::env::var_os("CARGO");
    let mut command = Command::new(cargo.as_deref().unwrap_or(OsStr::new("cargo")));
    command.current_dir(ROOT).args(["build", "--release", "--message-format=json-render-diagnostics"]);
    command.args(target.split_whitespace()).arg(name).stderr(Stdio::inherit());
    let output = command.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("`{name}` does not build");
    }
    executable(&String::from_utf8_lossy(&output.stdout)).with_context(|| format!("cargo built no `{name}`"))
}

/// The path of the program that cargo reports to have built.
fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_program_is_read() {
        let messages = r#"{"reason":"compiler-artifact","executable":null}
{"reason":"compiler-artifact","executable":"/built/release/chat"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages), Some(PathBuf::from("/built/release/chat")));
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#), None);
    }

    #[test]
    fn scenes_are_selected_by_kind_and_part_of_the_name() {
        let wants = |words: &[&str], kind, name| {
            let flags = Flags::try_parse_from(["net"].iter().chain(words)).expect("the flags are valid");
            flags.wants(kind, name)
        };
        assert!(wants(&[], SceneKind::Node, "fifty") && wants(&[], SceneKind::Broadcast, "25 % loss"));
        assert!(wants(&["node"], SceneKind::Node, "fifty"));
        assert!(!wants(&["node"], SceneKind::Broadcast, "25 % loss"));
        assert!(wants(&["all", "loss"], SceneKind::Broadcast, "25 % loss"));
        assert!(!wants(&["all", "loss", "--kills", "3"], SceneKind::Node, "fifty"));
    }
}
