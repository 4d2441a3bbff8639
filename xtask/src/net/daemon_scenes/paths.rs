//! Scenes of networks that drop one kind of packet, and of misconfigured nodes. Groups converge
//! over the transport that works, and `status` reports the one that does not.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::net::clusters::{DaemonCluster, ExpectedState, GROUP, PORT, check_satisfied, part, seconds};
use crate::net::namespaces::{Host, ip};
use crate::net::waiting::{PATIENCE, wait_for};

const OFF: [&str; 2] = ["--multicast", "off"];
/// Maximum time until both sides report a misconfigured node.
const SAID_WITHIN: Duration = Duration::from_secs(10);

/// Starts daemons without multicast on these hosts. The first one is the seed of the others.
fn without_multicast(stage: &mut DaemonCluster, places: &[Host]) -> Result<Vec<usize>> {
    let seed = std::net::SocketAddr::new(places[0].ip, PORT).to_string();
    let mut all = Vec::new();
    for (number, place) in places.iter().enumerate() {
        let flags = if number == 0 { OFF.to_vec() } else { [&OFF[..], &["--seed", &seed]].concat() };
        all.push(stage.add(place, PORT, &flags)?);
    }
    stage.run(&all)?;
    Ok(all)
}

/// Each daemon serves a part. Returns the time from the first write until all are in sync.
fn all_serve(stage: &DaemonCluster, all: &[usize]) -> Result<Duration> {
    let since = Instant::now();
    for number in all {
        stage.serve(*number, part(*number, all.len()), &[])?;
    }
    stage.wait_in_sync(all, GROUP, ExpectedState { members: all.len(), items: all.len() }, since)
}

/// Waits until the warnings in a daemon's status contain these words. Returns the time it took.
fn wait_warning(stage: &DaemonCluster, number: usize, words: &str, within: Duration) -> Result<Duration> {
    let since = Instant::now();
    let mut warnings = Value::Null;
    let said = wait_for("a warning", within, || {
        warnings = stage.node(number)?.ok(&["status"])?["warnings"].clone();
        Ok(warnings.to_string().contains(words))
    });
    said.with_context(|| format!("no warning contains `{words}`: {warnings}"))?;
    Ok(since.elapsed())
}

/// The reachability by datagrams that a daemon reports for a peer.
fn datagrams(stage: &DaemonCluster, number: usize, of: usize) -> Result<String> {
    let peers = stage.node(number)?.ok(&["peers"])?;
    let me = stage.node(of)?.me.to_string();
    let peer = peers.as_array().into_iter().flatten().find(|peer| peer["node"] == me);
    Ok(peer.and_then(|peer| peer["datagrams"].as_str()).unwrap_or_default().to_owned())
}

/// Firewalls block incoming datagrams of all nodes, or of the first one, but not connections. Then
/// the firewalls open.
pub(super) fn udp_blocked(stage: &mut DaemonCluster) -> Result<()> {
    for one_way in [false, true] {
        let names = if one_way { "into one node only" } else { "both ways" };
        let places = if one_way { second_addresses(stage)? } else { stage.islands(&[3])?.concat() };
        let mut rules = Vec::new();
        for place in places.iter().take(if one_way { 1 } else { places.len() }) {
            rules.push(stage.add_drop_rule(
                &place.space,
                "inet",
                "input",
                &["iif != lo meta l4proto udp"],
            )?);
        }
        let first = stage.nodes.len();
        let all = without_multicast(stage, &places)?;
        let since = Instant::now();
        for (at, number) in all.iter().enumerate() {
            stage.serve(*number, part(at, all.len()), &[])?;
        }
        let joined = stage.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 3 }, since)?;
        // The range overlaps no other member's range: the others learn it by anti-entropy.
        let since = Instant::now();
        check_satisfied(&stage.serve(first + 1, (7, 7), &["--wait", "one"])?, 1)?;
        let written = stage.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 4 }, since)?;
        let said = if one_way { first } else { first + 1 };
        let warned = wait_warning(stage, said, "are lost, connections are used instead", PATIENCE)?;
        for rule in rules {
            stage.remove_rule(rule)?;
        }
        let other = if one_way { first + 1 } else { first };
        wait_for("datagrams to work again", PATIENCE, || Ok(datagrams(stage, said, other)? != "lost"))?;
        stage.add_remark(format!(
            "without UDP {names}, 3 nodes in sync {} after the first write, and {} after one that overlaps no other range; the warning comes after {}",
            seconds(joined),
            seconds(written),
            seconds(warned)
        ));
        for number in all {
            stage.node_mut(number)?.kill()?;
        }
    }
    Ok(())
}

/// Three more hosts on the bridge of the first island: second addresses of the same namespaces.
fn second_addresses(stage: &mut DaemonCluster) -> Result<Vec<Host>> {
    let spaces: Vec<Host> = stage.nodes.iter().take(3).map(|node| node.place.clone()).collect();
    let mut places = Vec::new();
    for (host, place) in (101_u8..).zip(&spaces) {
        let ip = stage.another_address(place, 0, host)?;
        places.push(Host { space: place.space.clone(), ip });
    }
    Ok(places)
}

/// Two nodes announce IPv4 addresses and two announce IPv6 addresses. Every host has both.
pub(super) fn mixed_families(stage: &mut DaemonCluster) -> Result<()> {
    let mut places = stage.islands(&[4])?.concat();
    for (host, place) in (1_u16..).zip(&mut places) {
        let six = IpAddr::V6(Ipv6Addr::new(0xfd88, 0, 0, 0, 0, 0, 0, host));
        ip(&format!("-n {} addr add {six}/64 dev eth0 nodad", place.space))?;
        if host % 2 == 0 {
            place.ip = six;
        }
    }
    let all = without_multicast(stage, &places)?;
    let joined = all_serve(stage, &all)?;
    let since = Instant::now();
    let whole = ["serve", GROUP, "0-0xffffffff", "--port", "1", "--wait", "all"];
    check_satisfied(&stage.node(1)?.cli(&whole)?, 3)?;
    let waited = since.elapsed();
    for number in &all {
        wait_warning(stage, *number, "of the other family", PATIENCE)?;
    }
    stage.add_remark(format!(
        "2 nodes with IPv4 and 2 with IPv6 in sync {} after the first write; a write that waits for all 3 others took {}",
        seconds(joined),
        seconds(waited)
    ));
    Ok(())
}

