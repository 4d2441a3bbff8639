//! Scenes of islands: multicast within an island, TCP between islands.

use anyhow::{Result, ensure};

use super::{BroadcastCluster, others};
use crate::net::waiting::{PATIENCE, wait_for};

/// Nodes on one island find each other without configuration. Then a broadcast costs one multicast.
pub(super) fn one_multicast(stage: &mut BroadcastCluster) -> Result<()> {
    let islands = stage.islands(&[4])?;
    let mut all = Vec::new();
    for place in &islands[0] {
        all.push(stage.start(place, &[])?);
    }
    stage.wait_list("/near", &all, 3)?;
    let mut tries = 0;
    // This holds when every node has confirmed to the origin that it receives its multicast.
    wait_for("a broadcast by one multicast alone", PATIENCE, || {
        tries += 1;
        let text = format!("by multicast {tries}");
        let before = (stage.sum(&all, "content_frames_sent")?, stage.sum(&all, "content_multicasts")?);
        let since = stage.broadcast(0, &text)?;
        stage.wait_received(&text, &others(&all, 0), since, PATIENCE)?;
        let after = (stage.sum(&all, "content_frames_sent")?, stage.sum(&all, "content_multicasts")?);
        Ok((after.0 - before.0, after.1 - before.1) == (0, 1))
    })?;
    stage.add_remark(format!("3 nodes received 1 multicast, and no content by TCP, at broadcast {tries}"));
    Ok(())
}

/// Two islands with a router in between and one seed. A broadcast crosses the router once and is
/// multicast again on the other island.
pub(super) fn two_islands(stage: &mut BroadcastCluster) -> Result<()> {
    let islands = stage.islands(&[3, 3])?;
    let flags = ["--exchange", "1"];
    let mut west = Vec::new();
    for place in &islands[0] {
        west.push(stage.start(place, &flags)?);
    }
    let seed = stage.nodes[0].me.clone();
    let mut east = vec![stage.start(&islands[1][0], &[&flags[..], &["--seed", &seed]].concat())?];
    for place in &islands[1][1..] {
        east.push(stage.start(place, &flags)?);
    }
    let all = [west.clone(), east.clone()].concat();
    stage.wait_list("/peers", &all, 5)?;
    stage.wait_list("/near", &all, 2)?;
    let near = stage.nodes[0].query_list("/near")?;
    ensure!(!near.iter().any(|node| node.starts_with("10.77.1.")), "multicast crossed the router: {near:?}");
    let mut tries = 0;
    wait_for("a broadcast that crosses once and is multicast on each side", PATIENCE, || {
        tries += 1;
        let text = format!("across {tries}");
        let before = costs(stage, &west, &east)?;
        let since = stage.broadcast(1, &text)?;
        stage.wait_received(&text, &others(&all, 1), since, PATIENCE)?;
        let after = costs(stage, &west, &east)?;
        Ok(after.iter().zip(before).map(|(after, before)| after - before).eq([1, 1, 1, 0]))
    })?;
    stage.add_remark(format!("6 nodes with 2 multicasts and 1 frame over TCP, at broadcast {tries}"));
    Ok(())
}

/// Numbers of multicasts and of contents forwarded by TCP on each side.
fn costs(stage: &mut BroadcastCluster, west: &[usize], east: &[usize]) -> Result<[u64; 4]> {
    Ok([
        stage.sum(west, "content_multicasts")?,
        stage.sum(west, "content_frames_sent")?,
        stage.sum(east, "content_multicasts")?,
        stage.sum(east, "content_frames_sent")?,
    ])
}

/// The router drops all packets for a while. Each side works alone, and both are one cluster again
/// afterwards.
pub(super) fn partition(stage: &mut BroadcastCluster) -> Result<()> {
    let islands = stage.islands(&[2, 2])?;
    let flags = ["--exchange", "1"];
    let west = stage.start_all(&islands[0], None, &flags)?;
    let east = stage.start_all(&islands[1], Some(west[0]), &flags)?;
    let all = [west.clone(), east.clone()].concat();
    stage.wait_list("/peers", &all, 3)?;
    let since = stage.broadcast(west[0], "together")?;
    stage.wait_received("together", &others(&all, west[0]), since, PATIENCE)?;

    let router = stage.router();
    let rules = stage.add_drop_rule(&router, "inet", "forward", &["meta l4proto { tcp, udp }"])?;
    let since = stage.broadcast(west[0], "only west")?;
    stage.broadcast(east[0], "only east")?;
    stage.wait_received("only west", &west[1..], since, PATIENCE)?;
    stage.wait_received("only east", &east[1..], since, PATIENCE)?;
    wait_for("the router to drop packets", PATIENCE, || Ok(stage.dropped_by_rule(rules)? >= 5))?;
    ensure!(
        east.iter().all(|node| stage.nodes[*node].received_at("only west").is_none()),
        "a broadcast crossed the partition"
    );

    stage.remove_rule(rules)?;
    let (start, mut tries) = (std::time::Instant::now(), 0);
    wait_for("a broadcast to reach both sides again", PATIENCE, || {
        tries += 1;
        let text = format!("again {tries}");
        let since = stage.broadcast(west[1], &text)?;
        let within = std::time::Duration::from_secs(1);
        Ok(stage.wait_received(&text, &others(&all, west[1]), since, within).is_ok())
    })?;
    stage.add_remark(format!("connected again after {:.1} s", start.elapsed().as_secs_f64()));
    Ok(())
}
