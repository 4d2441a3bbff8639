//! Scene of a full disk.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::clusters::{DaemonCluster, ExpectedState, GROUP, PORT, check_satisfied, seconds};
use crate::namespaces::output;
use crate::waiting::{DEFAULT_TIMEOUT, wait_for};

/// Number of ranges in a batch.
const BATCH: u32 = 400;
/// Maximum number of batches until one must be refused. Together they are larger than the disk.
const BATCHES: u32 = 150;

/// On a full disk, a write is refused and no node receives it, and `status` reports it. When there
/// is space again, writes succeed without a restart.
pub(super) fn full(cluster: &mut DaemonCluster) -> Result<()> {
    let hosts = cluster.islands(&[2])?.concat();
    let all = vec![cluster.add(&hosts[0], PORT, &[])?, cluster.add(&hosts[1], PORT, &[])?];
    let dir = cluster.node(0)?.setting.dir.clone();
    output(Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs"]).arg(&dir))?;
    cluster.run(&all)?;
    for number in &all {
        cluster.node(*number)?.ok(&["join", GROUP])?;
    }
    let mut items = 2;
    cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 2, items }, Instant::now())?;
    ensure!(
        storage(cluster)? == Value::Null,
        "the status reports a storage error before the disk is full: {}",
        storage(cluster)?
    );

    let filler = dir.join("filler");
    let filled = fill(&filler)?;
    let (refused, batches) = until_refused(cluster, &mut items)?;
    let names_directory = refused.contains(&dir.display().to_string());
    ensure!(names_directory, "the refusal does not name the directory {}: {}", dir.display(), refused.trim());
    ensure!(storage(cluster)?.is_string(), "the status does not report the storage error");
    // The node still merges writes of others, even if it cannot store them.
    check_satisfied(&cluster.serve(1, (1, 1), &["--wait", "all"])?, 1)?;
    items += 1;
    cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 2, items }, Instant::now())?;

    std::fs::remove_file(&filler).context("cannot free space")?;
    let room = Instant::now();
    wait_for("a write to succeed again", DEFAULT_TIMEOUT, || {
        let output = cluster.serve(0, (0, 0), &["--wait", "all"])?;
        Ok(output.code == 0)
    })?;
    let again = room.elapsed();
    items += 1;
    cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 2, items }, room)?;
    wait_for("the storage error to disappear from the status", DEFAULT_TIMEOUT, || {
        Ok(storage(cluster)? == Value::Null)
    })?;
    // The writes are on disk.
    cluster.node_mut(0)?.kill()?;
    cluster.run(&[0])?;
    cluster.wait_in_sync(&all, GROUP, ExpectedState { members: 2, items }, room)?;
    cluster.add_remark(format!(
        "{} KiB of filler, {batches} batches of {BATCH} ranges stored before one was refused; a write succeeded {} after space was freed",
        filled >> 10,
        seconds(again)
    ));
    Ok(())
}

/// The storage error in the status of the first node; null if there is none.
fn storage(cluster: &DaemonCluster) -> Result<Value> {
    Ok(cluster.node(0)?.ok(&["status"])?["storage"].clone())
}

/// Fills the disk with a file. Returns the number of bytes written.
fn fill(path: &Path) -> Result<u64> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .context("cannot create the filler file")?;
    let mut filled = 0;
    loop {
        match file.write(&[0x5a; 4_096]) {
            Ok(0) => return Ok(filled),
            Ok(count) => filled += count as u64,
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(filled),
            Err(error) => return Err(error).context("cannot write the filler file"),
        }
    }
}

/// Writes batches until one is refused. Returns the text of the refusal and the number of batches
/// before it.
fn until_refused(cluster: &DaemonCluster, items: &mut usize) -> Result<(String, u32)> {
    let file = cluster.folder.join("batch.json");
    for batch in 0..BATCHES {
        let serve = |number: u32| {
            let key = 1_000 + 2 * (batch * BATCH + number);
            json!({ "do": "serve", "start": key, "end": key, "port": 5432 })
        };
        let changes: Vec<Value> = (0..BATCH).map(serve).collect();
        std::fs::write(&file, Value::from(changes).to_string()).context("cannot write a batch")?;
        let output = cluster.node(0)?.cli(&["change", GROUP, &file.display().to_string()])?;
        match output.code {
            0 => *items += BATCH as usize,
            1 => return Ok((output.text, batch)),
            code => bail!("a write to a full disk ended with {code}: {}", output.text.trim()),
        }
    }
    bail!("{BATCHES} batches were stored on a full disk")
}