/// The path drops packets of more than 600 bytes without notice, while the hosts have an MTU of
/// 1,500. Only large transfers are affected.
pub(super) fn swallows_large(stage: &mut DaemonCluster) -> Result<()> {
    let places = stage.islands(&[2])?.concat();
    let switch = stage.switch();
    for (host, place) in (1..).zip(&places) {
        ip(&format!("-n {switch} link set n0-{host} mtu 600"))?;
        // Without this, the kernel would split large segments for the smaller MTU, and they would
        // pass.
        ip(&format!("-n {} link set eth0 gso_max_segs 1", place.space))?;
    }
    let all = without_multicast(stage, &places)?;
    let small = all_serve(stage, &all)?;
    let changes: Vec<Value> = (0..3_000_u32)
        .map(|at| json!({"do": "serve", "start": at * 1_000, "end": at * 1_000 + at % 900, "port": 1 + at, "priority": 1}))
        .collect();
    let file = stage.folder.join("changes");
    std::fs::write(&file, serde_json::to_string(&changes)?).context("cannot write a file of changes")?;
    let since = Instant::now();
    stage.node(0)?.ok(&["change", GROUP, &file.display().to_string()])?;
    let large = stage.wait_in_sync(&all, GROUP, ExpectedState { members: 2, items: 3_002 }, since)?;
    wait_warning(stage, 0, "the path swallows large packets", PATIENCE)?;
    stage.add_remark(format!(
        "in sync with one range each after {}, with a record of 3,000 ranges {} after its write",
        seconds(small),
        seconds(large)
    ));
    Ok(())
}

/// A wrong key, a wrong cluster name, and seeds that do not exist. Both sides report each of them
/// within ten seconds.
pub(super) fn misconfigured(stage: &mut DaemonCluster) -> Result<()> {
    let places = stage.islands(&[5])?.concat();
    let seed = std::net::SocketAddr::new(places[0].ip, PORT).to_string();
    let calls = [&OFF[..], &["--seed", &seed]].concat();
    let dead = std::net::SocketAddr::new(places[0].ip, PORT + 1).to_string();
    let dead_seeds = [&OFF[..], &["--seed", &dead, "--seed", "no-such-host.invalid:29999"]].concat();
    let (first, key, name) = (
        stage.add(&places[0], PORT, &OFF)?,
        stage.add(&places[1], PORT, &calls)?,
        stage.add(&places[2], PORT, &calls)?,
    );
    let seeds = stage.add(&places[3], PORT, &dead_seeds)?;
    stage.node_mut(key)?.setting.key = stage.new_key("other-key")?;
    stage.node_mut(name)?.setting.cluster = "other".to_owned();
    stage.run(&[first, key, name, seeds])?;
    let mut slowest = Duration::ZERO;
    let ip_of = |number: usize| places[number].ip.to_string();
    for (number, words) in [
        (first, format!("frames from {}", ip_of(1))),
        (first, format!("frames from {}", ip_of(2))),
        (key, format!("the seed {seed} is not reached: it accepts connections and ends them")),
        (name, format!("the seed {seed} is not reached: it accepts connections and ends them")),
        (seeds, format!("the seed {dead} is not reached: it refuses connections")),
        (seeds, "the seed no-such-host.invalid:29999 is not reached: its name does not resolve".to_owned()),
    ] {
        slowest = slowest.max(wait_warning(stage, number, &words, SAID_WITHIN)?);
    }
    let logged = stage.nodes[first].log().iter().filter(|line| line.contains("do not open")).count();
    ensure!(logged == 2, "each of two causes is logged once, but there are {logged} log lines");
    stage.add_remark(format!("each was reported within {}", seconds(slowest)));
    Ok(())
}

/// A node announces an address that no host has. Peers use the connections that it opens, and both
/// sides report it.
pub(super) fn unreachable_address(stage: &mut DaemonCluster) -> Result<()> {
    let mut places = stage.islands(&[3])?.concat();
    let bind = places[2].ip.to_string();
    places[2].ip = IpAddr::from([10, 77, 0, 99]);
    let seed = std::net::SocketAddr::new(places[0].ip, PORT).to_string();
    let calls = [&OFF[..], &["--seed", &seed]].concat();
    let wrong = [&calls[..], &["--bind", &bind]].concat();
    let all = vec![
        stage.add(&places[0], PORT, &OFF)?,
        stage.add(&places[1], PORT, &calls)?,
        stage.add(&places[2], PORT, &wrong)?,
    ];
    stage.run(&all)?;
    let joined = all_serve(stage, &all)?;
    let since = Instant::now();
    check_satisfied(&stage.serve(2, (7, 7), &["--wait", "one"])?, 1)?;
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 4 }, since)?;
    let by_others = wait_warning(stage, 0, "where it is not reached", Duration::from_secs(90))?;
    let by_itself = wait_warning(stage, 2, "no other node has reached this one", Duration::from_secs(90))?;
    stage.add_remark(format!(
        "3 nodes in sync {} after the first write; a peer reports it after {}, and the node itself {} later",
        seconds(joined),
        seconds(by_others),
        seconds(by_itself)
    ));
    Ok(())
}
