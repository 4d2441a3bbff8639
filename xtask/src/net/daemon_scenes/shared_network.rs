//! Scenes of one shared network: clusters that must stay separate, and a bridge that drops
//! multicast.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::net::clusters::{
    DaemonCluster, ExpectedState, GROUP, PORT, check_satisfied, part, range_argument, seconds,
};
use crate::net::rules::RuleSet;
use crate::net::waiting::{PATIENCE, wait_for};

/// Number of writes per pair of nodes.
const WRITES: u32 = 20;

/// Three pairs of nodes: two clusters with the same key, and a third with another key and the name
/// of the first. They receive each other's packets, dial each other, and stay separate.
pub(super) fn two_clusters(stage: &mut DaemonCluster) -> Result<()> {
    let places = stage.islands(&[6])?.concat();
    let other_key = stage.new_key("other-key")?;
    let seeds: Vec<String> = places.iter().map(|place| SocketAddr::new(place.ip, PORT).to_string()).collect();
    let mut foreign_packets = Vec::new();
    for (number, place) in places.iter().enumerate() {
        // The first of each pair has all nodes as seeds; the second has none.
        let called = if number % 2 == 0 { seeds.as_slice() } else { &[] };
        let flags: Vec<&str> = called.iter().flat_map(|seed| ["--seed", seed]).collect();
        stage.add(place, PORT, &flags)?;
        let setting = &mut stage.node_mut(number)?.setting;
        match number / 2 {
            0 => {}
            1 => setting.cluster = "other".to_owned(),
            _ => setting.key.clone_from(&other_key),
        }
        // Count packets from all nodes of the other pairs.
        let pair = number / 2 * 2;
        let others = places.iter().enumerate().filter(|(other, _)| other / 2 * 2 != pair);
        let from = others.map(|(_, other)| other.ip.to_string()).collect::<Vec<_>>().join(", ");
        foreign_packets.push(RuleSet::count(
            &place.space,
            "inet",
            "input",
            &[&format!("ip saddr {{ {from} }}")],
        )?);
    }
    let all: Vec<usize> = (0..places.len()).collect();
    stage.run(&all)?;
    let start = Instant::now();
    for number in &all {
        stage.node(*number)?.ok(&["join", &format!("only-{}", number / 2)])?;
        stage.node(*number)?.ok(&["join", GROUP])?;
        stage.node(*number)?.ok(&["serve", GROUP, &range_argument(part(*number, 6)), "--port", "5432"])?;
    }
    for pair in all.chunks(2) {
        stage.wait_in_sync(pair, GROUP, ExpectedState { members: 2, items: 4 }, start)?;
    }
    let agreed = start.elapsed();
    for write in 0..WRITES {
        for pair in all.chunks(2) {
            let key = u32::MAX - write;
            check_satisfied(&stage.serve(pair[0], (key, key), &["--wait", "all"])?, 1)?;
        }
    }
    for (number, strange) in foreign_packets.iter().enumerate() {
        wait_for("packets from other pairs", PATIENCE, || Ok(strange.matched()? >= u64::from(WRITES)))?;
        check_separate(stage, number).with_context(|| format!("{} is not separate", places[number].ip))?;
    }
    let mut strange = 0;
    for rules in &foreign_packets {
        strange += rules.matched()?;
    }
    stage.add_remark(format!(
        "each pair in sync {} after the first write; {strange} packets from other pairs arrived and had no effect",
        seconds(agreed)
    ));
    Ok(())
}

/// Checks that a node knows only its pair and its groups.
fn check_separate(stage: &DaemonCluster, number: usize) -> Result<()> {
    let pair = number / 2 * 2;
    let mut both = vec![stage.node(pair)?.me.to_string(), stage.node(pair + 1)?.me.to_string()];
    let mut members = stage.names(number, &["members", GROUP])?;
    both.sort();
    members.sort();
    ensure!(members == both, "members are {members:?}");
    // `peers` also lists seeds, but as peers that were never heard. A node without seeds lists only
    // the other node of its pair.
    let peers = stage.node(number)?.ok(&["peers"])?;
    let partner = stage.node(if number == pair { pair + 1 } else { pair })?.me.to_string();
    let peers = peers.as_array().context("peers are a list")?;
    ensure!(number == pair || peers.len() == 1, "it lists the peers {peers:?}");
    for peer in peers {
        let silent = peer["last_heard"].is_null();
        ensure!(peer["near"] == (peer["node"] == partner), "wrong value of near: {peer}");
        ensure!(peer["node"] == partner || silent, "a node of another pair was heard: {peer}");
    }
    let groups = stage.node(number)?.ok(&["groups"])?;
    let groups = groups.as_array().context("groups are a list")?;
    let names: Vec<_> = groups.iter().filter_map(|group| group["name"].as_str()).collect();
    ensure!(names == [GROUP, &format!("only-{}", number / 2)], "it lists the groups {names:?}");
    for stranger in (0..6).filter(|other| other / 2 * 2 != pair) {
        let owners = stage.owners(&[number], GROUP, part(stranger, 6).0)?;
        ensure!(owners.is_empty(), "it returns the owners {owners:?} for a range of another pair");
    }
    Ok(())
}

/// With multicast, every node reports that it works. Without, every node reports the cause and uses
/// TCP.
pub(super) fn no_multicast(stage: &mut DaemonCluster) -> Result<()> {
    let places = stage.islands(&[3])?.concat();
    let seed = SocketAddr::new(places[0].ip, PORT).to_string();
    let all = stage.start_all(&places, &["--seed", &seed])?;
    for number in &all {
        wait_multicast_status(stage, *number, |multicast| multicast == "works")?;
    }
    for number in &all {
        stage.node_mut(*number)?.kill()?;
    }
    let switch = stage.switch();
    stage.add_drop_rule(&switch, "bridge", "forward", &["ip daddr 224.0.0.0/4"])?;
    let start = Instant::now();
    stage.run(&all)?;
    for number in &all {
        stage.node(*number)?.ok(&["join", GROUP])?;
    }
    let joined = stage.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 3 }, start)?;
    let since = Instant::now();
    for number in &all {
        check_satisfied(&stage.serve(*number, part(*number, 3), &["--wait", "all"])?, 2)?;
    }
    let served = stage.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 6 }, since)?;
    for number in &all {
        // The status has the cause and the remedy.
        wait_multicast_status(stage, *number, |multicast| multicast.contains("IGMP snooping"))?;
        let status = stage.node(*number)?.ok(&["status"])?;
        ensure!(status["near"] == 0, "{} receives multicast: {status}", stage.node(*number)?.me);
    }
    stage.add_remark(format!(
        "all in sync {} after the start over TCP alone, and {} after the first of 3 writes",
        seconds(joined),
        seconds(served)
    ));
    Ok(())
}

/// Waits until the multicast state in a node's status satisfies a condition.
fn wait_multicast_status(stage: &DaemonCluster, number: usize, good: impl Fn(&str) -> bool) -> Result<()> {
    let mut last = String::new();
    let said = wait_for("the expected state of multicast", PATIENCE, || {
        last = stage.node(number)?.ok(&["status"])?["multicast"].as_str().unwrap_or_default().to_owned();
        Ok(good(&last))
    });
    said.with_context(|| {
        format!("{} reports: {last}", stage.node(number).map_or_else(|_| String::new(), |n| n.me.to_string()))
    })
}
