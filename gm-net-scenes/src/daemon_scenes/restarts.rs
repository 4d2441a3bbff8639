//! Scenes of restarted daemons: with their data, without it, and at another address.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::clusters::{
    DaemonCluster, ExpectedState, GROUP, PORT, check_satisfied, part, range_argument, seconds,
};
use crate::namespaces::{Process as _, ip};
use crate::waiting::{DEFAULT_TIMEOUT, wait_for};

/// Number of times that all daemons are killed together.
const STORMS: u32 = 4;

/// Daemons are killed and restarted. One with a data directory has all of its data; the old ranges
/// of one without disappear on all nodes.
pub(super) fn kill_restart(cluster: &mut DaemonCluster) -> Result<()> {
    let islands = cluster.islands(&[3])?;
    let all = cluster.start_all(&islands[0][..2], &[])?;
    let ephemeral = cluster.add(&islands[0][2], PORT, &[])?;
    cluster.node_mut(ephemeral)?.setting.keeps = false;
    cluster.run(&[ephemeral])?;
    let all = [all, vec![ephemeral]].concat();
    for number in &all {
        cluster.node(*number)?.ok(&["join", GROUP])?;
        cluster.node(*number)?.ok(&["serve", GROUP, &range_argument(part(*number, 4)), "--port", "5432"])?;
    }
    cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 6 }, Instant::now())?;

    // With its data directory: the data is there before a peer could have sent it.
    let persistent = all[0];
    let me = cluster.node(persistent)?.me.to_string();
    let before = cluster.served(persistent, GROUP, &me)?;
    cluster.node_mut(persistent)?.kill()?;
    let start = Instant::now();
    cluster.run(&[persistent])?;
    ensure!(cluster.served(persistent, GROUP, &me)? == before, "{me} lost its record");
    let with = cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 6 }, start)?;
    check_satisfied(&cluster.serve(persistent, part(3, 4), &["--wait", "all"])?, 2)?;
    cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 7 }, Instant::now())?;

    // Without one: the others have its old record until the restarted node receives that record and
    // refutes it.
    let me = cluster.node(ephemeral)?.me.to_string();
    cluster.node_mut(ephemeral)?.kill()?;
    ensure!(cluster.owners(&all[..2], GROUP, part(2, 4).0)? == [me.clone()], "a kill is not a leave");
    let start = Instant::now();
    cluster.run(&[ephemeral])?;
    wait_for("its old range to disappear", DEFAULT_TIMEOUT, || {
        Ok(cluster.owners(&all[..1], GROUP, part(2, 4).0)?.is_empty())
    })?;
    let gone = start.elapsed();
    let other = (u32::MAX, u32::MAX);
    check_satisfied(&cluster.serve(ephemeral, other, &["--wait", "all"])?, 2)?;
    cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 6 }, start)?;
    for number in &all {
        let served = cluster.served(*number, GROUP, &me)?;
        ensure!(
            served.keys().eq([&other]),
            "{} has the ranges {served:?} of {me}",
            cluster.node(*number)?.me
        );
    }
    cluster.add_remark(format!(
        "all in sync {} after the restart with a data directory; the old range is gone {} after the restart without",
        seconds(with),
        seconds(gone)
    ));
    Ok(())
}

/// Every daemon is killed in the middle of writes, and all restart together, several times. No
/// acknowledged write is lost.
pub(super) fn storm(cluster: &mut DaemonCluster) -> Result<()> {
    let hosts = cluster.islands(&[3, 3])?;
    let all = cluster.start_islands(&hosts)?.concat();
    let mut items = 0;
    let (mut times, mut start) = (Vec::new(), Instant::now());
    for storm in 0..=STORMS {
        for number in &all {
            let key = u32::try_from(*number)? * 1_000 + storm;
            cluster.node(*number)?.ok(&["serve", GROUP, &range_argument((key, key)), "--port", "5432"])?;
            items += 1;
        }
        if storm == STORMS {
            break;
        }
        // The writes do not wait for other nodes: each is only on the disk of its writer.
        for number in &all {
            cluster.node_mut(*number)?.kill()?;
        }
        start = Instant::now();
        cluster.run(&all)?;
        times.push(seconds(cluster.wait_in_sync(
            &all,
            GROUP,
            ExpectedState { members: all.len(), items },
            start,
        )?));
    }
    cluster.wait_in_sync(&all, GROUP, ExpectedState { members: all.len(), items }, start)?;
    cluster.add_remark(format!(
        "{} killed {STORMS} times, {items} ranges; all in sync {} after the restarts",
        all.len(),
        times.join(", ")
    ));
    Ok(())
}

