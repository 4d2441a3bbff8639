//! Scenes of islands: multicast within an island, a router between islands, one seed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::clusters::{
    DaemonCluster, ExpectedState, GROUP, check_committed, check_satisfied, part, range_argument, seconds,
};
use crate::links::Family;
use crate::namespaces::Host;
use crate::waiting::{DEFAULT_TIMEOUT, wait_for};

/// nftables expression that matches every fourth packet, including TCP.
const QUARTER: &str = "meta l4proto { tcp, udp } meta random & 3 == 0";

/// Three islands. Multicast does not cross the router, and one seed is configured.
pub(super) fn three(cluster: &mut DaemonCluster) -> Result<()> {
    let islands = cluster.islands(&[3, 2, 2])?;
    serve_on_all(cluster, &islands)
}

/// Two islands with IPv6 addresses only.
pub(super) fn ipv6(cluster: &mut DaemonCluster) -> Result<()> {
    let islands = cluster.islands_of(Family::V6, &[3, 2])?;
    serve_on_all(cluster, &islands)
}

/// Every daemon joins, serves a part and waits for all. Then all are in sync and return the
/// same owners, and the neighbors of a node are the nodes of its island.
fn serve_on_all(cluster: &mut DaemonCluster, hosts: &[Vec<Host>]) -> Result<()> {
    let start = Instant::now();
    let islands = cluster.start_islands(hosts)?;
    let all = islands.concat();
    for number in &all {
        cluster.node(*number)?.ok(&["join", GROUP])?;
    }
    let want = ExpectedState { members: all.len(), items: all.len() };
    let joined = cluster.wait_in_sync(&all, GROUP, want, start)?;

    let mut slowest = Duration::ZERO;
    for number in &all {
        let since = Instant::now();
        let output = cluster.serve(*number, part(*number, all.len()), &["--wait", "all"])?;
        check_satisfied(&output, all.len() - 1)?;
        slowest = slowest.max(since.elapsed());
    }
    let served = cluster.wait_in_sync(
        &all,
        GROUP,
        ExpectedState { members: all.len(), items: 2 * all.len() },
        Instant::now(),
    )?;
    check_owners(cluster, &all)?;
    for island in &islands {
        for number in island {
            check_neighbors(cluster, *number, island)?;
        }
    }
    cluster.add_remark(format!(
        "{} in sync {} after the first start; all of them acknowledged a range within {}, and were in sync {} later",
        all.len(),
        seconds(joined),
        seconds(slowest),
        seconds(served)
    ));
    Ok(())
}

/// Checks that every daemon returns the right owner for the first and the last key of each part.
fn check_owners(cluster: &DaemonCluster, all: &[usize]) -> Result<()> {
    for number in all {
        let (first, last) = part(*number, all.len());
        for key in [first, last] {
            let owners = cluster.owners(all, GROUP, key)?;
            ensure!(owners == [cluster.node(*number)?.me.to_string()], "key {key} is served by {owners:?}");
        }
    }
    Ok(())
}

/// Checks that a node receives the multicast of all other nodes of its island, and of no other
/// node.
fn check_neighbors(cluster: &DaemonCluster, number: usize, island: &[usize]) -> Result<()> {
    let me = cluster.node(number)?.me;
    let mut others = Vec::new();
    for other in island.iter().filter(|other| **other != number) {
        others.push(cluster.node(*other)?.me.to_string());
    }
    others.sort();
    let mut near = Vec::new();
    let heard = wait_for("multicast from all nodes of an island", DEFAULT_TIMEOUT, || {
        let peers = cluster.node(number)?.ok(&["peers"])?;
        let peers = peers.as_array().context("peers are a list")?;
        let names = peers.iter().filter(|peer| peer["near"] == true).filter_map(|peer| peer["node"].as_str());
        near = names.map(ToOwned::to_owned).collect();
        near.sort();
        Ok(near.len() >= others.len())
    });
    heard.with_context(|| format!("{me} has the neighbors {near:?} instead of {others:?}"))?;
    ensure!(near == others, "{me} has the neighbors {near:?} instead of {others:?}");
    Ok(())
}

