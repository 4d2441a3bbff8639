//! Commands that need no running daemon: `keygen`, `dump` and `restore`.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use gm_node::{dump, file};

use super::config::{DaemonError, report_errors, to_hex};
use crate::Global;

/// Maximum size of a dump.
const MAX_DUMP_BYTES: u64 = 1 << 30;

fn exit_with(global: &Global, result: Result<(), DaemonError>) -> ExitCode {
    result.map_or_else(|error| report_errors(&[error], global.json), |()| ExitCode::SUCCESS)
}

fn refused(error: impl std::fmt::Display) -> DaemonError {
    DaemonError::Refused(error.to_string())
}

fn data_dir(global: &Global) -> Result<&Path, DaemonError> {
    global
        .data_dir
        .as_deref()
        .ok_or_else(|| DaemonError::Usage("no data directory is named: give --data-dir DIR".to_owned()))
}

/// Prints text on standard output. A closed pipe is no error: the reader has read enough.
pub(super) fn print(text: &str) -> Result<(), DaemonError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(DaemonError::Output(error.to_string())),
        _ => Ok(()),
    }
}

/// Prints a key: 32 bytes of the operating system's random generator.
pub(crate) fn keygen(global: &Global) -> ExitCode {
    exit_with(
        global,
        gm_broadcast::runtime::entropy().map_err(refused).and_then(|bytes| {
            let key = to_hex(&bytes);
            let text = if global.json { serde_json::json!({ "key": key }).to_string() } else { key };
            print(&format!("{text}\n"))
        }),
    )
}

/// Prints the content of a data directory.
pub(crate) fn dump(global: &Global) -> ExitCode {
    exit_with(
        global,
        data_dir(global).and_then(|dir| {
            let dump = dump::dump(dir).map_err(refused)?;
            print(&dump.to_json().map_err(refused)?)
        }),
    )
}

/// Creates a data directory from a dump.
pub(crate) fn restore(global: &Global, file: &Path) -> ExitCode {
    exit_with(
        global,
        data_dir(global).and_then(|dir| {
            let text =
                read(file).map_err(|error| refused(format!("cannot read {}: {error}", file.display())))?;
            let dump = dump::Dump::from_json(&text).map_err(refused)?;
            dump::restore(&dump, dir).map_err(refused)?;
            let groups = dump.groups.len();
            let text = if global.json {
                serde_json::json!({ "data_dir": dir.to_string_lossy(), "groups": groups }).to_string()
            } else {
                format!("{} now holds {groups} groups", dir.display())
            };
            print(&format!("{text}\n"))
        }),
    )
}

/// Reads a dump. It may come through a pipe, so there is no time limit.
fn read(from: &Path) -> std::io::Result<String> {
    if from == Path::new("-") {
        return file::read_bounded_text(std::io::stdin().lock(), MAX_DUMP_BYTES);
    }
    file::read_bounded_text(File::open(from)?, MAX_DUMP_BYTES)
}
