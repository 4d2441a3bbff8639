//! Scenes of one network: who shares it and must not mix, and a bridge that drops multicast.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::net::clusters::{
    DaemonCluster, ExpectedState, GROUP, PORT, check_satisfied, part, range_argument, seconds,
};
use crate::net::rules::RuleSet;
use crate::net::waiting::{PATIENCE, wait_for};

/// Writes of each pair while it is looked whether they mix.
const WRITES: u32 = 20;

/// Two clusters with one key, and two keys with one name of a cluster: they hear each other, call
/// each other, and stay apart.
pub(super) fn two_clusters(stage: &mut DaemonCluster) -> Result<()> {
    let places = stage.islands(&[6])?.concat();
    let other_key = stage.new_key("other-key")?;
    let seeds: Vec<String> = places.iter().map(|place| SocketAddr::new(place.ip, PORT).to_string()).collect();
    let mut strangers = Vec::new();
    for (number, place) in places.iter().enumerate() {
        // The first of each pair calls everybody; the second is told of nobody.
        let called = if number % 2 == 0 { seeds.as_slice() } else { &[] };
        let flags: Vec<&str> = called.iter().flat_map(|seed| ["--seed", seed]).collect();
        stage.add(place, PORT, &flags)?;
        let setting = &mut stage.node_mut(number)?.setting;
        match number / 2 {
            0 => {}
            1 => setting.cluster = "other".to_owned(),
            _ => setting.key.clone_from(&other_key),
        }
        // Everybody but the other one of its pair.
        let pair = number / 2 * 2;
        let others = places.iter().enumerate().filter(|(other, _)| other / 2 * 2 != pair);
        let from = others.map(|(_, other)| other.ip.to_string()).collect::<Vec<_>>().join(", ");
        strangers.push(RuleSet::count(&place.space, "inet", "input", &[&format!("ip saddr {{ {from} }}")])?);
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
    for (number, strange) in strangers.iter().enumerate() {
        wait_for("frames of the others", PATIENCE, || Ok(strange.matched()? >= u64::from(WRITES)))?;
        check_separate(stage, number).with_context(|| format!("{} mixes", places[number].ip))?;
    }
    let mut strange = 0;
    for rules in &strangers {
        strange += rules.matched()?;
    }
    stage.add_remark(format!(
        "each pair agrees {} after the first write; {strange} packets of others came to them, and nothing of what was in them",
        seconds(agreed)
    ));
    Ok(())
}

/// One knows its pair, its groups, and nothing else.
fn check_separate(stage: &DaemonCluster, number: usize) -> Result<()> {
    let pair = number / 2 * 2;
    let mut both = vec![stage.node(pair)?.me.to_string(), stage.node(pair + 1)?.me.to_string()];
    let mut members = stage.names(number, &["members", GROUP])?;
    both.sort();
    members.sort();
    ensure!(members == both, "members are {members:?}");
    // Whom it was told to call stands there too, as one of whom nothing came; whoever was told of
    // nobody knows its mate alone.
    let peers = stage.node(number)?.ok(&["peers"])?;
    let mate = stage.node(if number == pair { pair + 1 } else { pair })?.me.to_string();
    let peers = peers.as_array().context("peers are a list")?;
    ensure!(number == pair || peers.len() == 1, "it knows {peers:?}");
    for peer in peers {
        let silent = peer["last_heard"].is_null();
        ensure!(peer["near"] == (peer["node"] == mate), "near is {peer}");
        ensure!(peer["node"] == mate || silent, "something came of {peer}");
    }
    let groups = stage.node(number)?.ok(&["groups"])?;
    let groups = groups.as_array().context("groups are a list")?;
    let names: Vec<_> = groups.iter().filter_map(|group| group["name"].as_str()).collect();
    ensure!(names == [GROUP, &format!("only-{}", number / 2)], "it knows the groups {names:?}");
    for stranger in (0..6).filter(|other| other / 2 * 2 != pair) {
        let owners = stage.owners(&[number], GROUP, part(stranger, 6).0)?;
        ensure!(owners.is_empty(), "it locates a range of others at {owners:?}");
    }
    Ok(())
}

/// With multicast everybody says that it works; without, what is wrong, and all goes by TCP.
pub(super) fn no_multicast(stage: &mut DaemonCluster) -> Result<()> {
    let places = stage.islands(&[3])?.concat();
    let seed = SocketAddr::new(places[0].ip, PORT).to_string();
    let all = stage.start_all(&places, &["--seed", &seed])?;
    for number in &all {
        wait_log(stage, *number, |multicast| multicast == "works")?;
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
        // What is wrong, and what mends it.
        wait_log(stage, *number, |multicast| multicast.contains("IGMP snooping"))?;
        let status = stage.node(*number)?.ok(&["status"])?;
        ensure!(status["near"] == 0, "{} hears multicast: {status}", stage.node(*number)?.me);
    }
    stage.add_remark(format!(
        "all agree {} after the start by TCP alone, and {} after the first of 3 writes",
        seconds(joined),
        seconds(served)
    ));
    Ok(())
}

/// Waits until the status of one says something of multicast.
fn wait_log(stage: &DaemonCluster, number: usize, good: impl Fn(&str) -> bool) -> Result<()> {
    let mut last = String::new();
    let said = wait_for("multicast to be judged rightly", PATIENCE, || {
        last = stage.node(number)?.ok(&["status"])?["multicast"].as_str().unwrap_or_default().to_owned();
        Ok(good(&last))
    });
    said.with_context(|| {
        format!("{} says: {last}", stage.node(number).map_or_else(|_| String::new(), |n| n.me.to_string()))
    })
}