/// Every node loses every fourth incoming packet, from before the first start on.
pub(super) fn loss(cluster: &mut DaemonCluster) -> Result<()> {
    let hosts = cluster.islands(&[3, 2])?;
    for host in hosts.iter().flatten() {
        cluster.add_drop_rule(&host.namespace, "inet", "input", &[QUARTER])?;
    }
    let start = Instant::now();
    let all = cluster.start_islands(&hosts)?.concat();
    let mut satisfied = 0;
    for number in &all {
        for range in [part(*number, all.len()), (u32::MAX, u32::MAX)] {
            let output = cluster.serve(*number, range, &["--wait", "all", "--timeout", "2s"])?;
            check_committed(&output)?;
            satisfied += usize::from(output.code == 0);
        }
    }
    let last = Instant::now();
    let want = ExpectedState { members: all.len(), items: 2 * all.len() };
    let agreed = cluster.wait_in_sync(&all, GROUP, want, last)?;
    check_owners(cluster, &all)?;
    cluster.add_remark(format!(
        "{} in sync {} after the last write, {} after the first start; {satisfied} of {} writes with `--wait all` satisfied within 2 s",
        all.len(),
        seconds(agreed),
        seconds(start.elapsed()),
        want.items
    ));
    Ok(())
}

/// The router drops all packets, both sides write, and the router forwards again: all are in sync
/// without any command.
pub(super) fn split(cluster: &mut DaemonCluster) -> Result<()> {
    let hosts = cluster.islands(&[2, 2])?;
    let islands = cluster.start_islands(&hosts)?;
    let all = islands.concat();
    for number in &all {
        // A join registers interest in all ranges, so every write is sent to the member.
        cluster.node(*number)?.ok(&["join", GROUP])?;
        check_committed(&cluster.serve(*number, part(*number, all.len()), &[])?)?;
    }
    cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 4, items: 8 }, Instant::now())?;

    let router = cluster.router();
    let rules = cluster.add_drop_rule(&router, "inet", "forward", &["meta l4proto { tcp, udp }"])?;
    // West serves another range. East withdraws a range, and serves another one of west's with a
    // higher priority.
    check_satisfied(&cluster.serve(all[0], (u32::MAX, u32::MAX), &["--wait", "one"])?, 1)?;
    let east = cluster.node(all[2])?;
    east.ok(&["unserve", GROUP, &range_argument(part(2, 4)), "--wait", "one"])?;
    let west = cluster.node(all[1])?.me.to_string();
    let key = part(1, 4);
    cluster.node(all[3])?.ok(&[
        "serve",
        GROUP,
        &range_argument(key),
        "--port",
        "1",
        "--priority",
        "9",
        "--wait",
        "one",
    ])?;
    let apart = Instant::now();
    cluster.wait_in_sync(&islands[0], GROUP, ExpectedState { members: 4, items: 9 }, apart)?;
    cluster.wait_in_sync(&islands[1], GROUP, ExpectedState { members: 4, items: 8 }, apart)?;
    // A write that waits for all reports that half of the members did not acknowledge.
    for (number, mark) in [(all[0], 1), (all[2], 2)] {
        let output = cluster.serve(
            number,
            (u32::MAX - mark, u32::MAX - mark),
            &["--wait", "all", "--timeout", "4s"],
        )?;
        let done = &output.json[0];
        let missing = done["unreachable"].as_u64().zip(done["unknown"].as_u64()).map(|(a, b)| a + b);
        ensure!(
            output.code == 4 && done["acknowledged"] == 1 && missing == Some(2),
            "a write that waits for both sides of the partition ended with {}: {}",
            output.code,
            output.text.trim()
        );
    }
    wait_for("the router to drop packets", DEFAULT_TIMEOUT, || Ok(cluster.dropped_by_rule(rules)? >= 5))?;
    ensure!(cluster.owners(&islands[0], GROUP, key.0)? == [west.clone()], "a write crossed the partition");

    cluster.remove_rule(rules)?;
    let split = apart.elapsed();
    let healed =
        cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 4, items: 11 }, Instant::now())?;
    let preferred = cluster.node(all[3])?.me.to_string();
    ensure!(
        cluster.owners(&all, GROUP, key.0)? == [preferred, west],
        "the owners of both sides are not known everywhere"
    );
    ensure!(cluster.owners(&all, GROUP, part(2, 4).0)?.is_empty(), "a withdrawn range is served again");
    cluster.add_remark(format!(
        "partition of {}; all in sync {} after the router forwards again",
        seconds(split),
        seconds(healed)
    ));
    Ok(())
}
