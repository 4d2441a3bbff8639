//! Scenes of restarted daemons: with their data, without it, and at another address.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::net::clusters::{
    DaemonCluster, ExpectedState, GROUP, PORT, check_satisfied, part, range_argument, seconds,
};
use crate::net::namespaces::{Process as _, ip};
use crate::net::waiting::{PATIENCE, wait_for};

/// Number of times that all daemons are killed together.
const STORMS: u32 = 4;

/// Daemons are killed and restarted. One with a data directory has all of its data; the old ranges
/// of one without disappear on all nodes.
pub(super) fn kill_restart(stage: &mut DaemonCluster) -> Result<()> {
    let islands = stage.islands(&[3])?;
    let all = stage.start_all(&islands[0][..2], &[])?;
    let ephemeral = stage.add(&islands[0][2], PORT, &[])?;
    stage.node_mut(ephemeral)?.setting.keeps = false;
    stage.run(&[ephemeral])?;
    let all = [all, vec![ephemeral]].concat();
    for number in &all {
        stage.node(*number)?.ok(&["join", GROUP])?;
        stage.node(*number)?.ok(&["serve", GROUP, &range_argument(part(*number, 4)), "--port", "5432"])?;
    }
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 6 }, Instant::now())?;

    // With its data directory: the data is there before a peer could have sent it.
    let persistent = all[0];
    let me = stage.node(persistent)?.me.to_string();
    let before = stage.served(persistent, GROUP, &me)?;
    stage.node_mut(persistent)?.kill()?;
    let start = Instant::now();
    stage.run(&[persistent])?;
    ensure!(stage.served(persistent, GROUP, &me)? == before, "{me} lost its record");
    let with = stage.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 6 }, start)?;
    check_satisfied(&stage.serve(persistent, part(3, 4), &["--wait", "all"])?, 2)?;
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 7 }, Instant::now())?;

    // Without one: the others have its old record until the restarted node receives that record and
    // refutes it.
    let me = stage.node(ephemeral)?.me.to_string();
    stage.node_mut(ephemeral)?.kill()?;
    ensure!(stage.owners(&all[..2], GROUP, part(2, 4).0)? == [me.clone()], "a kill is not a leave");
    let start = Instant::now();
    stage.run(&[ephemeral])?;
    wait_for("its old range to disappear", PATIENCE, || {
        Ok(stage.owners(&all[..1], GROUP, part(2, 4).0)?.is_empty())
    })?;
    let gone = start.elapsed();
    let other = (u32::MAX, u32::MAX);
    check_satisfied(&stage.serve(ephemeral, other, &["--wait", "all"])?, 2)?;
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 6 }, start)?;
    for number in &all {
        let served = stage.served(*number, GROUP, &me)?;
        ensure!(served.keys().eq([&other]), "{} has the ranges {served:?} of {me}", stage.node(*number)?.me);
    }
    stage.add_remark(format!(
        "all in sync {} after the restart with a data directory; the old range is gone {} after the restart without",
        seconds(with),
        seconds(gone)
    ));
    Ok(())
}

/// Every daemon is killed in the middle of writes, and all restart together, several times. No
/// acknowledged write is lost.
pub(super) fn storm(stage: &mut DaemonCluster) -> Result<()> {
    let places = stage.islands(&[3, 3])?;
    let all = stage.start_islands(&places)?.concat();
    let mut items = 0;
    let (mut times, mut start) = (Vec::new(), Instant::now());
    for storm in 0..=STORMS {
        for number in &all {
            let key = u32::try_from(*number)? * 1_000 + storm;
            stage.node(*number)?.ok(&["serve", GROUP, &range_argument((key, key)), "--port", "5432"])?;
            items += 1;
        }
        if storm == STORMS {
            break;
        }
        // The writes do not wait for other nodes: each is only on the disk of its writer.
        for number in &all {
            stage.node_mut(*number)?.kill()?;
        }
        start = Instant::now();
        stage.run(&all)?;
        times.push(seconds(stage.wait_in_sync(
            &all,
            GROUP,
            ExpectedState { members: all.len(), items },
            start,
        )?));
    }
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: all.len(), items }, start)?;
    stage.add_remark(format!(
        "{} killed {STORMS} times, {items} ranges; all in sync {} after the restarts",
        all.len(),
        times.join(", ")
    ));
    Ok(())
}

