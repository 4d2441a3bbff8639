//! Scenes of networks that drop one kind of packet, and of misconfigured nodes. Groups converge
//! over the transport that works, and `status` reports the one that does not.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::clusters::{DaemonCluster, ExpectedState, GROUP, PORT, check_satisfied, part, seconds};
use crate::namespaces::{Host, ip};
use crate::waiting::{DEFAULT_TIMEOUT, wait_for};

const OFF: [&str; 2] = ["--multicast", "off"];
/// Maximum time until both sides report a misconfigured node.
const WARNING_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts daemons without multicast on these hosts. The first one is the seed of the others.
fn without_multicast(cluster: &mut DaemonCluster, hosts: &[Host]) -> Result<Vec<usize>> {
    let seed = std::net::SocketAddr::new(hosts[0].ip, PORT).to_string();
    let mut all = Vec::new();
    for (number, host) in hosts.iter().enumerate() {
        let flags = if number == 0 { OFF.to_vec() } else { [&OFF[..], &["--seed", &seed]].concat() };
        all.push(cluster.add(host, PORT, &flags)?);
    }
    cluster.run(&all)?;
    Ok(all)
}

/// Each daemon serves a part. Returns the time from the first write until all are in sync.
fn all_serve(cluster: &DaemonCluster, all: &[usize]) -> Result<Duration> {
    let since = Instant::now();
    for number in all {
        cluster.serve(*number, part(*number, all.len()), &[])?;
    }
    cluster.wait_in_sync(all, GROUP, ExpectedState { members: all.len(), items: all.len() }, since)
}

/// Waits until the warnings in a daemon's status contain these words. Returns the time it took.
fn wait_warning(cluster: &DaemonCluster, number: usize, words: &str, within: Duration) -> Result<Duration> {
    let since = Instant::now();
    let mut warnings = Value::Null;
    let found = wait_for("a warning", within, || {
        warnings = cluster.node(number)?.ok(&["status"])?["warnings"].clone();
        Ok(warnings.to_string().contains(words))
    });
    found.with_context(|| format!("no warning contains `{words}`: {warnings}"))?;
    Ok(since.elapsed())
}

/// The reachability by datagrams that a daemon reports for a peer.
fn datagrams(cluster: &DaemonCluster, number: usize, of: usize) -> Result<String> {
    let peers = cluster.node(number)?.ok(&["peers"])?;
    let me = cluster.node(of)?.me.to_string();
    let peer = peers.as_array().into_iter().flatten().find(|peer| peer["node"] == me);
    Ok(peer.and_then(|peer| peer["datagrams"].as_str()).unwrap_or_default().to_owned())
}

/// Firewalls block incoming datagrams of all nodes, or of the first one, but not connections. Then
/// the firewalls open.
pub(super) fn udp_blocked(cluster: &mut DaemonCluster) -> Result<()> {
    for one_way in [false, true] {
        let names = if one_way { "into one node only" } else { "both ways" };
        let hosts = if one_way { second_addresses(cluster)? } else { cluster.islands(&[3])?.concat() };
        let mut rules = Vec::new();
        for host in hosts.iter().take(if one_way { 1 } else { hosts.len() }) {
            rules.push(cluster.add_drop_rule(
                &host.namespace,
                "inet",
                "input",
                &["iif != lo meta l4proto udp"],
            )?);
        }
        let first = cluster.nodes.len();
        let all = without_multicast(cluster, &hosts)?;
        let since = Instant::now();
        for (at, number) in all.iter().enumerate() {
            cluster.serve(*number, part(at, all.len()), &[])?;
        }
        let joined = cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 3 }, since)?;
        // The range overlaps no other member's range: the others learn it by anti-entropy.
        let since = Instant::now();
        check_satisfied(&cluster.serve(first + 1, (7, 7), &["--wait", "one"])?, 1)?;
        let written = cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 4 }, since)?;
        let reporter = if one_way { first } else { first + 1 };
        let warned =
            wait_warning(cluster, reporter, "are lost, connections are used instead", DEFAULT_TIMEOUT)?;
        for rule in rules {
            cluster.remove_rule(rule)?;
        }
        let other = if one_way { first + 1 } else { first };
        wait_for("datagrams to work again", DEFAULT_TIMEOUT, || {
            Ok(datagrams(cluster, reporter, other)? != "lost")
        })?;
        cluster.add_remark(format!(
            "without UDP {names}, 3 nodes in sync {} after the first write, and {} after one that overlaps no other range; the warning comes after {}",
            seconds(joined),
            seconds(written),
            seconds(warned)
        ));
        for number in all {
            cluster.node_mut(number)?.kill()?;
        }
    }
    Ok(())
}

