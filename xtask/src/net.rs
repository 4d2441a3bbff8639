//! `cargo xtask net`: scenes with real nodes in network namespaces, connected by bridges and a
//! router without multicast forwarding, while networks, processes and disks fail.
//!
//! This file has the flags, checks what the system must have, and runs the scenes in order.
//! `broadcast_scenes` tests the broadcast alone, `daemon_scenes` daemons and the command line.

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
mod waiting;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::test_counts::TestCounts;
use crate::workspace::{Workspace, status};
use namespaces::{Cluster, Process};

/// Environment variable that `.ci/run` sets after it has installed the tools. If it is set, a scene
/// that cannot run counts as failed.
const REQUIRED: &str = "GM_NET_REQUIRED";
/// Reason for skipped scenes; [`run`] prints before it which tool is missing.
pub(crate) const NOT_HERE: &str = "network namespaces: root, ip and nft are needed";

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

/// Flags of `cargo xtask net`.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[arg(default_value = "all")]
    what: SceneKind,
    /// Only the scenes whose names contain this
    #[arg(value_name = "SCENE")]
    scene: Option<String>,
    /// Number of kills in the scene `writer-kills`
    #[arg(long, default_value_t = KILLS)]
    kills: u32,
    /// Instead of scenes, measure time and traffic of one broadcast to many nodes on loopback
    #[arg(long)]
    measure: bool,
    /// Run as the outsider of a scene: flood this node and replay the group's multicasts
    #[arg(long, hide = true)]
    outsider: Option<SocketAddr>,
}

/// Default of `--kills`.
const KILLS: u32 = 40;

impl Flags {
    fn wants(&self, what: SceneKind, name: &str) -> bool {
        [SceneKind::All, what].contains(&self.what)
            && self.scene.as_deref().is_none_or(|part| name.contains(part))
    }
}

/// Executes the flags.
pub(crate) fn run(ws: &Workspace, flags: &Flags) -> Result<TestCounts> {
    if let Some(target) = flags.outsider {
        outsider::run(target)?;
        return Ok(TestCounts::default());
    }
    if flags.measure {
        // Both sockets of every connection are in this process: raise the limit of open files to
        // the hard limit.
        let script = "ulimit -n $(ulimit -Hn); exec \"$0\"";
        let mut command = Command::new("sh");
        if !status(command.args(["-c", script]).arg(build(ws, EXAMPLE, "measure")?))?.success() {
            bail!("the measurement failed");
        }
        return Ok(TestCounts::default());
    }
    let of_broadcast: Vec<_> =
        broadcast_scenes::SCENES.iter().filter(|(name, _)| flags.wants(SceneKind::Broadcast, name)).collect();
    let of_daemons: Vec<_> =
        daemon_scenes::SCENES.iter().filter(|(name, _)| flags.wants(SceneKind::Node, name)).collect();
    let count = (of_broadcast.len() + of_daemons.len()) as u64;
    if count == 0 {
        bail!("there is no such scene");
    }
    let missing = missing_tools();
    if !missing.is_empty() {
        println!("{count} scenes cannot run here: {}", missing.join("; "));
        return Ok(match std::env::var_os(REQUIRED) {
            Some(_) => TestCounts { failed: count, ..TestCounts::default() },
            None => TestCounts { skipped: count, ..TestCounts::default() },
        });
    }
    namespaces::remove_leftovers()?;
    let mut tally = TestCounts::default();
    if !of_broadcast.is_empty() {
        let chat = build(ws, EXAMPLE, "chat")?;
        for (name, scene) in of_broadcast {
            tally += run_scene(name, &chat, scene)?;
        }
    }
    if !of_daemons.is_empty() {
        let program = build(ws, "build --release --package gm-node --bin", "gm-node")?;
        let settings = daemon_scenes::Settings { kills: flags.kills };
        for (name, scene) in of_daemons {
            tally += run_scene(name, &program, |cluster| scene(cluster, &settings))?;
        }
    }
    Ok(tally)
}

/// Runs a scene on a new cluster and prints the result.
fn run_scene<N: Process>(
    name: &str,
    program: &std::path::Path,
    scene: impl FnOnce(&mut Cluster<N>) -> Result<()>,
) -> Result<TestCounts> {
    let start = Instant::now();
    let mut cluster = Cluster::new(program.to_owned())?;
    let outcome = scene(&mut cluster).and_then(|()| cluster.dropped());
    let seconds = start.elapsed().as_secs_f64();
    match outcome {
        Ok(None) => println!("{name:<46} {seconds:>5.1} s, no drop rules{}", cluster.remarks()),
        Ok(Some(dropped)) => {
            println!(
                "{name:<46} {seconds:>5.1} s, its drop rules matched {dropped} packets{}",
                cluster.remarks()
            );
        }
        Err(error) => {
            println!("{name:<46} {seconds:>5.1} s, FAILED: {error:#}");
            cluster.print_logs();
            return Ok(TestCounts::FAILED);
        }
    }
    Ok(TestCounts { passed: 1, ..TestCounts::default() })
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

const EXAMPLE: &str = "build --release --package gm-broadcast --example";

/// Builds an example or the program, and returns its path.
fn build(ws: &Workspace, words: &str, name: &str) -> Result<PathBuf> {
    let mut command = ws.cargo(words);
    if !status(command.arg(name))?.success() {
        bail!("`{name}` does not build");
    }
    let folder = if words == EXAMPLE { "release/examples" } else { "release" };
    let program = ws.target_folder().join(folder).join(name);
    program.canonicalize().with_context(|| format!("{} does not exist", program.display()))
}

/// The CI step: all scenes. Returns `None` if they cannot run here and are not required.
pub(crate) fn ci(ws: &Workspace) -> Result<Option<TestCounts>> {
    let flags = Flags { what: SceneKind::All, scene: None, kills: KILLS, measure: false, outsider: None };
    let tally = run(ws, &flags)?;
    Ok((tally.skipped == 0).then_some(tally))
}
