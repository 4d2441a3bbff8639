//! Scenes of islands: multicast within an island, TCP between islands.

use anyhow::{Result, ensure};

use super::{BroadcastCluster, others};
use crate::waiting::{DEFAULT_TIMEOUT, wait_for};

/// Nodes on one island find each other without configuration. Then a broadcast costs one multicast.
pub(super) fn one_multicast(cluster: &mut BroadcastCluster) -> Result<()> {
    let islands = cluster.islands(&[4])?;
    let mut all = Vec::new();
    for host in &islands[0] {
        all.push(cluster.start(host, &[])?);
    }
    cluster.wait_list("/near", &all, 3)?;
    let mut tries = 0;
    // This holds when every node has confirmed to the origin that it receives its multicast.
    wait_for("a broadcast by one multicast alone", DEFAULT_TIMEOUT, || {
        tries += 1;
        let text = format!("by multicast {tries}");
        let before = (cluster.sum(&all, "content_frames_sent")?, cluster.sum(&all, "content_multicasts")?);
        let since = cluster.broadcast(0, &text)?;
        cluster.wait_received(&text, &others(&all, 0), since, DEFAULT_TIMEOUT)?;
        let after = (cluster.sum(&all, "content_frames_sent")?, cluster.sum(&all, "content_multicasts")?);
        Ok((after.0 - before.0, after.1 - before.1) == (0, 1))
    })?;
    cluster.add_remark(format!("3 nodes received 1 multicast, and no content by TCP, at broadcast {tries}"));
    Ok(())
}

/// Two islands with a router in between and one seed. A broadcast crosses the router once and is
/// multicast again on the other island.
pub(super) fn two_islands(cluster: &mut BroadcastCluster) -> Result<()> {
    let islands = cluster.islands(&[3, 3])?;
    let flags = ["--exchange", "1"];
    let mut west = Vec::new();
    for host in &islands[0] {
        west.push(cluster.start(host, &flags)?);
    }
    let seed = cluster.nodes[0].me.clone();
    let mut east = vec![cluster.start(&islands[1][0], &[&flags[..], &["--seed", &seed]].concat())?];
    for host in &islands[1][1..] {
        east.push(cluster.start(host, &flags)?);
    }
    let all = [west.clone(), east.clone()].concat();
    cluster.wait_list("/peers", &all, 5)?;
    cluster.wait_list("/near", &all, 2)?;
    let near = cluster.nodes[0].query_list("/near")?;
    ensure!(!near.iter().any(|node| node.starts_with("10.77.1.")), "multicast crossed the router: {near:?}");
    let mut tries = 0;
    wait_for("a broadcast that crosses once and is multicast on each side", DEFAULT_TIMEOUT, || {
        tries += 1;
        let text = format!("across {tries}");
        let before = costs(cluster, &west, &east)?;
        let since = cluster.broadcast(1, &text)?;
        cluster.wait_received(&text, &others(&all, 1), since, DEFAULT_TIMEOUT)?;
        let after = costs(cluster, &west, &east)?;
        Ok(after.iter().zip(before).map(|(after, before)| after - before).eq([1, 1, 1, 0]))
    })?;
    cluster.add_remark(format!("6 nodes with 2 multicasts and 1 frame over TCP, at broadcast {tries}"));
    Ok(())
}

/// Numbers of multicasts and of contents forwarded by TCP on each side.
fn costs(cluster: &mut BroadcastCluster, west: &[usize], east: &[usize]) -> Result<[u64; 4]> {
    Ok([
        cluster.sum(west, "content_multicasts")?,
        cluster.sum(west, "content_frames_sent")?,
        cluster.sum(east, "content_multicasts")?,
        cluster.sum(east, "content_frames_sent")?,
    ])
}

/// The router drops all packets for a while. Each side works alone, and both are one cluster again
/// afterwards.
pub(super) fn partition(cluster: &mut BroadcastCluster) -> Result<()> {
    let islands = cluster.islands(&[2, 2])?;
    let flags = ["--exchange", "1"];
    let west = cluster.start_all(&islands[0], None, &flags)?;
    let east = cluster.start_all(&islands[1], Some(west[0]), &flags)?;
    let all = [west.clone(), east.clone()].concat();
    cluster.wait_list("/peers", &all, 3)?;
    let since = cluster.broadcast(west[0], "together")?;
    cluster.wait_received("together", &others(&all, west[0]), since, DEFAULT_TIMEOUT)?;

    let router = cluster.router();
    let rules = cluster.add_drop_rule(&router, "inet", "forward", &["meta l4proto { tcp, udp }"])?;
    let since = cluster.broadcast(west[0], "only west")?;
    cluster.broadcast(east[0], "only east")?;
    cluster.wait_received("only west", &west[1..], since, DEFAULT_TIMEOUT)?;
    cluster.wait_received("only east", &east[1..], since, DEFAULT_TIMEOUT)?;
    wait_for("the router to drop packets", DEFAULT_TIMEOUT, || Ok(cluster.dropped_by_rule(rules)? >= 5))?;
    ensure!(
        east.iter().all(|node| cluster.nodes[*node].received_at("only west").is_none()),
        "a broadcast crossed the partition"
    );

    cluster.remove_rule(rules)?;
    let (start, mut tries) = (std::time::Instant::now(), 0);
    wait_for("a broadcast to reach both sides again", DEFAULT_TIMEOUT, || {
        tries += 1;
        let text = format!("again {tries}");
        let since = cluster.broadcast(west[1], &text)?;
        let within = std::time::Duration::from_secs(1);
        Ok(cluster.wait_received(&text, &others(&all, west[1]), since, within).is_ok())
    })?;
    cluster.add_remark(format!("connected again after {:.1} s", start.elapsed().as_secs_f64()));
    Ok(())
}
