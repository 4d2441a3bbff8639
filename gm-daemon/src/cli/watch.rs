//! Commands that wait for changes: `watch` and `wait`.

use std::time::Duration;

use gm_daemon::api;
use gm_data::GroupName;
use tokio::time::{Instant, sleep, sleep_until};

use super::args::format_duration;
use super::client::{Client, DEFAULT_TIMEOUT};
use super::error::{CommandError, Outcome};
use super::printer::Printer;
use super::read::group_uri;
use super::{output_reader, render};

/// Interval at which `wait` reads the fingerprint.
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
        "the daemon at unix:{} ended the watch: it is shutting down (see its log)",
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
    // A slow daemon may use the whole time of the wait for one answer.
    let client = &client.with_timeout(DEFAULT_TIMEOUT.max(within));
    loop {
        let hosted = match client.get::<api::GroupInfo>(&group_uri(group, "")).await {
            Ok(group) => Some(group),
            // The group may be joined during the wait.
            Err(CommandError::Refused(error)) if error.kind == api::ErrorKind::UnknownGroup => None,
            Err(failure) => return Err(failure),
        };
        if let Some(reached) = hosted.as_ref().filter(|found| found.fingerprint == fingerprint) {
            out.print_shape(reached, render::group)?;
            return Ok(Outcome::Done);
        }
        if Instant::now() >= last {
            return Err(timed_out(group, hosted.as_ref(), fingerprint, within));
        }
        tokio::select! {
            () = sleep(POLL_INTERVAL) => {}
            () = sleep_until(last) => {}
        }
    }
}

fn timed_out(
    group: &GroupName,
    hosted: Option<&api::GroupInfo>,
    wanted: &str,
    within: Duration,
) -> CommandError {
    let found = match hosted {
        Some(found) => {
            format!("has the fingerprint {}, with {} members", found.fingerprint, found.members)
        }
        None => "is not hosted here".to_owned(),
    };
    CommandError::TimedOut(format!("after {} {group} {found}, not {wanted}", format_duration(within)))
}
