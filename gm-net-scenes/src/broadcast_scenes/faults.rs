//! Scenes of nodes and packets that fail.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{BroadcastCluster, others};
use crate::waiting::{DEFAULT_TIMEOUT, wait_for};

const QUARTER: &str = "meta l4proto { tcp, udp } meta random & 3 == 0";

/// Each node loses every fourth incoming packet, including TCP. Nearly all broadcasts with acks
/// reach every node; those that do not are incomplete in the origin's report, and it repeats them.
/// Broadcasts without acks reach nearly every node: a node requests a missed multicast only a few
/// times.
pub(super) fn loss(cluster: &mut BroadcastCluster) -> Result<()> {
    let islands = cluster.islands(&[5])?;
    let mut all = Vec::new();
    for host in &islands[0] {
        all.push(cluster.start(host, &[])?);
    }
    cluster.wait_list("/near", &all, 4)?;
    for host in &islands[0] {
        cluster.add_drop_rule(&host.namespace, "inet", "input", &[QUARTER])?;
    }
    let start = std::time::Instant::now();
    for number in 0..20 {
        cluster.broadcast(number % 5, &format!("line {number}"))?;
        cluster.broadcast(number % 5, &format!("/sure {}", sure(number)))?;
    }
    // The tags of a node count its broadcasts with acks.
    let mut tags = [0; 5];
    for number in 0..20 {
        tags[number % 5] += 1;
        wait_settled(cluster, number, tags[number % 5])?;
    }
    let at_first: usize = (0..20).map(|number| receivers(cluster, &sure(number))).sum();
    ensure!(at_first >= 76, "only {at_first} of 80 broadcasts with acks arrived");
    let mut repeats = 0;
    for number in 0..20 {
        while receivers(cluster, &sure(number)) < 4 {
            ensure!(repeats < 20, "`{}` does not arrive although it was repeated", sure(number));
            repeats += 1;
            tags[number % 5] += 1;
            cluster.broadcast(number % 5, &format!("/sure {}", sure(number)))?;
            wait_settled(cluster, number, tags[number % 5])?;
        }
    }
    let mut last = Duration::ZERO;
    for number in 0..20 {
        let receivers = others(&all, number % 5);
        last = last.max(cluster.wait_received(&sure(number), &receivers, start, DEFAULT_TIMEOUT)?);
    }
    let plain = |cluster: &BroadcastCluster| -> usize {
        (0..20).map(|number| receivers(cluster, &format!("line {number}"))).sum()
    };
    wait_for("nine in ten of the broadcasts without acks", DEFAULT_TIMEOUT, || Ok(plain(cluster) >= 72))?;
    let (repaired, plain) = (cluster.sum(&all, "gaps_requested")?, plain(cluster));
    cluster.add_remark(format!(
        "with acks {at_first} of 80 at first, all in {:.2} s with {repeats} repeats; without acks {plain} of 80; {repaired} nacks",
        last.as_secs_f64()
    ));
    Ok(())
}

/// Text of a broadcast with acks.
fn sure(number: usize) -> String {
    format!("line {number} for sure")
}

/// Number of nodes that received a text.
fn receivers(cluster: &BroadcastCluster, text: &str) -> usize {
    cluster.nodes.iter().filter(|node| node.received_at(text).is_some()).count()
}

/// Waits for the settled report of a broadcast with acks. The report may count too few nodes, since
/// acks are lost too, but never one that did not receive the broadcast.
fn wait_settled(cluster: &BroadcastCluster, number: usize, tag: usize) -> Result<()> {
    let node = cluster.nodes.get(number % 5).context("no such node")?;
    wait_for(&format!("the report of `{}`", sure(number)), DEFAULT_TIMEOUT, || {
        Ok(node.settled_acks(tag).is_some())
    })?;
    let acks = node.settled_acks(tag).context("it was there")?;
    // A node prints what it received before it acknowledges, but its output may be read later.
    wait_for(&format!("{acks} receivers of `{}`", sure(number)), DEFAULT_TIMEOUT, || {
        Ok(receivers(cluster, &sure(number)) as u64 >= acks)
    })
}

