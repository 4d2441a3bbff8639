//! The scene of a directory without room.

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

/// Ranges that one batch serves.
const BATCH: u32 = 400;
/// Batches until one must be refused: they are more than what has room.
const BATCHES: u32 = 150;

/// A write that has no room is refused and seen by nobody; the status says so; with room again all
/// goes on without a restart.
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
    ensure!(storage(stage)? == Value::Null, "storage fails before it is full: {}", storage(stage)?);

    let filler = dir.join("filler");
    let filled = fill(&filler)?;
    let (refused, batches) = until_refused(stage, &mut items)?;
    let told = refused.contains(&dir.display().to_string());
    ensure!(told, "the refusal does not name the directory {}: {}", dir.display(), refused.trim());
    ensure!(storage(stage)?.is_string(), "the status does not say that the storage fails");
    // What others write is seen, even if it cannot be kept.
    check_satisfied(&stage.serve(1, (1, 1), &["--wait", "all"])?, 1)?;
    items += 1;
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: 2, items }, Instant::now())?;

    std::fs::remove_file(&filler).context("cannot make room")?;
    let room = Instant::now();
    wait_for("a write to be taken again", PATIENCE, || {
        let said = stage.serve(0, (0, 0), &["--wait", "all"])?;
        Ok(said.code == 0)
    })?;
    let again = room.elapsed();
    items += 1;
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: 2, items }, room)?;
    wait_for("the status to say that the storage is well", PATIENCE, || Ok(storage(stage)? == Value::Null))?;
    // And it was kept.
    stage.node_mut(0)?.kill()?;
    stage.run(&[0])?;
    stage.wait_in_sync(&all, GROUP, ExpectedState { members: 2, items }, room)?;
    stage.add_remark(format!(
        "{} KiB of filling, {batches} batches of {BATCH} ranges went in before one was refused; {} after there was room again a write was taken",
        filled >> 10,
        seconds(again)
    ));
    Ok(())
}

/// What the status of the first says of its storage.
fn storage(stage: &DaemonCluster) -> Result<Value> {
    Ok(stage.node(0)?.ok(&["status"])?["storage"].clone())
}

/// Writes until there is no room; how many bytes went in.
fn fill(path: &Path) -> Result<u64> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(path).context("cannot begin to fill")?;
    let mut filled = 0;
    loop {
        match file.write(&[0x5a; 4_096]) {
            Ok(0) => return Ok(filled),
            Ok(count) => filled += count as u64,
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(filled),
            Err(error) => return Err(error).context("cannot fill"),
        }
    }
}

/// Batches until one is refused: what was said then, and how many were not.
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
            code => bail!("a write without room ended with {code}: {}", said.text.trim()),
        }
    }
    bail!("{BATCHES} batches went into a directory that is full")
}
