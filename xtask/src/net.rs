//! `cargo xtask net broadcast`: nodes in network namespaces, with bridges, a router without multicast forwarding, and what goes wrong.
//!
//! Knows the flags, what the system must have, and the order of the scenes. What a scene does is below `net/`.

mod node;
mod outsider;
mod rules;
mod scenes;
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::tally::Tally;
use crate::workspace::{Workspace, status};
use world::Stage;

/// Set by `.ci/run`, which installs what is needed: then a scene that cannot run is a failure.
const REQUIRED: &str = "GM_NET_REQUIRED";
/// Said when scenes cannot run; what exactly is missing is said before.
pub(crate) const NOT_HERE: &str = "network namespaces: root, ip and nft are needed";

/// What is tried.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// The broadcast alone, by the example `chat`
    Broadcast,
}

/// What is asked for.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    what: What,
    /// Only the scenes whose names contain this
    #[arg(long)]
    scene: Option<String>,
    /// Instead of the scenes: time and traffic of one change to many nodes on loopback
    #[arg(long)]
    measure: bool,
    /// Be the outsider of a scene, who floods this node and replays what the group hears
    #[arg(long, hide = true)]
    outsider: Option<SocketAddr>,
}

/// Does what the flags say.
pub(crate) fn run(ws: &Workspace, flags: &Flags) -> Result<Tally> {
    let What::Broadcast = flags.what;
    if let Some(target) = flags.outsider {
        outsider::run(target)?;
        return Ok(Tally::default());
    }
    if flags.measure {
        // Every connection has two sockets here: as many may be open as the system lets us open.
        let script = "ulimit -n $(ulimit -Hn); exec \"$0\"";
        let mut command = Command::new("sh");
        if !status(command.args(["-c", script]).arg(build(ws, "measure")?))?.success() {
            bail!("the measurement failed");
        }
        return Ok(Tally::default());
    }
    let missing = missing();
    let wanted = |name: &str| flags.scene.as_deref().is_none_or(|part| name.contains(part));
    let scenes = scenes::SCENES.iter().filter(|(name, _)| wanted(name));
    let mut tally = Tally::default();
    if !missing.is_empty() {
        let count = scenes.count() as u64;
        println!("{count} scenes cannot run here: {}", missing.join("; "));
        return Ok(match std::env::var_os(REQUIRED) {
            Some(_) => Tally { failed: count, ..tally },
            None => Tally { skipped: count, ..tally },
        });
    }
    world::sweep()?;
    let chat = build(ws, "chat")?;
    for (name, scene) in scenes {
        let start = Instant::now();
        let mut stage = Stage::new(ws, chat.clone())?;
        let outcome = scene(&mut stage).and_then(|()| stage.dropped());
        let seconds = start.elapsed().as_secs_f64();
        match outcome {
            Ok(None) => println!("{name:<46} {seconds:>5.1} s, no rules{}", stage.remarks()),
            Ok(Some(dropped)) => {
                println!(
                    "{name:<46} {seconds:>5.1} s, its rules dropped {dropped} packets{}",
                    stage.remarks()
                );
            }
            Err(error) => {
                println!("{name:<46} {seconds:>5.1} s, FAILED: {error:#}");
                stage.tell_all();
                tally.failed += 1;
                continue;
            }
        }
        tally.passed += 1;
    }
    Ok(tally)
}

/// What the system lacks.
fn missing() -> Vec<String> {
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
        && let Err(error) = world::try_out()
    {
        missing.push(format!("no network namespaces with rules can be made, root is needed: {error:#}"));
    }
    missing
}

/// Builds an example of the broadcast, and says where it is.
fn build(ws: &Workspace, example: &str) -> Result<PathBuf> {
    let mut command = ws.cargo("build --quiet --release --package gm-broadcast --example");
    if !status(command.arg(example))?.success() {
        bail!("the example `{example}` does not build");
    }
    let program = ws.target_folder().join("release/examples").join(example);
    program.canonicalize().with_context(|| format!("{} is not there", program.display()))
}

/// All scenes, as a step of `cargo xtask ci`; nothing, with the reason said, where they cannot run and need not.
pub(crate) fn ci(ws: &Workspace) -> Result<Option<Tally>> {
    let flags = Flags { what: What::Broadcast, scene: None, measure: false, outsider: None };
    let tally = run(ws, &flags)?;
    Ok((tally.skipped == 0).then_some(tally))
}