/// A daemon restarts with the same data directory at another port, then at another address. Its
/// former NetId leaves the group, and its ranges move to the new one.
pub(super) fn address(stage: &mut DaemonCluster) -> Result<()> {
    let islands = stage.islands(&[3])?;
    let all = stage.start_all(&islands[0], &[])?;
    for number in &all {
        stage.node(*number)?.ok(&["serve", GROUP, &range_argument(part(*number, 3)), "--port", "5432"])?;
    }
    let want = ExpectedState { members: 3, items: 3 };
    stage.wait_in_sync(&all, GROUP, want, Instant::now())?;
    let mover = all[1];
    let elsewhere = stage.another_address(&islands[0][1], 0, 100)?;
    let mut times = Vec::new();
    for address in [(islands[0][1].ip, 31_000), (elsewhere, 31_000)] {
        let former = stage.node(mover)?.me.to_string();
        stage.node_mut(mover)?.stop()?;
        ensure!(stage.names(all[0], &["members", GROUP])?.contains(&former), "a stop is not a leave");
        stage.node_mut(mover)?.me = address.into();
        let start = Instant::now();
        stage.run(&[mover])?;
        let me = stage.node(mover)?.me.to_string();
        wait_for(&format!("{former} to leave"), PATIENCE, || {
            let members = stage.names(all[0], &["members", GROUP])?;
            Ok(members.contains(&me) && !members.contains(&former))
        })?;
        times.push(seconds(stage.wait_in_sync(&all, GROUP, want, start)?));
        ensure!(
            stage.owners(&all, GROUP, part(mover, 3).0)? == [me.clone()],
            "its range did not move to {me}"
        );
        for number in &all {
            let members = stage.names(*number, &["members", GROUP])?;
            ensure!(!members.contains(&former), "{former} is still a member: {members:?}");
        }
    }
    let located = stage.node(all[0])?.ok(&["locate", GROUP, &part(mover, 3).0.to_string()])?;
    let service = &located["owners"][0]["service"];
    ensure!(*service == format!("{elsewhere}:5432"), "the service is at {service}");
    stage.add_remark(format!(
        "all in sync {} after the restart at another port, {} after the one at another address",
        times[0], times[1]
    ));
    Ok(())
}

/// A running daemon's address is removed from the interface and added again. The daemon logs each
/// change once, and `status` has a warning as long as the address is missing.
pub(super) fn address_gone(stage: &mut DaemonCluster) -> Result<()> {
    let islands = stage.islands(&[2])?;
    let all = stage.start_all(&islands[0], &[])?;
    for number in &all {
        stage.node(*number)?.ok(&["join", GROUP])?;
    }
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: 2, items: 2 }, Instant::now())?;
    let place = &islands[0][1];
    let warned = |stage: &DaemonCluster| -> Result<bool> {
        let status = stage.node(all[1])?.ok(&["status"])?;
        Ok(status["warnings"].to_string().contains("is no longer on any interface of this machine"))
    };
    let mut times = Vec::new();
    for (verb, gone) in [("del", true), ("add", false)] {
        let start = Instant::now();
        ip(&format!("-n {} addr {verb} {}/24 dev eth0", place.space, place.ip))?;
        wait_for(&format!("status after `addr {verb}`"), PATIENCE, || Ok(warned(stage)? == gone))?;
        times.push(seconds(start.elapsed()));
    }
    let logged = |line: &str| -> Result<usize> {
        Ok(stage.node(all[1])?.last(1_000).join("\n").matches(line).count())
    };
    wait_for("a log line that the address is back", PATIENCE, || Ok(logged("of this machine again")? == 1))?;
    ensure!(logged("is no longer on any interface")? == 1, "the loss of the address is logged several times");
    check_satisfied(&stage.serve(all[1], part(0, 2), &["--wait", "all"])?, 1)?;
    stage.add_remark(format!(
        "warning {} after the address was removed, gone {} after it was added again",
        times[0], times[1]
    ));
    Ok(())
}
