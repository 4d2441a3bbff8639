//! Scenes of islands: multicast within an island, a router between islands, one seed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::net::clusters::{
    DaemonCluster, ExpectedState, GROUP, check_committed, check_satisfied, part, range_argument, seconds,
};
use crate::net::links::Family;
use crate::net::namespaces::Host;
use crate::net::waiting::{PATIENCE, wait_for};

/// nftables expression that matches every fourth packet, including TCP.
const QUARTER: &str = "meta l4proto { tcp, udp } meta random & 3 == 0";

/// Three islands. Multicast does not cross the router, and one seed is configured.
pub(super) fn three(stage: &mut DaemonCluster) -> Result<()> {
    let islands = stage.islands(&[3, 2, 2])?;
    serve_on_all(stage, &islands)
}

/// Two islands with IPv6 addresses only.
pub(super) fn ipv6(stage: &mut DaemonCluster) -> Result<()> {
    let islands = stage.islands_of(Family::V6, &[3, 2])?;
    serve_on_all(stage, &islands)
}

/// Every daemon joins, serves a part and waits for all. Then all are in sync and return the
/// same owners, and the neighbors of a node are the nodes of its island.
fn serve_on_all(stage: &mut DaemonCluster, places: &[Vec<Host>]) -> Result<()> {
    let start = Instant::now();
    let islands = stage.start_islands(places)?;
    let all = islands.concat();
    for number in &all {
        stage.node(*number)?.ok(&["join", GROUP])?;
    }
    let want = ExpectedState { members: all.len(), items: all.len() };
    let joined = stage.wait_in_sync(&all, GROUP, want, start)?;

    let mut slowest = Duration::ZERO;
    for number in &all {
        let since = Instant::now();
        let said = stage.serve(*number, part(*number, all.len()), &["--wait", "all"])?;
        check_satisfied(&said, all.len() - 1)?;
        slowest = slowest.max(since.elapsed());
    }
    let served = stage.wait_in_sync(
        &all,
        GROUP,
        ExpectedState { members: all.len(), items: 2 * all.len() },
        Instant::now(),
    )?;
    check_owners(stage, &all)?;
    for island in &islands {
        for number in island {
            check_neighbors(stage, *number, island)?;
        }
    }
    stage.add_remark(format!(
        "{} in sync {} after the first start; all of them acknowledged a range within {}, and were in sync {} later",
        all.len(),
        seconds(joined),
        seconds(slowest),
        seconds(served)
    ));
    Ok(())
}

/// Checks that every daemon returns the right owner for the first and the last key of each part.
fn check_owners(stage: &DaemonCluster, all: &[usize]) -> Result<()> {
    for number in all {
        let (first, last) = part(*number, all.len());
        for key in [first, last] {
            let owners = stage.owners(all, GROUP, key)?;
            ensure!(owners == [stage.node(*number)?.me.to_string()], "key {key} is served by {owners:?}");
        }
    }
    Ok(())
}

/// Checks that a node receives the multicast of all other nodes of its island, and of no other
/// node.
fn check_neighbors(stage: &DaemonCluster, number: usize, island: &[usize]) -> Result<()> {
    let me = stage.node(number)?.me;
    let mut others = Vec::new();
    for other in island.iter().filter(|other| **other != number) {
        others.push(stage.node(*other)?.me.to_string());
    }
    others.sort();
    let mut near = Vec::new();
    let heard = wait_for("multicast from all nodes of an island", PATIENCE, || {
        let peers = stage.node(number)?.ok(&["peers"])?;
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
pub(super) fn loss(stage: &mut DaemonCluster) -> Result<()> {
    let places = stage.islands(&[3, 2])?;
    for place in places.iter().flatten() {
        stage.add_drop_rule(&place.space, "inet", "input", &[QUARTER])?;
    }
    let start = Instant::now();
    let all = stage.start_islands(&places)?.concat();
    let mut satisfied = 0;
    for number in &all {
        for range in [part(*number, all.len()), (u32::MAX, u32::MAX)] {
            let said = stage.serve(*number, range, &["--wait", "all", "--timeout", "2s"])?;
            check_committed(&said)?;
            satisfied += usize::from(said.code == 0);
        }
    }
    let last = Instant::now();
    let want = ExpectedState { members: all.len(), items: 2 * all.len() };
    let agreed = stage.wait_in_sync(&all, GROUP, want, last)?;
    check_owners(stage, &all)?;
    stage.add_remark(format!(
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
pub(super) fn split(stage: &mut DaemonCluster) -> Result<()> {
    let places = stage.islands(&[2, 2])?;
    let islands = stage.start_islands(&places)?;
    let all = islands.concat();
    for number in &all {
        // A join registers interest in all ranges, so every write is sent to the member.
        stage.node(*number)?.ok(&["join", GROUP])?;
        check_committed(&stage.serve(*number, part(*number, all.len()), &[])?)?;
    }
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: 4, items: 8 }, Instant::now())?;

    let router = stage.router();
    let rules = stage.add_drop_rule(&router, "inet", "forward", &["meta l4proto { tcp, udp }"])?;
    // West serves another range. East withdraws a range, and serves another one of west's with a
    // higher priority.
    check_satisfied(&stage.serve(all[0], (u32::MAX, u32::MAX), &["--wait", "one"])?, 1)?;
    let east = stage.node(all[2])?;
    east.ok(&["unserve", GROUP, &range_argument(part(2, 4)), "--wait", "one"])?;
    let west = stage.node(all[1])?.me.to_string();
    let key = part(1, 4);
    stage.node(all[3])?.ok(&[
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
    stage.wait_in_sync(&islands[0], GROUP, ExpectedState { members: 4, items: 9 }, apart)?;
    stage.wait_in_sync(&islands[1], GROUP, ExpectedState { members: 4, items: 8 }, apart)?;
    // A write that waits for all reports that half of the members did not acknowledge.
    for (number, mark) in [(all[0], 1), (all[2], 2)] {
        let said =
            stage.serve(number, (u32::MAX - mark, u32::MAX - mark), &["--wait", "all", "--timeout", "4s"])?;
        let done = &said.json[0];
        let missing = done["unreachable"].as_u64().zip(done["unknown"].as_u64()).map(|(a, b)| a + b);
        ensure!(
            said.code == 4 && done["acknowledged"] == 1 && missing == Some(2),
            "a write that waits for both sides of the partition ended with {}: {}",
            said.code,
            said.text.trim()
        );
    }
    wait_for("the router to drop packets", PATIENCE, || Ok(stage.dropped_by_rule(rules)? >= 5))?;
    ensure!(stage.owners(&islands[0], GROUP, key.0)? == [west.clone()], "a write crossed the partition");

    stage.remove_rule(rules)?;
    let split = apart.elapsed();
    let healed = stage.wait_in_sync(&all, GROUP, ExpectedState { members: 4, items: 11 }, Instant::now())?;
    let preferred = stage.node(all[3])?.me.to_string();
    ensure!(
        stage.owners(&all, GROUP, key.0)? == [preferred, west],
        "the owners of both sides are not known everywhere"
    );
    ensure!(stage.owners(&all, GROUP, part(2, 4).0)?.is_empty(), "a withdrawn range is served again");
    stage.add_remark(format!(
        "partition of {}; all in sync {} after the router forwards again",
        seconds(split),
        seconds(healed)
    ));
    Ok(())
}
