//! Scenes of network devices between the nodes, and of an attacker without the key.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::{BroadcastCluster, others};
use crate::namespaces::Process;
use crate::waiting::{DEFAULT_TIMEOUT, wait_for};

/// Name of the counter of replayed datagrams.
const REPLAYED: &str = "datagrams_rejected{reason=Replayed}";

/// A bridge drops multicast. The self-test reports it, and broadcasts use TCP.
pub(super) fn bridge_without_multicast(cluster: &mut BroadcastCluster) -> Result<()> {
    let islands = cluster.islands(&[3])?;
    let switch = cluster.switch();
    // First the same test without the drop rule: all nodes test at the same time and receive each
    // other's multicast.
    let all = cluster.start_all(&islands[0], None, &["--exchange", "1"])?;
    for node in &all {
        cluster.broadcast(*node, "/multicast")?;
    }
    for node in &mut cluster.nodes {
        let works = |line: &String| line.starts_with("/multicast ") && line.ends_with(": multicast works");
        wait_for(&format!("{} to find that multicast works", node.me), DEFAULT_TIMEOUT, || {
            Ok(node.last(50).iter().any(works))
        })?;
    }
    cluster.nodes.clear();

    cluster.add_drop_rule(&switch, "bridge", "forward", &["ip daddr 224.0.0.0/4"])?;
    let all = cluster.start_all(&islands[0], None, &["--exchange", "1"])?;
    for node in &mut cluster.nodes {
        let found = node.query("/multicast")?;
        ensure!(
            found.contains("no other machine was heard") && found.contains("IGMP snooping"),
            "the self-test reports: {found}"
        );
        // Its own multicasts were looped back, so this machine is not at fault.
        ensure!(
            found.contains(" looped back") && !found.contains(" 0 looped back"),
            "the self-test reports: {found}"
        );
    }
    cluster.wait_list("/peers", &all, 2)?;
    for node in &all {
        let text = format!("by TCP {node}");
        let since = cluster.broadcast(*node, &text)?;
        cluster.wait_received(&text, &others(&all, *node), since, DEFAULT_TIMEOUT)?;
    }
    for node in &mut cluster.nodes {
        ensure!(node.query_list("/near")?.is_empty(), "{} receives multicast", node.me);
    }
    Ok(())
}

/// An attacker without the key floods a node and the multicast group, and replays what it receives.
/// Every node still receives every broadcast, exactly once.
pub(super) fn flood(cluster: &mut BroadcastCluster) -> Result<()> {
    let islands = cluster.islands(&[4])?;
    let (attacker, hosts) = islands[0].split_last().context("there are hosts")?;
    let all = cluster.start_all(hosts, None, &["--exchange", "1"])?;
    cluster.wait_list("/near", &all, 2)?;
    let memory = cluster.nodes[0].memory()?;
    let mut outsider = Command::new("ip")
        .args(["netns", "exec", &attacker.namespace])
        .arg(std::env::current_exe().context("cannot find this program")?)
        .args(["--outsider", &cluster.nodes[0].me])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the outsider")?;
    let result = check_during_flood(cluster, &all, &mut outsider);
    drop(outsider.stdin.take());
    if result.is_err() {
        let _ = outsider.kill();
    }
    let mut summary = String::new();
    if let Some(mut stdout) = outsider.stdout.take() {
        let _ = stdout.read_to_string(&mut summary);
    }
    let _ = outsider.wait();
    result?;
    let counters = cluster.nodes[0].counters()?;
    let of = |name: &str| counters.get(name).copied().unwrap_or_default();
    let refused: u64 = counters
        .iter()
        .filter(|(name, _)| name.starts_with("datagrams_rejected{") || *name == "datagrams_skipped")
        .map(|(_, count)| count)
        .sum();
    let grown = cluster.nodes[0].memory()?.saturating_sub(memory) >> 20;
    ensure!(of(REPLAYED) > 0, "no datagram was refused as replayed: {counters:?}");
    ensure!(of("connections_throttled") > 0, "no connection was rejected: {counters:?}");
    ensure!(of("unauthenticated_closed") > 0, "no unauthenticated connection was closed: {counters:?}");
    ensure!(grown < 16, "the node has grown by {grown} MiB");
    let summary = summary.lines().find(|line| line.starts_with("flooded")).unwrap_or_default().to_owned();
    cluster.add_remark(format!(
        "{summary}; the node refused {refused} datagrams, {} of them replayed, rejected {} connections, and grew by {grown} MiB",
        of(REPLAYED),
        of("connections_throttled"),
    ));
    Ok(())
}

fn check_during_flood(
    cluster: &mut BroadcastCluster,
    all: &[usize],
    outsider: &mut std::process::Child,
) -> Result<()> {
    let stdout = outsider.stdout.as_mut().context("the outsider has no output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).context("the outsider prints nothing")?;
    ensure!(line.trim() == "ready", "the outsider prints {line}");
    wait_for("the flood to arrive", DEFAULT_TIMEOUT, || {
        let counters = cluster.nodes[0].counters()?;
        let of = |name: &str| counters.get(name).copied().unwrap_or_default();
        Ok(of("datagrams_received") > 5_000 && of("connections_throttled") > 0)
    })?;
    for number in 0..20 {
        let (origin, text) = (all[number % all.len()], format!("in the flood {number}"));
        let since = cluster.broadcast(origin, &text)?;
        cluster.wait_received(&text, &others(all, origin), since, DEFAULT_TIMEOUT)?;
    }
    wait_for("replayed datagrams", DEFAULT_TIMEOUT, || Ok(cluster.nodes[0].count(REPLAYED)? > 100))?;
    for number in 0..20 {
        for node in others(all, all[number % all.len()]) {
            let times = cluster.nodes[node].times_received(&format!("in the flood {number}"));
            ensure!(times == 1, "{} received line {number} {times} times", cluster.nodes[node].me);
        }
    }
    Ok(())
}
