//! The scene of many daemons on one machine.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::net::clusters::{DaemonCluster, ExpectedState, GROUP, check_satisfied, part, seconds};

const MANY: u16 = 50;
/// The port of the first; the others have those behind it.
const FIRST: u16 = 30_001;

/// One address, a port for each; nobody is told of anybody.
pub(super) fn fifty(stage: &mut DaemonCluster) -> Result<()> {
    let islands = stage.islands(&[1])?;
    let mut all = Vec::new();
    for port in FIRST..FIRST + MANY {
        all.push(stage.add(&islands[0][0], port, &[])?);
    }
    let start = Instant::now();
    stage.run(&all)?;
    let started = start.elapsed();
    let writing = Instant::now();
    for number in &all {
        stage.node(*number)?.ok(&["join", GROUP])?;
    }
    let joined =
        stage.wait_in_sync(&all, GROUP, ExpectedState { members: all.len(), items: all.len() }, writing)?;
    let since = Instant::now();
    check_satisfied(&stage.serve(all[7], part(7, 50), &["--wait", "all"])?, all.len() - 1)?;
    let waited = since.elapsed();
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: all.len(), items: all.len() + 1 }, since)?;
    let owners = stage.owners(&all, GROUP, part(7, 50).0)?;
    ensure!(owners == [stage.node(all[7])?.me.to_string()], "the range is served by {owners:?}");
    let memory = stage.node(all[49])?.memory()?;
    stage.add_remark(format!(
        "{MANY} answer {} after the first start, agree {} after the first join; a write was with all after {}; one holds {:.1} MiB",
        seconds(started),
        seconds(joined),
        seconds(waited),
        memory as f64 / f64::from(1 << 20)
    ));
    Ok(())
}
