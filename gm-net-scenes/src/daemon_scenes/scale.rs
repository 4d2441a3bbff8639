//! Scene of many daemons on one machine.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::clusters::{DaemonCluster, ExpectedState, GROUP, check_satisfied, part, seconds};

/// Number of daemons.
const DAEMONS: u16 = 50;
/// Port of the first daemon; the others have the following ports.
const FIRST: u16 = 30_001;

/// Daemons on one address, each with its own port, and without seeds.
pub(super) fn fifty(cluster: &mut DaemonCluster) -> Result<()> {
    let islands = cluster.islands(&[1])?;
    let mut all = Vec::new();
    for port in FIRST..FIRST + DAEMONS {
        all.push(cluster.add(&islands[0][0], port, &[])?);
    }
    let start = Instant::now();
    cluster.run(&all)?;
    let started = start.elapsed();
    let writing = Instant::now();
    for number in &all {
        cluster.node(*number)?.ok(&["join", GROUP])?;
    }
    let joined =
        cluster.wait_in_sync(&all, GROUP, ExpectedState { members: all.len(), items: all.len() }, writing)?;
    let since = Instant::now();
    check_satisfied(&cluster.serve(all[7], part(7, 50), &["--wait", "all"])?, all.len() - 1)?;
    let waited = since.elapsed();
    cluster.wait_in_sync(&all, GROUP, ExpectedState { members: all.len(), items: all.len() + 1 }, since)?;
    let owners = cluster.owners(&all, GROUP, part(7, 50).0)?;
    ensure!(owners == [cluster.node(all[7])?.me.to_string()], "the range is served by {owners:?}");
    let memory = cluster.node(all[49])?.memory()?;
    cluster.add_remark(format!(
        "{DAEMONS} daemons answer {} after the first start, in sync {} after the first join; all acknowledge a write after {}; memory of one: {:.1} MiB",
        seconds(started),
        seconds(joined),
        seconds(waited),
        memory as f64 / f64::from(1 << 20)
    ));
    Ok(())
}
