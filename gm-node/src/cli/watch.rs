//! The commands that last: what changes in a group, and waiting until it is as it should be.

use std::time::Duration;

use gm_data::GroupName;
use gm_node::api;
use tokio::time::{Instant, sleep, sleep_until};

use super::args::format_duration;
use super::client::{Client, DEFAULT_TIMEOUT};
use super::error::{CommandError, Outcome};
use super::printer::Printer;
use super::read::group_uri;
use super::{output_reader, render};

/// How often a daemon is asked for a group's fingerprint.
const POLL_INTERVAL: Duration = Duration::from_millis(25);

pub(crate) async fn watch(
    client: &Client,
    out: &mut Printer,
    group: &GroupName,
) -> Result<Outcome, CommandError> {
    let mut lines = client.watch(&group_uri(group, "/watch")).await?;
    let mut gone = output_reader::reader_closed();
    loop {
        let change = tokio::select! {
            change = lines.next::<api::GroupChange>() => change?,
            _ = &mut gone => return Ok(Outcome::Done),
        };
        let Some(change) = change else { break };
        out.print_shape(&change, render::change)?;
        if out.is_unread() {
            return Ok(Outcome::Done);
        }
    }
    Err(CommandError::Unreachable(format!(
        "the daemon at unix:{} ended the watch: it is going down; look at its log",
        client.path().display()
    )))
}

pub(crate) async fn wait(
    client: &Client,
    out: &mut Printer,
    group: &GroupName,
    fingerprint: &str,
    within: Duration,
) -> Result<Outcome, CommandError> {
    let last = Instant::now() + within;
    // A daemon that is slow to answer may take the time of the wait.
    let client = &client.with_timeout(DEFAULT_TIMEOUT.max(within));
    loop {
        let held = match client.get::<api::GroupInfo>(&group_uri(group, "")).await {
            Ok(held) => Some(held),
            // It may be joined while we wait.
            Err(CommandError::Refused(error)) if error.kind == "unknown-group" => None,
            Err(failure) => return Err(failure),
        };
        if let Some(held) = held.as_ref().filter(|held| held.fingerprint == fingerprint) {
            out.print_shape(held, render::group)?;
            return Ok(Outcome::Done);
        }
        if Instant::now() >= last {
            return Err(timed_out(group, held.as_ref(), fingerprint, within));
        }
        tokio::select! {
            () = sleep(POLL_INTERVAL) => {}
            () = sleep_until(last) => {}
        }
    }
}

fn timed_out(
    group: &GroupName,
    held: Option<&api::GroupInfo>,
    wanted: &str,
    within: Duration,
) -> CommandError {
    let stands = match held {
        Some(held) => {
            format!("has the fingerprint {}, with {} members", held.fingerprint, held.members)
        }
        None => "is not held here".to_owned(),
    };
    CommandError::TimedOut(format!(
        "after {} {group} {stands}, and not yet {wanted}",
        format_duration(within)
    ))
}