/// The relay into another island accepts its targets and crashes before it can forward the
/// broadcast. The origin notices the missing acks.
pub(super) fn relay_killed(cluster: &mut BroadcastCluster) -> Result<()> {
    let islands = cluster.islands(&[1, 4])?;
    let flags = ["--exchange", "1"];
    let west = cluster.start_all(&islands[0], None, &flags)?;
    let east = cluster.start_all(&islands[1], Some(west[0]), &flags)?;
    cluster.wait_list("/peers", &west, 4)?;
    cluster.wait_list("/near", &east, 3)?;
    let mut tries = 0;
    wait_for("a broadcast that one relay brings into the other island", DEFAULT_TIMEOUT, || {
        tries += 1;
        let text = format!("by a relay {tries}");
        let before = cluster.sum(&west, "content_frames_sent")?;
        let since = cluster.broadcast(west[0], &text)?;
        cluster.wait_received(&text, &east, since, DEFAULT_TIMEOUT)?;
        Ok(cluster.sum(&west, "content_frames_sent")? - before == 1)
    })?;

    // No node of the other island can forward within it.
    let within = [
        "ip daddr 224.1.1.1",
        "ip daddr 10.77.1.0/24 tcp dport 29999",
        "ip daddr 10.77.1.0/24 udp dport 29999",
    ];
    let mut rules = Vec::new();
    for host in &islands[1] {
        rules.push(cluster.add_drop_rule(&host.namespace, "inet", "output", &within)?);
    }
    let since = cluster.broadcast(west[0], "/sure in spite of all")?;
    let text = "in spite of all";
    let heard = |cluster: &BroadcastCluster| {
        east.iter().position(|node| cluster.nodes[*node].received_at(text).is_some())
    };
    wait_for("a relay to receive the broadcast", DEFAULT_TIMEOUT, || Ok(heard(cluster).is_some()))?;
    let relay = heard(cluster).context("no relay received the broadcast")?;
    wait_for("the relay to try to forward it", DEFAULT_TIMEOUT, || {
        Ok(cluster.dropped_by_rule(rules[relay])? > 0)
    })?;
    cluster.nodes[east[relay]].signal("-KILL")?;
    for rules in rules {
        cluster.remove_rule(rules)?;
    }
    let last = cluster.wait_received(text, &others(&east, east[relay]), since, DEFAULT_TIMEOUT)?;
    cluster
        .add_remark(format!("the other nodes of its island received it after {:.2} s", last.as_secs_f64()));
    Ok(())
}

/// A node is stopped, but its system still accepts data for it. The other nodes are not delayed,
/// and it receives every broadcast when it continues.
pub(super) fn stopped(cluster: &mut BroadcastCluster) -> Result<()> {
    let islands = cluster.islands(&[6])?;
    let all = cluster.start_all(
        &islands[0],
        None,
        &["--exchange", "1", "--multicast", "off", "--shape", "halving"],
    )?;
    cluster.wait_list("/peers", &all, 5)?;
    // First connect all nodes, so that the stopped node still gets targets and does not forward.
    for node in &all {
        let text = format!("warm {node}");
        let since = cluster.broadcast(*node, &text)?;
        cluster.wait_received(&text, &others(&all, *node), since, DEFAULT_TIMEOUT)?;
    }
    let victim = all[3];
    cluster.nodes[victim].signal("-STOP")?;
    let rest = others(&all, victim);
    let mut last = Duration::ZERO;
    for number in 0..10 {
        let since = cluster.broadcast(rest[0], &format!("/sure while one sleeps {number}"))?;
        let heard = cluster.wait_received(
            &format!("while one sleeps {number}"),
            &others(&rest, rest[0]),
            since,
            DEFAULT_TIMEOUT,
        )?;
        last = last.max(heard);
    }
    ensure!(last < Duration::from_secs(5), "the other nodes were delayed by {} s", last.as_secs_f64());
    cluster.nodes[victim].signal("-CONT")?;
    let since = std::time::Instant::now();
    for number in 0..10 {
        cluster.wait_received(&format!("while one sleeps {number}"), &[victim], since, DEFAULT_TIMEOUT)?;
    }
    cluster
        .add_remark(format!("the other nodes received each of 10 lines within {:.2} s", last.as_secs_f64()));
    Ok(())
}

/// Packets to one node are silently lost. A newcomer that does not know that yet still reaches
/// all other nodes at once.
pub(super) fn black_hole(cluster: &mut BroadcastCluster) -> Result<()> {
    let islands = cluster.islands(&[6])?;
    let flags = ["--exchange", "1", "--multicast", "off", "--shape", "halving"];
    let (newcomer, before) = islands[0].split_last().context("there are hosts")?;
    let all = cluster.start_all(before, None, &flags)?;
    cluster.wait_list("/peers", &all, 4)?;
    let hole = all[4];
    cluster.add_drop_rule(&before[4].namespace, "inet", "input", &["meta l4proto { tcp, udp }"])?;
    // The newcomer learns all addresses, and has no connection to the unreachable node.
    let seed = cluster.nodes[0].me.clone();
    let speaker = cluster.start(newcomer, &[&flags[..], &["--seed", &seed]].concat())?;
    cluster.wait_list("/peers", &[speaker], 5)?;
    let rest = others(&all, hole);
    let mut last = Duration::ZERO;
    for number in 0..5 {
        let text = format!("past the hole {number}");
        let since = cluster.broadcast(speaker, &text)?;
        last = last.max(cluster.wait_received(&text, &rest, since, DEFAULT_TIMEOUT)?);
    }
    ensure!(last < Duration::from_secs(1), "the other nodes were delayed by {} s", last.as_secs_f64());
    cluster.add_remark(format!(
        "4 other nodes received each of 5 lines within {:.0} ms",
        last.as_secs_f64() * 1e3
    ));
    Ok(())
}
