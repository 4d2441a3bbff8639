//! Scene of a full disk.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::net::clusters::{DaemonCluster, ExpectedState, GROUP, PORT, check_satisfied, seconds};
use crate::net::namespaces::output;
use crate::net::waiting::{PATIENCE, wait_for};

/// Number of ranges in a batch.
const BATCH: u32 = 400;
/// Maximum number of batches until one must be refused. Together they are larger than the disk.
const BATCHES: u32 = 150;

/// On a full disk, a write is refused and no node receives it, and `status` reports it. When there
/// is space again, writes succeed without a restart.
pub(super) fn full(stage: &mut DaemonCluster) -> Result<()> {
    let places = stage.islands(&[2])?.concat();
    let all = vec![stage.add(&places[0], PORT, &[])?, stage.add(&places[1], PORT, &[])?];
    let dir = stage.node(0)?.setting.dir.clone();
    output(Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs"]).arg(&dir))?;
    stage.run(&all)?;
    for number in &all {
        stage.node(*number)?.ok(&["join", GROUP])?;
    }
    let mut items = 2;
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: 2, items }, Instant::now())?;
    ensure!(
        storage(stage)? == Value::Null,
        "the status reports a storage error before the disk is full: {}",
        storage(stage)?
    );

    let filler = dir.join("filler");
    let filled = fill(&filler)?;
    let (refused, batches) = until_refused(stage, &mut items)?;
    let names_directory = refused.contains(&dir.display().to_string());
    ensure!(names_directory, "the refusal does not name the directory {}: {}", dir.display(), refused.trim());
    ensure!(storage(stage)?.is_string(), "the status does not report the storage error");
    // The node still merges writes of others, even if it cannot store them.
    check_satisfied(&stage.serve(1, (1, 1), &["--wait", "all"])?, 1)?;
    items += 1;
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: 2, items }, Instant::now())?;

    std::fs::remove_file(&filler).context("cannot free space")?;
    let room = Instant::now();
    wait_for("a write to succeed again", PATIENCE, || {
        let said = stage.serve(0, (0, 0), &["--wait", "all"])?;
        Ok(said.code == 0)
    })?;
    let again = room.elapsed();
    items += 1;
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: 2, items }, room)?;
    wait_for("the storage error to disappear from the status", PATIENCE, || {
        Ok(storage(stage)? == Value::Null)
    })?;
    // The writes are on disk.
    stage.node_mut(0)?.kill()?;
    stage.run(&[0])?;
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: 2, items }, room)?;
    stage.add_remark(format!(
        "{} KiB of filler, {batches} batches of {BATCH} ranges stored before one was refused; a write succeeded {} after space was freed",
        filled >> 10,
        seconds(again)
    ));
    Ok(())
}

/// The storage error in the status of the first node; null if there is none.
fn storage(stage: &DaemonCluster) -> Result<Value> {
    Ok(stage.node(0)?.ok(&["status"])?["storage"].clone())
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
fn until_refused(stage: &DaemonCluster, items: &mut usize) -> Result<(String, u32)> {
    let file = stage.folder.join("batch.json");
    for batch in 0..BATCHES {
        let serve = |number: u32| {
            let key = 1_000 + 2 * (batch * BATCH + number);
            json!({ "do": "serve", "start": key, "end": key, "port": 5432 })
        };
        let changes: Vec<Value> = (0..BATCH).map(serve).collect();
        std::fs::write(&file, Value::from(changes).to_string()).context("cannot write a batch")?;
        let said = stage.node(0)?.cli(&["change", GROUP, &file.display().to_string()])?;
        match said.code {
            0 => *items += BATCH as usize,
            1 => return Ok((said.text, batch)),
            code => bail!("a write to a full disk ended with {code}: {}", said.text.trim()),
        }
    }
    bail!("{BATCHES} batches were stored on a full disk")
}
