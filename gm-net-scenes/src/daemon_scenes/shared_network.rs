//! Scenes of one shared network: clusters that must stay separate, and a bridge that drops
//! multicast.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::clusters::{
    DaemonCluster, ExpectedState, GROUP, PORT, check_satisfied, part, range_argument, seconds,
};
use crate::rules::RuleSet;
use crate::waiting::{DEFAULT_TIMEOUT, wait_for};

/// Number of writes per pair of nodes.
const WRITES: u32 = 20;

/// Three pairs of nodes: two clusters with the same key, and a third with another key and the name
/// of the first. They receive each other's packets, dial each other, and stay separate.
pub(super) fn two_clusters(cluster: &mut DaemonCluster) -> Result<()> {
    let hosts = cluster.islands(&[6])?.concat();
    let other_key = cluster.new_key("other-key")?;
    let seeds: Vec<String> = hosts.iter().map(|host| SocketAddr::new(host.ip, PORT).to_string()).collect();
    let mut foreign_packets = Vec::new();
    for (number, host) in hosts.iter().enumerate() {
        // The first of each pair has all nodes as seeds; the second has none.
        let called = if number % 2 == 0 { seeds.as_slice() } else { &[] };
        let flags: Vec<&str> = called.iter().flat_map(|seed| ["--seed", seed]).collect();
        cluster.add(host, PORT, &flags)?;
        let setting = &mut cluster.node_mut(number)?.setting;
        match number / 2 {
            0 => {}
            1 => setting.cluster = "other".to_owned(),
            _ => setting.key.clone_from(&other_key),
        }
        // Count packets from all nodes of the other pairs.
        let pair = number / 2 * 2;
        let others = hosts.iter().enumerate().filter(|(other, _)| other / 2 * 2 != pair);
        let from = others.map(|(_, other)| other.ip.to_string()).collect::<Vec<_>>().join(", ");
        foreign_packets.push(RuleSet::count(
            &host.namespace,
            "inet",
            "input",
            &[&format!("ip saddr {{ {from} }}")],
        )?);
    }
    let all: Vec<usize> = (0..hosts.len()).collect();
    cluster.run(&all)?;
    let start = Instant::now();
    for number in &all {
        cluster.node(*number)?.ok(&["join", &format!("only-{}", number / 2)])?;
        cluster.node(*number)?.ok(&["join", GROUP])?;
        cluster.node(*number)?.ok(&["serve", GROUP, &range_argument(part(*number, 6)), "--port", "5432"])?;
    }
    for pair in all.chunks(2) {
        cluster.wait_in_sync(pair, GROUP, ExpectedState { members: 2, items: 4 }, start)?;
    }
    let agreed = start.elapsed();
    for write in 0..WRITES {
        for pair in all.chunks(2) {
            let key = u32::MAX - write;
            check_satisfied(&cluster.serve(pair[0], (key, key), &["--wait", "all"])?, 1)?;
        }
    }
    for (number, strange) in foreign_packets.iter().enumerate() {
        wait_for(
            "packets from other pairs",
            DEFAULT_TIMEOUT,
            || Ok(strange.matched()? >= u64::from(WRITES)),
        )?;
        check_separate(cluster, number).with_context(|| format!("{} is not separate", hosts[number].ip))?;
    }
    let mut strange = 0;
    for rules in &foreign_packets {
        strange += rules.matched()?;
    }
    cluster.add_remark(format!(
        "each pair in sync {} after the first write; {strange} packets from other pairs arrived and had no effect",
        seconds(agreed)
    ));
    Ok(())
}

/// Checks that a node knows only its pair and its groups.
fn check_separate(cluster: &DaemonCluster, number: usize) -> Result<()> {
    let pair = number / 2 * 2;
    let mut both = vec![cluster.node(pair)?.me.to_string(), cluster.node(pair + 1)?.me.to_string()];
    let mut members = cluster.names(number, &["members", GROUP])?;
    both.sort();
    members.sort();
    ensure!(members == both, "members are {members:?}");
    // `peers` also lists seeds, but as peers that were never heard. A node without seeds lists only
    // the other node of its pair.
    let peers = cluster.node(number)?.ok(&["peers"])?;
    let partner = cluster.node(if number == pair { pair + 1 } else { pair })?.me.to_string();
    let peers = peers.as_array().context("peers are a list")?;
    ensure!(number == pair || peers.len() == 1, "it lists the peers {peers:?}");
    for peer in peers {
        let silent = peer["last_heard"].is_null();
        ensure!(peer["near"] == (peer["node"] == partner), "wrong value of near: {peer}");
        ensure!(peer["node"] == partner || silent, "a node of another pair was heard: {peer}");
    }
    let groups = cluster.node(number)?.ok(&["groups"])?;
    let groups = groups.as_array().context("groups are a list")?;
    let names: Vec<_> = groups.iter().filter_map(|group| group["name"].as_str()).collect();
    ensure!(names == [GROUP, &format!("only-{}", number / 2)], "it lists the groups {names:?}");
    for stranger in (0..6).filter(|other| other / 2 * 2 != pair) {
        let owners = cluster.owners(&[number], GROUP, part(stranger, 6).0)?;
        ensure!(owners.is_empty(), "it returns the owners {owners:?} for a range of another pair");
    }
    Ok(())
}

/// With multicast, every node reports that it works. Without, every node reports the cause and uses
/// TCP.
pub(super) fn no_multicast(cluster: &mut DaemonCluster) -> Result<()> {
    let hosts = cluster.islands(&[3])?.concat();
    let seed = SocketAddr::new(hosts[0].ip, PORT).to_string();
    let all = cluster.start_all(&hosts, &["--seed", &seed])?;
    for number in &all {
        wait_multicast_status(cluster, *number, |multicast| multicast == "works")?;
    }
    for number in &all {
        cluster.node_mut(*number)?.kill()?;
    }
    let switch = cluster.switch();
    cluster.add_drop_rule(&switch, "bridge", "forward", &["ip daddr 224.0.0.0/4"])?;
    let start = Instant::now();
    cluster.run(&all)?;
    for number in &all {
        cluster.node(*number)?.ok(&["join", GROUP])?;
    }
    let joined = cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 3 }, start)?;
    let since = Instant::now();
    for number in &all {
        check_satisfied(&cluster.serve(*number, part(*number, 3), &["--wait", "all"])?, 2)?;
    }
    let served = cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 6 }, since)?;
    for number in &all {
        // The status has the cause and the remedy.
        wait_multicast_status(cluster, *number, |multicast| multicast.contains("IGMP snooping"))?;
        let status = cluster.node(*number)?.ok(&["status"])?;
        ensure!(status["near"] == 0, "{} receives multicast: {status}", cluster.node(*number)?.me);
    }
    cluster.add_remark(format!(
        "all in sync {} after the start over TCP alone, and {} after the first of 3 writes",
        seconds(joined),
        seconds(served)
    ));
    Ok(())
}

/// Waits until the multicast state in a node's status satisfies a condition.
fn wait_multicast_status(cluster: &DaemonCluster, number: usize, good: impl Fn(&str) -> bool) -> Result<()> {
    let mut last = String::new();
    let found = wait_for("the expected state of multicast", DEFAULT_TIMEOUT, || {
        last = cluster.node(number)?.ok(&["status"])?["multicast"].as_str().unwrap_or_default().to_owned();
        Ok(good(&last))
    });
    found.with_context(|| {
        format!(
            "{} reports: {last}",
            cluster.node(number).map_or_else(|_| String::new(), |n| n.me.to_string())
        )
    })
}