/// Three more hosts on the bridge of the first island: second addresses of the same namespaces.
fn second_addresses(cluster: &mut DaemonCluster) -> Result<Vec<Host>> {
    let spaces: Vec<Host> = cluster.nodes.iter().take(3).map(|node| node.host.clone()).collect();
    let mut hosts = Vec::new();
    for (number, host) in (101_u8..).zip(&spaces) {
        let ip = cluster.another_address(host, 0, number)?;
        hosts.push(Host { namespace: host.namespace.clone(), ip });
    }
    Ok(hosts)
}

/// Two nodes announce IPv4 addresses and two announce IPv6 addresses. Every host has both.
pub(super) fn mixed_families(cluster: &mut DaemonCluster) -> Result<()> {
    let mut hosts = cluster.islands(&[4])?.concat();
    for (number, host) in (1_u16..).zip(&mut hosts) {
        let six = IpAddr::V6(Ipv6Addr::new(0xfd88, 0, 0, 0, 0, 0, 0, number));
        ip(&format!("-n {} addr add {six}/64 dev eth0 nodad", host.namespace))?;
        if number % 2 == 0 {
            host.ip = six;
        }
    }
    let all = without_multicast(cluster, &hosts)?;
    let joined = all_serve(cluster, &all)?;
    let since = Instant::now();
    let whole = ["serve", GROUP, "0-0xffffffff", "--port", "1", "--wait", "all"];
    check_satisfied(&cluster.node(1)?.cli(&whole)?, 3)?;
    let waited = since.elapsed();
    for number in &all {
        wait_warning(cluster, *number, "of the other family", DEFAULT_TIMEOUT)?;
    }
    cluster.add_remark(format!(
        "2 nodes with IPv4 and 2 with IPv6 in sync {} after the first write; a write that waits for all 3 others took {}",
        seconds(joined),
        seconds(waited)
    ));
    Ok(())
}

/// The path drops packets of more than 600 bytes without notice, while the hosts have an MTU of
/// 1,500. Only large transfers are affected.
pub(super) fn swallows_large(cluster: &mut DaemonCluster) -> Result<()> {
    let hosts = cluster.islands(&[2])?.concat();
    let switch = cluster.switch();
    for (number, host) in (1..).zip(&hosts) {
        ip(&format!("-n {switch} link set n0-{number} mtu 600"))?;
        // Without this, the kernel would split large segments for the smaller MTU, and they would
        // pass.
        ip(&format!("-n {} link set eth0 gso_max_segs 1", host.namespace))?;
    }
    let all = without_multicast(cluster, &hosts)?;
    let small = all_serve(cluster, &all)?;
    let changes: Vec<Value> = (0..3_000_u32)
        .map(|at| json!({"do": "serve", "start": at * 1_000, "end": at * 1_000 + at % 900, "port": 1 + at, "priority": 1}))
        .collect();
    let file = cluster.folder.join("changes");
    std::fs::write(&file, serde_json::to_string(&changes)?).context("cannot write a file of changes")?;
    let since = Instant::now();
    cluster.node(0)?.ok(&["change", GROUP, &file.display().to_string()])?;
    let large = cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 2, items: 3_002 }, since)?;
    wait_warning(cluster, 0, "the path swallows large packets", DEFAULT_TIMEOUT)?;
    cluster.add_remark(format!(
        "in sync with one range each after {}, with a record of 3,000 ranges {} after its write",
        seconds(small),
        seconds(large)
    ));
    Ok(())
}