/// A daemon restarts with the same data directory at another port, then at another address. Its
/// former NetId leaves the group, and its ranges move to the new one.
pub(super) fn address(cluster: &mut DaemonCluster) -> Result<()> {
    let islands = cluster.islands(&[3])?;
    let all = cluster.start_all(&islands[0], &[])?;
    for number in &all {
        cluster.node(*number)?.ok(&["serve", GROUP, &range_argument(part(*number, 3)), "--port", "5432"])?;
    }
    let want = ExpectedState { members: 3, items: 3 };
    cluster.wait_in_sync(&all, GROUP, want, Instant::now())?;
    let mover = all[1];
    let elsewhere = cluster.another_address(&islands[0][1], 0, 100)?;
    let mut times = Vec::new();
    for address in [(islands[0][1].ip, 31_000), (elsewhere, 31_000)] {
        let former = cluster.node(mover)?.me.to_string();
        cluster.node_mut(mover)?.stop()?;
        ensure!(cluster.names(all[0], &["members", GROUP])?.contains(&former), "a stop is not a leave");
        cluster.node_mut(mover)?.me = address.into();
        let start = Instant::now();
        cluster.run(&[mover])?;
        let me = cluster.node(mover)?.me.to_string();
        wait_for(&format!("{former} to leave"), DEFAULT_TIMEOUT, || {
            let members = cluster.names(all[0], &["members", GROUP])?;
            Ok(members.contains(&me) && !members.contains(&former))
        })?;
        times.push(seconds(cluster.wait_in_sync(&all, GROUP, want, start)?));
        ensure!(
            cluster.owners(&all, GROUP, part(mover, 3).0)? == [me.clone()],
            "its range did not move to {me}"
        );
        for number in &all {
            let members = cluster.names(*number, &["members", GROUP])?;
            ensure!(!members.contains(&former), "{former} is still a member: {members:?}");
        }
    }
    let located = cluster.node(all[0])?.ok(&["locate", GROUP, &part(mover, 3).0.to_string()])?;
    let service = &located["owners"][0]["service"];
    ensure!(*service == format!("{elsewhere}:5432"), "the service is at {service}");
    cluster.add_remark(format!(
        "all in sync {} after the restart at another port, {} after the one at another address",
        times[0], times[1]
    ));
    Ok(())
}

/// A running daemon's address is removed from the interface and added again. The daemon logs each
/// change once, and `status` has a warning as long as the address is missing.
pub(super) fn address_gone(cluster: &mut DaemonCluster) -> Result<()> {
    let islands = cluster.islands(&[2])?;
    let all = cluster.start_all(&islands[0], &[])?;
    for number in &all {
        cluster.node(*number)?.ok(&["join", GROUP])?;
    }
    cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 2, items: 2 }, Instant::now())?;
    let host = &islands[0][1];
    let warned = |cluster: &DaemonCluster| -> Result<bool> {
        let status = cluster.node(all[1])?.ok(&["status"])?;
        Ok(status["warnings"].to_string().contains("is no longer on any interface of this machine"))
    };
    let mut times = Vec::new();
    for (verb, gone) in [("del", true), ("add", false)] {
        let start = Instant::now();
        ip(&format!("-n {} addr {verb} {}/24 dev eth0", host.namespace, host.ip))?;
        wait_for(&format!("status after `addr {verb}`"), DEFAULT_TIMEOUT, || Ok(warned(cluster)? == gone))?;
        times.push(seconds(start.elapsed()));
    }
    let logged = |line: &str| -> Result<usize> {
        Ok(cluster.node(all[1])?.last(1_000).join("\n").matches(line).count())
    };
    wait_for("a log line that the address is back", DEFAULT_TIMEOUT, || {
        Ok(logged("of this machine again")? == 1)
    })?;
    ensure!(logged("is no longer on any interface")? == 1, "the loss of the address is logged several times");
    check_satisfied(&cluster.serve(all[1], part(0, 2), &["--wait", "all"])?, 1)?;
    cluster.add_remark(format!(
        "warning {} after the address was removed, gone {} after it was added again",
        times[0], times[1]
    ));
    Ok(())
}
