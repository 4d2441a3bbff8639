//! Scenes of daemons that end and begin again: with what they wrote, without, elsewhere.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::net::clusters::{
    DaemonCluster, ExpectedState, GROUP, PORT, check_satisfied, part, range_argument, seconds,
};
use crate::net::namespaces::{Process as _, ip};
use crate::net::waiting::{PATIENCE, wait_for};

/// How often all are killed at once.
const STORMS: u32 = 4;

/// Killed and started again: with a directory everything is there; without one, nobody else keeps
/// what it served.
pub(super) fn kill_restart(stage: &mut DaemonCluster) -> Result<()> {
    let islands = stage.islands(&[3])?;
    let all = stage.start_all(&islands[0][..2], &[])?;
    let forgetful = stage.add(&islands[0][2], PORT, &[])?;
    stage.node_mut(forgetful)?.setting.keeps = false;
    stage.run(&[forgetful])?;
    let all = [all, vec![forgetful]].concat();
    for number in &all {
        stage.node(*number)?.ok(&["join", GROUP])?;
        stage.node(*number)?.ok(&["serve", GROUP, &range_argument(part(*number, 4)), "--port", "5432"])?;
    }
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 6 }, Instant::now())?;

    // With its directory: it is there before anybody could have told it.
    let keeper = all[0];
    let me = stage.node(keeper)?.me.to_string();
    let before = stage.served(keeper, GROUP, &me)?;
    stage.node_mut(keeper)?.kill()?;
    let start = Instant::now();
    stage.run(&[keeper])?;
    ensure!(stage.served(keeper, GROUP, &me)? == before, "{me} lost its record");
    let with = stage.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 6 }, start)?;
    check_satisfied(&stage.serve(keeper, part(3, 4), &["--wait", "all"])?, 2)?;
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 7 }, Instant::now())?;

    // Without: others have what it served, until it hears of that and says that it is not so.
    let me = stage.node(forgetful)?.me.to_string();
    stage.node_mut(forgetful)?.kill()?;
    ensure!(stage.owners(&all[..2], GROUP, part(2, 4).0)? == [me.clone()], "a kill is not a leave");
    let start = Instant::now();
    stage.run(&[forgetful])?;
    wait_for("what it served before to be gone", PATIENCE, || {
        Ok(stage.owners(&all[..1], GROUP, part(2, 4).0)?.is_empty())
    })?;
    let gone = start.elapsed();
    let other = (u32::MAX, u32::MAX);
    check_satisfied(&stage.serve(forgetful, other, &["--wait", "all"])?, 2)?;
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: 3, items: 6 }, start)?;
    for number in &all {
        let served = stage.served(*number, GROUP, &me)?;
        ensure!(served.keys().eq([&other]), "{} holds {served:?} of {me}", stage.node(*number)?.me);
    }
    stage.add_remark(format!(
        "all agree {} after the restart with a directory; what was served is gone {} after the restart without",
        seconds(with),
        seconds(gone)
    ));
    Ok(())
}

/// All are killed in mid-write and started at once, several times: nothing that was answered is
/// lost.
pub(super) fn storm(stage: &mut DaemonCluster) -> Result<()> {
    let places = stage.islands(&[3, 3])?;
    let all = stage.seeded(&places)?.concat();
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
        // Nobody waits for anybody: what was answered stands on one disk.
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
        "{} killed {STORMS} times, {items} ranges; all agree {} after they were started",
        all.len(),
        times.join(", ")
    ));
    Ok(())
}

/// Another port, and then another address, with the same directory: the former self leaves, and its
/// ranges move.
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
        "all agree {} after the start at another port, {} at another address",
        times[0], times[1]
    ));
    Ok(())
}

/// An address is taken from the interface under a running daemon, and given back: it says so once,
/// and until it is over.
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
    wait_for("the log to say that it is back", PATIENCE, || Ok(logged("of this machine again")? == 1))?;
    ensure!(logged("is no longer on any interface")? == 1, "the log says it several times");
    check_satisfied(&stage.serve(all[1], part(0, 2), &["--wait", "all"])?, 1)?;
    stage.add_remark(format!(
        "said {} after it was gone, and taken back {} after it was there",
        times[0], times[1]
    ));
    Ok(())
}
