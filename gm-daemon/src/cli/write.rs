//! Commands that write.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use gm_clock::NetId;
use gm_daemon::api;
use gm_data::{Change, DEFAULT_PRIORITY, GroupName, KeyRange, PriorityChange};
use serde::Serialize;

use super::args::{Ranges, WaitArgs};
use super::client::Client;
use super::error::{CommandError, Outcome};
use super::printer::Printer;
use super::read::group_uri;
use super::render;

/// Maximum size of a file of changes.
const MAX_FILE_BYTES: u64 = 64 << 20;

pub(crate) async fn join(
    client: &Client,
    out: &mut Printer,
    group: &GroupName,
    interest: &[KeyRange],
    waiting: &WaitArgs,
) -> Result<Outcome, CommandError> {
    let ranges = interest.iter().map(|range| [range.start(), range.end()]).collect();
    write(
        client,
        out,
        &group_uri(group, "/join"),
        &api::JoinRequest { ranges, wait: waiting.to_api() },
        waiting,
    )
    .await
}

pub(crate) async fn leave(
    client: &Client,
    out: &mut Printer,
    group: &GroupName,
    waiting: &WaitArgs,
) -> Result<Outcome, CommandError> {
    write(client, out, &group_uri(group, "/leave"), &api::LeaveRequest { wait: waiting.to_api() }, waiting)
        .await
}

pub(crate) async fn change(
    client: &Client,
    out: &mut Printer,
    group: &GroupName,
    changes: Vec<Change>,
    waiting: &WaitArgs,
) -> Result<Outcome, CommandError> {
    write(
        client,
        out,
        &group_uri(group, "/change"),
        &api::ChangeRequest { changes, wait: waiting.to_api() },
        waiting,
    )
    .await
}

pub(crate) async fn forget(
    client: &Client,
    out: &mut Printer,
    node: NetId,
    group: Option<&GroupName>,
    waiting: &WaitArgs,
) -> Result<Outcome, CommandError> {
    let group = group.map(|group| group.as_str().to_owned());
    let forget = api::ForgetRequest { node: node.to_string(), group, wait: waiting.to_api() };
    write(client, out, "/v1/forget", &forget, waiting).await
}

pub(crate) async fn resume(
    client: &Client,
    out: &mut Printer,
    group: &GroupName,
    waiting: &WaitArgs,
) -> Result<Outcome, CommandError> {
    write(client, out, &group_uri(group, "/resume"), &api::LeaveRequest { wait: waiting.to_api() }, waiting)
        .await
}

pub(crate) async fn purge(
    client: &Client,
    out: &mut Printer,
    group: &GroupName,
    unheard: bool,
) -> Result<Outcome, CommandError> {
    let order = api::PurgeRequest { unheard };
    let purged: api::PurgeResult = client.post(&group_uri(group, "/purge"), &order, Duration::ZERO).await?;
    out.print_shape(&purged, render::purged).map_err(CommandError::after_acknowledged_write)?;
    Ok(Outcome::Done)
}

async fn write(
    client: &Client,
    out: &mut Printer,
    uri: &str,
    body: &impl Serialize,
    waiting: &WaitArgs,
) -> Result<Outcome, CommandError> {
    let done: Vec<api::WriteResult> = client.post(uri, body, waiting.longest()).await?;
    out.print_shape(&done, |done| render::done(done, &waiting.to_api()))
        .map_err(CommandError::after_acknowledged_write)?;
    Ok(if render::fell_short(&done) { Outcome::WaitUnmet } else { Outcome::Done })
}

pub(crate) fn serve(ranges: &Ranges, port: u16, priority: Option<u16>) -> Vec<Change> {
    let (port, priority) = (Some(port), priority.unwrap_or(DEFAULT_PRIORITY));
    ranges.0.iter().map(|range| Change::Serve { range: *range, port, priority }).collect()
}

pub(crate) fn unserve(ranges: &Ranges) -> Vec<Change> {
    ranges.0.iter().copied().map(Change::Unserve).collect()
}

pub(crate) fn priority(ranges: &Ranges, priority: PriorityChange) -> Vec<Change> {
    ranges.0.iter().map(|range| priority.of_range(*range)).collect()
}

/// Reads the changes of a file, or of standard input.
pub(crate) fn read_changes(path: &Path) -> Result<Vec<Change>, CommandError> {
    let (name, read) = if path == Path::new("-") {
        ("standard input".to_owned(), read_bounded(io::stdin().lock()))
    } else {
        (path.display().to_string(), File::open(path).and_then(read_bounded))
    };
    let bytes =
        read.map_err(|error| CommandError::Usage(format!("cannot read the changes: {name}: {error}")))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(CommandError::TooLarge(format!(
            "{name} is larger than {} MiB: write in several batches",
            MAX_FILE_BYTES >> 20
        )));
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        CommandError::Usage(format!(
            "{name} is not a JSON list of changes: {error}. See `gm-node change --help`"
        ))
    })
}

fn read_bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