/// A wrong key, a wrong cluster name, and seeds that do not exist. Both sides report each of them
/// within ten seconds.
pub(super) fn misconfigured(cluster: &mut DaemonCluster) -> Result<()> {
    let hosts = cluster.islands(&[5])?.concat();
    let seed = std::net::SocketAddr::new(hosts[0].ip, PORT).to_string();
    let calls = [&OFF[..], &["--seed", &seed]].concat();
    let dead = std::net::SocketAddr::new(hosts[0].ip, PORT + 1).to_string();
    let dead_seeds = [&OFF[..], &["--seed", &dead, "--seed", "no-such-host.invalid:29999"]].concat();
    let (first, key, name) = (
        cluster.add(&hosts[0], PORT, &OFF)?,
        cluster.add(&hosts[1], PORT, &calls)?,
        cluster.add(&hosts[2], PORT, &calls)?,
    );
    let seeds = cluster.add(&hosts[3], PORT, &dead_seeds)?;
    cluster.node_mut(key)?.setting.key = cluster.new_key("other-key")?;
    cluster.node_mut(name)?.setting.cluster = "other".to_owned();
    cluster.run(&[first, key, name, seeds])?;
    let mut slowest = Duration::ZERO;
    let ip_of = |number: usize| hosts[number].ip.to_string();
    for (number, words) in [
        (first, format!("frames from {}", ip_of(1))),
        (first, format!("frames from {}", ip_of(2))),
        (key, format!("the seed {seed} is not reached: it accepts connections and ends them")),
        (name, format!("the seed {seed} is not reached: it accepts connections and ends them")),
        (seeds, format!("the seed {dead} is not reached: it refuses connections")),
        (seeds, "the seed no-such-host.invalid:29999 is not reached: its name does not resolve".to_owned()),
    ] {
        slowest = slowest.max(wait_warning(cluster, number, &words, WARNING_TIMEOUT)?);
    }
    let logged = cluster.nodes[first].log().iter().filter(|line| line.contains("do not open")).count();
    ensure!(logged == 2, "each of two causes is logged once, but there are {logged} log lines");
    cluster.add_remark(format!("each was reported within {}", seconds(slowest)));
    Ok(())
}

/// A node announces an address that no host has. Peers use the connections that it opens, and both
/// sides report it.
pub(super) fn unreachable_address(cluster: &mut DaemonCluster) -> Result<()> {
    let mut hosts = cluster.islands(&[3])?.concat();
    let bind = hosts[2].ip.to_string();
    hosts[2].ip = IpAddr::from([10, 77, 0, 99]);
    let seed = std::net::SocketAddr::new(hosts[0].ip, PORT).to_string();
    let calls = [&OFF[..], &["--seed", &seed]].concat();
    let wrong = [&calls[..], &["--bind", &bind]].concat();
    let all = vec![
        cluster.add(&hosts[0], PORT, &OFF)?,
        cluster.add(&hosts[1], PORT, &calls)?,
        cluster.add(&hosts[2], PORT, &wrong)?,
    ];
    cluster.run(&all)?;
    let joined = all_serve(cluster, &all)?;
    let since = Instant::now();
    check_satisfied(&cluster.serve(2, (7, 7), &["--wait", "one"])?, 1)?;
    cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 4 }, since)?;
    let by_others = wait_warning(cluster, 0, "where it is not reached", Duration::from_secs(90))?;
    let by_itself = wait_warning(cluster, 2, "no other node has reached this one", Duration::from_secs(90))?;
    cluster.add_remark(format!(
        "3 nodes in sync {} after the first write; a peer reports it after {}, and the node itself {} later",
        seconds(joined),
        seconds(by_others),
        seconds(by_itself)
    ));
    Ok(())
}
