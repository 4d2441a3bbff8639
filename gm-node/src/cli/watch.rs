//! The commands that last: what changes in a group, and waiting until it is as it should be.

use std::time::Duration;

use gm_data::GroupName;
use gm_node::api;
use tokio::time::{Instant, sleep, sleep_until};

use super::args::spelled;
use super::client::{Client, PATIENCE};
use super::failure::{Ended, Failure};
use super::out::Out;
use super::read::of;
use super::{reader, show};

/// How often a daemon is asked for a group's fingerprint.
const EVERY: Duration = Duration::from_millis(25);

pub(crate) async fn watch(client: &Client, out: &mut Out, group: &GroupName) -> Result<Ended, Failure> {
    let mut lines = client.watch(&of(group, "/watch")).await?;
    let mut gone = reader::gone();
    loop {
        let change = tokio::select! {
            change = lines.next::<api::Change>() => change?,
            _ = &mut gone => return Ok(Ended::Done),
        };
        let Some(change) = change else { break };
        out.say(&change, show::change)?;
        if out.is_unread() {
            return Ok(Ended::Done);
        }
    }
    Err(Failure::Unreachable(format!(
        "the daemon at unix:{} ended the watch: it is going down; look at its log",
        client.path().display()
    )))
}

pub(crate) async fn wait(
    client: &Client,
    out: &mut Out,
    group: &GroupName,
    fingerprint: &str,
    within: Duration,
) -> Result<Ended, Failure> {
    let last = Instant::now() + within;
    // A daemon that is slow to answer may take the time of the wait.
    let client = &client.patient(PATIENCE.max(within));
    loop {
        let held = match client.get::<api::Group>(&of(group, "")).await {
            Ok(held) => Some(held),
            // It may be joined while we wait.
            Err(Failure::Refused(error)) if error.kind == "unknown-group" => None,
            Err(failure) => return Err(failure),
        };
        if let Some(held) = held.as_ref().filter(|held| held.fingerprint == fingerprint) {
            out.say(held, show::group)?;
            return Ok(Ended::Done);
        }
        if Instant::now() >= last {
            return Err(late(group, held.as_ref(), fingerprint, within));
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            () = sleep_until(last) => {}
        }
    }
}

fn late(group: &GroupName, held: Option<&api::Group>, wanted: &str, within: Duration) -> Failure {
    let stands = match held {
        Some(held) => {
            format!("has the fingerprint {}, with {} members", held.fingerprint, held.members)
        }
        None => "is not held here".to_owned(),
    };
    Failure::Late(format!("after {} {group} {stands}, and not yet {wanted}", spelled(within)))
}
